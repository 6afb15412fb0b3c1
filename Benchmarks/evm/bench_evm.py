#!/usr/bin/env python3
"""Measures the virtual machine: Apus against pyrevm, in one run and by turns.

The programs are the official evm-benchmarks (of APUS_FIXTURES) and a thousand
transfers of a token (token.vy, called by transfers.vy; the .hex files are what
`vyper -f bytecode_runtime --evm-version shanghai` of version 0.4.3 makes of them). A time is that of
one message call on a fresh state inside of the process: `apus evm run --bench` for Apus, the call of
`message_call` for pyrevm. Each engine gets several rounds, alternately; a round's time is its
median, and the result the median of the rounds. On a busy machine a median of long runs holds time
that others took: the last column is the ratio of the fastest runs. Exit status 1 if a limit is
exceeded.

    make bench-evm
    python3 Benchmarks/evm/bench_evm.py --apus .build/release/apus --only snailtracer --rounds 9
"""

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import fixtures

HERE = pathlib.Path(__file__).resolve().parent

# Required of the main benchmarks, as ratios of Apus's time to pyrevm's.
MEAN_LIMIT = 0.5
SINGLE_LIMIT = 0.75


class Program:
    """A message call on a state."""

    def __init__(self, group, name, fork, accounts, sender, to, data, gas):
        self.group, self.name, self.fork = group, name, fork
        self.accounts, self.sender, self.to = accounts, sender, to
        self.data, self.gas = data, gas


def official_programs(folder):
    """The programs of the evm-benchmarks, one for each input."""
    for group in ("main", "micro"):
        for path in sorted((folder / group).glob("*.json")):
            for name, test in json.loads(path.read_text()).items():
                transaction = test["transaction"]
                labels = test.get("_info", {}).get("labels", {})
                for index, data in enumerate(transaction["data"]):
                    label = labels.get(str(index), str(index))
                    suffix = f"/{label}" if len(transaction["data"]) > 1 else ""
                    yield Program(
                        group, name + suffix, "London", test["pre"], transaction["sender"],
                        transaction["to"], data, int(transaction["gasLimit"][0], 16))


def token_program(count=1000):
    """So many transfers of a token, each to an account that had none of it."""
    token, caller, sender = ("0x" + f"{n:040x}" for n in (0xE20, 0xCA11, 0xA11CE))
    accounts = {
        token: account((HERE / "token.hex").read_text().strip()),
        caller: account((HERE / "transfers.hex").read_text().strip()),
        sender: account("0x"),
    }
    data = "0x" + SELECTOR_RUN + f"{int(token, 16):064x}{count:064x}"
    return Program("token", f"erc20-transfer x{count}", "Shanghai", accounts, sender, caller,
                   data, 1_000_000_000)


# run(address,uint256)
SELECTOR_RUN = "381fd190"


def account(code):
    return {"balance": "0xde0b6b3a7640000", "nonce": "0x0", "code": code, "storage": {}}


class Apus:
    name = "apus"

    def __init__(self, binary):
        self.binary = binary

    def prepare(self, program):
        self.program = program
        self.folder = tempfile.TemporaryDirectory()
        prestate = pathlib.Path(self.folder.name) / "prestate.json"
        prestate.write_text(json.dumps(program.accounts))
        data = pathlib.Path(self.folder.name) / "input.hex"
        data.write_text(program.data)
        self.command = [
            self.binary, "evm", "run", "--json", "--fork", program.fork, "--prestate",
            str(prestate), "--sender", program.sender, "--receiver", program.to, "--inputfile",
            str(data), "--gas", str(program.gas)]

    def measure(self, runs):
        """Nanoseconds of a run: the median of `runs`."""
        text = subprocess.run(
            self.command + ["--bench", str(runs)], check=True, capture_output=True, text=True)
        result = json.loads(text.stdout)
        if "error" in result:
            raise SystemExit(f"{self.program.name}: Apus: {result['error']}")
        self.output = result["output"]
        self.least = min(self.least, result["leastNanoseconds"])
        return result["medianNanoseconds"]


class Pyrevm:
    name = "pyrevm"

    def __init__(self):
        import pyrevm
        self.module = pyrevm

    def prepare(self, program):
        self.program = program
        self.evm = self.module.EVM(spec_id=program.fork.upper(), gas_limit=2**63)
        for address, fields in program.accounts.items():
            code = bytes.fromhex(fields["code"][2:])
            self.evm.insert_account_info(address, self.module.AccountInfo(
                balance=int(fields["balance"], 16), nonce=int(fields["nonce"], 16),
                code=code or None))
            for slot, value in fields["storage"].items():
                self.evm.insert_account_storage(address, int(slot, 16), int(value, 16))
        self.data = bytes.fromhex(program.data[2:])

    def measure(self, runs):
        times = []
        for _ in range(runs):
            checkpoint = self.evm.snapshot()
            start = time.perf_counter_ns()
            output = self.evm.message_call(
                self.program.sender, self.program.to, calldata=self.data, gas=self.program.gas)
            times.append(time.perf_counter_ns() - start)
            self.evm.revert(checkpoint)
        self.output = "0x" + output.hex()
        self.least = min([self.least] + times)
        return statistics.median(times)


class PyEvm:
    """py-evm runs one contract's code; enough to show how far a plain interpreter is away."""

    name = "py-evm"

    def __init__(self):
        from eth import constants
        from eth.chains.base import MiningChain
        from eth.db.atomic import AtomicDB
        from eth.vm.forks.shanghai import ShanghaiVM
        parameters = {
            "coinbase": constants.ZERO_ADDRESS, "difficulty": 0, "extra_data": b"",
            "gas_limit": 3_000_000, "nonce": bytes(8), "timestamp": 0,
            "mix_hash": constants.ZERO_HASH32}
        chain = MiningChain.configure("Bench", vm_configuration=((0, ShanghaiVM),), chain_id=1)
        self.vm = chain.from_genesis(AtomicDB(), parameters).get_vm()

    def prepare(self, program):
        self.program = program

    def measure(self, runs):
        program = self.program
        times = []
        for _ in range(runs):
            start = time.perf_counter_ns()
            result = self.vm.execute_bytecode(
                origin=bytes(20), gas_price=0, gas=program.gas, value=0,
                to=bytes.fromhex(program.to[2:]), sender=bytes.fromhex(program.sender[2:]),
                data=bytes.fromhex(program.data[2:]),
                code=bytes.fromhex(program.accounts[program.to]["code"][2:]))
            times.append(time.perf_counter_ns() - start)
            result.raise_if_error()
            self.output = "0x" + result.output.hex()
        return statistics.median(times)


def compare(program, engines, rounds, seconds):
    """The medians of the engines' rounds, taken by turns."""
    counts, times = {}, {engine.name: [] for engine in engines}
    for engine in engines:
        engine.prepare(program)
        engine.least = math.inf
        once = max(engine.measure(2), 1)
        counts[engine.name] = max(3, min(2000, int(seconds * 1e9 / once)))
    for _ in range(rounds):
        for engine in engines:
            times[engine.name].append(engine.measure(counts[engine.name]))
    outputs = {engine.output for engine in engines}
    if len(outputs) != 1:
        raise SystemExit(f"{program.name}: the engines return different results")
    return {name: statistics.median(values) for name, values in times.items()}


def geometric_mean(values):
    return math.exp(sum(math.log(value) for value in values) / len(values))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apus", default=".build/release/apus", help="the binary")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.2, help="of a round")
    parser.add_argument("--only", help="programs whose name contains this")
    parser.add_argument("--py-evm", action="store_true", help="py-evm too, on the main programs")
    parser.add_argument("--json", help="write the medians to this file")
    options = parser.parse_args()

    programs = [token_program()]
    folder = fixtures.archive("evm-benchmarks")
    if folder:
        programs = list(official_programs(folder)) + programs
    else:
        print("APUS_FIXTURES is not set: only the token is measured", file=sys.stderr)
    if options.only:
        programs = [program for program in programs if options.only in program.name]

    engines = [Apus(options.apus), Pyrevm()]
    slow = PyEvm() if options.py_evm else None
    print(f"{'':36} {'Apus µs':>12} {'pyrevm µs':>12} {'ratio':>7} {'fastest':>8}"
          + (f" {'py-evm µs':>12}" if slow else ""))
    ratios, results = {}, {}
    for program in programs:
        medians = compare(program, engines, options.rounds, options.seconds)
        ratio = medians["apus"] / medians["pyrevm"]
        ratios.setdefault(program.group, {})[program.name] = ratio
        line = (f"{program.group + ' ' + program.name:36} {medians['apus'] / 1000:12.2f} "
                f"{medians['pyrevm'] / 1000:12.2f} {ratio:7.2f} "
                f"{engines[0].least / engines[1].least:8.2f}")
        if slow and program.group == "main" and medians["pyrevm"] < 1e6:
            slow.prepare(program)
            medians["py-evm"] = slow.measure(1)
            line += f" {medians['py-evm'] / 1000:12.0f}"
        results[f"{program.group}/{program.name}"] = medians
        print(line, flush=True)
    for group, values in ratios.items():
        print(f"geometric mean of {group:18} {geometric_mean(values.values()):33.3f}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=1))

    main_ratios = ratios.get("main", {})
    failures = [f"{name}: {ratio:.2f} is above {SINGLE_LIMIT}"
                for name, ratio in main_ratios.items() if ratio > SINGLE_LIMIT]
    if main_ratios and geometric_mean(main_ratios.values()) > MEAN_LIMIT:
        failures.append(f"the geometric mean of main is above {MEAN_LIMIT}")
    for failure in failures:
        print(f"limit exceeded: {failure}", file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
