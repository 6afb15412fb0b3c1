#!/usr/bin/env python3
"""Follows a chain from another process: every block that comes and goes, in order, none missed.

    pip install websockets
    python follow.py ws://127.0.0.1:8545 cursor.txt

The cursor is kept in a file after each event that was dealt with. Whenever this program or the node
is interrupted, it goes on where it stopped. An event "reset" says that the node has another history than
before, as after a restored backup: what was made of the events so far has to be made anew.
"""
import asyncio
import itertools
import json
import os
import sys

import websockets


def handle(event):
    """What is to be done with an event: here, a line."""
    print(event["type"], int(event["number"], 16), event["hash"], flush=True)


async def follow(url, path, count=None):
    """Follows until `count` events were dealt with, or for ever."""
    ids = itertools.count(1)
    left = count
    async with websockets.connect(url) as socket:

        async def call(method, *params):
            id = next(ids)
            await socket.send(
                json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            while True:
                message = json.loads(await socket.recv())
                if message.get("id") == id:
                    if "error" in message:
                        raise RuntimeError(message["error"]["message"])
                    return message["result"]
                waiting.append(message)

        async def deal(event):
            nonlocal left
            handle(event)
            with open(path + ".new", "w") as file:
                file.write(event["cursor"])
            os.replace(path + ".new", path)
            if left is not None:
                left -= 1

        waiting = []
        cursor = open(path).read().strip() if os.path.exists(path) else "0x0"
        # What is behind, a page at a time.
        while left != 0:
            page = await call("apus_getEvents", cursor)
            for event in page["events"]:
                await deal(event)
                if left == 0:
                    return
            cursor = page["cursor"]
            if not page["events"]:
                break
        # And what comes.
        await call("apus_subscribe", "events", cursor)
        while left != 0:
            message = waiting.pop(0) if waiting else json.loads(await socket.recv())
            if message.get("method") == "apus_subscription":
                await deal(message["params"]["result"])


if __name__ == "__main__":
    asyncio.run(follow(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else None))
