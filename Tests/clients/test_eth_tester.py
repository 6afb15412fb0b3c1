"""eth-tester's own tests of its backends, against a devnet.

`RPCBackend` is a backend of eth-tester that keeps no chain: what it is asked it asks the node. Blocks come when
eth-tester orders them, as with its own backends.
"""

import itertools

import eth.exceptions
import pytest
import rlp
from eth_account import Account
from eth_tester import EthereumTester
from eth_tester.backends.base import ZERO_ADDRESS, BaseChainBackend
from eth_tester.exceptions import (
    BlockNotFound,
    TransactionFailed,
    TransactionNotFound,
    ValidationError,
)
from eth_tester.utils.backend_testing import BaseTestBackendDirect
from eth_utils import to_checksum_address
from web3 import HTTPProvider

from conftest import Daemon

# The names that differ between eth-tester and JSON-RPC by more than their spelling.
NAMES = {"data": "input", "coinbase": "miner"}
# Members of transactions, blocks, receipts and logs that are numbers.
NUMBERS = set(
    "nonce blockNumber transactionIndex value gas gasPrice maxFeePerGas maxPriorityFeePerGas maxFeePerBlobGas chainId"
    " v r s yParity type number difficulty totalDifficulty size gasLimit gasUsed timestamp baseFeePerGas blobGasUsed logsBloom"
    " excessBlobGas cumulativeGasUsed effectiveGasPrice logIndex status index validatorIndex amount blobGasPrice logsBloom".split()
)


FEES = {"gas_price", "max_fee_per_gas", "max_priority_fee_per_gas"}
# The keys of the node's accounts.
KEYS = {
    bytes.fromhex(account.address[2:]): account
    for account in (
        Account.from_mnemonic("test " * 11 + "junk", account_path=f"m/44'/60'/0'/0/{index}") for index in range(10)
    )
}


class RPCError(Exception):
    def __init__(self, error):
        super().__init__(error["message"])
        self.error = error


def snake(name):
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)


def camel(name):
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def decoded(value, name=""):
    """A value of JSON-RPC as eth-tester has it inside: numbers and bytes, names with underscores."""
    if isinstance(value, dict):
        return {snake(key): decoded(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return tuple(decoded(member, name) for member in value)
    if isinstance(value, str):
        return int(value, 16) if name in NUMBERS else bytes.fromhex(value[2:])
    return value


def encoded(value, name=""):
    if isinstance(value, dict):
        return {camel(key): encoded(member, key) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [encoded(member, name) for member in value]
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return hex(value) if isinstance(value, int) and not isinstance(value, bool) else value


class RPCBackend(BaseChainBackend):
    """A backend without a chain. Made without arguments, as eth-tester does: the class has the address."""

    url = None

    def __init__(self):
        self.provider = HTTPProvider(self.url)
        self.rpc("evm_setAutomine", False)
        self.snapshots = {}
        self.next_snapshot = itertools.count()
        self.recovery = {}
        self.reset_to_genesis()

    def rpc(self, method, *params):
        answer = self.provider.make_request(method, list(params))
        if "error" in answer:
            raise RPCError(answer["error"])
        return answer["result"]

    # Snapshots and the clock

    def take_snapshot(self):
        token = next(self.next_snapshot)
        self.snapshots[token] = self.rpc("evm_snapshot")
        return token

    def revert_to_snapshot(self, snapshot):
        assert self.rpc("evm_revert", self.snapshots[snapshot])
        # The node forgets a snapshot with its use; eth-tester may come back.
        self.snapshots[snapshot] = self.rpc("evm_snapshot")

    def reset_to_genesis(self):
        self.rpc("anvil_reset")
        self.rpc("anvil_dropAllTransactions")
        # Those that were added to the node's own.
        self.keys = {}

    def time_travel(self, to_timestamp):
        # The block after the one that this makes has the time.
        self.rpc("evm_setNextBlockTimestamp", to_timestamp - 1)
        self.mine_blocks()

    def mine_blocks(self, num_blocks=1, coinbase=ZERO_ADDRESS):
        self.rpc("anvil_setCoinbase", encoded(coinbase))
        hashes = []
        for _ in range(num_blocks):
            self.rpc("evm_mine")
            hashes.append(self.get_block_by_number("latest", False)["hash"])
        return tuple(hashes)

    # Accounts

    def get_accounts(self):
        return decoded(self.rpc("eth_accounts")) + tuple(self.keys)

    def add_account(self, private_key):
        account = Account.from_key(private_key)
        self.keys[bytes.fromhex(account.address[2:])] = account

    def get_nonce(self, account, block_number="latest"):
        return int(self.rpc("eth_getTransactionCount", encoded(account), encoded(block_number)), 16)

    def get_balance(self, account, block_number="latest"):
        return int(self.rpc("eth_getBalance", encoded(account), encoded(block_number)), 16)

    def get_code(self, account, block_number="latest"):
        return decoded(self.rpc("eth_getCode", encoded(account), encoded(block_number)))

    def get_storage(self, account, slot, block_number="latest"):
        return decoded(self.rpc("eth_getStorageAt", encoded(account), encoded(slot), encoded(block_number)))

    def get_base_fee(self, block_number="latest"):
        return self.get_block_by_number(block_number, False)["base_fee_per_gas"]

    # The chain

    def block(self, block, is_pending):
        if block is None:
            raise BlockNotFound("no such block")
        transactions = block.pop("transactions")
        result = decoded(block)
        result["nonce"] = decoded(block["nonce"] or "0x" + "00" * 8)
        result["coinbase"] = result.pop("miner") or ZERO_ADDRESS
        result["hash"] = result["hash"] or b"\x00" * 32
        # What the node has no longer, being after the merge.
        result.setdefault("total_difficulty", 0)
        result["extra_data"] = result["extra_data"].rjust(32, b"\x00")
        result["transactions"] = tuple(
            decoded(item) if isinstance(item, str) else self.transaction(item, is_pending) for item in transactions
        )
        return result

    def get_block_by_number(self, block_number, full_transaction=True):
        block = self.rpc("eth_getBlockByNumber", encoded(block_number), full_transaction)
        return self.block(block, block_number == "pending")

    def get_block_by_hash(self, block_hash, full_transaction=True):
        return self.block(self.rpc("eth_getBlockByHash", encoded(block_hash), full_transaction), False)

    def transaction(self, transaction, is_pending=False):
        result = decoded(transaction)
        result["data"] = result.pop("input")
        result["to"] = result["to"] or b""
        result.pop("block_timestamp", None)
        if result["type"] == 0:
            result.pop("chain_id", None)
            # eth-tester knows no signatures with the number of the chain in them (EIP-155).
            self.recovery[result["r"], result["s"]] = result["v"]
            result["v"] = 28 - result["v"] % 2
        if "access_list" in result:
            result["access_list"] = tuple(
                (entry["address"], tuple(int.from_bytes(key, "big") for key in entry["storage_keys"]))
                for entry in result["access_list"]
            )
        return result

    def get_transaction_by_hash(self, transaction_hash):
        transaction = self.rpc("eth_getTransactionByHash", encoded(transaction_hash))
        if transaction is None:
            raise TransactionNotFound("no such transaction")
        return self.transaction(transaction)

    def get_transaction_receipt(self, transaction_hash):
        receipt = self.rpc("eth_getTransactionReceipt", encoded(transaction_hash))
        if receipt is None:
            # eth-tester asks for the receipts of transactions that wait, to see whether there are logs.
            transaction = self.get_transaction_by_hash(transaction_hash)
            return {
                "block_hash": None, "block_number": None, "contract_address": None, "cumulative_gas_used": 0,
                "effective_gas_price": 0, "from": transaction["from"], "gas_used": 0, "logs": (), "state_root": b"",
                "status": 0, "to": transaction["to"], "transaction_hash": transaction_hash, "transaction_index": None,
                "type": transaction["type"],
            }
        result = decoded(receipt)
        result.pop("logs_bloom")
        result["to"] = result["to"] or b""
        result["state_root"] = b"\x01" if result["status"] else b""
        for log in result["logs"]:
            log.pop("removed")
            log.pop("block_timestamp")
            log["type"] = "mined"
        return result

    def get_fee_history(self, block_count=1, newest_block="latest", reward_percentiles=()):
        if isinstance(block_count, int) and not 1 <= block_count <= 1024:
            raise ValidationError("block_count must be between 1 and 1024")
        if newest_block is None:
            raise BlockNotFound("No block found for block number: None")
        history = self.rpc(
            "eth_feeHistory", encoded(block_count), encoded(newest_block), list(reward_percentiles or ())
        )
        return {
            "oldest_block": int(history["oldestBlock"], 16),
            "base_fee_per_gas": [int(fee, 16) for fee in history["baseFeePerGas"]],
            "gas_used_ratio": history["gasUsedRatio"],
            "reward": [[int(tip, 16) for tip in tips] for tips in history.get("reward", [])],
        }

    # Transactions

    def request(self, transaction):
        wanted = {key: value for key, value in transaction.items() if value is not None and key != "type"}
        if not wanted.get("to"):
            wanted.pop("to", None)
        if "access_list" in wanted:
            wanted["access_list"] = [
                {"address": address, "storage_keys": [key.to_bytes(32, "big") for key in keys]}
                for address, keys in wanted["access_list"]
            ]
        result = encoded(wanted)
        for name, other in NAMES.items():
            if name in result:
                result[other] = result.pop(name)
        return result

    def send_transaction(self, transaction):
        transaction = {**transaction}
        if not FEES & transaction.keys():
            # eth-tester's default.
            transaction.update(max_fee_per_gas=10**9, max_priority_fee_per_gas=10**9)
        key = self.keys.get(transaction["from"])
        if key is None and not transaction.get("to") and not transaction.get("data"):
            # A node like geth makes no contract without code; signed ones it takes.
            key = KEYS[transaction["from"]]
        if key is not None:
            return self.send_signed(transaction, key)
        try:
            return decoded(self.rpc("eth_sendTransaction", self.request(transaction)))
        except RPCError as error:
            raise ValidationError(str(error)) from error

    def send_signed(self, transaction, key):
        request = {key: value for key, value in self.request(transaction).items() if key != "from"}
        request.setdefault("nonce", self.rpc("eth_getTransactionCount", encoded(transaction["from"]), "pending"))
        request["chainId"] = self.rpc("eth_chainId")
        request["data"] = request.pop("input", "0x")
        if "to" in request:
            request["to"] = to_checksum_address(request["to"])
        return self.send_raw_transaction(key.sign_transaction(request).raw_transaction)

    def send_raw_transaction(self, raw_transaction):
        try:
            return decoded(self.rpc("eth_sendRawTransaction", encoded(bytes(raw_transaction))))
        except RPCError as error:
            # What its own backends raise.
            if "type not supported" in str(error):
                raise eth.exceptions.UnrecognizedTransactionType(raw_transaction[0], str(error)) from error
            if str(error).startswith("rlp"):
                raise rlp.exceptions.DecodingError(str(error), raw_transaction) from error
            raise ValidationError(str(error)) from error

    def send_signed_transaction(self, signed_transaction, block_number="latest"):
        """A transaction that eth-tester took apart when it came, and puts in again."""
        fields = ("nonce", "gas_price", "gas", "to", "value", "data", "v", "r", "s")
        signed_transaction = {**signed_transaction}
        signature = signed_transaction["r"], signed_transaction["s"]
        signed_transaction["v"] = self.recovery.get(signature, signed_transaction["v"])
        if "gas_price" not in signed_transaction or "access_list" in signed_transaction:
            raise NotImplementedError("typed transactions are sent once")
        return self.send_raw_transaction(rlp.encode([signed_transaction[field] for field in fields]))

    def call(self, transaction, block_number="latest"):
        try:
            return decoded(self.rpc("eth_call", self.request(transaction), encoded(block_number)))
        except RPCError as error:
            raise TransactionFailed(str(error).removeprefix("execution reverted: ")) from error

    def estimate_gas(self, transaction, block_number="latest"):
        try:
            return int(self.rpc("eth_estimateGas", self.request(transaction), encoded(block_number)), 16)
        except RPCError as error:
            raise TransactionFailed(str(error)) from error


@pytest.fixture(scope="module")
def node(request):
    """A devnet whose accounts have what eth-tester expects."""
    node = Daemon(request.config.getoption("--apus"), "--balance", "1000000")
    yield node
    node.stop()


@pytest.fixture
def eth_tester(node):
    backend = type("NodeBackend", (RPCBackend,), {"url": f"http://127.0.0.1:{node.port}"})
    return EthereumTester(backend=backend())


class TestRPCBackend(BaseTestBackendDirect):
    pass
