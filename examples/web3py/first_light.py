#!/usr/bin/env python3
"""A first session with Apus, driven by the published web3.py.

    first_light.py --apus .build/release/apus   starts the node itself, in a fresh folder
    first_light.py --eth-tester                 the same scenario against eth-tester

The scenario is the client's expectation, not ours: it runs unchanged against both; only the names of the
devnet cheats differ. What eth-tester does not have (WebSocket, IPC, subscriptions, restarts) runs on the node only.
"""

import argparse
import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_tester.exceptions import TransactionFailed
from vyper import compile_code
from web3 import AsyncWeb3, HTTPProvider, IPCProvider, Web3
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3RPCError
from web3.providers.persistent import AsyncIPCProvider, WebSocketProvider
from web3.utils.subscriptions import LogsSubscription, NewHeadsSubscription

HERE = Path(__file__).resolve().parent
MNEMONIC = "test test test test test test test test test test test junk"
SUPPLY = 1_000_000 * 10**18

Account.enable_unaudited_hdwallet_features()
ALICE, BOB, CAROL = (
    Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}") for index in range(3)
)


def step(text):
    print(f"  {text}", flush=True)


def check(condition, text):
    if not condition:
        raise AssertionError(text)


# The devnet cheats, by the names that each side knows.


class NodeCheats:
    revert_error = ContractLogicError

    def __init__(self, w3):
        self.request = lambda method, *params: w3.manager.request_blocking(method, list(params))

    def snapshot(self):
        return self.request("evm_snapshot")

    def revert(self, snapshot):
        check(self.request("evm_revert", snapshot) is True, "evm_revert answers true")

    def mine(self):
        self.request("evm_mine")

    def set_next_timestamp(self, timestamp):
        self.request("evm_setNextBlockTimestamp", timestamp)


class TesterCheats:
    revert_error = TransactionFailed  # web3.py passes eth-tester's own error on

    def __init__(self, w3):
        self.tester = w3.provider.ethereum_tester

    def snapshot(self):
        return self.tester.take_snapshot()

    def revert(self, snapshot):
        self.tester.revert_to_snapshot(snapshot)

    def mine(self):
        self.tester.mine_block()

    def set_next_timestamp(self, timestamp):
        self.tester.time_travel(timestamp)


# The scenario.


def compile_token():
    return compile_code((HERE / "Token.vy").read_text(), output_formats=["abi", "bytecode"])


def send(w3, account, transaction):
    """Fills what is missing, signs here, sends raw and waits for the receipt."""
    transaction = {
        "from": account.address,
        "chainId": w3.eth.chain_id,
        "nonce": w3.eth.get_transaction_count(account.address),
        **transaction,
    }
    if "gas" not in transaction:
        transaction["gas"] = w3.eth.estimate_gas(transaction)
    signed = account.sign_transaction({k: v for k, v in transaction.items() if k != "from"})
    transaction_hash = w3.eth.send_raw_transaction(signed.raw_transaction)
    check(transaction_hash == signed.hash, "the node computes the hash that the client signed")
    return w3.eth.wait_for_transaction_receipt(transaction_hash, timeout=10)


def fees(w3):
    base = w3.eth.get_block("latest")["baseFeePerGas"]
    return {"maxFeePerGas": 2 * base + 10**9, "maxPriorityFeePerGas": 10**9}


def scenario(w3, cheats):
    token = compile_token()
    check(w3.is_connected(), "connected")
    check(w3.eth.get_balance(ALICE.address) >= 9_000 * 10**18, "Alice is funded")

    step("deploys an ERC-20 written in Vyper")
    factory = w3.eth.contract(abi=token["abi"], bytecode=token["bytecode"])
    deployment = factory.constructor("Swift", "APUS", SUPPLY).build_transaction(
        {"from": ALICE.address, "nonce": w3.eth.get_transaction_count(ALICE.address), **fees(w3)}
    )
    receipt = send(w3, ALICE, deployment)
    check(receipt["status"] == 1, "the deployment succeeded")
    contract = w3.eth.contract(address=receipt["contractAddress"], abi=token["abi"])
    check(len(w3.eth.get_code(contract.address)) > 0, "code is there")
    check(contract.functions.totalSupply().call() == SUPPLY, "the constructor ran")
    check(contract.functions.symbol().call() == "APUS", "the symbol is kept")

    step("transfers tokens and reads the events by filter")
    event_filter = contract.events.Transfer.create_filter(from_block="latest")
    transfer = contract.functions.transfer(BOB.address, 5 * 10**18)
    receipt = send(w3, ALICE, transfer.build_transaction({"from": ALICE.address, **fees(w3)}))
    check(receipt["status"] == 1, "the transfer succeeded")
    check(contract.functions.balanceOf(BOB.address).call() == 5 * 10**18, "Bob has the tokens")
    (event,) = contract.events.Transfer().process_receipt(receipt)
    check(event["args"]["receiver"] == BOB.address, "the receipt decodes to the event")
    entries = event_filter.get_new_entries()
    check(any(e["args"]["receiver"] == BOB.address for e in entries), "the filter saw the event")
    logs = contract.events.Transfer().get_logs(
        from_block=0, argument_filters={"receiver": BOB.address}
    )
    check([e["transactionHash"] for e in logs] == [receipt["transactionHash"]], "get_logs by topic")

    step("provokes a revert and sees the reason")
    try:
        contract.functions.transfer(ALICE.address, 6 * 10**18).call({"from": BOB.address})
        raise AssertionError("the call must revert")
    except cheats.revert_error as error:
        check("balance too low" in str(error), f"the reason is in the error: {error}")
    try:
        contract.functions.transfer(ALICE.address, 6 * 10**18).estimate_gas({"from": BOB.address})
        raise AssertionError("the estimate must revert")
    except cheats.revert_error as error:
        check("balance too low" in str(error), f"the reason is in the error: {error}")
    failed = send(
        w3,
        BOB,
        {
            "to": contract.address,
            "data": contract.encode_abi("transfer", [ALICE.address, 6 * 10**18]),
            "gas": 100_000,
            "value": 0,
            **fees(w3),
        },
    )
    check(failed["status"] == 0, "a mined revert has status 0")

    step("sends transactions of types 2, 1 and 4")
    before = w3.eth.get_balance(CAROL.address)
    receipt = send(w3, ALICE, {"to": CAROL.address, "value": 10**18, "gas": 21_000, **fees(w3)})
    check(receipt["type"] == 2 and receipt["gasUsed"] == 21_000, "a plain transfer of type 2")
    check(w3.eth.get_balance(CAROL.address) == before + 10**18, "Carol got one ether")
    access_list = [{"address": contract.address, "storageKeys": ["0x" + "00" * 31 + "03"]}]
    receipt = send(
        w3,
        ALICE,
        {
            "type": 1,
            "to": contract.address,
            "data": contract.encode_abi("transfer", [BOB.address, 1]),
            "value": 0,
            "gas": 120_000,
            "gasPrice": fees(w3)["maxFeePerGas"],
            "accessList": access_list,
        },
    )
    check(receipt["type"] == 1 and receipt["status"] == 1, "an access-list transaction")
    sent = w3.eth.get_transaction(receipt["transactionHash"])
    check(sent["accessList"][0]["address"] == contract.address, "the access list is kept")
    authorization = CAROL.sign_authorization(
        {
            "chainId": w3.eth.chain_id,
            "address": contract.address,
            "nonce": w3.eth.get_transaction_count(CAROL.address),
        }
    )
    receipt = send(
        w3,
        ALICE,
        {
            "to": CAROL.address,
            "data": contract.encode_abi("totalSupply"),
            "value": 0,
            "gas": 200_000,
            "authorizationList": [authorization],
            **fees(w3),
        },
    )
    check(receipt["type"] == 4 and receipt["status"] == 1, "a set-code transaction")
    designator = bytes(w3.eth.get_code(CAROL.address))
    check(
        designator == bytes.fromhex("ef0100") + bytes.fromhex(contract.address[2:]),
        "Carol's account delegates to the token",
    )

    step("refuses what is wrong, and says why")
    stale = ALICE.sign_transaction(
        {
            "chainId": w3.eth.chain_id,
            "nonce": 0,
            "to": BOB.address,
            "value": 1,
            "gas": 21_000,
            **fees(w3),
        }
    )
    try:
        w3.eth.send_raw_transaction(stale.raw_transaction)
        raise AssertionError("a stale nonce must be refused")
    except Exception as error:  # each side has its own class; the text is what users read
        check("nonce" in str(error).lower(), f"the error names the nonce: {error}")
    try:
        w3.eth.get_transaction("0x" + "ab" * 32)
        raise AssertionError("an unknown transaction must not be found")
    except TransactionNotFound:
        pass

    step("snapshots, travels in time, reverts")
    height = w3.eth.block_number
    bob_before = contract.functions.balanceOf(BOB.address).call()
    snapshot = cheats.snapshot()
    later = w3.eth.get_block("latest")["timestamp"] + 86_400
    cheats.set_next_timestamp(later)
    cheats.mine()
    check(w3.eth.get_block("latest")["timestamp"] >= later, "the clock moved a day")
    send(w3, ALICE, transfer.build_transaction({"from": ALICE.address, **fees(w3)}))
    check(contract.functions.balanceOf(BOB.address).call() > bob_before, "Bob got more")
    cheats.revert(snapshot)
    check(w3.eth.block_number == height, "the block number is back")
    check(contract.functions.balanceOf(BOB.address).call() == bob_before, "Bob's balance is back")
    receipt = send(w3, ALICE, transfer.build_transaction({"from": ALICE.address, **fees(w3)}))
    check(receipt["status"] == 1, "the chain goes on after the revert")

    step("reads fee history and blocks in both shapes")
    history = w3.eth.fee_history(2, "latest", [10, 50])
    check(len(history["baseFeePerGas"]) >= 2, "fee history")
    block = w3.eth.get_block("latest", full_transactions=True)
    check(block["transactions"][0]["hash"] == receipt["transactionHash"], "full transactions")
    check(w3.eth.get_block(block["hash"])["number"] == block["number"], "the block by its hash")
    return contract, receipt


# What only a node has.


def node_only(w3, contract):
    step("signs with the dev accounts of the node")
    accounts = w3.eth.accounts
    check(len(accounts) == 10 and accounts[0] == ALICE.address, "ten dev accounts")
    signature = w3.eth.sign(ALICE.address, text="Apus apus")
    signer = Account.recover_message(encode_defunct(text="Apus apus"), signature=signature)
    check(signer == ALICE.address, "eth_sign is EIP-191")
    typed = {
        "types": {
            "EIP712Domain": [{"name": "name", "type": "string"}],
            "Mail": [{"name": "to", "type": "address"}, {"name": "text", "type": "string"}],
        },
        "primaryType": "Mail",
        "domain": {"name": "Apus"},
        "message": {"to": BOB.address, "text": "hello"},
    }
    signature = w3.eth.sign_typed_data(ALICE.address, typed)
    signer = Account.recover_message(encode_typed_data(full_message=typed), signature=signature)
    check(signer == ALICE.address, "eth_signTypedData_v4 is EIP-712")
    stranger = Web3.to_checksum_address("0x" + "ca" * 20)
    sent = w3.eth.send_transaction({"from": BOB.address, "to": stranger, "value": 7})
    check(w3.eth.wait_for_transaction_receipt(sent)["status"] == 1, "eth_sendTransaction")

    step("proves an account and reads its past")
    proof = w3.eth.get_proof(ALICE.address, [], "latest")
    check(proof["balance"] == w3.eth.get_balance(ALICE.address), "the proof's balance")
    check(w3.eth.get_balance(ALICE.address, 0) == 10_000 * 10**18, "the balance at genesis")
    check(w3.eth.get_transaction_count(ALICE.address, 1) == 1, "the nonce at block 1")

    step("gives errors their codes")
    try:
        w3.manager.request_blocking("eth_noSuchMethod", [])
        raise AssertionError("an unknown method must be refused")
    except Web3RPCError as error:
        check(error.rpc_response["error"]["code"] == -32601, "method not found")


async def subscribe(provider, contract, label):
    """Two transfers, watched over a subscription."""
    step(f"subscribes over {label}")
    heads, transfers = [], []
    async with AsyncWeb3(provider) as w3:
        check(await w3.is_connected(), f"connected over {label}")

        async def on_head(context):
            heads.append(context.result["number"])

        async def on_log(context):
            transfers.append(context.result)
            if len(transfers) == 2:
                await context.subscription.unsubscribe()
                await w3.subscription_manager.unsubscribe_all()

        token = w3.eth.contract(address=contract.address, abi=contract.abi)
        await w3.subscription_manager.subscribe(
            [
                NewHeadsSubscription(handler=on_head),
                LogsSubscription(
                    address=contract.address,
                    topics=[token.events.Transfer().topic],
                    handler=on_log,
                ),
            ]
        )
        for _ in range(2):
            sent = await token.functions.transfer(BOB.address, 1).transact({"from": ALICE.address})
            await w3.eth.wait_for_transaction_receipt(sent)
        await asyncio.wait_for(w3.subscription_manager.handle_subscriptions(), timeout=20)
    check(len(transfers) == 2, f"two events, no gap and no duplicate: {transfers}")
    check(len(heads) >= 2 and heads == sorted(set(heads)), f"heads in order: {heads}")


class Node:
    """The real daemon, on a port of its own choosing, in a folder that is kept between starts."""

    def __init__(self, binary, folder):
        self.folder = folder
        self.ipc = os.path.join(folder, "apus.ipc")
        command = [binary, "dev", "--datadir", os.path.join(folder, "data")]
        command += ["--port", "0", "--ipc", self.ipc]
        self.log = open(os.path.join(folder, "apus.log"), "a")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        for line in self.process.stdout:
            if match := re.match(r"Listening on (\S+:\d+)", line):
                self.address = match.group(1)
                return
        self.log.flush()
        raise RuntimeError("the node did not start: " + Path(self.log.name).read_text())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=20)
        check(status == 0, f"a clean stop on SIGTERM, not status {status}")


def run_against_node(binary):
    with tempfile.TemporaryDirectory(prefix="apus-first-light-") as folder:
        node = Node(binary, folder)
        try:
            w3 = Web3(HTTPProvider(f"http://{node.address}"))
            check(w3.eth.chain_id == 31337, "the devnet's chain id")
            contract, receipt = scenario(w3, NodeCheats(w3))
            node_only(w3, contract)
            asyncio.run(subscribe(WebSocketProvider(f"ws://{node.address}"), contract, "WebSocket"))
            asyncio.run(subscribe(AsyncIPCProvider(node.ipc), contract, "IPC"))
            step("connects over IPC")
            over_ipc = Web3(IPCProvider(node.ipc))
            check(over_ipc.eth.block_number == w3.eth.block_number, "one chain over both")

            step("restarts on the same folder and finds everything again")
            height = w3.eth.block_number
            block_hash = w3.eth.get_block("latest")["hash"]
            balance = w3.eth.get_balance(ALICE.address)
            node.stop()
            node = Node(binary, folder)
            w3 = Web3(HTTPProvider(f"http://{node.address}"))
            check(w3.eth.block_number == height, "the block number survived")
            check(w3.eth.get_block("latest")["hash"] == block_hash, "the head survived")
            check(w3.eth.get_balance(ALICE.address) == balance, "the state survived")
            check(
                w3.eth.get_transaction_receipt(receipt["transactionHash"]) == receipt,
                "the receipt survived",
            )
            token = w3.eth.contract(address=contract.address, abi=contract.abi)
            check(token.functions.totalSupply().call() == SUPPLY, "the contract survived")
            check(len(token.events.Transfer().get_logs(from_block=0)) >= 7, "the logs survived")
        finally:
            node.stop()


def run_against_eth_tester():
    from eth_tester import EthereumTester, PyEVMBackend
    from web3 import EthereumTesterProvider

    backend = PyEVMBackend.from_mnemonic(
        MNEMONIC,
        genesis_state_overrides={"balance": 10_000 * 10**18},
        num_accounts=10,
        hd_path="m/44'/60'/0'/0",
    )
    w3 = Web3(EthereumTesterProvider(EthereumTester(backend=backend)))
    scenario(w3, TesterCheats(w3))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--apus", metavar="BINARY", help="the apus binary to start")
    target.add_argument("--eth-tester", action="store_true", help="run against eth-tester")
    arguments = parser.parse_args()
    print("first light, against " + ("eth-tester" if arguments.eth_tester else arguments.apus))
    if arguments.eth_tester:
        run_against_eth_tester()
    else:
        run_against_node(arguments.apus)
    print("first light: all checks hold")


if __name__ == "__main__":
    sys.exit(main())
