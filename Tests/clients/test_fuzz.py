"""Every method of the table with parameters from its schema and with junk.

The schemas are those of `rpc_discover`. Whatever is sent, the node must answer over HTTP 200 with one JSON-RPC
answer that is a result of the method's schema or an error that is none of the node's own making, must not grow,
and must still be there. Each method is called equally often, and most must answer with a result to parameters
from their schemas: otherwise only the check of the parameters would be tested.
"""

import http.client
import json
import os
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from web3 import HTTPProvider, Web3

from conftest import Chain, Daemon

EXAMPLES = int(os.environ.get("APUS_FUZZ_EXAMPLES", "1500"))
SENDER = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
KNOWN = {}

# How long a method waits for a block.
TIMEOUT = "timeoutMilliseconds"
WAITS = st.sampled_from([1, 0, "0x5", 20])

# Numbers of blocks are kept small: a million of them is an order that the node would carry out.
MINES = re.compile(r"_mine")
# What takes blocks back comes last: the others are asked about blocks that are there.
UNDOES = re.compile(r"_(reset|rollback|revert|reorg|setHead|loadState)$")
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NUMBERS = st.sampled_from(
    [0, 1, 2, 3, 5, 1000, 21000, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**255, 2**256 - 1]
)
QUANTITIES = NUMBERS.map(hex) | st.integers(0, 100).map(hex) | st.sampled_from(["0x", "0x00", "0x0g", ""])
DATA = st.binary(max_size=80).map(lambda data: "0x" + data.hex()) | st.sampled_from(["0x", "0x0"])
ADDRESSES = st.sampled_from([SENDER, "0x" + "00" * 20, "0x" + "00" * 19 + "01", "0x" + "ff" * 20]) | st.binary(
    min_size=20, max_size=20
).map(lambda data: "0x" + data.hex())
HASHES = st.deferred(lambda: st.sampled_from(KNOWN["hashes"])) | st.binary(min_size=32, max_size=32).map(
    lambda data: "0x" + data.hex()
)
TAGS = st.sampled_from(["latest", "pending", "earliest", "safe", "finalized"])
PATTERNS = {
    "^0x[0-9a-fA-F]{40}$": ADDRESSES,
    "^0x[0-9a-fA-F]{64}$": HASHES,
    "^0x([0-9a-fA-F]{2})*$": DATA,
    "^0x(0|[1-9a-fA-F][0-9a-fA-F]*)$": QUANTITIES,
    "^0x[0-9a-fA-F]{0,64}$": QUANTITIES | HASHES,
}


def values(schema, depth=0):
    """Values that a schema asks for, most of them valid."""
    if depth > 4 or not schema:
        return JUNK
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return st.one_of([values(part, depth + 1) for part in schema[key]])
    if "pattern" in schema:
        return PATTERNS.get(schema["pattern"], DATA)
    kind = schema.get("type")
    if kind == "array":
        return st.lists(values(schema.get("items", {}), depth + 1), max_size=3)
    if kind == "object":
        members = {
            name: st.none() | values(part, depth + 1)
            for name, part in schema.get("properties", {}).items()
        }
        return st.fixed_dictionaries({}, optional=members)
    if kind == "string":
        return st.text(max_size=20) | DATA | TAGS
    return {
        "boolean": st.booleans(),
        "integer": NUMBERS,
        "number": st.floats(0, 100),
        "null": st.none(),
    }.get(kind, JUNK)


def guided(method):
    """All parameters of a method, from its schema."""
    if MINES.search(method["name"]):
        return st.lists(st.integers(0, 3) | st.sampled_from(["0x1", None]), max_size=len(method["params"]))
    return st.tuples(
        *[WAITS if part["name"] == TIMEOUT else values(part["schema"]) for part in method["params"]]
    ).map(list)


def calls(method):
    """Parameters of a method, and whether they are those of its schema."""
    whole = guided(method)
    cut = whole.flatmap(lambda given: st.integers(0, len(given)).map(lambda n: given[:n]))
    # Without a time a method that waits does so for twenty seconds.
    if any(part["name"] == TIMEOUT for part in method["params"]):
        cut = st.nothing()
    other = cut | st.lists(JUNK, max_size=4)
    return whole.map(lambda given: (True, given)) | other.map(lambda given: (False, given))


class Client:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def send(self, method, params):
        body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
        self.connection.request("POST", "/", body, {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        assert response.status == 200, response.status
        return json.loads(response.read())


def resident_mebibytes(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) / 1024


@pytest.fixture(scope="module")
def node(request):
    """A devnet of its own: what is sent here changes how it makes blocks."""
    node = Daemon(request.config.getoption("--apus"))
    yield node
    node.stop()


@pytest.fixture(scope="module")
def client(node):
    chain = Chain(Web3(HTTPProvider(f"http://127.0.0.1:{node.port}")))
    client = Client(node.port)
    block = client.send("eth_getBlockByHash", [chain.block_with_log.to_0x_hex(), False])["result"]
    KNOWN["hashes"] = [block["hash"], block["transactions"][0], "0x" + "00" * 32]
    return client


def test_every_method_answers_whatever_it_is_sent(client, node):
    methods = client.send("rpc_discover", [])["result"]["methods"]
    # Blocks that come by themselves would make runs differ.
    kept = [method for method in methods if "IntervalMining" not in method["name"]]
    kept.sort(key=lambda method: bool(UNDOES.search(method["name"])))
    validators = {method["name"]: Draft7Validator(method["result"]["schema"]) for method in kept}
    answered = set()
    sizes = []

    def call(method):
        """Calls a method with many parameters."""
        name = method["name"]

        @settings(
            max_examples=max(EXAMPLES // len(kept), 5),
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(calls(method))
        def check(example):
            is_guided, params = example
            answer = client.send(name, params)
            assert answer.get("jsonrpc") == "2.0" and answer.get("id") == 7, answer
            assert ("result" in answer) != ("error" in answer), answer
            if "error" in answer:
                error = answer["error"]
                assert isinstance(error["code"], int) and isinstance(error["message"], str), answer
                assert error["code"] != -32603, (name, params, answer)
            else:
                fault = next(validators[name].iter_errors(answer["result"]), None)
                assert fault is None, (name, params, fault.message)
                if is_guided:
                    answered.add(name)

        check()

    for index, method in enumerate(kept):
        # Whatever a method before this one did to it.
        client.send("evm_setAutomine", [True])
        call(method)
        if index % 20 == 0:
            sizes.append(resident_mebibytes(node.process.pid))
    assert client.send("eth_chainId", [])["result"]
    silent = sorted(method["name"] for method in kept if method["name"] not in answered)
    assert len(silent) < len(kept) / 2, silent
    # What the first quarter has touched stays; the rest adds next to nothing.
    assert sizes[-1] - sizes[len(sizes) // 4] < 64, sizes
