#!/usr/bin/env python3
"""Tests follow.py against a real node: test_follow.py --apus .build/release/apus"""
import argparse
import asyncio
import json
import os
import shutil
import subprocess
import tempfile
import urllib.request

import follow

parser = argparse.ArgumentParser()
parser.add_argument("--apus", required=True)
apus = parser.parse_args().apus


def start(folder):
    node = subprocess.Popen(
        [apus, "dev", "--port", "0", "--quiet", "--datadir", folder], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True)
    for line in node.stdout:
        if line.startswith("Listening on "):
            return node, line.rsplit(":", 1)[1].strip()
    raise SystemExit("the node did not start")


def call(port, method, *params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}", body, {"content-type": "application/json"})
    return json.load(urllib.request.urlopen(request))["result"]


seen = []
follow.handle = lambda event: seen.append((event["type"], int(event["number"], 16)))


async def main(folder):
    path = os.path.join(folder, "cursor")
    node, port = start(os.path.join(folder, "data"))
    try:
        for _ in range(3):
            call(port, "evm_mine")
        # Two from the past, and after an interruption the third and what comes meanwhile.
        await follow.follow(f"ws://127.0.0.1:{port}", path, 2)
        following = asyncio.create_task(follow.follow(f"ws://127.0.0.1:{port}", path, 4))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(call, port, "anvil_rollback", 2)
        await asyncio.to_thread(call, port, "evm_mine")
        await asyncio.wait_for(following, 10)
    finally:
        node.kill()
        node.wait()
    # The node was killed and is back.
    node, port = start(os.path.join(folder, "data"))
    try:
        call(port, "evm_mine")
        await asyncio.wait_for(follow.follow(f"ws://127.0.0.1:{port}", path, 1), 10)
    finally:
        node.kill()
        node.wait()
    # A backup, and what comes after it.
    shutil.copytree(os.path.join(folder, "data"), os.path.join(folder, "backup"))
    node, port = start(os.path.join(folder, "data"))
    try:
        call(port, "evm_mine")
        await asyncio.wait_for(follow.follow(f"ws://127.0.0.1:{port}", path, 1), 10)
    finally:
        node.kill()
        node.wait()
    # It is restored, and goes on with as many blocks, but others.
    node, port = start(os.path.join(folder, "backup"))
    try:
        call(port, "evm_increaseTime", "0x64")
        for _ in range(2):
            call(port, "evm_mine")
        await asyncio.wait_for(follow.follow(f"ws://127.0.0.1:{port}", path, 1), 10)
    finally:
        node.kill()
        node.wait()


with tempfile.TemporaryDirectory() as folder:
    asyncio.run(main(folder))
expected = [("committed", 1), ("committed", 2), ("committed", 3), ("reverted", 3), ("reverted", 2),
            ("committed", 2), ("committed", 3), ("committed", 4), ("reset", 5)]
assert seen == expected, seen
print("follow.py has seen every event once, in order, across two interruptions and a restored backup")
