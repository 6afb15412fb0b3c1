#!/usr/bin/env python3
"""titanoboa's network mode against a devnet: deploys a Vyper contract, calls it, and reads its events and errors.

    titanoboa.py --apus BINARY

Needs titanoboa, which brings a compiler and an EVM of its own (`make test-clients-all` installs it).
"""

import argparse
import re
import subprocess
import sys
import tempfile

SOURCE = """
# pragma version ~=0.4.0

event Counted:
    by: indexed(address)
    total: uint256

total: public(uint256)
owner: public(address)
counts: public(HashMap[address, uint256])

@deploy
def __init__(start: uint256):
    self.total = start
    self.owner = msg.sender

@external
def count(by: uint256) -> uint256:
    assert by > 0, "nothing to count"
    self.total += by
    self.counts[msg.sender] += by
    log Counted(by=msg.sender, total=self.total)
    return self.total

@external
@payable
def pay() -> uint256:
    return msg.value

@external
def only_owner():
    assert msg.sender == self.owner, "not the owner"
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--apus", required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="apus-boa-") as folder:
        node = subprocess.Popen(
            [arguments.apus, "dev", "--port", "0", "--datadir", folder + "/data"], stdout=subprocess.PIPE, text=True
        )
        try:
            for line in node.stdout:
                if found := re.match(r"Listening on \S+:(\d+)", line):
                    check(f"http://127.0.0.1:{found[1]}")
                    return
            sys.exit("the node did not start")
        finally:
            node.terminate()
            node.wait(timeout=30)


def check(url):
    import boa
    from eth_account import Account

    boa.set_network_env(url)
    Account.enable_unaudited_hdwallet_features()
    accounts = [
        Account.from_mnemonic("test " * 11 + "junk", account_path=f"m/44'/60'/0'/0/{index}") for index in range(2)
    ]
    for account in accounts:
        boa.env.add_account(account)
    boa.env.set_eoa(accounts[0])

    contract = boa.loads(SOURCE, 40)
    assert contract.total() == 40
    assert contract.owner() == accounts[0].address
    assert contract.count(2) == 42, "the result of a transaction"
    (event,) = contract.get_logs()
    assert event.total == 42 and event.by == accounts[0].address
    assert contract.total() == 42 and contract.counts(accounts[0].address) == 2
    assert contract.pay(value=7) == 7
    assert boa.env.get_balance(contract.address) == 7

    for failing, reason in [
        (lambda: contract.count(0), "nothing to count"),
        (lambda: contract.only_owner(sender=accounts[1].address), "not the owner"),
    ]:
        try:
            failing()
        except boa.BoaError as error:
            assert reason in str(error), error
        else:
            raise AssertionError(f"no error: {reason}")
    contract.only_owner()

    # The same contract by its address, as another program would have it.
    other = boa.loads_partial(SOURCE).at(contract.address)
    assert other.total() == 42
    # A state that is tried and thrown away.
    with boa.env.anchor():
        contract.count(100)
        assert contract.total() == 142
    assert contract.total() == 42
    print("titanoboa: a Vyper contract was deployed, called, read and reverted")


if __name__ == "__main__":
    main()
