// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Fixture} from "./Fixture.sol";
import {IZKPool, Quote, SlotState} from "../../src/interfaces/IZKPool.sol";

contract NovateTest is Fixture {
    Quote private q;
    uint256 private published;
    uint256 private rescueAt;

    function setUp() public override {
        super.setUp();
        q = quote();
        published = block.timestamp;
        rescueAt = publishAndAnnounce(q);
    }

    // ---- in the grace period ----

    function test_RevertWhen_InTheGracePeriod() public {
        vm.expectRevert(IZKPool.TooEarly.selector);
        pool.novate(q);
        vm.warp(rescueAt - 1);
        vm.expectRevert(IZKPool.TooEarly.selector);
        pool.novate(q);
    }

    function test_OriginalDeliversInTheGracePeriod() public {
        vm.warp(rescueAt - 1);
        Books memory b = books();
        prove(q);
        b.operator += REWARD - ADVANCE;
        b.collateral -= BOND - half(BOND);
        b.requester += BOND - half(BOND);
        assertBooks(books(), b);
        assertState(slot(SHARED), SlotState.Idle);
        assertState(spare(), SlotState.Idle);
        // Free in every sense: it rescues and it is emptied.
        vm.prank(rescuer);
        pool.closeSlot(address(token), SPARE);
        after_(D);
        vm.prank(rescuer);
        pool.emptySlot(address(token), SPARE);
        assertEq(pool.balanceOf(address(token), rescuer), COLLATERAL + RESERVE);
    }

    function test_RevertWhen_RescuerDeliversInTheGracePeriod() public {
        vm.warp(rescueAt - 1);
        bytes memory proof = proofOf(q);
        vm.expectRevert(IZKPool.TooEarly.selector);
        vm.prank(rescuerSigner);
        pool.proveRescued(q, rescuer, SPARE, defaultCall(), proof);
        assertState(slot(SHARED), SlotState.Active);
    }

    // ---- when it is over ----

    function test_RevertWhen_OriginalDeliversAfterTheGracePeriod() public {
        vm.warp(rescueAt);
        bytes memory proof = proofOf(q);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        vm.prank(signer);
        pool.prove(q, defaultCall(), proof);
        pool.novate(q);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        vm.prank(signer);
        pool.prove(q, defaultCall(), proof);
    }

    function test_NovatedByAnyone() public {
        vm.warp(rescueAt);
        Books memory b = books();
        vm.expectEmit(address(pool));
        emit IZKPool.Novated(digest(q), rescuer);
        vm.prank(stranger);
        pool.novate(q);
        b.collateral -= ADVANCE + BOND;
        b.requester += BOND - half(BOND);
        assertBooks(books(), b);
        assertState(slot(SHARED), SlotState.Idle);
        assertState(spare(), SlotState.Rescuing);
        assertEq(spare().digest, kept(digest(q)));
    }

    function test_DeadlinesStay() public {
        vm.warp(rescueAt);
        pool.novate(q);
        (uint256 proofDeadline, uint256 liabilityDeadline, address by, uint32 index, uint256 at, bool novated) =
            pool.liveTask(q);
        assertEq(proofDeadline, published + PROOF_WINDOW);
        assertEq(liabilityDeadline, published + LIABILITY_WINDOW);
        assertEq(by, rescuer);
        assertEq(index, SPARE);
        assertEq(at, rescueAt);
        assertTrue(novated);
    }

    function test_OriginalsSlotServesOthersAfterwards() public {
        vm.warp(rescueAt);
        pool.novate(q);
        vm.prank(operator);
        pool.topUpSlot(operator, address(token), SHARED, COLLATERAL, 0);
        Quote memory next = quote();
        next.task = task(SHARED, 2);
        publishAccepted(next);
        prove(next);
        // The rescued task goes on undisturbed.
        Books memory b = books();
        proveRescued(q);
        b.rescuer += REWARD + half(BOND);
        assertBooks(books(), b);
    }

    function test_RevertWhen_NothingToNovate() public {
        vm.warp(rescueAt);
        pool.novate(q);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.novate(q);

        Quote memory second = quote();
        second.task = task(DEDICATED, 2);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.novate(second);
        publishAccepted(second);
        after_(PROOF_WINDOW + 1);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.novate(second);
    }
}
