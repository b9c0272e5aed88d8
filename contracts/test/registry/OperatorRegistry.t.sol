// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {IOperatorRegistry, OperatorView} from "../../src/interfaces/IOperatorRegistry.sol";
import {OperatorRegistry} from "../../src/OperatorRegistry.sol";

abstract contract OperatorRegistryFixture is Test {
    string internal constant URL = "https://pool.example:8700/v1";

    OperatorRegistry internal registry = new OperatorRegistry();
    address internal alice = makeAddr("alice");
    address internal bob = makeAddr("bob");
    address internal carol = makeAddr("carol");

    function kindsOf(bytes32 a) internal pure returns (bytes32[] memory kinds) {
        kinds = new bytes32[](1);
        kinds[0] = a;
    }

    function kindsOf(bytes32 a, bytes32 b) internal pure returns (bytes32[] memory kinds) {
        kinds = new bytes32[](2);
        (kinds[0], kinds[1]) = (a, b);
    }

    function usualKinds() internal pure returns (bytes32[] memory) {
        return kindsOf("groth16-bn254", "risc0-groth16");
    }

    function register(address who, string memory url, bytes32[] memory kinds) internal {
        vm.prank(who);
        registry.register(url, kinds);
    }

    function unregister(address who) internal {
        vm.prank(who);
        registry.unregister();
    }

    /// The largest entry that there can be.
    function largest() internal view returns (string memory url, bytes32[] memory kinds) {
        bytes memory text = new bytes(registry.MAX_URL());
        for (uint256 i; i < text.length; ++i) {
            text[i] = "u";
        }
        kinds = new bytes32[](registry.MAX_KINDS());
        for (uint256 i; i < kinds.length; ++i) {
            kinds[i] = bytes32(uint256(bytes32("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")) + i);
        }
        url = string(text);
    }
}

contract OperatorRegistryTest is OperatorRegistryFixture {
    // ---- register ----

    function test_Registered() public {
        vm.warp(1_234);
        vm.expectEmit(address(registry));
        emit IOperatorRegistry.Registered(alice, URL, usualKinds());
        register(alice, URL, usualKinds());

        assertEq(registry.count(), 1);
        OperatorView memory entry = registry.operatorOf(alice);
        assertEq(entry.operator, alice);
        assertEq(entry.updatedAt, 1_234);
        assertEq(entry.url, URL);
        assertEq(entry.kinds, usualKinds());
    }

    function testFuzz_ReadsBackWhatWasSaid(address who, bytes memory noise, uint8 count, bytes32 seed) public {
        vm.assume(who != address(0) && noise.length > 0);
        string memory url = _printable(noise);
        bytes32[] memory kinds = _kinds(seed, bound(count, 1, registry.MAX_KINDS()));
        register(who, url, kinds);
        OperatorView[] memory page = registry.page(0, 1);
        assertEq(abi.encode(page[0]), abi.encode(registry.operatorOf(who)));
        assertEq(abi.encode(page[0]), abi.encode(OperatorView(who, uint40(block.timestamp), url, kinds)));
    }

    function test_ReplacedInItsPlace() public {
        (string memory url, bytes32[] memory kinds) = largest();
        register(alice, url, kinds);
        register(bob, URL, usualKinds());
        skip(77);
        // Shorter than before: nothing of the old is left.
        register(alice, "http://b", kindsOf("sgx"));
        assertEq(registry.count(), 2);
        OperatorView memory entry = registry.page(0, 1)[0];
        assertEq(entry.operator, alice);
        assertEq(entry.updatedAt, block.timestamp);
        assertEq(entry.url, "http://b");
        assertEq(entry.kinds, kindsOf("sgx"));
        assertEq(registry.operatorOf(bob).url, URL);
    }

    // ---- what may stand there ----

    function test_RevertWhen_UrlIsEmptyOrTooLong() public {
        assertEq(registry.MAX_URL(), 256);
        (string memory url, bytes32[] memory kinds) = largest();
        register(alice, url, kinds);
        register(alice, "u", kinds);
        vm.expectRevert(IOperatorRegistry.BadUrl.selector);
        register(alice, "", kinds);
        vm.expectRevert(IOperatorRegistry.BadUrl.selector);
        register(alice, string.concat(url, "u"), kinds);
    }

    function testFuzz_RevertWhen_UrlHoldsAnythingElse(bytes1 character, uint256 where) public {
        bytes memory url = bytes(URL);
        bytes memory whole = bytes.concat(url);
        whole[where % url.length] = character;
        if (uint8(character) <= 0x20 || uint8(character) >= 0x7f) vm.expectRevert(IOperatorRegistry.BadUrl.selector);
        register(alice, string(whole), usualKinds());
    }

    function test_RevertWhen_UrlHoldsASpaceOrADelete() public {
        register(alice, "!~", usualKinds());
        vm.expectRevert(IOperatorRegistry.BadUrl.selector);
        register(alice, "a b", usualKinds());
        vm.expectRevert(IOperatorRegistry.BadUrl.selector);
        register(alice, "a\x7f", usualKinds());
    }

    function test_RevertWhen_KindsAreNoneOrTooMany() public {
        assertEq(registry.MAX_KINDS(), 16);
        vm.expectRevert(IOperatorRegistry.BadKinds.selector);
        register(alice, URL, new bytes32[](0));
        bytes32[] memory many = new bytes32[](registry.MAX_KINDS() + 1);
        for (uint256 i; i < many.length; ++i) {
            many[i] = bytes32(bytes1(uint8(0x41 + i)));
        }
        vm.expectRevert(IOperatorRegistry.BadKinds.selector);
        register(alice, URL, many);
    }

    function test_RevertWhen_KindsAreNotAscending() public {
        vm.expectRevert(IOperatorRegistry.BadKinds.selector);
        register(alice, URL, kindsOf("sgx", "sgx"));
        vm.expectRevert(IOperatorRegistry.BadKinds.selector);
        register(alice, URL, kindsOf("sgx", "groth16-bn254"));
    }

    function test_RevertWhen_ANameIsNoText() public {
        register(alice, URL, kindsOf("abcdefghijklmnopqrstuvwxyz-12345"));
        bytes32[5] memory bad = [
            bytes32(0),
            "two words",
            // A name behind padding, and one after which something follows.
            bytes32(uint256(0x41)),
            bytes32("sgx") | bytes32(uint256(1)),
            bytes32(bytes1(0xc3))
        ];
        for (uint256 i; i < bad.length; ++i) {
            vm.expectRevert(IOperatorRegistry.BadKinds.selector);
            register(alice, URL, kindsOf(bad[i]));
        }
    }

    // ---- leave ----

    function test_TheLastTakesThePlaceOfWhoLeaves() public {
        register(alice, "http://alice", usualKinds());
        register(bob, "http://bob", usualKinds());
        register(carol, "http://carol", usualKinds());
        vm.expectEmit(address(registry));
        emit IOperatorRegistry.Left(alice);
        unregister(alice);

        assertEq(registry.count(), 2);
        OperatorView[] memory page = registry.page(0, 9);
        assertEq(page.length, 2);
        assertEq(page[0].operator, carol);
        assertEq(page[0].url, "http://carol");
        assertEq(page[1].operator, bob);
        OperatorView memory none;
        assertEq(abi.encode(registry.operatorOf(alice)), abi.encode(none));
        // Whoever was moved can be moved, and leave, again.
        unregister(carol);
        assertEq(registry.page(0, 9)[0].operator, bob);
        unregister(bob);
        assertEq(registry.count(), 0);
    }

    function test_LeavesAndComesBackLast() public {
        register(alice, URL, usualKinds());
        register(bob, URL, usualKinds());
        unregister(alice);
        register(alice, "http://again", kindsOf("sgx"));
        OperatorView[] memory page = registry.page(0, 9);
        assertEq(page.length, 2);
        assertEq(page[1].operator, alice);
        assertEq(page[1].url, "http://again");
    }

    function test_RevertWhen_NotRegistered() public {
        vm.expectRevert(IOperatorRegistry.NotRegistered.selector);
        unregister(alice);
        register(bob, URL, usualKinds());
        vm.expectRevert(IOperatorRegistry.NotRegistered.selector);
        unregister(alice);
        unregister(bob);
        vm.expectRevert(IOperatorRegistry.NotRegistered.selector);
        unregister(bob);
    }

    // ---- reading ----

    function test_PageEndsWithTheList() public {
        register(alice, URL, usualKinds());
        register(bob, URL, usualKinds());
        assertEq(registry.page(0, 0).length, 0);
        assertEq(registry.page(1, 5).length, 1);
        assertEq(registry.page(1, 5)[0].operator, bob);
        assertEq(registry.page(2, 1).length, 0);
        assertEq(registry.page(1, type(uint256).max).length, 1);
        assertEq(registry.page(type(uint256).max, type(uint256).max).length, 0);
    }

    /// The list against a plain one, after anybody has come, changed and left in any order.
    function testFuzz_PagesAreTheList(uint8[] memory acts, uint8 size) public {
        address[] memory model = new address[](acts.length);
        uint256 total;
        for (uint256 i; i < acts.length && i < 64; ++i) {
            address who = address(uint160(1 + acts[i] % 11));
            uint256 place = _find(model, total, who);
            if (acts[i] >= 128 && place < total) {
                unregister(who);
                model[place] = model[--total];
            } else {
                register(who, vm.toString(i), usualKinds());
                if (place == total) model[total++] = who;
            }
        }
        assertEq(registry.count(), total);
        uint256 step = bound(size, 1, 8);
        uint256 seen;
        for (uint256 offset; offset <= total; offset += step) {
            OperatorView[] memory page = registry.page(offset, step);
            for (uint256 i; i < page.length; ++i) {
                assertEq(page[i].operator, model[seen++]);
                assertEq(abi.encode(page[i]), abi.encode(registry.operatorOf(page[i].operator)));
            }
        }
        assertEq(seen, total);
    }

    function test_TheLargestEntriesAreReadWithinBounds() public {
        (string memory url, bytes32[] memory kinds) = largest();
        for (uint160 i = 1; i <= 100; ++i) {
            register(address(i), url, kinds);
        }
        vm.cool(address(registry));
        uint256 before = gasleft();
        OperatorView[] memory page = registry.page(0, 100);
        uint256 used = before - gasleft();
        assertEq(page.length, 100);
        assertLt(used, 100 * 75_000);
        assertLt(abi.encode(page).length, 100 * 1_024 + 100);
    }

    function _find(address[] memory model, uint256 total, address who) private pure returns (uint256 place) {
        while (place < total && model[place] != who) ++place;
    }

    function _printable(bytes memory noise) private view returns (string memory) {
        uint256 length = noise.length < registry.MAX_URL() ? noise.length : registry.MAX_URL();
        bytes memory url = new bytes(length);
        for (uint256 i; i < length; ++i) {
            url[i] = bytes1(0x21 + uint8(noise[i]) % 94);
        }
        return string(url);
    }

    /// Ascending names of any length.
    function _kinds(bytes32 seed, uint256 count) private pure returns (bytes32[] memory kinds) {
        kinds = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            uint256 length = 1 + uint8(seed[i]) % 32;
            bytes memory name = new bytes(32);
            for (uint256 j; j < length; ++j) {
                name[j] = j == 0 ? bytes1(uint8(0x41 + i)) : bytes1(0x21 + uint8(seed[j]) % 94);
            }
            kinds[i] = bytes32(name);
        }
    }
}
