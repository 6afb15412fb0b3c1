#!/usr/bin/env python3
"""Tests follow.py against a real node: test_follow.py --apus .build/release/apus"""
import argparse
import asyncio
import contextlib
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


@contextlib.contextmanager
def running(folder):
    """The port of a node on a folder, which is killed in the end."""
    node = subprocess.Popen(
        [apus, "dev", "--port", "0", "--quiet", "--datadir", folder], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True)
    try:
        for line in node.stdout:
            if line.startswith("Listening on "):
                yield line.rsplit(":", 1)[1].strip()
                return
        raise SystemExit("the node did not start")
    finally:
        node.kill()
        node.wait()


def call(port, method, *params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}", body, {"content-type": "application/json"})
    return json.load(urllib.request.urlopen(request))["result"]


seen = []
follow.handle = lambda event: seen.append((event["type"], int(event["number"], 16)))


async def main(folder):
    path, data, backup = (os.path.join(folder, name) for name in ("cursor", "data", "backup"))

    async def follow_on(port, count):
        await asyncio.wait_for(follow.follow(f"ws://127.0.0.1:{port}", path, count), 10)

    with running(data) as port:
        for _ in range(3):
            call(port, "evm_mine")
        # Two from the past, and after an interruption the third and what comes meanwhile.
        await follow_on(port, 2)
        following = asyncio.create_task(follow_on(port, 4))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(call, port, "anvil_rollback", 2)
        await asyncio.to_thread(call, port, "evm_mine")
        await following
    # The node was killed and is back.
    with running(data) as port:
        call(port, "evm_mine")
        await follow_on(port, 1)
    # A backup, and what comes after it.
    shutil.copytree(data, backup)
    with running(data) as port:
        call(port, "evm_mine")
        await follow_on(port, 1)
    # It is restored, and goes on with as many blocks, but others.
    with running(backup) as port:
        call(port, "evm_increaseTime", "0x64")
        for _ in range(2):
            call(port, "evm_mine")
        await follow_on(port, 1)


with tempfile.TemporaryDirectory() as folder:
    asyncio.run(main(folder))
expected = [("committed", 1), ("committed", 2), ("committed", 3), ("reverted", 3), ("reverted", 2),
            ("committed", 2), ("committed", 3), ("committed", 4), ("reset", 5)]
assert seen == expected, seen
print("follow.py has seen every event once, in order, across two interruptions and a restored backup")
