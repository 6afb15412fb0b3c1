"""Transactions of every type, signed by eth-account, and what the node makes of them."""

import pytest
import rlp
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_utils import keccak
from web3 import HTTPProvider, Web3

from conftest import SENDER, Daemon

OTHER = Account.from_key("0x" + "42" * 32)
TARGET = "0x00000000000000000000000000000000000000AA"
ACCESS = [{"address": TARGET, "storageKeys": ["0x" + "00" * 31 + "01"]}]
FEES = {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9}
LEGACY = {"gasPrice": 10**10}
# Returns its caller's code, being delegated to: ADDRESS, EXTCODESIZE.
DELEGATE = "0x303b5f5260205ff3"


@pytest.fixture(scope="module")
def w3(request):
    # Before Osaka blobs have one proof each, which is what eth-account makes.
    node = Daemon(request.config.getoption("--apus"), "--hardfork", "prague")
    yield Web3(HTTPProvider(f"http://127.0.0.1:{node.port}"))
    node.stop()


def send(w3, transaction, **signing):
    transaction = {"nonce": w3.eth.get_transaction_count(SENDER.address), "gas": 200_000, "value": 1} | transaction
    signed = SENDER.sign_transaction(transaction, **signing)
    hash = signed.hash
    if transaction.get("type") == 3:
        # eth-account hashes the blobs as well, which are no part of the transaction (EIP-4844).
        hash = keccak(b"\x03" + rlp.encode(rlp.decode(signed.raw_transaction[1:])[0]))
    assert w3.eth.send_raw_transaction(signed.raw_transaction) == hash
    receipt = w3.eth.get_transaction_receipt(hash)
    assert receipt["status"] == 1 and receipt["from"] == SENDER.address
    sent = w3.eth.get_transaction(hash)
    assert (sent["r"], sent["s"]) == (signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big"))
    assert sent["nonce"] == transaction["nonce"] and sent["value"] == transaction["value"]
    # Who signed is read from what the node gives back, too.
    if sent["type"] != 3:
        raw = w3.provider.make_request("eth_getRawTransactionByHash", [signed.hash.to_0x_hex()])["result"]
        assert raw == signed.raw_transaction.to_0x_hex()
        assert Account.recover_transaction(raw) == SENDER.address
    return sent, receipt


@pytest.mark.parametrize("has_chain", [True, False])
def test_legacy(w3, has_chain):
    chain = {"chainId": w3.eth.chain_id} if has_chain else {}
    sent, receipt = send(w3, {"to": TARGET, **LEGACY, **chain})
    assert sent["type"] == receipt["type"] == 0
    assert (sent["v"] in (27, 28)) == (not has_chain)


def test_access_list(w3):
    sent, receipt = send(w3, {"to": TARGET, "chainId": w3.eth.chain_id, "accessList": ACCESS, "type": 1, **LEGACY})
    assert sent["type"] == receipt["type"] == 1
    assert sent["accessList"][0]["address"] == TARGET
    assert receipt["gasUsed"] == 21_000 + 2_400 + 1_900


def test_dynamic_fee(w3):
    sent, receipt = send(w3, {"to": TARGET, "chainId": w3.eth.chain_id, "accessList": ACCESS, "type": 2, **FEES})
    assert sent["type"] == receipt["type"] == 2
    base_fee = w3.eth.get_block(receipt["blockNumber"])["baseFeePerGas"]
    assert receipt["effectiveGasPrice"] == min(FEES["maxFeePerGas"], base_fee + FEES["maxPriorityFeePerGas"])


def test_blobs(w3):
    blobs = [bytes([0] + [index] * 31) * 4096 for index in range(2)]
    sent, receipt = send(
        w3, {"to": TARGET, "chainId": w3.eth.chain_id, "type": 3, "maxFeePerBlobGas": 10**10, **FEES}, blobs=blobs
    )
    assert sent["type"] == receipt["type"] == 3
    assert len(sent["blobVersionedHashes"]) == 2 and receipt["blobGasUsed"] == 2 << 17


def test_set_code(w3):
    w3.provider.make_request("anvil_setCode", [TARGET, DELEGATE])
    signed = OTHER.sign_authorization({"chainId": w3.eth.chain_id, "address": TARGET, "nonce": 0})
    sent, receipt = send(
        w3,
        {"to": OTHER.address, "chainId": w3.eth.chain_id, "type": 4, "authorizationList": [signed], **FEES},
    )
    assert sent["type"] == receipt["type"] == 4
    assert sent["authorizationList"][0]["address"] == TARGET
    assert w3.eth.get_code(OTHER.address).to_0x_hex() == "0xef0100" + TARGET[2:].lower()
    assert int.from_bytes(w3.eth.call({"to": OTHER.address}), "big") == 23
    assert w3.eth.get_transaction_count(OTHER.address) == 1


def test_creation(w3):
    sent, receipt = send(w3, {"data": "0x6001600c60003960016000f300", "chainId": w3.eth.chain_id, "value": 0, **FEES})
    assert sent["to"] is None
    assert w3.eth.get_code(receipt["contractAddress"]).to_0x_hex() == "0x00"


def test_messages_signed_by_the_node_are_those_that_eth_account_signs(w3):
    message = encode_defunct(text="κόσμε")
    assert w3.eth.sign(SENDER.address, text="κόσμε") == SENDER.sign_message(message).signature
    data = {
        "types": {
            "EIP712Domain": [{"name": "name", "type": "string"}, {"name": "chainId", "type": "uint256"}],
            "Person": [{"name": "name", "type": "string"}, {"name": "wallets", "type": "address[]"}],
            "Mail": [{"name": "from", "type": "Person"}, {"name": "to", "type": "Person[]"}],
        },
        "primaryType": "Mail",
        "domain": {"name": "Mail", "chainId": 1},
        "message": {
            "from": {"name": "Cow", "wallets": [TARGET, SENDER.address]},
            "to": [{"name": "Bob", "wallets": []}, {"name": "Eve", "wallets": [OTHER.address]}],
        },
    }
    signed = SENDER.sign_message(encode_typed_data(full_message=data)).signature
    answer = w3.provider.make_request("eth_signTypedData_v4", [SENDER.address, data])
    assert answer["result"] == signed.to_0x_hex()
    signature = SENDER.sign_message(message).signature.to_0x_hex()
    recovered = w3.provider.make_request("personal_ecRecover", ["0x" + message.body.hex(), signature])
    assert recovered["result"] == SENDER.address.lower()
