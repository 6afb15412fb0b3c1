#!/usr/bin/env python3
"""Measures JSON-RPC: requests per second over 64 connections, and latency at 1,000 requests a second.

    bench_rpc.py --apus BINARY --bench APUS_BENCH [--seconds S] [--blocks N] [--chains FOLDER]

Beside each other, in one run on one machine: the node, an nginx that answers with a constant of the same size as the
method's answer, and a bare SwiftNIO server that echoes the request (`apus-bench echo`). The load comes from wrk on the
same machine. The chains are devnets': blocks with a token transfer each, every hundredth with a log of another contract;
one of N blocks, and one a hundredth as long. All transactions are signed in advance. With --chains the chains are kept
in a folder, and only made if they are not there: --prepare makes them and ends.
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
import time
from pathlib import Path

CHAIN_ID = 31337
# As many senders as connections: the transactions of each come in their order.
SENDERS = 64
# keccak256("Rare()") stands for a topic that one block in a hundred has.
RARE = "0x" + "ab" * 32
# Logs with its call data's first word as topic.
EMITTER = "0x6006600c60003960066000f3" + "5f355f5fa100"
TOKEN = Path(__file__).parent.parent / "evm" / "token.hex"
FEES = {"maxFeePerGas": hex(10**12), "maxPriorityFeePerGas": hex(10**9)}


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

    def processor_seconds(self):
        """What all threads have used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)


def devnet(apus, folder):
    return Server(
        [apus, "dev", "--port", "0", "--quiet", "--datadir", str(folder), "--accounts", str(SENDERS), "--no-mining"],
        r"Listening on \S+:(\d+)",
    )


class Client:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def post(self, body):
        self.connection.request("POST", "/", body, {"Content-Type": "application/json"})
        return self.connection.getresponse().read()

    def call(self, method, *params):
        return self.result(json.loads(self.post(request(method, *params))))

    def batch(self, calls):
        return [self.result(one) for one in json.loads(self.post("[" + ",".join(request(*c) for c in calls) + "]"))]

    @staticmethod
    def result(answer):
        if "error" in answer:
            sys.exit(f"{answer['error']}")
        return answer["result"]


def request(method, *params):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


# Chains


def build_chain(apus, folder, blocks):
    """A data folder with a chain, and what is in it."""
    summary = folder / "summary.json"
    if summary.exists():
        return json.loads(summary.read_text())
    folder.mkdir(parents=True, exist_ok=True)
    node = devnet(apus, folder / "data")
    client = Client(node.port)
    alice, bob = client.call("eth_accounts")[:2]
    nonce = 0

    def signed(transaction):
        nonlocal nonce
        described = {"from": alice, "gas": hex(3_000_000), "nonce": hex(nonce), "value": "0x0", **FEES, **transaction}
        nonce += 1
        return described

    def deploy(code):
        raw = client.call("eth_signTransaction", signed({"input": code}))["raw"]
        hash = client.call("eth_sendRawTransaction", raw)
        client.call("evm_mine")
        return client.call("eth_getTransactionReceipt", hash)["contractAddress"]

    token = deploy("0x" + TOKEN.read_text().strip().removeprefix("0x"))
    emitter = deploy(EMITTER)
    word = "{:064x}".format
    transfer = {"to": token, "gas": hex(100_000), "input": "0xa9059cbb" + word(int(bob, 16)) + word(1)}
    for start in range(0, blocks, 50):
        plan = []
        for index in range(start, min(start + 50, blocks)):
            plan.append(signed(transfer))
            if index % 100 == 0:
                plan.append(signed({"to": emitter, "gas": hex(100_000), "input": RARE}))
            plan.append(None)
        raws = iter(client.batch([("eth_signTransaction", one) for one in plan if one]))
        last = [
            answer
            for answer, one in zip(
                client.batch([("eth_sendRawTransaction", next(raws)["raw"]) if one else ("evm_mine",) for one in plan]),
                plan,
            )
            if one
        ][-1]
    result = {"token": token, "owner": alice, "last": last, "head": int(client.call("eth_blockNumber"), 16)}
    node.stop()
    summary.write_text(json.dumps(result))
    return result


def transfers(client, count):
    """Signed transfers of all accounts in turn."""
    senders = client.call("eth_accounts")
    first = [int(client.call("eth_getTransactionCount", sender, "pending"), 16) for sender in senders]
    calls = [
        (
            "eth_signTransaction",
            {"from": senders[index % SENDERS], "to": senders[0], "value": "0x1", "gas": "0x5208",
             "nonce": hex(first[index % SENDERS] + index // SENDERS), **FEES},
        )
        for index in range(count)
    ]  # fmt: skip
    raws = []
    for start in range(0, count, 500):
        raws += [one["raw"] for one in client.batch(calls[start : start + 500])]
    return [request("eth_sendRawTransaction", raw) for raw in raws]


# Load


class Constant(Server):
    """An nginx that answers every request with a constant."""

    def __init__(self, body):
        self.folder = tempfile.TemporaryDirectory(prefix="apus-nginx-")
        folder = self.folder.name
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        # A word of nginx's configuration ends at 4 KiB; what is longer is a file, which it does not POST to itself.
        if len(body) < 3000:
            text = body.decode().replace("\\", "\\\\").replace("'", "\\'")
            answer = f"location / {{ default_type application/json; return 200 '{text}'; }}"
        else:
            (Path(folder) / "answer").write_bytes(body)
            answer = (
                f"root {folder}; open_file_cache max=10; location / {{ error_page 405 =200 /answer; return 405; }}"
                " location = /answer { default_type application/json; }"
            )
        (Path(folder) / "nginx.conf").write_text(
            f"""
            user root; worker_processes 1; daemon off; pid {folder}/pid; error_log /dev/null;
            events {{ worker_connections 1024; }}
            http {{ access_log off; keepalive_requests 100000000; sendfile on; tcp_nopush on;
              client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
              uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
              server {{ listen 127.0.0.1:{self.port}; {answer} }} }}
            """
        )
        self.process = subprocess.Popen(
            ["/usr/sbin/nginx", "-p", folder, "-c", f"{folder}/nginx.conf"], stderr=subprocess.DEVNULL
        )
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                time.sleep(0.05)
        else:
            sys.exit("nginx did not start")
        if Client(self.port).post("{}") != body:
            sys.exit("nginx does not answer with the constant")

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.folder.cleanup()


def wrk(server, bodies, seconds, connections=64, once=False):
    """The rate, the median and 99th percentile of the latency in milliseconds, and the processor time that the server
    needed for a request in microseconds, which other work on the machine changes least.

    With `once` each body is sent once, and the measurement ends with the last.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script, tempfile.NamedTemporaryFile("w") as data:
        data.write("\n".join(bodies))
        data.flush()
        script.write(
            f"""
            local once = {"true" if once else "false"}
            local ffi = require('ffi')
            ffi.cdef[[typedef struct {{ long s; long n; }} moment; int clock_gettime(int, moment *);]]
            local moment = ffi.new('moment')
            local function now()
              ffi.C.clock_gettime(1, moment)
              return tonumber(moment.s) + tonumber(moment.n) / 1e9
            end
            local requests, index, answered, start = {{}}, 0, 0, nil
            wrk.method = 'POST'
            wrk.headers['Content-Type'] = 'application/json'
            init = function(args)
              for body in io.lines('{data.name}') do requests[#requests + 1] = wrk.format(nil, nil, nil, body) end
            end
            request = function()
              start = start or now()
              index = index % #requests + 1
              return requests[index]
            end
            if once then
              response = function()
                answered = answered + 1
                if answered == #requests then
                  io.write(string.format('TIME %f\\n', now() - start))
                  wrk.thread:stop()
                end
              end
            end
            done = function(summary, latency)
              io.write(string.format('RESULT %f %f %f %d %d\\n', summary.requests / summary.duration * 1e6,
                latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, summary.requests,
                summary.errors.status + summary.errors.timeout + summary.errors.read))
            end
            """
        )
        script.flush()
        before = server.processor_seconds()
        out = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", script.name,
             f"http://127.0.0.1:{server.port}/"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    used = server.processor_seconds() - before
    rate, p50, p99, count, errors = re.search(r"RESULT (\S+) (\S+) (\S+) (\d+) (\d+)", out).groups()
    if int(errors):
        print(f"  {errors} errors", flush=True)
    if once:
        # wrk waits for the rest of its time.
        rate = len(bodies) / float(re.search(r"TIME (\S+)", out)[1])
    return float(rate), float(p50), float(p99), used / max(1, int(count)) * 1e6


class Line:
    """A connection with as little between the clock and the socket as Python allows."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @staticmethod
    def message(body):
        return (
            f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body.encode()

    def exchange(self, message):
        self.socket.sendall(message)
        answer = self.socket.recv(1 << 20)
        head = answer.find(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: *(\d+)", answer[:head])[1])
        missing = head + 4 + length - len(answer)
        while missing > 0:
            missing -= len(self.socket.recv(1 << 20))


def percentiles(latencies):
    latencies.sort()
    return latencies[len(latencies) // 2] * 1e3, latencies[len(latencies) * 99 // 100] * 1e3


def constant_rate(port, bodies, rate=1000, seconds=4):
    """Latencies of requests that are due at fixed times on one connection. One that has to wait for the one before
    waits on the clock."""
    line = Line(port)
    messages = [Line.message(body) for body in bodies]
    for message in messages * max(1, 200 // len(messages)):
        line.exchange(message)
    latencies = []
    begin = time.perf_counter() + 0.01
    for index in range(rate * seconds):
        due = begin + index / rate
        while time.perf_counter() < due:
            pass
        line.exchange(messages[index % len(messages)])
        latencies.append(time.perf_counter() - due)
    return percentiles(latencies)


def alone(port, body, seconds=0.5):
    """The median latency of one client that sends one request after another, in milliseconds."""
    line = Line(port)
    message = Line.message(body)
    latencies = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(latencies) < 5:
        start = time.perf_counter()
        line.exchange(message)
        latencies.append(time.perf_counter() - start)
    return percentiles(latencies)[0]


# The run


def methods(chain):
    head, owner = chain["head"], chain["owner"]
    balance_of = {"to": chain["token"], "data": "0x70a08231" + f"{int(owner, 16):064x}"}

    def logs(count):
        return request(
            "eth_getLogs", {"fromBlock": hex(max(0, head - count + 1)), "toBlock": hex(head), "topics": [RARE]}
        )

    return {
        "eth_blockNumber": request("eth_blockNumber"),
        "eth_chainId": request("eth_chainId"),
        "eth_getBalance": request("eth_getBalance", owner, "latest"),
        "eth_getTransactionCount": request("eth_getTransactionCount", owner, "latest"),
        "eth_call (balanceOf)": request("eth_call", balance_of, "latest"),
        "eth_getBlockByNumber (full)": request("eth_getBlockByNumber", hex(head - 50), True),
        "eth_getTransactionReceipt": request("eth_getTransactionReceipt", chain["last"]),
        "eth_getLogs, 100 blocks": logs(100),
        "eth_getLogs, 1,000 blocks": logs(1000),
        "eth_getLogs, 10,000 blocks": logs(10_000),
        "eth_feeHistory (20 blocks)": request("eth_feeHistory", "0x14", "latest", [10, 50, 90]),
        "debug_traceTransaction": request("debug_traceTransaction", chain["last"], {"tracer": "callTracer"}),
        "batch of 100 eth_getBalance": "[" + ",".join([request("eth_getBalance", owner, "latest")] * 100) + "]",
    }


# A provider's: how often each method is called in a hundred.
MIX = {
    "eth_call (balanceOf)": 53, "eth_getBlockByNumber (full)": 10, "eth_getBalance": 7, "eth_chainId": 6,
    "eth_getTransactionReceipt": 6, "eth_blockNumber": 4, "eth_getTransactionCount": 7, "eth_feeHistory (20 blocks)": 3,
    "eth_getLogs, 100 blocks": 4,
}  # fmt: skip


def mixed(bodies):
    """The mix in an order in which no method comes in a row."""
    shares = [(index * 37 % 100, body) for body, index in ((b, i) for i, b in enumerate(
        body for name, count in MIX.items() for body in [bodies[name]] * count))]  # fmt: skip
    return [body for _, body in sorted(shares, key=lambda share: share[0])]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--apus", required=True)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--blocks", type=int, default=10_000)
    parser.add_argument("--sends", type=int, default=6400)
    parser.add_argument("--chains", type=Path)
    parser.add_argument("--prepare", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="apus-rpc-bench-") as folder:
        chains = arguments.chains or Path(folder)
        long = build_chain(arguments.apus, chains / f"long-{arguments.blocks}", arguments.blocks)
        short = build_chain(
            arguments.apus, chains / f"short-{arguments.blocks // 100}", arguments.blocks // 100
        )
        if arguments.prepare:
            return
        print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n", flush=True)
        node = devnet(arguments.apus, chains / f"long-{arguments.blocks}" / "data")
        small = devnet(arguments.apus, chains / f"short-{arguments.blocks // 100}" / "data")
        echo = Server([arguments.bench, "echo"], r"echo on (\d+)")
        try:
            measure(node, long, small, short, echo, arguments)
        finally:
            for server in (node, small, echo):
                server.stop()


def measure(node, long, small, short, echo, arguments):
    client = Client(node.port)
    bodies, short_bodies = methods(long), methods(short)
    seconds, less = arguments.seconds, max(1, arguments.seconds // 2)
    print(
        f"{'':<30}{'requests/s':>11}{'p50 ms':>8}{'p99 ms':>8}{'CPU µs':>8}{'alone ms':>10}{'nginx':>10}"
        f"{'short chain':>13}{'bytes':>9}"
    )
    rates = {}
    echoed = wrk(echo, [bodies["eth_getBalance"]], seconds)
    print(f"{'bare NIO, echo':<30}{echoed[0]:>11,.0f}{echoed[1]:>8.2f}{echoed[2]:>8.2f}{echoed[3]:>8.1f}"
          f"{alone(echo.port, bodies['eth_getBalance']):>10.3f}", flush=True)  # fmt: skip
    for name, body in bodies.items():
        answer = client.post(body)
        if b'"error"' in answer:
            sys.exit(f"{name}: {answer[:500]}")
        rates[name] = rate, p50, p99, used = wrk(node, [body], seconds)
        constant = Constant(answer)
        limit = wrk(constant, [body], less)[0]
        constant.stop()
        before = wrk(small, [short_bodies[name]], less)[0]
        print(f"{name:<30}{rate:>11,.0f}{p50:>8.2f}{p99:>8.2f}{used:>8.1f}{alone(node.port, body):>10.3f}{limit:>10,.0f}"
              f"{before:>13,.0f}{len(answer):>9,}", flush=True)  # fmt: skip
    mix = mixed(bodies)
    rate, p50, p99, used = wrk(node, mix, seconds)
    print(f"{'a provider’s mix':<30}{rate:>11,.0f}{p50:>8.2f}{p99:>8.2f}{used:>8.1f}", flush=True)
    rate, p50, p99, used = wrk(node, transfers(client, arguments.sends), 12, once=True)
    status = client.call("txpool_status")
    print(f"{'eth_sendRawTransaction':<30}{rate:>11,.0f}{p50:>8.2f}{p99:>8.2f}{used:>8.1f}", flush=True)
    print(f"  ({int(status['pending'], 16):,} of {arguments.sends:,} transactions wait in the pool)", flush=True)
    client.call("anvil_dropAllTransactions")

    print("\nat 1,000 requests a second on one connection, p50 and p99 in ms")
    for name, port, load in [
        ("bare NIO, echo", echo.port, [bodies["eth_getBalance"]]),
        ("eth_getBalance", node.port, [bodies["eth_getBalance"]]),
        ("eth_call (balanceOf)", node.port, [bodies["eth_call (balanceOf)"]]),
        ("a provider’s mix", node.port, mix),
    ]:
        p50, p99 = constant_rate(port, load)
        print(f"{name:<30}{p50:>8.3f}{p99:>8.3f}", flush=True)
    print()
    for name in ("eth_blockNumber", "eth_getBalance"):
        print(
            f"{name} reaches {rates[name][0] / echoed[0]:.0%} of the echo's rate; the echo takes "
            f"{echoed[3] / rates[name][3]:.0%} of its processor time"
        )


if __name__ == "__main__":
    main()
