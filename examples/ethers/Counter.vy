# pragma version ~=0.4.0
# What first_light.js deploys. counter.json is made of it:
#   vyper -f combined_json Counter.vy

event Counted:
    by: indexed(address)
    total: uint256

total: public(uint256)
owner: public(address)

@deploy
def __init__(start: uint256):
    self.total = start
    self.owner = msg.sender

@external
def count(by: uint256):
    if by == 0:
        # A custom error, as Solidity writes it: error Refused(address who, uint256 by)
        raw_revert(abi_encode(msg.sender, by, method_id=method_id("Refused(address,uint256)")))
    self.total += by
    log Counted(by=msg.sender, total=self.total)
