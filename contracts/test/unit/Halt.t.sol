// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Fixture} from "./Fixture.sol";
import {IZKPool, Quote, SlotState} from "../../src/interfaces/IZKPool.sol";
import {TestVerifier} from "../mocks/Verifiers.sol";

contract HaltTest is Fixture {
    Quote private q;
    uint256 private published;
    uint256 private gap;
    uint256 private cap;

    function setUp() public override {
        super.setUp();
        (gap, cap) = (pool.MAX_OBSERVATION_GAP(), pool.HALT_CAP());
        q = quote();
        // Windows that hold several observation gaps.
        (q.terms.proofWindow, q.terms.liabilityWindow) = (10 hours, 20 hours);
        publishAccepted(q);
        published = block.timestamp;
        verifier.setHalt(TestVerifier.Halt.Halted);
    }

    // ---- observeHalt ----

    function test_OneObservationCountsNothing() public {
        after_(1 hours);
        vm.expectEmit(address(pool));
        emit IZKPool.HaltObserved(digest(q), true, 0);
        vm.prank(stranger);
        pool.observeHalt(q);
        _extendedBy(0);
        // Nor does the time before it, or a second one at the same moment.
        pool.observeHalt(q);
        _extendedBy(0);
    }

    function test_TimeBetweenTwoObservationsCounts() public {
        pool.observeHalt(q);
        after_(gap - 1);
        vm.expectEmit(address(pool));
        emit IZKPool.HaltObserved(digest(q), true, gap - 1);
        pool.observeHalt(q);
        _extendedBy(gap - 1);
        after_(gap);
        pool.observeHalt(q);
        _extendedBy(2 * gap - 1);
        after_(7);
        pool.observeHalt(q);
        _extendedBy(2 * gap + 6);
    }

    function test_TooGreatAGapDoesNotCount() public {
        pool.observeHalt(q);
        after_(gap + 1);
        vm.expectEmit(address(pool));
        emit IZKPool.HaltObserved(digest(q), true, 0);
        pool.observeHalt(q);
        _extendedBy(0);
        after_(10);
        pool.observeHalt(q);
        _extendedBy(10);
    }

    function test_SeenRunningInBetweenDoesNotCount() public {
        pool.observeHalt(q);
        after_(10);
        pool.observeHalt(q);
        verifier.setHalt(TestVerifier.Halt.Running);
        after_(10);
        vm.expectEmit(address(pool));
        emit IZKPool.HaltObserved(digest(q), false, 10);
        pool.observeHalt(q);
        _extendedBy(10);
        verifier.setHalt(TestVerifier.Halt.Halted);
        after_(10);
        pool.observeHalt(q);
        _extendedBy(10);
        after_(5);
        pool.observeHalt(q);
        _extendedBy(15);
    }

    function test_NothingElseThanTrueIsHalted() public {
        TestVerifier.Halt[7] memory modes = [
            TestVerifier.Halt.Running,
            TestVerifier.Halt.Reverts,
            TestVerifier.Halt.Nothing,
            TestVerifier.Halt.Short,
            TestVerifier.Halt.Two,
            TestVerifier.Halt.GasBomb,
            TestVerifier.Halt.ReturnBomb
        ];
        for (uint256 i; i < modes.length; i++) {
            verifier.setHalt(modes[i]);
            pool.observeHalt(q);
            after_(10);
            pool.observeHalt(q);
            _extendedBy(0);
        }
        verifier.setHalt(TestVerifier.Halt.HaltedLong);
        pool.observeHalt(q);
        after_(10);
        pool.observeHalt(q);
        _extendedBy(10);
    }

    function test_NoCodeIsNotHalted() public {
        Quote memory second = _second();
        second.terms.verifier = makeAddr("no code");
        publishAccepted(second);
        pool.observeHalt(second);
        after_(10);
        pool.observeHalt(second);
        (uint256 proofDeadline,,,,,) = pool.liveTask(second);
        assertEq(proofDeadline, block.timestamp - 10 + second.terms.proofWindow);
    }

    function test_TargetModeIsNeverHalted() public {
        Quote memory second = _second();
        second.terms.verifier = address(0);
        // The target itself claims to be halted.
        second.terms.target = address(verifier);
        publishAccepted(second);
        vm.expectEmit(address(pool));
        emit IZKPool.HaltObserved(digest(second), false, 0);
        pool.observeHalt(second);
        after_(10);
        pool.observeHalt(second);
        (uint256 proofDeadline,,,,,) = pool.liveTask(second);
        assertEq(proofDeadline, block.timestamp - 10 + second.terms.proofWindow);
    }

    function test_RevertWhen_ObservedAndNotInSlot() public {
        Quote memory second = _second();
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.observeHalt(second);
        prove(q);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.observeHalt(q);
    }

    function test_ObservedUpToTheLiabilityDeadline() public {
        vm.warp(published + 20 hours - 1);
        pool.observeHalt(q);
        vm.warp(published + 20 hours);
        pool.observeHalt(q);
        _extendedBy(1);
        vm.warp(published + 20 hours + 1);
        pool.observeHalt(q);
        _extendedBy(2);
    }

    function test_RevertWhen_ObservedAfterTheLiabilityDeadline() public {
        vm.warp(published + 20 hours);
        pool.observeHalt(q);
        vm.warp(published + 20 hours + 1);
        vm.expectRevert(IZKPool.TooLate.selector);
        pool.observeHalt(q);
        pool.collect(q);
    }

    function test_CountsUpToTheCap() public {
        _haltFor(cap - 1);
        _extendedBy(cap - 1);
        vm.expectRevert(IZKPool.NotHalted.selector);
        pool.unwind(q);
        after_(gap);
        pool.observeHalt(q);
        _extendedBy(cap);
        after_(gap);
        pool.observeHalt(q);
        _extendedBy(cap);
    }

    // ---- a task that was extended ----

    function test_OnTimeUpToTheExtendedDeadline() public {
        _haltFor(100);
        uint256 snapshot = vm.snapshotState();
        for (uint256 i; i < 4; i++) {
            bool onTime = i < 2;
            uint256 end = published + 100 + (onTime ? 10 hours : 20 hours);
            vm.warp(i % 2 == 0 ? end : onTime ? end + 1 : end - 1);
            vm.expectEmit(address(pool));
            emit IZKPool.Delivered(digest(q), i == 0, true, 0);
            prove(q);
            vm.revertToState(snapshot);
        }
        bytes memory proof = proofOf(q);
        vm.warp(published + 100 + 20 hours + 1);
        vm.expectRevert(IZKPool.TooLate.selector);
        vm.prank(signer);
        pool.prove(q, defaultCall(), proof);
    }

    function test_CollectedAfterTheExtendedDeadline() public {
        _haltFor(100);
        vm.warp(published + 100 + 20 hours);
        vm.expectRevert(IZKPool.TooEarly.selector);
        pool.collect(q);
        after_(1);
        pool.collect(q);
        assertEq(pool.balanceOf(address(token), requester), REWARD + LIABILITY + BOND);
    }

    function test_RescuedAfterTheExtendedDeadline() public {
        _haltFor(100);
        vm.warp(published + 100 + 10 hours);
        vm.expectRevert(IZKPool.TooEarly.selector);
        vm.prank(rescuer);
        pool.rescue(q, rescuer, SPARE);
        after_(1);
        rescue(q);
        after_(2.5 hours);
        proveRescued(q);
    }

    function test_HaltsGoOnAfterANovation() public {
        _haltFor(100);
        vm.warp(published + 100 + 10 hours + 1);
        rescue(q);
        after_(2.5 hours);
        pool.observeHalt(q); // before it is carried out
        after_(10);
        pool.novate(q);
        _extendedBy(100);
        pool.observeHalt(q);
        _extendedBy(110);
        after_(10);
        pool.observeHalt(q);
        _extendedBy(120);
        vm.warp(published + 120 + 20 hours);
        proveRescued(q);
    }

    /// First seen halted after the novation.
    function test_HaltsBeginAfterANovation() public {
        vm.warp(published + 10 hours + 1);
        rescue(q);
        after_(2.5 hours);
        pool.novate(q);
        pool.observeHalt(q);
        after_(10);
        pool.observeHalt(q);
        _extendedBy(10);
    }

    /// What one task was granted, the slot's next task is not.
    function test_HaltsAreTheTasksOwn() public {
        _haltFor(100);
        prove(q);
        after_(V);
        Quote memory next = quote();
        next.task = task(SHARED, 2);
        publishAccepted(next);
        (uint256 proofDeadline, uint256 liabilityDeadline,,,,) = pool.liveTask(next);
        assertEq(proofDeadline, block.timestamp + next.terms.proofWindow);
        assertEq(liabilityDeadline, block.timestamp + next.terms.liabilityWindow);
        // Neither is an observation of the one the beginning of an interval of the other.
        after_(10);
        pool.observeHalt(next);
        (proofDeadline,,,,,) = pool.liveTask(next);
        assertEq(proofDeadline, block.timestamp - 10 + next.terms.proofWindow);
    }

    // ---- unwind ----

    function test_RevertWhen_NeverHalted() public {
        vm.warp(published + cap + 1);
        vm.expectRevert(IZKPool.NotHalted.selector);
        pool.unwind(q);
    }

    function test_Unwound() public {
        _haltFor(cap);
        Books memory b = books();
        vm.expectEmit(address(pool));
        emit IZKPool.Unwound(digest(q));
        vm.prank(stranger);
        pool.unwind(q);
        b.requester += REWARD;
        b.collateral -= ADVANCE;
        assertBooks(books(), b);
        assertState(slot(SHARED), SlotState.Idle);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.unwind(q);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.collect(q);
    }

    function test_UnwoundEachInItsToken() public {
        Quote memory second = _second();
        second.terms.rewardToken = address(otherToken);
        second.terms.advance = 0;
        publishAccepted(second);
        _halt(second, cap);
        Books memory b = booksOf(address(token), DEDICATED);
        Books memory other = booksOf(address(otherToken), DEDICATED);
        pool.unwind(second);
        other.requester += REWARD;
        assertBooks(booksOf(address(token), DEDICATED), b);
        assertBooks(booksOf(address(otherToken), DEDICATED), other);
    }

    function test_UnwoundWithARescueAnnounced() public {
        _haltFor(cap);
        vm.warp(published + cap + 10 hours + 1);
        rescue(q);
        after_(2.5 hours - 1);
        Books memory b = books();
        pool.unwind(q);
        b.requester += REWARD;
        b.collateral -= ADVANCE;
        assertBooks(books(), b);
        assertState(slot(SHARED), SlotState.Idle);
        assertState(spare(), SlotState.Idle);
    }

    function test_UnwoundFromTheRescuer() public {
        _haltFor(cap - 10);
        vm.warp(published + cap - 10 + 10 hours + 1);
        rescue(q);
        after_(2.5 hours);
        pool.novate(q);
        _haltFor(10);
        Books memory b = books();
        pool.unwind(q);
        b.requester += REWARD;
        b.operator += half(BOND);
        assertBooks(books(), b);
        assertState(spare(), SlotState.Idle);
    }

    function test_UnwoundFromTheRescuerWithoutNovate() public {
        _haltFor(cap);
        vm.warp(published + cap + 10 hours + 1);
        rescue(q);
        after_(2.5 hours);
        Books memory b = books();
        pool.unwind(q);
        b.collateral -= ADVANCE + BOND;
        b.requester += REWARD + (BOND - half(BOND));
        b.operator += half(BOND);
        assertBooks(books(), b);
        assertState(slot(SHARED), SlotState.Idle);
        assertState(spare(), SlotState.Idle);
    }

    function test_RevertWhen_CollectedThoughHaltedForTheCap() public {
        _haltFor(cap);
        vm.warp(published + cap + 20 hours + 1);
        vm.expectRevert(IZKPool.VerifierHalted.selector);
        pool.collect(q);
        pool.unwind(q);
        assertEq(pool.balanceOf(address(token), requester), REWARD);
    }

    function test_DeliveredThoughHaltedForTheCap() public {
        _haltFor(cap);
        prove(q);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.unwind(q);
    }

    // ---- helpers ----

    function _second() private view returns (Quote memory second) {
        second = quote();
        second.task = task(DEDICATED, 2);
        (second.terms.proofWindow, second.terms.liabilityWindow) = (10 hours, 20 hours);
    }

    function _haltFor(uint256 time) private {
        _halt(q, time);
    }

    /// Observations as far apart as they may be.
    function _halt(Quote memory quote_, uint256 time) private {
        pool.observeHalt(quote_);
        while (time > 0) {
            uint256 step = time < gap ? time : gap;
            after_(step);
            pool.observeHalt(quote_);
            time -= step;
        }
    }

    function _extendedBy(uint256 time) private view {
        (uint256 proofDeadline, uint256 liabilityDeadline,,,,) = pool.liveTask(q);
        assertEq(proofDeadline, published + 10 hours + time, "proof deadline");
        assertEq(liabilityDeadline, published + 20 hours + time, "liability deadline");
    }
}
