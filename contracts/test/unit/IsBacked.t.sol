// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Fixture} from "./Fixture.sol";
import {IZKPool, Quote} from "../../src/interfaces/IZKPool.sol";

contract IsBackedTest is Fixture {
    function test_BackedAndAccepted() public {
        _true(quote());
        Quote memory q = quote();
        q.task.slot = DEDICATED;
        _true(q);
        q.terms.liability += COLLATERAL - LOCK;
        q.terms.honour = RESERVE;
        q.terms.validUntil = uint40(block.timestamp + V);
        _true(q);
        vm.warp(q.terms.validUntil);
        _true(q);
    }

    function test_NotWhenExpiredOrTooFarAhead() public {
        Quote memory q = quote();
        bytes memory signature = sign(q);
        vm.warp(q.terms.validUntil + 1);
        assertFalse(pool.isBacked(q, signature));
        q = quote();
        q.terms.validUntil = uint40(block.timestamp + V + 1);
        _false(q);
    }

    function test_NotWhenMalformed() public {
        Quote memory q = quote();
        q.terms.requester = address(0);
        _false(q);
        q = quote();
        q.terms.target = address(0);
        _false(q);
        q = quote();
        q.terms.liabilityWindow = q.terms.proofWindow - 1;
        _false(q);
        q = quote();
        q.terms.proofWindow = 0;
        _false(q);
        q = quote();
        q.terms.advance = q.terms.reward + 1;
        _false(q);
        q = quote();
        q.terms.rewardToken = address(otherToken);
        _false(q);
        q = quote();
        q.terms.callGas = uint32(pool.MAX_CALL_GAS() + 1);
        _false(q);
    }

    function test_NotWhenSignedByAnother() public {
        Quote memory q = quote();
        assertFalse(pool.isBacked(q, signWith(rescuerKey, digest(q))));
        assertFalse(pool.isBacked(q, ""));
        assertFalse(pool.isBacked(q, new bytes(65)));
        // Nobody signs for an operator without signer: a failed recovery is not its signature.
        vm.prank(stranger);
        pool.openSlot(address(token), SHARED, COLLATERAL, RESERVE, address(0));
        q.terms.operator = stranger;
        assertFalse(pool.isBacked(q, sign(q)));
        assertFalse(pool.isBacked(q, new bytes(65)));
    }

    function test_NotWhenFrozen() public {
        vm.prank(signer);
        pool.freeze(operator);
        _false(quote());
    }

    function test_NotWhenFrozenThoughTheSameSignerComesBack() public {
        vm.startPrank(operator);
        pool.freeze(operator);
        pool.setSigner(signer);
        vm.stopPrank();
        _false(quote());
        after_(D);
        _true(quote());
    }

    function test_NotWhenTheSignerChangesBeforeItExpires() public {
        vm.prank(operator);
        pool.setSigner(stranger);
        _trueOnlyIfItExpiresBefore(block.timestamp + D, SHARED);
    }

    function test_NotWhenTheDedicationChangesBeforeItExpires() public {
        vm.prank(operator);
        pool.dedicateSlot(address(token), DEDICATED, stranger);
        _trueOnlyIfItExpiresBefore(block.timestamp + D, DEDICATED);
    }

    function test_NotWhenDedicatedToAnotherBeforeItExpires() public {
        vm.prank(operator);
        pool.dedicateSlot(address(token), SHARED, stranger);
        _trueOnlyIfItExpiresBefore(block.timestamp + D, SHARED);
    }

    /// Others could come first, and what was exact would be a matter of luck.
    function test_NotWhenItIsSharedBeforeItExpires() public {
        vm.prank(operator);
        pool.dedicateSlot(address(token), DEDICATED, address(0));
        _trueOnlyIfItExpiresBefore(block.timestamp + D, DEDICATED);
    }

    function test_WhenASharedSlotIsDedicatedToTheRequesterBeforeItExpires() public {
        vm.prank(operator);
        pool.dedicateSlot(address(token), SHARED, requester);
        after_(D - 1);
        _true(quote());
    }

    function test_NotWhenItClosesBeforeItExpires() public {
        vm.prank(operator);
        pool.closeSlot(address(token), SHARED);
        _trueOnlyIfItExpiresBefore(block.timestamp + D, SHARED);
    }

    function test_NotWhenClosed() public {
        vm.prank(operator);
        pool.closeSlot(address(token), SHARED);
        after_(D);
        _false(quote());
    }

    function test_NotWhenNeverOpened() public {
        Quote memory q = quote();
        q.task.slot = 99;
        q.terms.honour = 0;
        _false(q);
    }

    function test_NotWhenOccupiedOrBusy() public {
        Quote memory first = quote();
        publishAccepted(first);
        _false(first);
        Quote memory second = quote();
        second.task.salt = bytes32("second");
        second.terms.validUntil = uint40(block.timestamp + V);
        _false(second);
        prove(first);
        vm.warp(first.terms.validUntil);
        _false(second);
        after_(1);
        _true(second);
    }

    function test_NotWhenReserved() public {
        publishAndAnnounce(quote());
        Quote memory q = quote();
        q.terms.operator = rescuer;
        q.task.slot = SPARE;
        assertFalse(pool.isBacked(q, signWith(rescuerKey, digest(q))));
    }

    function test_NotWhenUnderfunded() public {
        Quote memory q = quote();
        q.terms.liability += COLLATERAL - LOCK + 1;
        _false(q);
        vm.prank(operator);
        pool.topUpSlot(operator, address(token), SHARED, 1, 0);
        _true(q);
    }

    function test_NotWhenDedicatedToAnother() public {
        Quote memory q = quote();
        q.task.slot = DEDICATED;
        q.terms.requester = stranger;
        _false(q);
    }

    /// It will be the requester's before the quote expires, but is not yet.
    function test_NotWhenDedicatedToAnotherNow() public {
        vm.prank(operator);
        pool.dedicateSlot(address(token), DEDICATED, stranger);
        after_(D - V / 4);
        Quote memory q = quote();
        q.task.slot = DEDICATED;
        q.terms.requester = stranger;
        _false(q);
        after_(V / 4);
        q.terms.validUntil = uint40(block.timestamp);
        _true(q);
    }

    function test_NotWhenTheReserveIsShort() public {
        Quote memory q = quote();
        q.terms.honour = RESERVE + 1;
        _false(q);
        vm.prank(operator);
        pool.topUpSlot(operator, address(token), SHARED, 0, 1);
        _true(q);
    }

    // ---- helpers ----

    /// What is backed is accepted at once.
    function _true(Quote memory q) private {
        assertTrue(pool.isBacked(q, sign(q)), "not backed");
        uint256 snapshot = vm.snapshotState();
        publishAccepted(q);
        vm.revertToState(snapshot);
    }

    function _false(Quote memory q) private view {
        assertFalse(pool.isBacked(q, sign(q)), "backed");
    }

    function _trueOnlyIfItExpiresBefore(uint256 change, uint32 index) private {
        vm.warp(change - V / 2);
        Quote memory q = quote();
        q.task.slot = index;
        q.terms.validUntil = uint40(change - 1);
        _true(q);
        q.terms.validUntil = uint40(change);
        _false(q);
        q.terms.validUntil = uint40(change + 1);
        _false(q);
    }
}
