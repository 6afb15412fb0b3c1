"""A plugin for `fill` of execution-spec-tests: see docs/evm-tool.md.

`fill` takes Apus for geth's tool and knows refusals by geth's words. For a block whose system contract
has no code geth has no word, since it does not look; this is the one that Apus uses.
"""

from ethereum_clis.clis.geth import GethExceptionMapper
from ethereum_test_exceptions import BlockException

GethExceptionMapper.mapping_substring[BlockException.SYSTEM_CONTRACT_EMPTY] = "does not contain code"
