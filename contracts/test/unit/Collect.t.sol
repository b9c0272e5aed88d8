// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Fixture} from "./Fixture.sol";
import {IZKPool, Quote, SlotState} from "../../src/interfaces/IZKPool.sol";
import {TestVerifier} from "../mocks/Verifiers.sol";

contract CollectTest is Fixture {
    Quote private q;
    uint256 private published;

    function setUp() public override {
        super.setUp();
        q = quote();
        publishAccepted(q);
        published = block.timestamp;
    }

    // ---- when ----

    function test_RevertWhen_NotYetLost() public {
        uint32[4] memory times = [0, PROOF_WINDOW + 1, LIABILITY_WINDOW - 1, LIABILITY_WINDOW];
        for (uint256 i; i < times.length; i++) {
            vm.warp(published + times[i]);
            vm.expectRevert(IZKPool.TooEarly.selector);
            vm.prank(requester);
            pool.collect(q);
        }
    }

    function test_RevertWhen_NotInSlot() public {
        Quote memory another = q;
        another.task.salt = bytes32("never published");
        vm.warp(published + LIABILITY_WINDOW + 1);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.collect(another);
    }

    function test_RevertWhen_Delivered() public {
        vm.warp(published + LIABILITY_WINDOW);
        prove(q);
        after_(1);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.collect(q);
    }

    function test_RevertWhen_CollectedTwice() public {
        vm.warp(published + LIABILITY_WINDOW + 1);
        pool.collect(q);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.collect(q);
    }

    // ---- the money ----

    function test_Collected() public {
        vm.warp(published + LIABILITY_WINDOW + 1);
        Books memory b = books();
        uint256 held = token.balanceOf(address(pool));
        vm.expectEmit(address(pool));
        emit IZKPool.Defaulted(digest(q), operator);
        vm.prank(stranger);
        pool.collect(q);
        b.collateral -= LOCK;
        b.requester += REWARD + LIABILITY + BOND;
        b.sink += BURN;
        assertBooks(books(), b);
        assertState(slot(SHARED), SlotState.Idle);
        assertEq(token.balanceOf(address(pool)), held, "nothing was pushed");
        assertEq(pool.balanceOf(address(token), stranger), 0, "the caller is not paid");
    }

    function test_CollectedLongAfterwards() public {
        vm.warp(published + 3650 days);
        Books memory b = books();
        pool.collect(q);
        b.collateral -= LOCK;
        b.requester += REWARD + LIABILITY + BOND;
        b.sink += BURN;
        assertBooks(books(), b);
    }

    function test_CollectedFromTheRescuer() public {
        vm.warp(published + PROOF_WINDOW + 1);
        rescue(q);
        after_(GRACE);
        pool.novate(q);
        vm.warp(published + LIABILITY_WINDOW + 1);
        Books memory b = books();
        vm.expectEmit(address(pool));
        emit IZKPool.Defaulted(digest(q), rescuer);
        pool.collect(q);
        b.spareCollateral -= LIABILITY + BURN;
        b.requester += REWARD + LIABILITY + half(BOND);
        b.sink += BURN;
        assertBooks(books(), b);
        assertState(spare(), SlotState.Idle);
    }

    function test_CollectedFromTheRescuerWithoutNovate() public {
        // Announced in the last second in which it can be.
        vm.warp(published + LIABILITY_WINDOW - GRACE);
        rescue(q);
        vm.warp(published + LIABILITY_WINDOW + 1);
        Books memory b = books();
        pool.collect(q);
        b.collateral -= ADVANCE + BOND;
        b.spareCollateral -= LIABILITY + BURN;
        b.requester += REWARD + LIABILITY + BOND;
        b.sink += BURN;
        assertBooks(books(), b);
        assertState(slot(SHARED), SlotState.Idle);
        assertState(spare(), SlotState.Idle);
    }

    function test_CollectedEachInItsToken() public {
        Quote memory second = quote();
        second.task = task(DEDICATED, 2);
        second.terms.rewardToken = address(otherToken);
        second.terms.advance = 0;
        publishAccepted(second);
        after_(LIABILITY_WINDOW + 1);
        Books memory b = booksOf(address(token), DEDICATED);
        Books memory other = booksOf(address(otherToken), DEDICATED);
        pool.collect(second);
        b.collateral -= LIABILITY + BURN + BOND;
        b.requester += LIABILITY + BOND;
        b.sink += BURN;
        other.requester += REWARD;
        assertBooks(booksOf(address(token), DEDICATED), b);
        assertBooks(booksOf(address(otherToken), DEDICATED), other);
    }

    function test_CollectedWhateverTheVerifierDoes() public {
        verifier.setVerify(TestVerifier.Verify.GasBomb);
        verifier.setHalt(TestVerifier.Halt.GasBomb);
        vm.warp(published + LIABILITY_WINDOW + 1);
        pool.collect(q);
        assertEq(pool.balanceOf(address(token), requester), REWARD + LIABILITY + BOND);
    }

    function test_CollectedThoughTheSlotHasClosed() public {
        vm.startPrank(operator);
        pool.closeSlot(address(token), SHARED);
        pool.freeze(operator);
        vm.stopPrank();
        vm.warp(published + LIABILITY_WINDOW + 1);
        pool.collect(q);
        assertEq(pool.balanceOf(address(token), requester), REWARD + LIABILITY + BOND);
    }

    function test_SlotServesAgainAfterwards() public {
        vm.warp(published + LIABILITY_WINDOW + 1);
        pool.collect(q);
        vm.prank(operator);
        pool.topUpSlot(operator, address(token), SHARED, LOCK, 0);
        Quote memory next = quote();
        next.task = task(SHARED, 2);
        publishAccepted(next);
        prove(next);
    }
}
