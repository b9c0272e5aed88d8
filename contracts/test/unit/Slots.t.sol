// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Fixture} from "./Fixture.sol";
import {IZKPool, Quote, SlotState, SlotView} from "../../src/interfaces/IZKPool.sol";
import {FeeToken} from "../mocks/Tokens.sol";

contract SlotsTest is Fixture {
    uint32 private constant NEW = 3;

    // ---- openSlot ----

    function test_OpenedFromBalanceAndWallet() public {
        vm.prank(payer);
        pool.deposit(address(token), operator, 30);
        uint256 wallet = token.balanceOf(operator);
        vm.expectEmit(address(pool));
        emit IZKPool.SlotOpened(operator, address(token), NEW, 101, 11, requester);
        vm.prank(operator);
        pool.openSlot(address(token), NEW, 101, 11, requester);
        SlotView memory s = slot(NEW);
        assertState(s, SlotState.Idle);
        assertEq(s.collateral, 101);
        assertEq(s.honourReserve, 11);
        assertEq(s.closesAt, type(uint40).max);
        assertEq(s.dedicatedTo, requester);
        assertEq(s.dedicationChangesAt, 0);
        assertEq(s.busyUntil, 0);
        assertEq(s.digest, 0);
        assertEq(pool.balanceOf(address(token), operator), 0);
        assertEq(token.balanceOf(operator), wallet - (112 - 30));
        // Nobody else's slot of that name was opened.
        assertEq(pool.slotOf(stranger, address(token), NEW).closesAt, 0);
        assertEq(pool.slotOf(operator, address(otherToken), NEW).closesAt, 0);
    }

    function test_RevertWhen_OpenedTwice() public {
        vm.startPrank(operator);
        vm.expectRevert(IZKPool.SlotAlreadyOpen.selector);
        pool.openSlot(address(token), SHARED, 1, 1, address(0));
        // A slot that holds nothing is open all the same.
        pool.openSlot(address(token), NEW, 0, 0, address(0));
        vm.expectRevert(IZKPool.SlotAlreadyOpen.selector);
        pool.openSlot(address(token), NEW, 0, 0, requester);
        pool.closeSlot(address(token), SHARED);
        after_(D - 1);
        vm.expectRevert(IZKPool.SlotAlreadyOpen.selector);
        pool.openSlot(address(token), SHARED, 1, 1, address(0));
        after_(1);
        vm.expectRevert(IZKPool.SlotAlreadyOpen.selector);
        pool.openSlot(address(token), SHARED, 1, 1, address(0));
        vm.stopPrank();
    }

    function test_RevertWhen_OpenedWithMoneyStillInIt() public {
        vm.startPrank(operator);
        pool.openSlot(address(token), NEW, 0, 5, address(0));
        pool.closeSlot(address(token), NEW);
        after_(D);
        vm.expectRevert(IZKPool.SlotAlreadyOpen.selector);
        pool.openSlot(address(token), NEW, 1, 1, address(0));
        pool.emptySlot(address(token), NEW);
        pool.openSlot(address(token), NEW, 1, 1, address(0));
        vm.stopPrank();
    }

    function test_RevertWhen_OpenedWithCollateralStillInIt() public {
        vm.startPrank(operator);
        pool.openSlot(address(token), NEW, 5, 0, address(0));
        pool.closeSlot(address(token), NEW);
        after_(D);
        vm.expectRevert(IZKPool.SlotAlreadyOpen.selector);
        pool.openSlot(address(token), NEW, 1, 1, address(0));
        vm.stopPrank();
    }

    /// A task for which nothing is locked leaves its slot empty, but not idle.
    function test_RevertWhen_OpenedWhileATaskIsInIt() public {
        vm.startPrank(operator);
        pool.openSlot(address(token), NEW, 0, 0, address(0));
        pool.closeSlot(address(token), NEW);
        vm.stopPrank();
        after_(D - 1);
        Quote memory q = quote();
        q.task.slot = NEW;
        (q.terms.liability, q.terms.bond, q.terms.burn, q.terms.advance) = (0, 0, 0, 0);
        publishAccepted(q);
        after_(1);
        vm.expectRevert(IZKPool.SlotAlreadyOpen.selector);
        vm.prank(operator);
        pool.openSlot(address(token), NEW, 1, 1, address(0));
        prove(q);
        vm.prank(operator);
        pool.openSlot(address(token), NEW, 1, 1, address(0));
    }

    /// A breach is not forgotten by closing either.
    function test_OpenedAgainIsStillBarred() public {
        vm.prank(operator);
        pool.closeSlot(address(token), SHARED);
        after_(D - 1);
        Quote memory q = quote();
        q.terms.liability = COLLATERAL;
        assertFalse(publish(q));
        uint256 barredUntil = block.timestamp + V;
        after_(1);
        vm.startPrank(operator);
        pool.emptySlot(address(token), SHARED);
        pool.openSlot(address(token), SHARED, COLLATERAL, RESERVE, address(0));
        vm.stopPrank();
        assertEq(slot(SHARED).busyUntil, barredUntil);
        assertFalse(publish(quote()));
    }

    function test_OpenedAgain() public {
        Quote memory q = quote();
        publishAccepted(q);
        prove(q);
        _close(SHARED);
        vm.startPrank(operator);
        pool.emptySlot(address(token), SHARED);
        pool.openSlot(address(token), SHARED, 77, 7, requester);
        vm.stopPrank();
        SlotView memory s = slot(SHARED);
        assertEq(s.collateral, 77);
        assertEq(s.honourReserve, 7);
        assertEq(s.dedicatedTo, requester);
        assertEq(s.closesAt, type(uint40).max);
        assertEq(s.digest, kept(digest(q)), "the last quote is remembered");
        assertEq(s.busyUntil, q.terms.validUntil);
    }

    function test_OpenedAgainForgetsAPendingDedication() public {
        vm.startPrank(operator);
        pool.closeSlot(address(token), SHARED);
        after_(D - 1);
        pool.dedicateSlot(address(token), SHARED, stranger);
        after_(1);
        pool.emptySlot(address(token), SHARED);
        pool.openSlot(address(token), SHARED, COLLATERAL, RESERVE, requester);
        vm.stopPrank();
        assertEq(slot(SHARED).dedicatedTo, requester);
        assertEq(slot(SHARED).dedicationChangesAt, 0);
        after_(D);
        assertEq(slot(SHARED).dedicatedTo, requester);
        publishAccepted(quote());
    }

    function test_RevertWhen_CollateralDoesNotFit() public {
        token.mint(operator, uint256(type(uint128).max) * 2);
        vm.startPrank(operator);
        vm.expectRevert(IZKPool.AmountTooLarge.selector);
        pool.openSlot(address(token), NEW, uint128(type(uint120).max) + 1, 0, address(0));
        pool.openSlot(address(token), NEW, type(uint120).max, 0, address(0));
        assertEq(slot(NEW).collateral, type(uint120).max);
        vm.expectRevert(IZKPool.AmountTooLarge.selector);
        pool.topUpSlot(operator, address(token), NEW, 1, 0);
        pool.topUpSlot(operator, address(token), NEW, 0, type(uint128).max);
        vm.expectRevert(IZKPool.AmountTooLarge.selector);
        pool.topUpSlot(operator, address(token), NEW, 0, 1);
        vm.stopPrank();
    }

    function test_RevertWhen_OpenerCannotPay() public {
        vm.startPrank(operator);
        token.approve(address(pool), 99);
        vm.expectRevert();
        pool.openSlot(address(token), NEW, 50, 50, address(0));
        pool.openSlot(address(token), NEW, 50, 49, address(0));
        vm.stopPrank();
    }

    function test_RevertWhen_LessThanTheCollateralArrives() public {
        FeeToken fee = new FeeToken();
        fee.mint(operator, 10_000);
        vm.startPrank(operator);
        fee.approve(address(pool), type(uint256).max);
        vm.expectRevert(IZKPool.InsufficientBalance.selector);
        pool.openSlot(address(fee), NEW, 1000, 0, address(0));
        vm.stopPrank();
    }

    // ---- topUpSlot ----

    function test_ToppedUpByAnyone() public {
        Books memory b = books();
        vm.prank(payer);
        pool.deposit(address(token), stranger, 3);
        uint256 wallet = token.balanceOf(stranger);
        vm.expectEmit(address(pool));
        emit IZKPool.SlotToppedUp(operator, address(token), SHARED, 21, 5);
        vm.prank(stranger);
        pool.topUpSlot(operator, address(token), SHARED, 21, 5);
        b.collateral += 21;
        b.reserve += 5;
        assertBooks(books(), b);
        assertEq(token.balanceOf(stranger), wallet - (26 - 3));
        assertEq(pool.balanceOf(address(token), stranger), 0);
    }

    function test_ToppedUpWhileActive() public {
        Quote memory q = quote();
        publishAccepted(q);
        vm.prank(operator);
        pool.topUpSlot(operator, address(token), SHARED, 21, 5);
        assertState(slot(SHARED), SlotState.Active);
        assertEq(slot(SHARED).digest, kept(digest(q)));
        Books memory b = books();
        after_(LIABILITY_WINDOW + 1);
        pool.collect(q);
        b.collateral -= LOCK;
        b.requester += REWARD + LIABILITY + BOND;
        b.sink += BURN;
        assertBooks(books(), b);
    }

    function test_RevertWhen_ToppedUpUnopened() public {
        vm.prank(operator);
        vm.expectRevert(IZKPool.SlotNotOpen.selector);
        pool.topUpSlot(operator, address(token), NEW, 1, 1);
    }

    function test_ToppedUpUntilClosed() public {
        vm.startPrank(operator);
        pool.closeSlot(address(token), SHARED);
        after_(D - 1);
        pool.topUpSlot(operator, address(token), SHARED, 1, 1);
        after_(1);
        vm.expectRevert(IZKPool.SlotNotOpen.selector);
        pool.topUpSlot(operator, address(token), SHARED, 1, 1);
        vm.stopPrank();
    }

    // ---- dedicateSlot ----

    function test_DedicatedAfterD() public {
        vm.expectEmit(address(pool));
        emit IZKPool.SlotDedicated(operator, address(token), SHARED, stranger, block.timestamp + D);
        vm.prank(operator);
        pool.dedicateSlot(address(token), SHARED, stranger);
        uint256 changesAt = block.timestamp + D;
        SlotView memory s = slot(SHARED);
        assertEq(s.dedicatedTo, address(0));
        assertEq(s.nextDedicatedTo, stranger);
        assertEq(s.dedicationChangesAt, changesAt);

        vm.warp(changesAt - 1);
        uint256 snapshot = vm.snapshotState();
        publishAccepted(quote());
        vm.revertToState(snapshot);

        vm.warp(changesAt);
        s = slot(SHARED);
        assertEq(s.dedicatedTo, stranger);
        assertEq(s.nextDedicatedTo, address(0));
        assertEq(s.dedicationChangesAt, 0);
        Quote memory q = quote();
        bytes memory signature = sign(q);
        vm.expectRevert(IZKPool.SlotDedicatedToAnother.selector);
        vm.prank(payer);
        pool.publish(q, signature);
        q.terms.requester = stranger;
        publishAccepted(q);
    }

    function test_DedicationReplacesThePendingOne() public {
        vm.startPrank(operator);
        pool.dedicateSlot(address(token), DEDICATED, stranger);
        after_(D - 1);
        pool.dedicateSlot(address(token), DEDICATED, payer);
        vm.stopPrank();
        after_(1);
        assertEq(slot(DEDICATED).dedicatedTo, requester, "the replaced change took effect");
        after_(D - 2);
        assertEq(slot(DEDICATED).dedicatedTo, requester);
        after_(1);
        assertEq(slot(DEDICATED).dedicatedTo, payer);
    }

    function test_SharedAgainAfterD() public {
        vm.prank(operator);
        pool.dedicateSlot(address(token), DEDICATED, address(0));
        after_(D - 1);
        Quote memory q = quote();
        q.task.slot = DEDICATED;
        q.terms.requester = stranger;
        bytes memory signature = sign(q);
        vm.expectRevert(IZKPool.SlotDedicatedToAnother.selector);
        vm.prank(payer);
        pool.publish(q, signature);
        after_(1);
        publishAccepted(q);
    }

    function test_RevertWhen_DedicatedUnopened() public {
        vm.startPrank(operator);
        vm.expectRevert(IZKPool.SlotNotOpen.selector);
        pool.dedicateSlot(address(token), NEW, stranger);
        pool.closeSlot(address(token), SHARED);
        after_(D);
        vm.expectRevert(IZKPool.SlotNotOpen.selector);
        pool.dedicateSlot(address(token), SHARED, stranger);
        vm.stopPrank();
    }

    // ---- closeSlot ----

    function test_ClosesAtD() public {
        vm.expectEmit(address(pool));
        emit IZKPool.SlotClosing(operator, address(token), SHARED, block.timestamp + D);
        vm.prank(operator);
        pool.closeSlot(address(token), SHARED);
        assertEq(slot(SHARED).closesAt, block.timestamp + D);
    }

    function test_RevertWhen_ClosedTwice() public {
        vm.startPrank(operator);
        vm.expectRevert(IZKPool.SlotNotOpen.selector);
        pool.closeSlot(address(token), NEW);
        pool.closeSlot(address(token), SHARED);
        vm.expectRevert(IZKPool.SlotNotOpen.selector);
        pool.closeSlot(address(token), SHARED);
        after_(D);
        vm.expectRevert(IZKPool.SlotNotOpen.selector);
        pool.closeSlot(address(token), SHARED);
        vm.stopPrank();
    }

    function test_SlotsAreTheCallersOwn() public {
        vm.startPrank(stranger);
        vm.expectRevert(IZKPool.SlotNotOpen.selector);
        pool.closeSlot(address(token), SHARED);
        vm.expectRevert(IZKPool.SlotNotOpen.selector);
        pool.dedicateSlot(address(token), SHARED, stranger);
        vm.expectRevert(IZKPool.SlotNotOpen.selector);
        pool.emptySlot(address(token), SHARED);
        vm.stopPrank();
        // The hot key has no say in them either.
        vm.startPrank(signer);
        vm.expectRevert(IZKPool.SlotNotOpen.selector);
        pool.closeSlot(address(token), SHARED);
        vm.stopPrank();
        assertEq(slot(SHARED).closesAt, type(uint40).max);
        assertEq(slot(SHARED).dedicationChangesAt, 0);
    }

    // ---- emptySlot ----

    function test_EmptiedOnce() public {
        _close(SHARED);
        Books memory b = books();
        vm.expectEmit(address(pool));
        emit IZKPool.SlotEmptied(operator, address(token), SHARED, COLLATERAL + RESERVE);
        vm.startPrank(operator);
        pool.emptySlot(address(token), SHARED);
        b.operator += COLLATERAL + RESERVE;
        b.collateral = 0;
        b.reserve = 0;
        assertBooks(books(), b);
        // Again: nothing to have.
        pool.emptySlot(address(token), SHARED);
        vm.stopPrank();
        assertBooks(books(), b);
    }

    function test_RevertWhen_EmptiedBeforeClosed() public {
        vm.startPrank(operator);
        vm.expectRevert(IZKPool.TooEarly.selector);
        pool.emptySlot(address(token), SHARED);
        pool.closeSlot(address(token), SHARED);
        after_(D - 1);
        vm.expectRevert(IZKPool.TooEarly.selector);
        pool.emptySlot(address(token), SHARED);
        after_(1);
        pool.emptySlot(address(token), SHARED);
        vm.stopPrank();
    }

    function test_RevertWhen_EmptiedUnopened() public {
        vm.expectRevert(IZKPool.SlotNotOpen.selector);
        vm.prank(operator);
        pool.emptySlot(address(token), NEW);
    }

    function test_RevertWhen_EmptiedWhileActive() public {
        vm.prank(operator);
        pool.closeSlot(address(token), SHARED);
        after_(D - 1);
        Quote memory q = quote();
        publishAccepted(q);
        after_(1);
        vm.expectRevert(IZKPool.SlotBusy.selector);
        vm.prank(operator);
        pool.emptySlot(address(token), SHARED);
        prove(q);
        vm.prank(operator);
        pool.emptySlot(address(token), SHARED);
    }

    function test_RevertWhen_EmptiedWhileReservedOrRescuing() public {
        vm.prank(rescuer);
        pool.closeSlot(address(token), SPARE);
        after_(D - PROOF_WINDOW / 2);
        Quote memory q = quote();
        q.terms.proofWindow = 1;
        q.terms.liabilityWindow = 4 * PROOF_WINDOW;
        uint256 rescueAt = publishAndAnnounce(q);
        after_(PROOF_WINDOW / 2);
        vm.expectRevert(IZKPool.SlotBusy.selector);
        vm.prank(rescuer);
        pool.emptySlot(address(token), SPARE);
        vm.warp(rescueAt);
        pool.novate(q);
        vm.expectRevert(IZKPool.SlotBusy.selector);
        vm.prank(rescuer);
        pool.emptySlot(address(token), SPARE);
        proveRescued(q);
        vm.prank(rescuer);
        pool.emptySlot(address(token), SPARE);
    }

    // ---- helpers ----

    function _close(uint32 index) private {
        vm.prank(operator);
        pool.closeSlot(address(token), index);
        after_(D);
    }
}
