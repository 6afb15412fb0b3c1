"""A devnet for web3.py's own module tests (`web3._utils.module_testing`), over each transport.

The tests come from the web3.py that is installed; this file gives them what web3.py's own integration tests
give them with geth: a funded unlocked account, contracts, and a few blocks with known contents. Blocks are
made at once, but for tests that must see a transaction wait: those get a block once in a while.
"""

import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest
import pytest_asyncio
from eth_account import Account
from web3 import AsyncHTTPProvider, AsyncWeb3, HTTPProvider, IPCProvider, Web3
from web3._utils.contract_sources.contract_data.emitter_contract import EMITTER_CONTRACT_DATA
from web3._utils.contract_sources.contract_data.math_contract import MATH_CONTRACT_DATA
from web3._utils.contract_sources.contract_data.offchain_lookup import OFFCHAIN_LOOKUP_DATA
from web3._utils.contract_sources.contract_data.panic_errors_contract import (
    PANIC_ERRORS_CONTRACT_DATA,
)
from web3._utils.contract_sources.contract_data.revert_contract import REVERT_CONTRACT_DATA
from web3._utils.contract_sources.contract_data.storage_contract import STORAGE_CONTRACT_DATA
from web3._utils.module_testing.utils import RequestMocker
from web3.providers.persistent import AsyncIPCProvider, WebSocketProvider

Account.enable_unaudited_hdwallet_features()
SENDER = Account.from_mnemonic("test " * 11 + "junk")

# The chain that web3.py's raw transactions are signed for.
CHAIN_ID = 131277322940537

# Tests that look at a transaction before it is in a block, or wait for blocks without transactions.
WAITING = re.compile(
    r"replace_transaction|modify_transaction|unmined|pending_transaction_filter|PersistentConnection"
)


def pytest_addoption(parser):
    parser.addoption("--apus", required=True, help="the binary to test")


# Tests that fail for reasons of their own, with any node.
OWN_FAILURES = {
    "TestEth::test_invalid_eth_sign_typed_data": "expects eth-tester's exception in place of an answer",
    "TestAsyncEth::test_invalid_eth_sign_typed_data": "the same",
    "TestAsyncEth::test_eth_sign_typed_data": "web3.py's request formatter fails on nested lists",
    "TestAdmin::test_admin_peers": "wants a node to be its own peer; web3.py expects it to fail on geth",
    "TestAsyncAdmin::test_admin_peers": "the same",
    "TestAsyncAdmin::test_async_node_info": "wants the name Geth",
    "TestAdmin::test_admin_start_stop_http": "wants admin_startHTTP and admin_stopHTTP: listeners are settings here",
    "TestAdmin::test_admin_start_stop_ws": "the same of admin_startWS and admin_stopWS",
    "TestAsyncAdmin::test_admin_start_stop_http": "the same of admin_startHTTP and admin_stopHTTP",
    "TestAsyncAdmin::test_admin_start_stop_ws": "the same of admin_startWS and admin_stopWS",
    "TestRPCBackend::test_get_fee_history": "wants the answers of eth-tester's own backend: oldest block 1 whatever is"
    " asked for, and no fee of the next block",
}


def pytest_collection_modifyitems(items):
    """HTTP carries no subscriptions, and web3.py has no synchronous WebSocket provider."""
    for item in items:
        reason = OWN_FAILURES.get(f"{item.parent.name}::{item.originalname}")
        if reason:
            item.add_marker(pytest.mark.xfail(strict=True, reason=reason))
    items[:] = [
        item
        for item in items
        if not ("[http" in item.name and "PersistentConnection" in item.nodeid)
        and not ("[websocket" in item.name and not item.get_closest_marker("asyncio"))
    ]


class Daemon:
    """`apus dev` on a free port and a Unix socket, in a fresh folder."""

    def __init__(self, binary, *options):
        self.folder = tempfile.TemporaryDirectory(prefix="apus-clients-")
        self.datadir = str(Path(self.folder.name) / "data")
        self.ipc = str(Path(self.folder.name) / "apus.ipc")
        self.process = subprocess.Popen(
            [binary, "dev", "--port", "0", "--ipc", self.ipc, "--datadir", self.datadir]
            + ["--chain-id", str(CHAIN_ID), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "APUS_LOG_LEVEL": "warning"},
        )
        for line in self.process.stdout:
            if found := re.match(r"REST on http://\S+:(\d+)", line):
                self.rest_port = int(found[1])
            if found := re.match(r"Listening on (\S+):(\d+)", line):
                self.port = int(found[2])
                return
        raise RuntimeError("the daemon did not start")

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.folder.cleanup()


class Chain:
    """The contracts and blocks that the tests ask for."""

    def __init__(self, w3):
        self.w3 = w3
        self.rpc = lambda method, *params: w3.provider.make_request(method, list(params))
        self.math, self.math_deployment = self.deploy(MATH_CONTRACT_DATA)
        self.emitter, _ = self.deploy(EMITTER_CONTRACT_DATA)
        self.revert, _ = self.deploy(REVERT_CONTRACT_DATA)
        self.panic, _ = self.deploy(PANIC_ERRORS_CONTRACT_DATA)
        self.storage, _ = self.deploy(STORAGE_CONTRACT_DATA)
        self.lookup, _ = self.deploy(OFFCHAIN_LOOKUP_DATA)
        self.rpc("evm_mine")
        self.empty_block = w3.eth.get_block("latest")["hash"]
        receipt = self.receipt(w3.eth.send_transaction(
            {"from": SENDER.address, "to": SENDER.address, "value": 1}
        ))
        self.mined_txn, self.block_with_txn = receipt["transactionHash"], receipt["blockHash"]
        emitter = w3.eth.contract(address=self.emitter, abi=EMITTER_CONTRACT_DATA["abi"])
        receipt = self.receipt(
            emitter.functions.logDouble(which=9, arg0=12345, arg1=54321).transact(
                {"from": SENDER.address}
            )
        )
        self.txn_with_log, self.block_with_log = receipt["transactionHash"], receipt["blockHash"]

    def receipt(self, hash):
        return self.w3.eth.wait_for_transaction_receipt(hash, timeout=10)

    def deploy(self, data):
        hash = self.w3.eth.contract(**data).constructor().transact({"from": SENDER.address})
        return self.receipt(hash)["contractAddress"], hash

    def waits(self, interval):
        """From now on a block at an interval of milliseconds; with 0 whenever a transaction comes."""
        if interval:
            self.rpc("evm_setAutomine", False)
        self.rpc("evm_setIntervalMining", interval)
        if not interval:
            self.rpc("evm_setAutomine", True)


@pytest.fixture(scope="session")
def daemon(request):
    daemon = Daemon(request.config.getoption("--apus"))
    yield daemon
    daemon.stop()


@pytest.fixture(scope="session")
def chain(daemon):
    return Chain(Web3(HTTPProvider(f"http://127.0.0.1:{daemon.port}")))


@pytest.fixture(scope="class", autouse=True)
def fresh(chain):
    """Each class finds the chain as it was: some tests leave code on the sender's account."""
    snapshot = chain.rpc("evm_snapshot")["result"]
    yield
    chain.rpc("evm_revert", snapshot)


@pytest.fixture(autouse=True)
def mining(request, chain):
    if not WAITING.search(request.node.nodeid):
        yield
        return
    if "PersistentConnection" in request.node.nodeid:
        interval = 400
    elif "already_mined" in request.node.nodeid:
        interval = 1000
    else:
        # No block may come while the test runs, on a machine however slow.
        interval = 60_000
    chain.waits([interval, interval])
    yield
    chain.waits(0)


@pytest.fixture(autouse=True)
def own_reports(request):
    """Keeps the node's reports of its progress from a test that puts one of its own in their place.

    A subscriber to `syncing` hears how the node is within half a second, now and then before the test has
    put its report; the test takes the first that comes.
    """
    if "syncing_mocked" not in request.node.nodeid:
        yield
        return
    provider = request.getfixturevalue("async_w3").provider
    read = provider._provider_specific_socket_reader

    async def read_answer():
        while True:
            message = await read()
            if isinstance(message, list) or message.get("method") != "eth_subscription":
                return message

    provider._provider_specific_socket_reader = read_answer
    yield
    provider._provider_specific_socket_reader = read


@pytest.fixture(scope="session", params=["http", "websocket", "ipc"])
def transport(request):
    return request.param


@pytest.fixture(scope="session")
def w3(daemon, chain, transport):
    if transport == "http":
        return Web3(HTTPProvider(f"http://127.0.0.1:{daemon.port}"))
    return Web3(IPCProvider(daemon.ipc))


@pytest_asyncio.fixture(scope="session")
async def async_w3(daemon, chain, transport):
    if transport == "http":
        w3 = AsyncWeb3(AsyncHTTPProvider(f"http://127.0.0.1:{daemon.port}"))
        yield w3
        await w3.provider.disconnect()
        return
    if transport == "websocket":
        provider = WebSocketProvider(f"ws://127.0.0.1:{daemon.port}")
    else:
        provider = AsyncIPCProvider(daemon.ipc)
    async with AsyncWeb3(provider) as w3:
        yield w3


# What the tests take, by the names that they have for it.


@pytest.fixture(scope="session")
def datadir(daemon):
    return daemon.datadir


@pytest.fixture(scope="function")
def request_mocker():
    return RequestMocker


@pytest.fixture(scope="session")
def skip_if_testrpc():
    return lambda w3: None


@pytest.fixture(scope="session")
def async_skip_if_testrpc():
    return lambda w3: None


@pytest.fixture(scope="session")
def keyfile_account_pkey():
    return SENDER.key.hex()


@pytest.fixture(scope="session")
def keyfile_account_address():
    return SENDER.address


@pytest.fixture(scope="session")
def keyfile_account_address_dual_type():
    return SENDER.address


@pytest.fixture(scope="session")
def math_contract_deploy_txn_hash(chain):
    return chain.math_deployment


@pytest.fixture(scope="session")
def math_contract_address(chain):
    return chain.math


@pytest.fixture(scope="session")
def emitter_contract_address(chain):
    return chain.emitter


@pytest.fixture(scope="session")
def mined_txn_hash(chain):
    return chain.mined_txn


@pytest.fixture(scope="session")
def txn_hash_with_log(chain):
    return chain.txn_with_log


@pytest.fixture(scope="session")
def empty_block(chain):
    return chain.w3.eth.get_block(chain.empty_block)


@pytest.fixture(scope="session")
def block_with_txn(chain):
    return chain.w3.eth.get_block(chain.block_with_txn)


@pytest.fixture(scope="session")
def block_with_txn_with_log(chain):
    return chain.w3.eth.get_block(chain.block_with_log)


@pytest.fixture(scope="session")
def math_contract(w3, chain):
    return w3.eth.contract(**MATH_CONTRACT_DATA)(address=chain.math)


@pytest.fixture(scope="session")
def emitter_contract(w3, chain):
    return w3.eth.contract(**EMITTER_CONTRACT_DATA)(address=chain.emitter)


@pytest.fixture(scope="session")
def revert_contract(w3, chain):
    return w3.eth.contract(**REVERT_CONTRACT_DATA)(address=chain.revert)


@pytest.fixture(scope="session")
def panic_errors_contract(w3, chain):
    return w3.eth.contract(**PANIC_ERRORS_CONTRACT_DATA)(address=chain.panic)


@pytest.fixture(scope="session")
def storage_contract(w3, chain):
    return w3.eth.contract(**STORAGE_CONTRACT_DATA)(address=chain.storage)


@pytest.fixture(scope="session")
def offchain_lookup_contract(w3, chain):
    return w3.eth.contract(**OFFCHAIN_LOOKUP_DATA)(address=chain.lookup)


@pytest.fixture(scope="session")
def async_keyfile_account_address():
    return SENDER.address


@pytest.fixture(scope="session")
def async_keyfile_account_address_dual_type():
    return SENDER.address


@pytest.fixture(scope="session")
def async_math_contract_address(chain):
    return chain.math


@pytest.fixture(scope="session")
def async_emitter_contract_address(chain):
    return chain.emitter


@pytest_asyncio.fixture(scope="session")
async def async_empty_block(async_w3, chain):
    return await async_w3.eth.get_block(chain.empty_block)


@pytest_asyncio.fixture(scope="session")
async def async_block_with_txn(async_w3, chain):
    return await async_w3.eth.get_block(chain.block_with_txn)


@pytest_asyncio.fixture(scope="session")
async def async_block_with_txn_with_log(async_w3, chain):
    return await async_w3.eth.get_block(chain.block_with_log)


@pytest_asyncio.fixture(scope="session")
async def async_math_contract(async_w3, chain):
    return async_w3.eth.contract(**MATH_CONTRACT_DATA)(address=chain.math)


@pytest_asyncio.fixture(scope="session")
async def async_emitter_contract(async_w3, chain):
    return async_w3.eth.contract(**EMITTER_CONTRACT_DATA)(address=chain.emitter)


@pytest_asyncio.fixture(scope="session")
async def async_revert_contract(async_w3, chain):
    return async_w3.eth.contract(**REVERT_CONTRACT_DATA)(address=chain.revert)


@pytest_asyncio.fixture(scope="session")
async def async_panic_errors_contract(async_w3, chain):
    return async_w3.eth.contract(**PANIC_ERRORS_CONTRACT_DATA)(address=chain.panic)


@pytest_asyncio.fixture(scope="session")
async def async_storage_contract(async_w3, chain):
    return async_w3.eth.contract(**STORAGE_CONTRACT_DATA)(address=chain.storage)


@pytest_asyncio.fixture(scope="session")
async def async_offchain_lookup_contract(async_w3, chain):
    return async_w3.eth.contract(**OFFCHAIN_LOOKUP_DATA)(address=chain.lookup)
