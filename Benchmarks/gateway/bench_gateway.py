#!/usr/bin/env python3
"""Measures the gateway: the benchmark of the sketch that Apus realises, made honest.

    bench_gateway.py --apus BINARY --bench APUS_BENCH [--seconds S] [--transactions N]

1,000 connections ask for the balances of 1,000 accounts, each for its own, for ten seconds. An answer counts only if
it is a 200 with the right balance; `apus-bench load` compares every body. Beside it, in the same run and with the same
generator, a bare Hummingbird server that answers a constant of the same size (`apus-bench hummingbird`). Everything
runs on one machine, the generator too: its share of the processor is printed.

Then: copies of answers (on and off, in Redis for two gateways), a fleet of two nodes, the analytics of an account with
100,000 transactions, and forecasts. The command fails if an answer is wrong or a 5xx.
"""

import argparse
import http.client
import json
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


class Server:
    """A process that says where it listens, and what it takes."""

    def __init__(self, command, ready=r"Listening on \S+:(\d+)", rest=r"REST on \S+:(\d+)"):
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.rest = None
        for line in self.process.stdout:
            if found := re.search(rest, line):
                self.rest = int(found[1])
            if found := re.search(ready, line):
                self.port = int(found[1])
                return
        sys.exit(f"{' '.join(command)} did not start")

    def resident(self):
        """Memory in use, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def processor(self):
        """Seconds of all cores that it has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        """Ends it and waits until it is gone."""
        self.process.terminate()
        self.process.wait(timeout=60)


class Client:
    """One connection, for what is asked beside the load. What is not answered well ends the benchmark."""

    def __init__(self, port, token=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, target):
        """The body of an answer of REST."""
        self.connection.request("GET", target, headers=self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"{target}: {answer.status} {body[:300]}")
        return body.decode()

    def rpc(self, calls):
        """Makes calls of JSON-RPC, pairs of method and parameters, in one batch."""
        body = json.dumps(
            [{"jsonrpc": "2.0", "id": i, "method": m, "params": p} for i, (m, p) in enumerate(calls)]
        )
        self.connection.request("POST", "/", body, {"Content-Type": "application/json"})
        for answer in json.loads(self.connection.getresponse().read()):
            if "error" in answer:
                sys.exit(f"{answer}")


class Bench:
    """What all parts share: the programs, a folder, the length of a measurement, and what went wrong."""

    def __init__(self, arguments, folder):
        self.apus, self.bench, self.seconds = arguments.apus, arguments.bench, arguments.seconds
        self.folder = Path(folder)
        self.failures = []
        self.plans = 0

    def load(self, port, lines, seconds=None, headers=()):
        """Runs the generator; lines are (request, body, expected texts)."""
        self.plans += 1
        plan = self.folder / f"plan-{self.plans}"
        plan.write_text("\n".join("\t".join([request, body, *texts]) for request, body, texts in lines))
        out = subprocess.run(
            [self.bench, "load", str(port), str(plan), str(seconds or self.seconds), *headers],
            capture_output=True, text=True, check=True,
        ).stdout
        return json.loads(out)

    def show(self, name, result, more=""):
        """Prints a line of the table, and keeps a failure if an answer was not right."""
        asked = result["right"] + result["wrong"] + result["serverErrors"] + result["otherStatus"] + result["lost"]
        share = result["right"] / asked if asked else 0
        print(
            f"{name:<44}{result['rate']:>9,.0f}{result['p50']:>9.2f}{result['p99']:>9.2f}{share:>9.2%}  {more}",
            flush=True,
        )
        if bad := asked - result["right"]:
            self.failures.append(f"{name}: {bad} answers were not right: {result['example']!r}")

    def metric(self, client, name):
        """The figure of a name in /metrics, the sum over its labels."""
        found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", client.get("/metrics"), re.MULTILINE)
        return sum(float(value) for value in found)


def accounts(count):
    """Distinct addresses and balances, and nothing round."""
    source = random.Random(1)
    return {f"0x{source.getrandbits(160):040x}": source.randrange(10**15, 10**21) for _ in range(count)}


def balances(bench, holders):
    """The sketch's benchmark, beside the bare server."""
    genesis = {
        "config": {
            "chainId": 31337, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
            "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0,
            "berlinBlock": 0, "londonBlock": 0, "terminalTotalDifficulty": 0, "shanghaiTime": 0, "cancunTime": 0,
        },
        "gasLimit": "0x1c9c380", "difficulty": "0x0", "timestamp": "0x1",
        "alloc": {address: {"balance": hex(balance)} for address, balance in holders.items()},
    }
    file = bench.folder / "genesis.json"
    file.write_text(json.dumps(genesis))
    node = Server([bench.apus, "dev", "--port", "0", "--init", str(file), "--datadir", str(bench.folder / "balances")])
    lines = [
        (f"GET /api/balance/{address}", "", [f'"balance":"{balance}"', '"as_of":{"number":0,'])
        for address, balance in holders.items()
    ]
    body = Client(node.rest).get(f"/api/balance/{next(iter(holders))}")
    bare = Server([bench.bench, "hummingbird", body], ready=r"hummingbird on (\d+)")
    token = subprocess.run(
        [bench.apus, "jwt", "new", "--key", str(bench.folder / "balances" / "gateway.key"), "--service", "bench",
         "--role", "reader"], capture_output=True, text=True, check=True,
    ).stdout.strip()
    # The constant has no balance in it: of the bare server only the status is asked.
    constant = [(request, "", []) for request, _, _ in lines]
    rates = {"bare": [], "gateway": [], "token": []}
    before = node.resident()
    for round in range(bench.rounds):
        for name, server, plan, headers in (
            ("bare", bare, constant, []), ("gateway", node, lines, []),
            ("token", node, lines, [f"Authorization: Bearer {token}"]),
        ):
            used = server.processor()
            result = bench.load(server.port if name == "bare" else server.rest, plan, headers=headers)
            used = (server.processor() - used) / (bench.seconds + 1)
            rates[name].append(result["rate"])
            title = {
                "bare": "bare Hummingbird, a constant", "gateway": "balances, 1,000 connections",
                "token": "the same with a token (HS256)",
            }[name]
            generator = result["processorSeconds"] / (bench.seconds + 1)
            bench.show(title, result, f"server {used:.2f} cores, generator {generator:.2f}")
    print(f"resident memory of the node: {before:.0f} MiB before, {node.resident():.0f} MiB after")
    middle = {name: sorted(values)[len(values) // 2] for name, values in rates.items()}
    for name in ("gateway", "token"):
        print(f"{name}: {middle[name] / middle['bare']:.0%} of the bare Hummingbird's rate (medians; guide 60 %)")
    node.stop()
    bare.stop()


def devnet(bench, name, *flags):
    """A devnet on a free port, its data in a folder of this name."""
    return Server([bench.apus, "dev", "--port", "0", "--datadir", str(bench.folder / name), *flags])


def history(bench, count):
    """A devnet whose first account has sent many transactions, with a price model."""
    rows = random.Random(2)
    table = bench.folder / "prices.csv"
    level, text = 100.0, ["price,volume,active_addresses"]
    for _ in range(600):
        level *= 1 + rows.gauss(0, 0.01)
        text.append(f"{level:.4f},{rows.random():.4f},{rows.randrange(1000)}")
    table.write_text("\n".join(text) + "\n")
    models = bench.folder / "models"
    subprocess.run(
        [bench.apus, "predict", "train", str(table), "--target", "price", "--horizon", "1", "--out", str(models)],
        check=True, stdout=subprocess.DEVNULL,
    )
    node = devnet(
        bench, "history", "--no-mining", "--set", f"prediction.directory={models}", "--set", "gateway.cache=0"
    )
    client = Client(node.port)
    begin = time.perf_counter()
    sent = 0
    while sent < count:
        batch = min(1000, count - sent)
        calls = [
            ("eth_sendTransaction", [{"from": ALICE, "to": BOB, "value": hex(sent + i + 1), "gas": "0x5208"}])
            for i in range(batch)
        ]
        client.rpc(calls)
        client.rpc([("evm_mine", [])])
        sent += batch
    while json.loads(Client(node.rest).get(f"/api/balance/{ALICE}"))["nonce"] < count:
        client.rpc([("evm_mine", [])])
    print(f"({count:,} transactions of one account in {time.perf_counter() - begin:.0f} s)", flush=True)
    return node


def analytics(bench, node):
    """Analytics of the busy account, and forecasts, each over one connection."""
    for days in (1, 30, 365):
        lines = [(f"GET /api/analytics/{ALICE}?days={days}", "", ['"as_of"'])]
        bench.show(f"analytics of the account, days={days}", bench.load(node.rest, lines), "1 connection, no copies")
    lines = [("GET /api/ai/fees", "", ['"base_fee"'])]
    bench.show("forecast of fees", bench.load(node.rest, lines), "1 connection")
    body = json.dumps({"features": {"volume": 0.4, "active_addresses": 500}})
    lines = [("POST /api/ai/predict", body, ['"recommendation"'])]
    bench.show("forecast by a model", bench.load(node.rest, lines), "1 connection")


def copies(bench, count):
    """What copies of answers are worth: blocks with many transactions, asked for again and again."""
    for size in ("0", "32"):
        node = devnet(bench, f"copies-{size}", "--no-mining", "--set", f"gateway.cache={size}")
        client = Client(node.port)
        for _ in range(20):
            client.rpc([
                ("eth_sendTransaction", [{"from": ALICE, "to": BOB, "value": "0x1", "gas": "0x5208"}])
                for _ in range(50)
            ])
            client.rpc([("evm_mine", [])])
        lines = [(f"GET /api/block/{1 + i % 20}", "", ['"transaction_count":50']) for i in range(64)]
        result = bench.load(node.rest, lines)
        reader = Client(node.rest)
        hits, misses = (bench.metric(reader, f"apus_gateway_cache_{kind}_total") for kind in ("hits", "misses"))
        share = f"{hits / (hits + misses):.1%} found" if hits + misses else ""
        bench.show(f"blocks, copies {'off' if size == '0' else 'in memory'}", result, f"64 connections {share}")
        node.stop()


def fleet(bench, holders_count):
    """Two gateways before a sealer-less pair of nodes, with and without Redis between them."""
    node = devnet(bench, "fleet")
    key = bench.folder / "fleet" / "gateway.key"
    token = subprocess.run(
        [bench.apus, "jwt", "new", "--key", str(key), "--service", "bench", "--role", "admin"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()
    headers = [f"Authorization: Bearer {token}"]
    lines = [(f"GET /api/balance/0x{i + 1:040x}", "", ['"balance":"0"']) for i in range(holders_count)]
    bench.show("balances of a node, 64 connections", bench.load(node.rest, lines[:64], headers=headers))

    def gateway(*flags):
        """A gateway before the node."""
        return Server([
            bench.apus, "gateway", "--upstream", f"http://127.0.0.1:{node.rest}", "--listen", "127.0.0.1:0",
            "--set", f"gateway.keys={key}", "--set", "gateway.rate-service=0", "--set", "gateway.audit=off", *flags,
        ])

    one = gateway("--set", "gateway.cache=0")
    bench.show("through a gateway, no copies", bench.load(one.rest, lines[:64], headers=headers), "64 connections")
    one.stop()
    one = gateway()
    bench.show("through a gateway, copies in memory", bench.load(one.rest, lines[:64], headers=headers))
    one.stop()
    if not shutil.which("redis-server"):
        print("(redis-server is not installed: nothing is measured with it)")
        node.stop()
        return
    socket = bench.folder / "redis.sock"
    redis = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no",
         "--dir", str(bench.folder)], stdout=subprocess.DEVNULL,
    )
    while not socket.exists():
        time.sleep(0.05)
    shared = ["--set", f"gateway.redis=unix://{socket}", "--set", "gateway.cache=0"]
    pair = [gateway(*shared), gateway(*shared)]
    for index, server in enumerate(pair):
        result = bench.load(server.rest, lines, headers=headers)
        text = Client(server.rest, token).get("/metrics")
        count = lambda kind: float(
            (re.search(rf'shared_cache_lookups_total{{result="{kind}"}} (\S+)', text) or [0, 0])[1])
        hits, misses = count("hit"), count("miss")
        share = f"{hits / (hits + misses):.1%} found, {misses:,.0f} asked of the node" if hits + misses else ""
        bench.show(f"gateway {index + 1} of two, copies in Redis", result, share)
    for server in pair:
        server.stop()
    redis.terminate()
    redis.wait()
    node.stop()


def main():
    """Measures what was asked for, each part with servers of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--apus", required=True)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--transactions", type=int, default=100_000)
    parser.add_argument("--only", choices=["balances", "history", "copies", "fleet"])
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n", flush=True)
    print(f"{'':<44}{'right/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'right':>9}")
    with tempfile.TemporaryDirectory(prefix="apus-gateway-bench-") as folder:
        bench = Bench(arguments, folder)
        bench.rounds = arguments.rounds
        wanted = lambda part: arguments.only in (None, part)
        if wanted("balances"):
            balances(bench, accounts(1000))
        if wanted("copies"):
            copies(bench, 64)
        if wanted("fleet"):
            fleet(bench, 1000)
        if wanted("history"):
            node = history(bench, arguments.transactions)
            analytics(bench, node)
            node.stop()
    if bench.failures:
        sys.exit("\n".join(bench.failures))


if __name__ == "__main__":
    main()
