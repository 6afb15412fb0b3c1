#!/usr/bin/env python3
"""Reads what `apus data export` writes with pyarrow and duckdb, and compares it with what JSON-RPC says.

    test_exports.py --apus .build/release/apus [--seed N]

Makes a chain of random transactions (by Tests/Recomputation/recompute.py), asks the node for its blocks,
receipts and traces, stops it, and exports all tables in all formats, killing the export again and again.
Every file must then be read by pyarrow and duckdb, hold the rows that the node told, each once, and have
the hash that the manifest says. Then the chain grows, and so must the export.
"""
import argparse
import csv
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import duckdb
import pyarrow.parquet

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
SINGLE = "0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62"
BATCH = "0x4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb"
KEY = b"any key that both sides have"
FILE_BLOCKS = 4


class Node:
    def __init__(self, binary, datadir):
        self.process = subprocess.Popen(
            [binary, "dev", "--port", "0", "--datadir", datadir],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "APUS_LOG_LEVEL": "warning"})
        for line in self.process.stdout:
            if found := re.match(r"Listening on (\S+):(\d+)", line):
                self.url = f"http://127.0.0.1:{found[2]}"
                return
        raise RuntimeError("the daemon did not start")

    def __call__(self, method, *params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"content-type": "application/json"})
        answer = json.load(urllib.request.urlopen(request))
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def stop(self):
        self.process.terminate()
        if self.process.wait(timeout=60):
            raise RuntimeError("the daemon did not stop cleanly")


def num(text):
    return None if text is None else int(text, 16)


def address(topic):
    return "0x" + topic[-40:]


def words(data, start):
    """The array whose offset stands at a place of ABI-encoded data."""
    data = bytes.fromhex(data[2:])
    offset = int.from_bytes(data[start:start + 32])
    count = int.from_bytes(data[offset:offset + 32])
    return [int.from_bytes(data[offset + 32 * i:offset + 32 * i + 32]) for i in range(1, count + 1)]


def movements(log):
    """(from, to, value, id, standard) of the token transfers that a log tells of."""
    topics, data = log["topics"], log["data"]
    match (topics[0] if topics else None, len(topics), len(data) // 2 - 1):
        case (t, 3, 32) if t == TRANSFER:
            yield address(topics[1]), address(topics[2]), num(data), None, "erc20"
        case (t, 4, 0) if t == TRANSFER:
            yield address(topics[1]), address(topics[2]), num(topics[3]), num(topics[3]), "erc721"
        case (t, 4, 64) if t == SINGLE:
            yield (address(topics[2]), address(topics[3]), int(data[66:], 16), int(data[2:66], 16),
                   "erc1155")
        case (t, 4, _) if t == BATCH:
            for id, value in zip(words(data, 0), words(data, 32)):
                yield address(topics[2]), address(topics[3]), value, id, "erc1155"


def expected(rpc):
    """The rows of all tables, from JSON-RPC alone: {table: [{column: value}]}."""
    tables = {name: [] for name in ("blocks", "transactions", "receipts", "logs", "token_transfers",
                                    "contracts", "traces")}
    chain_id = num(rpc("eth_chainId"))
    for number in range(num(rpc("eth_blockNumber")) + 1):
        block = rpc("eth_getBlockByNumber", hex(number), True)
        tables["blocks"].append(dict(
            number=number, hash=block["hash"], parent_hash=block["parentHash"], nonce=block["nonce"],
            sha3_uncles=block["sha3Uncles"], logs_bloom=block["logsBloom"],
            transactions_root=block["transactionsRoot"], state_root=block["stateRoot"],
            receipts_root=block["receiptsRoot"], miner=block["miner"],
            difficulty=num(block["difficulty"]), size=num(block["size"]),
            extra_data=block["extraData"], gas_limit=num(block["gasLimit"]),
            gas_used=num(block["gasUsed"]), timestamp=num(block["timestamp"]),
            transaction_count=len(block["transactions"]),
            base_fee_per_gas=num(block.get("baseFeePerGas")),
            withdrawals_root=block.get("withdrawalsRoot"),
            blob_gas_used=num(block.get("blobGasUsed")),
            excess_blob_gas=num(block.get("excessBlobGas"))))
        senders = {}
        for t in block["transactions"]:
            senders[t["hash"]] = t["from"]
            type, index = num(t["type"]), num(t["transactionIndex"])
            tables["transactions"].append(dict(
                hash=t["hash"], nonce=num(t["nonce"]), block_hash=block["hash"], block_number=number,
                transaction_index=index, from_address=t["from"], to_address=t["to"],
                value=num(t["value"]), gas=num(t["gas"]), gas_price=num(t["gasPrice"]),
                input=t["input"], block_timestamp=num(block["timestamp"]),
                max_fee_per_gas=num(t.get("maxFeePerGas")),
                max_priority_fee_per_gas=num(t.get("maxPriorityFeePerGas")), transaction_type=type))
            r = rpc("eth_getTransactionReceipt", t["hash"])
            tables["receipts"].append(dict(
                transaction_hash=t["hash"], transaction_index=index, block_hash=block["hash"],
                block_number=number, cumulative_gas_used=num(r["cumulativeGasUsed"]),
                gas_used=num(r["gasUsed"]), contract_address=r["contractAddress"],
                root=r.get("root"), status=num(r["status"]),
                effective_gas_price=num(r["effectiveGasPrice"])))
            for log in r["logs"]:
                place = dict(log_index=num(log["logIndex"]), transaction_hash=t["hash"])
                tables["logs"].append(dict(
                    place, transaction_index=index, block_hash=block["hash"], block_number=number,
                    address=log["address"], data=log["data"], topics=log["topics"]))
                for source, target, value, id, standard in movements(log):
                    tables["token_transfers"].append(dict(
                        place, token_address=log["address"], from_address=source,
                        to_address=target, value=value, block_number=number, token_id=id,
                        token_standard=standard))
        failed, made = None, 0
        for trace in rpc("trace_block", hex(number)):
            depth, action, result = trace["traceAddress"], trace["action"], trace["result"] or {}
            if trace["type"] == "reward":
                continue  # None on a chain of proof of stake.
            hash, bad = trace["transactionHash"], "error" in trace
            inside = failed is not None and failed[0] == hash and len(depth) > failed[1]
            if not inside:
                failed = (hash, len(depth)) if bad else None
            lasts = not bad and not inside
            destroyed = trace["type"] == "suicide"
            tables["traces"].append(dict(
                block_number=number, transaction_hash=hash,
                transaction_index=trace["transactionPosition"],
                from_address=action["address"] if destroyed else action["from"],
                to_address=action["refundAddress"] if destroyed else action.get(
                    "to", None if bad else result.get("address")),
                value=num(action["balance"] if destroyed else action["value"]),
                input=action.get("input", action.get("init")),
                output=result.get("output", result.get("code")), trace_type=trace["type"],
                call_type=action.get("callType"), reward_type=None, gas=num(action.get("gas")),
                gas_used=num(result.get("gasUsed")), subtraces=trace["subtraces"],
                trace_address=[str(step) for step in depth], status=int(lasts),
                trace_id=f"{trace['type']}_{hash}_" + "_".join(map(str, depth))))
            if trace["type"] == "create" and lasts:
                code, init = result["code"], action["init"]
                tables["contracts"].append(dict(
                    block_number=number, block_hash=block["hash"], create_index=made,
                    transaction_hash=hash, contract_address=result["address"],
                    deployer=senders[hash], factory=action["from"], init_code=init, code=code,
                    init_code_hash=rpc("web3_sha3", init), n_init_code_bytes=len(init) // 2 - 1,
                    n_code_bytes=len(code) // 2 - 1, code_hash=rpc("web3_sha3", code),
                    chain_id=chain_id))
                made += 1
    return tables


def keyed_hash(rows):
    """Of rows in their order, each a dictionary with the same columns."""
    digest = hashlib.blake2b(key=KEY)
    for row in rows:
        digest.update(json.dumps(row, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


# Columns of 256-bit numbers: texts in every format.
AMOUNTS = {"value", "gas_price", "max_fee_per_gas", "max_priority_fee_per_gas", "base_fee_per_gas",
           "difficulty", "effective_gas_price", "token_id"}


def plain(row, columns, lists):
    """A row of a file as the node would tell it, the columns that it knows."""
    result = {}
    for name in columns:
        value = row.get(name)
        if name == "topics" and name not in row:  # Parquet has a column each.
            value = [row[f"topic{i}"] for i in range(4) if row[f"topic{i}"] is not None]
        elif name in lists and isinstance(value, str):
            value = value.split(",") if value else []
        elif name in AMOUNTS and value is not None:
            value = int(value)
        result[name] = value
    return result


def read_csv(path, sample):
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            # Nothing is told from an empty text by the list alone: texts are never empty here.
            typed = {}
            for name, text in row.items():
                if text == "" and name not in ("topics", "trace_address"):
                    typed[name] = None
                elif isinstance(sample.get(name), int) and name not in AMOUNTS:
                    typed[name] = int(text)
                else:
                    typed[name] = text
            yield typed


def read_ndjson(path):
    with open(path) as file:
        for line in file:
            yield json.loads(line)


def check_amounts(row, where):
    for name in AMOUNTS:
        if row.get(f"{name}_binary") is not None:
            exact = int(row[name])
            same(f"{where}: {name}_binary", int.from_bytes(row[f"{name}_binary"]), exact)
            same(f"{where}: {name}_f64", row[f"{name}_f64"], float(exact))


def same(what, have, want):
    if have != want:
        sys.exit(f"{what}: {have!r} in the export, {want!r} by RPC")


def check(folder, format, tables, head):
    manifest = json.loads((folder / "manifest.json").read_text())
    names = {file["name"] for file in manifest["files"]} | {"manifest.json"}
    same("files", {path.name for path in folder.iterdir()}, names)
    for table, rows in tables.items():
        files = [f for f in manifest["files"] if f["table"] == table and f["format"] == format]
        same(f"{table}: first block", files[0]["first_block"], 0)
        same(f"{table}: last block", files[-1]["last_block"], head)
        for before, after in zip(files, files[1:]):
            same(f"{table}: no gap", after["first_block"], before["last_block"] + 1)
        paths = [folder / file["name"] for file in files]
        for file, path in zip(files, paths):
            content = path.read_bytes()
            same(f"{path.name}: size", len(content), file["bytes"])
            same(f"{path.name}: sha256", hashlib.sha256(content).hexdigest(), file["sha256"])
        columns = list(rows[0])
        lists = {name for name, value in rows[0].items() if isinstance(value, list)}
        lists |= {"topics"} & set(columns)
        want = keyed_hash(rows)
        same(f"{table}: rows in the manifest", sum(file["rows"] for file in files), len(rows))
        readers = {}
        if format == "parquet":
            arrow = []
            for path in paths:
                arrow += pyarrow.parquet.read_table(path).to_pylist()
            for row in arrow:
                check_amounts(row, table)
            readers["pyarrow"] = arrow
            names = [str(path) for path in paths]
            query = duckdb.connect().sql(f"SELECT * FROM read_parquet({names!r})")
            readers["duckdb"] = [dict(zip(query.columns, row)) for row in query.fetchall()]
            same(f"{table}: duckdb counts", duckdb.sql(
                f"SELECT count(*) FROM read_parquet({names!r})").fetchall()[0][0], len(rows))
        elif format == "csv":
            sample = {}
            for row in rows:
                sample |= {name: value for name, value in row.items() if value is not None}
            readers["csv"] = [row for path in paths for row in read_csv(path, sample)]
        else:
            readers["json"] = [row for path in paths for row in read_ndjson(path)]
        for reader, read in readers.items():
            same(f"{table} by {reader}: rows", len(read), len(rows))
            have = [plain(row, columns, lists) for row in read]
            if keyed_hash(have) != want:
                for index, (one, other) in enumerate(zip(have, rows)):
                    same(f"{table} by {reader}, row {index}", one, other)
                sys.exit(f"{table} by {reader}: another keyed hash")


def export(binary, datadir, folder, format, kills):
    """Exports, killed a number of times on the way."""
    command = [binary, "data", "export", "--datadir", datadir, "--format", format,
               "--blocks-per-file", str(FILE_BLOCKS), str(folder)]
    killed = 0
    for _ in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        before = len(list(folder.glob("*"))) if folder.exists() else 0
        while process.poll() is None:
            # Not before it has done anything, so that each gets further than the last.
            if folder.exists() and len(list(folder.glob("*"))) > before + 1:
                time.sleep(random.random() * 0.02)
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed += 1
        process.communicate()
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(command)}: {result.stdout}{result.stderr}")
    found = re.search(r"(\d+) files made with (\d+) rows, (\d+) were there", result.stdout)
    return killed, int(found[1]), int(found[3])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--apus", required=True)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    binary = os.path.abspath(options.apus)
    random.seed(options.seed)
    generator = Path(__file__).parent / "../Recomputation/recompute.py"
    with tempfile.TemporaryDirectory(prefix="apus-exports-") as root:
        datadir = f"{root}/data"
        node = Node(binary, datadir)
        subprocess.run([sys.executable, generator, node.url, str(options.seed), "20"], check=True,
                       stdout=subprocess.DEVNULL)
        tables = expected(node)
        head = num(node("eth_blockNumber"))
        node.stop()
        kills = 0
        for format in ("parquet", "csv", "ndjson"):
            killed, _, there = export(binary, datadir, Path(root) / format, format, kills=5)
            kills += killed
            if killed and not there:
                sys.exit("nothing of the exports that were killed was of use")
            check(Path(root) / format, format, tables, head)
        if not kills:
            sys.exit("no export was killed: give it more to do")
        # The chain goes on: what ended at its end is made anew, and nothing else.
        node = Node(binary, datadir)
        accounts = node("eth_accounts")
        node("evm_setAutomine", True)
        for index in range(2 * FILE_BLOCKS):
            node("eth_sendTransaction", {"from": accounts[0], "to": accounts[1], "value": hex(index)})
        tables, grown = expected(node), num(node("eth_blockNumber"))
        node.stop()
        _, made, there = export(binary, datadir, Path(root) / "parquet", "parquet", kills=0)
        same("files that were kept", there, (head + 1) // FILE_BLOCKS * len(tables))
        same("files that were made", made,
             (grown // FILE_BLOCKS + 1) * len(tables) - there)
        check(Path(root) / "parquet", "parquet", tables, grown)
        counts = ", ".join(f"{len(rows)} {name}" for name, rows in tables.items())
        print(f"exports of {grown + 1} blocks ({counts}) are what RPC says; {kills} were killed")


main()
