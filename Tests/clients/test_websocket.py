"""What a WebSocket client can do wrong, and right (RFC 6455, RFC 7692).

The cases follow the sections of the Autobahn test suite: framing, pings and pongs, reserved bits, opcodes, fragmentation,
UTF-8, closing, sizes, compression. Then hypothesis makes sequences of frames of any kind; what must come of each is told
by `Reference`, which knows nothing of the node. At the end real clients (`websockets`) talk to it.
"""

import asyncio
import base64
import json
import os
import socket
import struct
import time
import zlib

import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from conftest import Daemon
from test_fuzz import resident_mebibytes

EXAMPLES = int(os.environ.get("APUS_FUZZ_EXAMPLES", "1500")) // 3
TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
MESSAGE_BYTES, INFLATED_BYTES, FRAGMENTS = 32 << 20, 4 << 20, 4096
REQUEST = b'{"jsonrpc":"2.0","id":1,"method":"web3_clientVersion"}'
END = b"the end of the case"


def frame(opcode, payload=b"", fin=True, rsv=0, masked=True, length=None):
    """The bytes of a frame, well-formed or not."""
    size = len(payload)
    form = length or (7 if size < 126 else 16 if size < 65536 else 64)
    head = bytes([fin << 7 | rsv << 4 | opcode])
    if form == 7:
        head += bytes([masked << 7 | size])
    elif form == 16:
        head += bytes([masked << 7 | 126]) + struct.pack("!H", size)
    else:
        head += bytes([masked << 7 | 127]) + struct.pack("!Q", size)
    if not masked:
        return head + payload
    key = b"\x37\xfa\x21\x3d"
    mask = int.from_bytes((key * (size // 4 + 1))[:size], "big")
    return head + key + (int.from_bytes(payload, "big") ^ mask).to_bytes(size, "big")


def packed(message):
    codec = zlib.compressobj(wbits=-15)
    return (codec.compress(message) + codec.flush(zlib.Z_SYNC_FLUSH))[:-4]


def close(code, reason=b""):
    return frame(CLOSE, struct.pack("!H", code) + reason)


class Reference:
    """What must come of frames: how many messages are answered, which pings, and with which code it ends."""

    def __init__(self, deflate):
        self.deflate = deflate
        self.answers, self.pongs, self.code = 0, [], None
        self.message = None

    def take(self, opcode, payload, fin, rsv, masked):
        if self.code is not None:
            return
        try:
            self.code = self.outcome(opcode, payload, fin, rsv, masked)
        except UnicodeDecodeError:
            self.code = 1007

    def outcome(self, opcode, payload, fin, rsv, masked):
        if opcode >= 8 and (not fin or len(payload) > 125) or not masked or rsv & 3:
            return 1002
        if rsv and not (self.deflate and opcode in (TEXT, BINARY)):
            return 1002
        if opcode in (TEXT, BINARY):
            if self.message is not None:
                return 1002
            self.message = (opcode == TEXT, bool(rsv), [payload])
        elif opcode == CONTINUATION:
            if self.message is None:
                return 1002
            self.message[2].append(payload)
        elif opcode == PING:
            self.pongs.append(payload)
            return None
        elif opcode == PONG:
            return None
        elif opcode == CLOSE:
            return self.closing(payload)
        else:
            return 1002
        return self.complete() if fin else None

    def closing(self, payload):
        if not payload:
            return 1005
        if len(payload) == 1:
            return 1002
        code = struct.unpack("!H", payload[:2])[0]
        if not (code in (1000, 1001, 1002, 1003) or 1007 <= code <= 1014 or 3000 <= code <= 4999):
            return 1002
        payload[2:].decode()
        return code

    def complete(self):
        is_text, is_packed, parts = self.message
        self.message = None
        text = b"".join(parts)
        if is_packed:
            try:
                text = self.unpacked(text + b"\x00\x00\xff\xff")
            except zlib.error:
                return 1007
            if len(text) > INFLATED_BYTES:
                return 1009
        if is_text:
            text.decode()
        self.answers += 1
        return None

    @staticmethod
    def unpacked(data):
        """What is compressed; after a block that says to be the last, too (RFC 7692, section 7.2.3.4)."""
        text = b""
        for _ in range(4):
            codec = zlib.decompressobj(wbits=-15)
            text += codec.decompress(data, INFLATED_BYTES + 1)
            data = codec.unused_data
            if len(data) <= 4:
                return text
        raise zlib.error("too many last blocks")


class Peer:
    """A connection that says what it is told and keeps what it hears."""

    def __init__(self, reader, writer, headers):
        self.reader, self.writer, self.headers = reader, writer, headers
        self.answers, self.pongs, self.code = [], [], None

    @classmethod
    async def open(cls, port, deflate=False):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 27)
        extension = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if deflate else ""
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            (
                f"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{extension}\r\n"
            ).encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        assert (b"permessage-deflate" in head) == deflate
        return cls(reader, writer, head)

    async def listen(self, end=END):
        """Hears until the connection ends or the end is answered."""
        try:
            while self.code is None:
                first, second = await self.reader.readexactly(2)
                assert second < 128 and first & 0xB0 == 0x80, "a frame that no server may send"
                size = second
                if size > 125:
                    size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
                payload = await self.reader.readexactly(size)
                opcode = first & 15
                if first & 0x40:
                    payload = zlib.decompressobj(wbits=-15).decompress(payload + b"\x00\x00\xff\xff")
                if opcode == TEXT:
                    self.answers.append(json.loads(payload))
                elif opcode == PONG and payload == end:
                    return
                elif opcode == PONG:
                    self.pongs.append(payload)
                else:
                    assert opcode == CLOSE, opcode
                    self.code = struct.unpack("!H", payload[:2])[0] if payload else 1005
        except (asyncio.IncompleteReadError, ConnectionError):
            self.code = self.code or 1006

    async def say(self, data, chop=None):
        try:
            for start in range(0, len(data), chop or len(data) or 1):
                self.writer.write(data[start : start + (chop or len(data))])
                await self.writer.drain()
                if chop:
                    await asyncio.sleep(0)
        except ConnectionError:
            pass

    def leave(self):
        self.writer.close()


async def outcome(port, frames, deflate=False, chop=None):
    """What came of frames: answers, pongs and the code of the close, if there was one.

    After a close, the client's own or the server's, it says the rest of what it has to say all the same.
    """
    peer = await Peer.open(port, deflate)
    try:
        data = b"".join(frame(*one) if isinstance(one, tuple) else one for one in frames)
        _, done = await asyncio.wait_for(
            asyncio.gather(peer.say(data + frame(PING, END), chop), peer.listen()), timeout=30
        )
    finally:
        peer.leave()
    return peer


def check(port, frames, deflate=False, chop=None):
    reference = Reference(deflate)
    for one in frames:
        opcode, payload, fin, rsv, masked = (*one, *(b"", True, 0, True)[len(one) - 1 :])
        reference.take(opcode, payload, fin, rsv, masked)
    peer = asyncio.run(outcome(port, frames, deflate, chop))
    heard = (len(peer.answers), peer.pongs, peer.code)
    assert peer.code == reference.code, (frames, heard, reference.code)
    # A connection that fails need not say all that it had to say before.
    assert peer.pongs == reference.pongs[: len(peer.pongs)]
    if reference.code is None:
        assert heard == (reference.answers, reference.pongs, None), (frames, heard)


@pytest.fixture(scope="module")
def node(request):
    node = Daemon(request.config.getoption("--apus"))
    yield node
    node.stop()


@pytest.fixture(scope="module")
def port(node):
    return node.port


def padded(size):
    return REQUEST + b" " * (size - len(REQUEST))


# 1: framing


@pytest.mark.parametrize("size", [54, 125, 126, 127, 128, 65535, 65536, 1 << 20])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_of_any_size_is_answered(port, size, opcode):
    check(port, [(opcode, padded(size))])


@pytest.mark.parametrize("chop", [1, 7, 1024])
def test_a_frame_may_come_in_pieces(port, chop):
    check(port, [(TEXT, padded(2000)), (PING, b"x" * 125), (BINARY, padded(300))], chop=chop)


def test_a_length_may_be_written_longer_than_it_needs_to_be_or_be_refused(port):
    """RFC 6455, section 5.2, forbids it; servers differ. What counts is that nothing hangs."""
    for length in (16, 64):
        peer = asyncio.run(outcome(port, [frame(TEXT, REQUEST, length=length)]))
        assert peer.code in (None, 1002)


# 2: pings and pongs


@pytest.mark.parametrize("payload", [b"", b"hello", bytes(range(125)), b"\xff" * 125, b"x" * 126])
def test_a_ping_is_answered_with_its_payload(port, payload):
    check(port, [(PING, payload)])


def test_pings_are_answered_in_order_and_pongs_are_not(port):
    check(port, [(PONG, b"nobody asked")] + [(PING, b"%d" % index) for index in range(10)], chop=3)


# 3 and 4: reserved bits and opcodes


@pytest.mark.parametrize("rsv", range(1, 8))
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
@pytest.mark.parametrize("deflate", [False, True])
def test_reserved_bits_end_the_connection(port, rsv, opcode, deflate):
    payload = packed(REQUEST) if opcode in (TEXT, BINARY) else b""
    check(port, [(TEXT, REQUEST), (opcode, payload, True, rsv)], deflate)


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_reserved_opcodes_end_the_connection(port, opcode):
    check(port, [(TEXT, REQUEST), (opcode, b"")])
    check(port, [(opcode, b"payload")], chop=1)


# 5: fragmentation

HALVES = REQUEST[:20], REQUEST[20:]
FRAGMENTED = {
    "two": [(TEXT, HALVES[0], False), (CONTINUATION, HALVES[1])],
    "with a ping between": [(TEXT, HALVES[0], False), (PING, b"here?"), (CONTINUATION, HALVES[1])],
    "with a pong between": [(TEXT, HALVES[0], False), (PONG, b"here"), (CONTINUATION, HALVES[1])],
    "empty ones": [(TEXT, b"", False), (CONTINUATION, b"", False), (CONTINUATION, REQUEST, False), (CONTINUATION, b"")],
    "byte by byte": [(TEXT, b"", False)] + [(CONTINUATION, bytes([b]), False) for b in REQUEST] + [(CONTINUATION, b"")],
    "a continuation of nothing": [(CONTINUATION, REQUEST)],
    "a continuation of nothing, not final": [(CONTINUATION, REQUEST, False), (TEXT, REQUEST)],
    "a second end": [(TEXT, HALVES[0], False), (CONTINUATION, HALVES[1]), (CONTINUATION, b"")],
    "a message within": [(TEXT, HALVES[0], False), (TEXT, HALVES[1])],
    "a message within, not final": [(BINARY, HALVES[0], False), (BINARY, HALVES[1], False)],
    "a fragmented ping": [(PING, b"half", False), (CONTINUATION, b"half")],
    "a fragmented close": [(CLOSE, b"\x03\xe8", False)],
    "never ended": [(TEXT, HALVES[0], False), (PING, b"still here")],
    "a close within": [(TEXT, HALVES[0], False), (CLOSE, b"\x03\xe8")],
}


@pytest.mark.parametrize("name", FRAGMENTED)
@pytest.mark.parametrize("chop", [None, 1])
def test_fragments(port, name, chop):
    check(port, FRAGMENTED[name], chop=chop)


def test_a_message_has_so_many_fragments_and_no_more(port):
    for count, code in [(FRAGMENTS, None), (FRAGMENTS + 1, 1009)]:
        frames = [(TEXT, REQUEST, False)] + [(CONTINUATION, b"", False)] * (count - 2) + [(CONTINUATION, b"")]
        peer = asyncio.run(outcome(port, frames))
        assert peer.code == code


# 6: UTF-8. The invalid ones are those of Markus Kuhn's stress test that Autobahn takes.

VALID = ["κόσμε", "\x00", "\x7f", "\x80", "߿", "ࠀ", "￿", "𐀀", "\U0010ffff", "퟿", "", "�"]
INVALID = [
    "80", "bf", "80bf", "80bf80bf", "c0af", "e080af", "f08080af", "f8808080af", "fc80808080af", "c1bf", "e09fbf",
    "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf", "c080", "e08080", "f0808080", "eda080", "edadbf", "edbfbf", "eda080edb080",
    "f4908080", "f5808080", "fe", "ff", "fefeffff", "c3", "e2", "e282", "f0", "f09f98", "cebae1bdb9cf83cebcceb5eda080",
]  # fmt: skip


@pytest.mark.parametrize("text", VALID, ids=ascii)
def test_text_is_utf_8(port, text):
    data = json.dumps({"jsonrpc": "2.0", "id": text, "method": "web3_clientVersion"}, ensure_ascii=False).encode()
    check(port, [(TEXT, data)])
    check(port, [(TEXT, data[:40], False)] + [(CONTINUATION, data[n : n + 1], False) for n in range(40, len(data))]
          + [(CONTINUATION, b"")])  # fmt: skip


@pytest.mark.parametrize("text", INVALID)
def test_text_that_is_no_utf_8_ends_the_connection(port, text):
    check(port, [(TEXT, bytes.fromhex(text))])
    check(port, [(TEXT, b"[1", False), (CONTINUATION, bytes.fromhex(text), False), (CONTINUATION, b"]")], chop=1)
    check(port, [(BINARY, bytes.fromhex(text))])


# 7: closing


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
                                  4000, 4999])  # fmt: skip
def test_a_close_is_answered_with_its_code(port, code):
    check(port, [(CLOSE, struct.pack("!H", code))])
    check(port, [(TEXT, REQUEST), (CLOSE, struct.pack("!H", code) + "ade, schöne Welt".encode())], chop=1)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_a_close_with_a_code_that_is_none_is_answered_with_1002(port, code):
    check(port, [(CLOSE, struct.pack("!H", code))])


@pytest.mark.parametrize("payload", [b"", b"\x03", b"\x03\xe8\xff", b"\x03\xe8" + b"x" * 123, b"\x03\xe8" + b"x" * 124])
def test_payloads_of_closes(port, payload):
    check(port, [(CLOSE, payload)])


def test_nothing_after_a_close_is_answered(port):
    peer = asyncio.run(outcome(port, [close(1000), frame(TEXT, REQUEST), frame(PING, b"x"), close(1001)]))
    assert (peer.code, peer.answers, peer.pongs) == (1000, [], [])


@pytest.mark.parametrize(
    "last, code",
    [(frame(CLOSE, b"\x03\xe8"), 1000), (frame(TEXT, b"\xff"), 1007), (frame(TEXT, REQUEST, rsv=2), 1002),
     (bytes([0x81, 0xFF]) + struct.pack("!Q", 1 << 40), 1009)],
)  # fmt: skip
def test_who_sends_on_for_long_and_reads_only_then_reads_the_code(port, last, code):
    """A client that blocks: it reads when it has said all that it wanted to, some megabytes after the close."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        heard = b""
        while not heard.endswith(b"\r\n\r\n"):
            heard += client.recv(1)
        client.sendall(last)
        for part in range(64):
            client.sendall(b" " * (1 << 17))
            if part == 32:
                time.sleep(1.5)
        heard = b""
        while data := client.recv(1 << 16):
            heard += data
    assert heard[:1] == b"\x88" and heard[1] == len(heard) - 2
    assert struct.unpack("!H", heard[2:4])[0] == code


# 9: sizes


@pytest.mark.parametrize("size", [4 << 20, MESSAGE_BYTES])
def test_large_messages(port, size):
    check(port, [(TEXT, padded(size))])


@pytest.mark.parametrize("pieces", [1, 64])
def test_a_message_beyond_the_limit_ends_the_connection(port, pieces):
    size = MESSAGE_BYTES // pieces + 1
    frames = [frame(TEXT, b" " * size, pieces == 1)]
    frames += [frame(CONTINUATION, b" " * size, index == pieces - 1) for index in range(1, pieces)]
    assert asyncio.run(outcome(port, frames)).code == 1009


def test_a_frame_that_claims_too_much_is_refused_at_its_head(port):
    for size in (MESSAGE_BYTES + 1, 1 << 62, (1 << 64) - 1):
        head = bytes([0x81, 0xFF]) + struct.pack("!Q", size) + b"abcd"
        assert asyncio.run(outcome(port, [head])).code in (1002, 1009)


# 12 and 13: compression


@pytest.mark.parametrize("size", [54, 1023, 1024, 65536, INFLATED_BYTES])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_compressed_messages(port, size, opcode):
    check(port, [(opcode, packed(padded(size)), True, 4), (opcode, padded(size))], deflate=True)


def test_compressed_fragments(port):
    data = packed(padded(5000))
    check(port, [(TEXT, data[:9], False, 4), (PING, b"x"), (CONTINUATION, data[9:])], deflate=True)
    check(port, [(TEXT, data[:9], False, 4), (CONTINUATION, data[9:], True, 4)], deflate=True)


@pytest.mark.parametrize("size", [INFLATED_BYTES + 1, 64 << 20])
def test_a_message_that_unpacks_to_too_much_ends_the_connection(port, size):
    check(port, [(TEXT, packed(b" " * size), True, 4)], deflate=True)


@pytest.mark.parametrize("payload", [b"\x06\x00", b"\xff" * 50, packed(b"\xff\xfe"), packed(REQUEST)[:-3] + b"\xff\xff\xff"])
def test_compressed_nonsense_ends_the_connection(port, payload):
    reference = Reference(True)
    reference.take(TEXT, payload, True, 4, True)
    peer = asyncio.run(outcome(port, [(TEXT, payload, True, 4)], deflate=True))
    assert peer.code == reference.code


# Anything

PAYLOADS = st.sampled_from(
    [b"", b"x", REQUEST, b"[]", b"\xff", "κόσμε".encode(), "κόσμε".encode()[:3], b"x" * 125, b"x" * 126, b" " * 70000,
     packed(REQUEST), packed(b"[]"), packed(b" " * 100000), b"\x03\xe8", b"\x03\xe8ok", b"\x0f\xa0", b"\x03\xed"]
) | st.binary(max_size=40)  # fmt: skip
FRAMES = st.tuples(
    st.sampled_from([TEXT] * 6 + [CONTINUATION] * 5 + [BINARY] * 3 + [PING] * 3 + [PONG, CLOSE, 3, 11]),
    PAYLOADS,
    st.sampled_from([True, True, True, False]),
    st.sampled_from([0] * 12 + [4] * 4 + [1, 2]),
    st.sampled_from([True] * 40 + [False]),
)


def test_any_sequence_of_frames_comes_to_its_end(node):
    sizes = []

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.lists(FRAMES, max_size=12), st.booleans(), st.sampled_from([None, None, 1, 100]))
    def run(frames, deflate, chop):
        if sum(len(one[1]) for one in frames) > 5000 and chop == 1:
            chop = None
        check(node.port, frames, deflate, chop)
        if run.count % 100 == 0:
            sizes.append(resident_mebibytes(node.process.pid))
        run.count += 1

    run.count = 0
    run()
    assert sizes[-1] - sizes[len(sizes) // 4] < 64, sizes


# Real clients


@pytest.mark.parametrize("bits", [9, 12, 15, None])
def test_a_client_with_compression_is_understood(port, bits):
    async def talk():
        factory = ClientPerMessageDeflateFactory(server_max_window_bits=bits, client_max_window_bits=bits or True)
        async with websockets.connect(
            f"ws://127.0.0.1:{port}", compression=None, extensions=[factory], max_size=None
        ) as client:
            assert [extension.name for extension in client.protocol.extensions] == ["permessage-deflate"]
            for size in (10, 2000, 200_000):
                data = "0x" + "ab" * size
                for _ in range(3):
                    await client.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "web3_sha3", "params": [data]}))
                    assert len(json.loads(await client.recv())["result"]) == 66
            await client.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "rpc_discover"}))
            assert len(json.loads(await client.recv())["result"]["methods"]) > 200

    asyncio.run(talk())


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_large_answer_is_understood_and_pings_are_answered(port, compression):
    """Code that returns four mebibytes: its answer comes in some thirty fragments, or in their compressed form."""

    async def talk():
        address = "0x" + "aa" * 20
        params = [{"to": address}, "latest", {address: {"code": "0x624000005ff3"}}]
        call = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": params}
        async with websockets.connect(f"ws://127.0.0.1:{port}", compression=compression, max_size=None) as client:
            for _ in range(3):
                await client.send(json.dumps(call))
                pong = await client.ping()
                await client.send(json.dumps({"jsonrpc": "2.0", "id": 2, "method": "eth_chainId"}))
                answers = [json.loads(await client.recv()) for _ in range(2)]
                answers.sort(key=lambda answer: answer["id"])
                assert answers[0]["result"] == "0x" + "00" * (4 << 20)
                assert "result" in answers[1]
                await pong

    asyncio.run(talk())


def test_many_clients_at_once(port):
    async def one(number):
        async with websockets.connect(f"ws://127.0.0.1:{port}") as client:
            for index in range(20):
                await client.send(json.dumps({"jsonrpc": "2.0", "id": [number, index][index % 2], "method": "eth_chainId"}))
                assert "result" in json.loads(await client.recv())
            await (await client.ping())

    async def all():
        await asyncio.gather(*(one(number) for number in range(100)))

    asyncio.run(all())
