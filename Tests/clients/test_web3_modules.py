"""web3.py's own module tests against a devnet: see conftest.py for what they run on."""

import pytest
from web3._utils.module_testing.eth_module import AsyncEthModuleTest, EthModuleTest
from web3._utils.module_testing.go_ethereum_admin_module import (
    GoEthereumAdminModuleTest,
    GoEthereumAsyncAdminModuleTest,
)
from web3._utils.module_testing.go_ethereum_debug_module import (
    GoEthereumAsyncDebugModuleTest,
    GoEthereumDebugModuleTest,
)
from web3._utils.module_testing.go_ethereum_txpool_module import (
    GoEthereumAsyncTxPoolModuleTest,
    GoEthereumTxPoolModuleTest,
)
from web3._utils.module_testing.net_module import AsyncNetModuleTest, NetModuleTest
from web3._utils.module_testing.persistent_connection_provider import (
    PersistentConnectionProviderTest,
)
from web3._utils.module_testing.web3_module import AsyncWeb3ModuleTest, Web3ModuleTest


class TestEth(EthModuleTest):
    pass


class TestAsyncEth(AsyncEthModuleTest):
    pass


class TestNet(NetModuleTest):
    pass


class TestAsyncNet(AsyncNetModuleTest):
    pass


class TestTxPool(GoEthereumTxPoolModuleTest):
    pass


class TestAsyncTxPool(GoEthereumAsyncTxPoolModuleTest):
    pass


class TestDebug(GoEthereumDebugModuleTest):
    pass


class TestAsyncDebug(GoEthereumAsyncDebugModuleTest):
    pass


class TestAdmin(GoEthereumAdminModuleTest):
    pass


class TestAsyncAdmin(GoEthereumAsyncAdminModuleTest):
    pass


class TestWeb3(Web3ModuleTest):
    def _check_web3_client_version(self, client_version):
        assert client_version.startswith("apus/v")


class TestAsyncWeb3(AsyncWeb3ModuleTest):
    def _check_web3_client_version(self, client_version):
        assert client_version.startswith("apus/v")


class TestPersistentConnection(PersistentConnectionProviderTest):
    pass
