// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Fixture} from "./Fixture.sol";
import {Call, IZKPool, Quote, SlotState} from "../../src/interfaces/IZKPool.sol";

contract ProveRescuedTest is Fixture {
    Quote private q;
    uint256 private published;
    uint256 private rescueAt;

    function setUp() public override {
        super.setUp();
        q = quote();
        published = block.timestamp;
        rescueAt = publishAndAnnounce(q);
        vm.warp(rescueAt);
    }

    // ---- who and what ----

    function test_RevertWhen_CallerIsNotTheRescuer() public {
        bytes memory proof = proofOf(q);
        address[4] memory others = [stranger, requester, operator, signer];
        for (uint256 i; i < others.length; i++) {
            vm.expectRevert(IZKPool.NotAuthorized.selector);
            vm.prank(others[i]);
            pool.proveRescued(q, rescuer, SPARE, defaultCall(), proof);
        }
    }

    /// Naming oneself does not make one the rescuer.
    function test_RevertWhen_RescuedByAnother() public {
        bytes memory proof = proofOf(q);
        vm.startPrank(stranger);
        pool.openSlot(address(token), SPARE, COLLATERAL, 0, address(0));
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.proveRescued(q, stranger, SPARE, defaultCall(), proof);
        vm.stopPrank();
        vm.startPrank(operator);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.proveRescued(q, operator, SHARED, defaultCall(), proof);
        vm.stopPrank();
    }

    function test_RevertWhen_AnotherSlotIsNamed() public {
        bytes memory proof = proofOf(q);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        vm.prank(rescuer);
        pool.proveRescued(q, rescuer, SPARE + 1, defaultCall(), proof);
    }

    function test_RevertWhen_NoRescueWasAnnounced() public {
        Quote memory second = quote();
        second.task = task(DEDICATED, 2);
        publishAccepted(second);
        after_(PROOF_WINDOW + 1);
        bytes memory proof = proofOf(second);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        vm.prank(rescuer);
        pool.proveRescued(second, rescuer, SPARE, defaultCall(), proof);
    }

    function test_RevertWhen_AlreadyDelivered() public {
        proveRescued(q);
        bytes memory proof = proofOf(q);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        vm.prank(rescuer);
        pool.proveRescued(q, rescuer, SPARE, defaultCall(), proof);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        vm.prank(operator);
        pool.prove(q, defaultCall(), proof);
        vm.warp(published + LIABILITY_WINDOW + 1);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.collect(q);
    }

    function test_RevertWhen_ProofOrCallIsWrong() public {
        bytes memory proof = proofOf(q);
        Call memory wrong = defaultCall();
        wrong.suffix = "x";
        Books memory b = books();
        vm.startPrank(rescuer);
        vm.expectRevert(IZKPool.ProofRejected.selector);
        pool.proveRescued(q, rescuer, SPARE, defaultCall(), "not a proof");
        vm.expectRevert(IZKPool.WrongCall.selector);
        pool.proveRescued(q, rescuer, SPARE, wrong, proof);
        vm.stopPrank();
        assertBooks(books(), b);
        assertState(slot(SHARED), SlotState.Active);
    }

    // ---- the money ----

    function test_NovatesAndDelivers() public {
        Books memory b = books();
        vm.expectEmit(address(pool));
        emit IZKPool.Novated(digest(q), rescuer);
        vm.expectEmit(address(pool));
        emit IZKPool.Delivered(digest(q), false, true, 0);
        proveRescued(q);
        b.collateral -= ADVANCE + BOND;
        b.requester += BOND - half(BOND);
        b.rescuer += REWARD + half(BOND);
        assertBooks(books(), b);
        assertState(slot(SHARED), SlotState.Idle);
        assertState(spare(), SlotState.Idle);
        assertEq(target.calls(), 1);
    }

    function test_DeliversAfterNovate() public {
        pool.novate(q);
        Books memory b = books();
        vm.prank(rescuer);
        pool.proveRescued(q, rescuer, SPARE, defaultCall(), proofOf(q));
        b.rescuer += REWARD + half(BOND);
        assertBooks(books(), b);
    }

    function test_PaysEachInItsToken() public {
        Quote memory second = quote();
        second.task = task(DEDICATED, 2);
        second.terms.rewardToken = address(otherToken);
        second.terms.advance = 0;
        publishAccepted(second);
        proveRescued(q); // frees the spare slot
        after_(PROOF_WINDOW + 1);
        rescue(second);
        after_(GRACE);
        Books memory b = booksOf(address(token), DEDICATED);
        Books memory other = booksOf(address(otherToken), DEDICATED);
        proveRescued(second);
        b.collateral -= BOND;
        b.requester += BOND - half(BOND);
        b.rescuer += half(BOND);
        other.rescuer += REWARD;
        assertBooks(booksOf(address(token), DEDICATED), b);
        assertBooks(booksOf(address(otherToken), DEDICATED), other);
    }

    // ---- when ----

    function test_DeliveredAtTheLiabilityDeadline() public {
        vm.warp(published + LIABILITY_WINDOW);
        proveRescued(q);
        assertState(spare(), SlotState.Idle);
    }

    function test_RevertWhen_AfterTheLiabilityDeadline() public {
        vm.warp(published + LIABILITY_WINDOW + 1);
        bytes memory proof = proofOf(q);
        vm.expectRevert(IZKPool.TooLate.selector);
        vm.prank(rescuer);
        pool.proveRescued(q, rescuer, SPARE, defaultCall(), proof);
        vm.warp(rescueAt);
        pool.novate(q);
        vm.warp(published + LIABILITY_WINDOW + 1);
        vm.expectRevert(IZKPool.TooLate.selector);
        vm.prank(rescuer);
        pool.proveRescued(q, rescuer, SPARE, defaultCall(), proof);
    }
}
