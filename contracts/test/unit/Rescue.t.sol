// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Fixture} from "./Fixture.sol";
import {IZKPool, Quote, SlotState} from "../../src/interfaces/IZKPool.sol";

contract RescueTest is Fixture {
    Quote private q;
    uint256 private published;

    function setUp() public override {
        super.setUp();
        q = quote();
        publishAccepted(q);
        published = block.timestamp;
        vm.warp(published + PROOF_WINDOW + 1);
    }

    // ---- who ----

    function test_RevertWhen_CallerIsNotTheRescuer() public {
        address[4] memory others = [stranger, requester, operator, signer];
        for (uint256 i; i < others.length; i++) {
            vm.expectRevert(IZKPool.NotAuthorized.selector);
            vm.prank(others[i]);
            pool.rescue(q, rescuer, SPARE);
        }
        // Nobody's slots are not anybody's.
        vm.expectRevert(IZKPool.NotAuthorized.selector);
        vm.prank(stranger);
        pool.rescue(q, address(0), 0);
    }

    function test_RevertWhen_SignerIsFrozen() public {
        vm.prank(rescuer);
        pool.freeze(rescuer);
        vm.expectRevert(IZKPool.NotAuthorized.selector);
        vm.prank(rescuerSigner);
        pool.rescue(q, rescuer, SPARE);
    }

    function test_AnnouncedByTheRescuerItself() public {
        vm.prank(rescuer);
        pool.rescue(q, rescuer, SPARE);
        assertState(spare(), SlotState.Reserved);
    }

    // ---- what ----

    function test_RevertWhen_NotInSlot() public {
        Quote memory other = q;
        other.task.salt = bytes32("never published");
        _refused(other, IZKPool.NotInSlot.selector);
    }

    function test_RevertWhen_Delivered() public {
        prove(q);
        _refused(q, IZKPool.NotInSlot.selector);
    }

    function test_RevertWhen_AnnouncedTwice() public {
        rescue(q);
        uint32 another = SPARE + 1;
        vm.startPrank(rescuer);
        pool.openSlot(address(token), another, COLLATERAL, 0, address(0));
        vm.expectRevert(IZKPool.RescueExists.selector);
        pool.rescue(q, rescuer, another);
        after_(GRACE);
        vm.expectRevert(IZKPool.RescueExists.selector);
        pool.rescue(q, rescuer, another);
        pool.novate(q);
        vm.expectRevert(IZKPool.RescueExists.selector);
        pool.rescue(q, rescuer, another);
        vm.stopPrank();
        proveRescued(q);
        _refused(q, IZKPool.RescueExists.selector);
    }

    // ---- when ----

    function test_RevertWhen_NotLate() public {
        vm.warp(published + PROOF_WINDOW - 1);
        _refused(q, IZKPool.TooEarly.selector);
        vm.warp(published + PROOF_WINDOW);
        _refused(q, IZKPool.TooEarly.selector);
        vm.warp(published + PROOF_WINDOW + 1);
        rescue(q);
    }

    function test_RevertWhen_NoTimeIsLeft() public {
        vm.warp(published + LIABILITY_WINDOW - GRACE + 1);
        _refused(q, IZKPool.TooLate.selector);
        vm.warp(published + LIABILITY_WINDOW - GRACE);
        rescue(q);
        // It takes effect in the last second, and in that second the rescuer can deliver.
        vm.warp(published + LIABILITY_WINDOW);
        proveRescued(q);
    }

    // ---- the rescuer's slot ----

    function test_RevertWhen_RescuersSlotIsNotOpen() public {
        vm.prank(rescuerSigner);
        vm.expectRevert(IZKPool.SlotNotOpen.selector);
        pool.rescue(q, rescuer, SPARE + 1);

        vm.warp(published + PROOF_WINDOW + 1 - D);
        vm.prank(rescuer);
        pool.closeSlot(address(token), SPARE);
        vm.warp(published + PROOF_WINDOW + 1);
        _refused(q, IZKPool.SlotNotOpen.selector);
    }

    function test_AnnouncedOneSecondBeforeTheSlotCloses() public {
        vm.warp(published + PROOF_WINDOW + 2 - D);
        vm.prank(rescuer);
        pool.closeSlot(address(token), SPARE);
        vm.warp(published + PROOF_WINDOW + 1);
        rescue(q);
    }

    function test_RevertWhen_RescuersSlotIsOfAnotherToken() public {
        uint32 another = SPARE + 1;
        vm.startPrank(rescuer);
        pool.openSlot(address(otherToken), another, COLLATERAL, 0, address(0));
        vm.expectRevert(IZKPool.SlotNotOpen.selector);
        pool.rescue(q, rescuer, another);
        vm.stopPrank();
    }

    function test_RevertWhen_RescuersSlotIsActive() public {
        Quote memory own = _ownQuote();
        _publishOwn(own);
        vm.warp(own.terms.validUntil + 1);
        _refused(q, IZKPool.SlotBusy.selector);
    }

    function test_RevertWhen_RescuersSlotIsBusy() public {
        Quote memory own = _ownQuote();
        _publishOwn(own);
        vm.prank(rescuerSigner);
        pool.prove(own, defaultCall(), proofOf(own));
        vm.warp(own.terms.validUntil);
        _refused(q, IZKPool.SlotBusy.selector);
        vm.warp(own.terms.validUntil + 1);
        rescue(q);
    }

    function test_RevertWhen_RescuersSlotIsReserved() public {
        Quote memory second = quote();
        second.task = task(DEDICATED, 2);
        publishAccepted(second);
        vm.warp(block.timestamp + PROOF_WINDOW + 1);
        rescue(second);
        _refused(q, IZKPool.SlotBusy.selector);
    }

    /// Its own slot cannot come to its own rescue: it is not idle.
    function test_RevertWhen_RescuedByTheSameSlot() public {
        vm.expectRevert(IZKPool.SlotBusy.selector);
        vm.prank(operator);
        pool.rescue(q, operator, SHARED);
    }

    function test_RevertWhen_RescuersSlotIsDedicated() public {
        uint32 another = SPARE + 1;
        vm.startPrank(rescuer);
        pool.openSlot(address(token), another, COLLATERAL, 0, requester);
        vm.expectRevert(IZKPool.SlotDedicatedToAnother.selector);
        pool.rescue(q, rescuer, another);
        vm.stopPrank();
    }

    function test_RevertWhen_RescuersSlotIsUnderfunded() public {
        uint32 another = SPARE + 1;
        vm.startPrank(rescuer);
        pool.openSlot(address(token), another, LIABILITY + BURN - 1, RESERVE, address(0));
        vm.expectRevert(IZKPool.SlotUnderfunded.selector);
        pool.rescue(q, rescuer, another);
        pool.topUpSlot(rescuer, address(token), another, 1, 0);
        pool.rescue(q, rescuer, another);
        vm.stopPrank();
    }

    // ---- when announced ----

    function test_Announced() public {
        Books memory b = books();
        vm.expectEmit(address(pool));
        emit IZKPool.RescueAnnounced(digest(q), rescuer, SPARE, block.timestamp + GRACE);
        rescue(q);
        assertBooks(books(), b);
        assertState(spare(), SlotState.Reserved);
        assertState(slot(SHARED), SlotState.Active);
        (uint256 proofDeadline, uint256 liabilityDeadline, address by, uint32 index, uint256 rescueAt, bool novated) =
            pool.liveTask(q);
        assertEq(proofDeadline, published + PROOF_WINDOW);
        assertEq(liabilityDeadline, published + LIABILITY_WINDOW);
        assertEq(by, rescuer);
        assertEq(index, SPARE);
        assertEq(rescueAt, block.timestamp + GRACE);
        assertFalse(novated);
    }

    function test_GraceIsAQuarterRoundedDown() public {
        Quote memory second = quote();
        second.task = task(DEDICATED, 2);
        (second.terms.proofWindow, second.terms.liabilityWindow) = (10, 10 + 4 * 100 + 3);
        publishAccepted(second);
        after_(11);
        rescue(second);
        (,,,, uint256 rescueAt,) = pool.liveTask(second);
        assertEq(rescueAt, block.timestamp + 100);
    }

    // ---- helpers ----

    function _refused(Quote memory quote_, bytes4 reason) private {
        vm.expectRevert(reason);
        vm.prank(rescuerSigner);
        pool.rescue(quote_, rescuer, SPARE);
    }

    function _ownQuote() private view returns (Quote memory own) {
        own = quote();
        own.terms.operator = rescuer;
        own.task.slot = SPARE;
    }

    function _publishOwn(Quote memory own) private {
        bytes memory signature = signWith(rescuerKey, digest(own));
        vm.prank(payer);
        (, bool accepted) = pool.publish(own, signature);
        assertTrue(accepted);
    }
}
