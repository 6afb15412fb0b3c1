#!/usr/bin/env python3
"""Measures JSON-RPC: requests per second over 64 connections, and latency at 1,000 requests a second.

    bench_rpc.py --apus BINARY --bench APUS_BENCH [--seconds S] [--blocks N]

Beside each other, in one run on one machine: the node, an nginx that answers with a constant of the same size, and
a bare SwiftNIO server that echoes the request (`apus-bench echo`). The load comes from wrk on the same machine. The chain
is a devnet's: blocks of token transfers, one in a hundred with a log of another contract.
"""

import argparse
import http.client
import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
# keccak256("Rare()") stands for a topic that one block in a hundred has.
RARE = "0x" + "ab" * 32
# Logs with its call data's first word as topic.
EMITTER = "0x6006600c60003960066000f3" + "5f355f5fa100"
TOKEN = Path(__file__).parent.parent / "evm" / "token.hex"


class Server:
    def __init__(self, command, ready, **options):
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **options
        )
        for line in self.process.stdout:
            if found := re.search(ready, line):
                self.port = int(found[1])
                return
        sys.exit(f"{command[0]} did not start")

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)


class Client:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def post(self, body):
        self.connection.request("POST", "/", body, {"Content-Type": "application/json"})
        return self.connection.getresponse().read()

    def call(self, method, *params):
        answer = json.loads(self.post(request(method, *params)))
        if "error" in answer:
            sys.exit(f"{method}: {answer['error']}")
        return answer["result"]


def request(method, *params):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def nginx(folder, body):
    """An nginx that answers every request with a constant."""
    port = free_port()
    answer = body.replace("\\", "\\\\").replace("'", "\\'")
    (Path(folder) / "nginx.conf").write_text(
        f"""
        worker_processes 1; daemon off; pid {folder}/pid; error_log /dev/null;
        events {{ worker_connections 1024; }}
        http {{ access_log off; keepalive_requests 100000000;
          client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
          uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
          server {{ listen 127.0.0.1:{port};
            location / {{ default_type application/json; return 200 '{answer}'; }} }} }}
        """
    )
    process = subprocess.Popen(
        ["/usr/sbin/nginx", "-p", folder, "-c", f"{folder}/nginx.conf"], stderr=subprocess.DEVNULL
    )
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return process, port
        except OSError:
            time.sleep(0.05)
    sys.exit("nginx did not start")


def wrk(port, bodies, seconds, connections=64):
    """The rate and the median and 99th percentile of the latency in milliseconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        quoted = ",".join(json.dumps(body) for body in bodies)
        script.write(
            f"local bodies = {{{quoted}}}\nlocal index = 0\n"
            "wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\n"
            "request = function()\n  index = index % #bodies + 1\n"
            "  return wrk.format(nil, nil, nil, bodies[index])\nend\n"
            "done = function(summary, latency)\n"
            "  io.write(string.format('RESULT %f %f %f %d\\n', summary.requests / summary.duration * 1e6,\n"
            "    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,\n"
            "    summary.errors.status + summary.errors.timeout + summary.errors.read))\nend\n"
        )
        script.flush()
        out = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", script.name,
             f"http://127.0.0.1:{port}/"],
            capture_output=True, text=True, check=True,
        ).stdout
    rate, p50, p99, errors = re.search(r"RESULT (\S+) (\S+) (\S+) (\d+)", out).groups()
    if int(errors):
        print(f"  {errors} errors", flush=True)
    return float(rate), float(p50), float(p99)


def constant_rate(port, body, rate=1000, seconds=3, clients=4):
    """Latencies in milliseconds of requests that begin at fixed times, whether earlier ones have ended or not
    (each of a few connections has its own times; waiting for a free one counts)."""
    latencies = []

    def run(number):
        client = Client(port)
        begin = time.perf_counter() + 0.05
        for index in range(rate * seconds // clients):
            due = begin + (index * clients + number) / rate
            now = time.perf_counter()
            if due > now:
                time.sleep(due - now)
            client.post(body)
            latencies.append((time.perf_counter() - max(due, 0)) * 1000)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    latencies.sort()
    return latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100]


def build_chain(client, blocks):
    """Blocks with a token transfer each; every hundredth has a log with the rare topic as well."""
    client.call("evm_setAutomine", False)

    def mined(transaction):
        hash = client.call("eth_sendTransaction", {"from": ALICE, "gas": "0x2dc6c0", **transaction})
        client.call("evm_mine")
        return client.call("eth_getTransactionReceipt", hash)

    word = lambda value: f"{value:064x}"
    token = mined({"data": "0x" + TOKEN.read_text().strip().removeprefix("0x")})["contractAddress"]
    emitter = mined({"data": EMITTER})["contractAddress"]
    transfer = {"to": token, "data": "0xa9059cbb" + word(int(BOB, 16)) + word(1)}
    last = None
    for index in range(blocks):
        last = client.call("eth_sendTransaction", {"from": ALICE, "gas": "0x186a0", **transfer})
        if index % 100 == 0:
            client.call(
                "eth_sendTransaction", {"from": ALICE, "gas": "0x186a0", "to": emitter, "data": RARE}
            )
        client.call("evm_mine")
    client.call("evm_setAutomine", True)
    return token, last


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--apus", required=True)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--blocks", type=int, default=10_000)
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n", flush=True)

    with tempfile.TemporaryDirectory(prefix="apus-rpc-bench-") as folder:
        node = Server(
            [arguments.apus, "dev", "--port", "0", "--quiet", "--datadir", folder + "/data"],
            r"Listening on \S+:(\d+)",
        )
        echo = Server([arguments.bench, "echo"], r"echo on (\d+)")
        try:
            measure(node, echo, folder, arguments)
        finally:
            node.stop()
            echo.stop()


def measure(node, echo, folder, arguments):
    client = Client(node.port)
    token, last = build_chain(client, arguments.blocks)
    head = int(client.call("eth_blockNumber"), 16)
    balance_of = {"to": token, "data": "0x70a08231" + f"{int(ALICE, 16):064x}"}
    logs = lambda count: request(
        "eth_getLogs", {"fromBlock": hex(max(0, head - count + 1)), "toBlock": hex(head), "topics": [RARE]}
    )
    methods = {
        "eth_blockNumber": request("eth_blockNumber"),
        "eth_chainId": request("eth_chainId"),
        "eth_getBalance": request("eth_getBalance", ALICE, "latest"),
        "eth_getTransactionCount": request("eth_getTransactionCount", ALICE, "latest"),
        "eth_call (balanceOf)": request("eth_call", balance_of, "latest"),
        "eth_getBlockByNumber (full)": request("eth_getBlockByNumber", hex(head - 50), True),
        "eth_getTransactionReceipt": request("eth_getTransactionReceipt", last),
        "eth_getLogs, 100 blocks": logs(100),
        "eth_getLogs, 1,000 blocks": logs(1000),
        "eth_getLogs, 10,000 blocks": logs(10_000),
        "eth_feeHistory (20 blocks)": request("eth_feeHistory", "0x14", "latest", [10, 50, 90]),
        "debug_traceTransaction": request("debug_traceTransaction", last, {"tracer": "callTracer"}),
        "batch of 100 eth_getBalance": "["
        + ",".join([request("eth_getBalance", ALICE, "latest")] * 100)
        + "]",
    }
    mix = (
        [methods["eth_call (balanceOf)"]] * 53 + [methods["eth_getBlockByNumber (full)"]] * 10
        + [methods["eth_getBalance"]] * 7 + [methods["eth_chainId"]] * 6
        + [methods["eth_getTransactionReceipt"]] * 6 + [methods["eth_blockNumber"]] * 4
        + [methods["eth_getTransactionCount"]] * 7 + [methods["eth_feeHistory (20 blocks)"]] * 3
        + [methods["eth_getLogs, 100 blocks"]] * 4
    )
    print(f"{'':<32}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}   at 1,000/s: p50, p99 ms")

    def show(name, result, constant=None):
        rate, p50, p99 = result
        steady = f"{constant[0]:>16.2f}{constant[1]:>9.2f}" if constant else ""
        print(f"{name:<32}{rate:>12,.0f}{p50:>9.2f}{p99:>9.2f}{steady}", flush=True)

    answer = client.post(methods["eth_getBalance"]).decode()
    process, port = nginx(folder, answer)
    constant = wrk(port, [methods["eth_getBalance"]], arguments.seconds)
    process.terminate()
    show("nginx, a constant", constant)
    echoed = wrk(echo.port, [methods["eth_getBalance"]], arguments.seconds)
    show("bare NIO, echo", echoed, constant_rate(echo.port, methods["eth_getBalance"]))
    rates = {}
    for name, body in methods.items():
        rates[name] = wrk(node.port, [body], arguments.seconds)
        show(name, rates[name], constant_rate(node.port, body) if rates[name][0] > 2000 else None)
    show("a provider's mix", wrk(node.port, mix, arguments.seconds))
    begin = time.perf_counter()
    sends = 500
    for index in range(sends):
        client.call("eth_sendTransaction", {"from": ALICE, "to": BOB, "value": "0x1", "gas": "0x5208"})
    print(f"{'eth_sendTransaction, one client':<32}{sends / (time.perf_counter() - begin):>12,.0f}")
    for name in ("eth_blockNumber", "eth_getBalance"):
        print(f"{name} reaches {rates[name][0] / echoed[0]:.0%} of the echo's rate")


if __name__ == "__main__":
    main()
