// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {OperatorRegistryFixture} from "../registry/OperatorRegistry.t.sol";

/// @notice Whole transactions: figures in snapshots/Registry.json.
/// forge-config: default.isolate = true
contract RegistryGasTest is OperatorRegistryFixture {
    function test_Usual() public {
        register(bob, URL, usualKinds());
        register(alice, URL, usualKinds());
        vm.snapshotGasLastCall("Registry", "register_28_bytes_2_kinds");
        register(alice, "https://pool.example:8701/v1", usualKinds());
        vm.snapshotGasLastCall("Registry", "change_url");
        unregister(bob);
        vm.snapshotGasLastCall("Registry", "unregister");
    }

    function test_Largest() public {
        (string memory url, bytes32[] memory kinds) = largest();
        register(alice, url, kinds);
        vm.snapshotGasLastCall("Registry", "register_largest");
    }
}

/// @notice What a reader's endpoint computes for a page, cold.
contract RegistryReadGasTest is OperatorRegistryFixture {
    function test_Page() public {
        for (uint160 i = 1; i <= 100; ++i) {
            register(address(i), URL, usualKinds());
        }
        vm.cool(address(registry));
        vm.startSnapshotGas("Registry", "page_of_100_usual");
        registry.page(0, 100);
        vm.stopSnapshotGas();
    }

    function test_LargestPage() public {
        (string memory url, bytes32[] memory kinds) = largest();
        for (uint160 i = 1; i <= 100; ++i) {
            register(address(i), url, kinds);
        }
        vm.cool(address(registry));
        vm.startSnapshotGas("Registry", "page_of_100_largest");
        registry.page(0, 100);
        vm.stopSnapshotGas();
    }
}
