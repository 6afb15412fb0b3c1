# pragma version 0.4.3
# Makes many transfers in one call, so that the time of a call from outside does not count.

interface Token:
    def mint(receiver: address, amount: uint256): nonpayable
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable


@external
def run(token: Token, count: uint256):
    extcall token.mint(self, count)
    for i: uint256 in range(count, bound=100_000):
        extcall token.transfer(convert(i + 1, address), 1)
