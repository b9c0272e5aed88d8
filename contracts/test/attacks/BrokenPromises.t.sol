// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IZKPool, Quote, SlotState, Task, Terms} from "../../src/interfaces/IZKPool.sol";
import {Fixture} from "../unit/Fixture.sol";

/// @notice SECURITY, Money 10: an operator that signs more than it has, and all that it may try to get away with it.
contract PromiseAttacks is Fixture {
    // ---- signs more than it has ----

    /// Two requesters hold a quote for one slot: the second is compensated in the transaction in which it finds out.
    function test_10_SignsOneSlotTwice() public {
        Quote memory first = quote();
        Quote memory second = quote();
        second.task.salt = bytes32("second");
        second.terms.requester = stranger;
        bytes memory signature = sign(second);
        assertTrue(pool.isBacked(second, signature));
        publishAccepted(first);
        assertFalse(pool.isBacked(second, signature));
        vm.prank(stranger);
        (, bool accepted) = pool.publish(second, signature);
        assertFalse(accepted);
        assertEq(pool.balanceOf(address(token), stranger), REWARD + HONOUR - half(HONOUR));
    }

    /// On a dedicated slot: in full, also if it is the operator that has filled the slot in the requester's name.
    function test_10_FillsADedicatedSlotInTheRequestersName() public {
        Quote memory q = quote();
        q.task.slot = DEDICATED;
        bytes memory signature = sign(q);
        assertTrue(pool.isBacked(q, signature));
        Quote memory filler = q;
        filler.task.salt = bytes32("filler");
        filler.terms.reward = 0;
        filler.terms.advance = 0;
        filler.terms.liability = 0;
        bytes memory fillerSignature = sign(filler);
        vm.prank(operator);
        pool.publish(filler, fillerSignature);
        q = quote();
        q.task.slot = DEDICATED;
        uint256 before = pool.balanceOf(address(token), requester);
        vm.prank(payer);
        (, bool accepted) = pool.publish(q, signature);
        assertFalse(accepted);
        assertEq(pool.balanceOf(address(token), requester), before + REWARD + HONOUR);
    }

    /// It drains the reserve of a dedicated slot beforehand: only the requester can be paid out of it.
    function test_10_DrainsTheReserveBeforehand() public {
        vm.prank(signer);
        pool.freeze(operator);
        Quote memory drain = quote();
        drain.task = task(DEDICATED, 77);
        drain.terms.honour = type(uint128).max;
        drain.terms.requester = stranger;
        bytes memory signature = sign(drain);
        vm.expectRevert(IZKPool.SlotDedicatedToAnother.selector);
        vm.prank(operator);
        pool.publish(drain, signature);
        drain.terms.requester = requester;
        signature = sign(drain);
        vm.prank(payer);
        pool.publish(drain, signature);
        assertEq(pool.balanceOf(address(token), requester), REWARD + RESERVE);
    }

    /// It has one alias drain a shared reserve: half of it burns, each time.
    function test_10_SavesItsSharedReserveByAnAlias() public {
        vm.prank(signer);
        pool.freeze(operator);
        Quote memory alias_ = quote();
        alias_.terms.requester = operator;
        alias_.terms.honour = type(uint128).max;
        Books memory b = books();
        publish(alias_);
        b.operator += REWARD + RESERVE - half(RESERVE);
        b.sink += half(RESERVE);
        b.reserve = 0;
        assertBooks(books(), b);
    }

    /// The requester's own quote is made consumed by the operator: then it is published, at the operator's expense.
    function test_10_PublishesTheQuoteItself() public {
        Quote memory q = quote();
        bytes memory signature = sign(q);
        vm.prank(operator);
        pool.publish(q, signature);
        assertState(slot(SHARED), SlotState.Active);
        assertEq(pool.balanceOf(address(token), operator), ADVANCE);
        vm.expectRevert(IZKPool.AlreadyPublished.selector);
        vm.prank(payer);
        pool.publish(q, signature);
    }

    /// Nobody can make a breach out of a signature that was kept.
    function test_10_AKeptPromiseCannotBeReported() public {
        Quote memory q = quote();
        bytes memory signature = sign(q);
        publishAccepted(q);
        prove(q);
        vm.prank(signer);
        pool.freeze(operator);
        while (block.timestamp <= q.terms.validUntil) {
            vm.expectRevert(IZKPool.AlreadyPublished.selector);
            vm.prank(payer);
            pool.publish(q, signature);
            after_(29);
        }
        vm.expectRevert(IZKPool.QuoteExpired.selector);
        vm.prank(payer);
        pool.publish(q, signature);
        assertEq(slot(SHARED).honourReserve, RESERVE);
    }

    // ---- takes it back ----

    /// Withdraws between signing and publishing: neither collateral nor reserve can leave while a quote is valid.
    function test_10_WithdrawsBeforePublication() public {
        Quote memory q = quote();
        q.terms.validUntil = uint40(block.timestamp + V);
        vm.startPrank(operator);
        pool.closeSlot(address(token), SHARED);
        vm.expectRevert(IZKPool.TooEarly.selector);
        pool.emptySlot(address(token), SHARED);
        vm.expectRevert(IZKPool.InsufficientBalance.selector);
        pool.withdraw(address(token), operator, operator, 1);
        vm.warp(q.terms.validUntil);
        vm.expectRevert(IZKPool.TooEarly.selector);
        pool.emptySlot(address(token), SHARED);
        vm.stopPrank();
        publishAccepted(q);
    }

    /// Changes its signer after signing: D is longer than any quote is valid.
    function test_10_ChangesItsSignerAfterSigning() public {
        Quote memory q = quote();
        q.terms.validUntil = uint40(block.timestamp + V);
        bytes memory signature = sign(q);
        assertTrue(pool.isBacked(q, signature));
        vm.prank(operator);
        pool.setSigner(stranger);
        vm.warp(q.terms.validUntil);
        vm.prank(payer);
        (, bool accepted) = pool.publish(q, signature);
        assertTrue(accepted);
        assertGt(D, V);
    }

    /// Prepares a change beforehand, so that it takes effect in between: `isBacked` knows.
    function test_10_PreparesAChangeBeforeSigning() public {
        uint256 snapshot = vm.snapshotState();
        for (uint256 i; i < 3; i++) {
            vm.startPrank(operator);
            if (i == 0) pool.setSigner(stranger);
            if (i == 1) pool.closeSlot(address(token), DEDICATED);
            if (i == 2) pool.dedicateSlot(address(token), DEDICATED, stranger);
            vm.stopPrank();
            after_(D - V / 4);
            Quote memory q = quote();
            q.task.slot = DEDICATED;
            assertFalse(pool.isBacked(q, sign(q)));
            vm.revertToState(snapshot);
        }
    }

    /// Dedicates the slot to somebody else after signing.
    function test_10_DedicatesAfterSigning() public {
        Quote memory q = quote();
        q.task.slot = DEDICATED;
        q.terms.validUntil = uint40(block.timestamp + V);
        assertTrue(pool.isBacked(q, sign(q)));
        vm.prank(operator);
        pool.dedicateSlot(address(token), DEDICATED, stranger);
        vm.warp(q.terms.validUntil);
        publishAccepted(q);
    }

    /// An operator that is a contract, or an account with code (EIP-7702), cannot disown its signer's word: the
    /// signature is recovered, nobody is asked.
    function test_10_CodeAtTheSignerOrOperatorIsNotAsked() public {
        // Answers every question with zeros, and refuses ERC-1271.
        vm.etch(signer, hex"60205ff3");
        vm.etch(operator, hex"5f5ffd");
        Quote memory q = quote();
        vm.expectCall(signer, "", 0);
        vm.expectCall(operator, "", 0);
        publishAccepted(q);
        prove(q);
    }

    /// Freezing is a breach like any other.
    function test_10_FreezesToEscape() public {
        Quote memory q = quote();
        q.task.slot = DEDICATED;
        bytes memory signature = sign(q);
        assertTrue(pool.isBacked(q, signature));
        vm.prank(operator);
        pool.freeze(operator);
        vm.prank(payer);
        pool.publish(q, signature);
        assertEq(pool.balanceOf(address(token), requester), REWARD + HONOUR);
    }

    /// Two replicas, or one restored from a backup, sign on without knowing of each other: every breach is paid once.
    function test_10_SignsOnTwoReplicas() public {
        uint256 promises = 6;
        bytes[] memory signatures = new bytes[](promises);
        Quote[] memory quotes = new Quote[](promises);
        for (uint256 i; i < promises; i++) {
            quotes[i] = quote();
            quotes[i].task.salt = bytes32(i);
            signatures[i] = sign(quotes[i]);
        }
        uint256 accepted;
        for (uint256 i; i < promises; i++) {
            vm.prank(payer);
            (, bool ok) = pool.publish(quotes[i], signatures[i]);
            if (ok) accepted++;
        }
        assertEq(accepted, 1);
        assertEq(slot(SHARED).honourReserve, RESERVE - (promises - 1) * HONOUR);
        for (uint256 i = 1; i < promises; i++) {
            vm.expectRevert(IZKPool.AlreadyDishonoured.selector);
            vm.prank(payer);
            pool.publish(quotes[i], signatures[i]);
        }
    }

    /// A batch cannot be used to get out of it: the poisoned task is compensated, the others go ahead.
    function test_10_PoisonsABatch() public {
        publishAccepted(quote());
        Terms memory t = terms();
        Task[] memory tasks = new Task[](2);
        tasks[0] = task(DEDICATED, 8);
        tasks[1] = task(SHARED, 9);
        bytes memory signature = signWith(signerKey, batchDigest(t, tasks));
        vm.prank(payer);
        assertEq(pool.publishBatch(t, tasks, signature), 1);
        assertEq(pool.balanceOf(address(token), requester), REWARD + HONOUR - half(HONOUR));
        assertState(slot(DEDICATED), SlotState.Active);
    }

    // ---- stalls, snipes, rescues itself ----

    /// Stalls and is rescued by its own alias: no better than late, and the alias is bound.
    function test_10_StallsAndIsRescuedByItsAlias() public {
        Quote memory q = quote();
        uint256 snapshot = vm.snapshotState();
        publishAccepted(q);
        after_(PROOF_WINDOW + 1);
        prove(q);
        Books memory late = books();
        vm.revertToState(snapshot);
        vm.warp(publishAndAnnounce(q));
        proveRescued(q);
        Books memory rescued = books();
        assertEq(
            rescued.operator + rescued.collateral + rescued.rescuer + rescued.spareCollateral,
            late.operator + late.collateral + late.rescuer + late.spareCollateral
        );
        assertEq(rescued.requester, late.requester);
    }

    /// Announces a rescue to keep others away, and lets it lie: it takes effect by itself and costs the liability.
    function test_10_AnnouncesAndSitsOnIt() public {
        Quote memory q = quote();
        publishAndAnnounce(q);
        after_(LIABILITY_WINDOW);
        Books memory b = books();
        vm.prank(requester);
        pool.collect(q);
        b.collateral -= ADVANCE + BOND;
        b.spareCollateral -= LIABILITY + BURN;
        b.requester += REWARD + LIABILITY + BOND;
        b.sink += BURN;
        assertBooks(books(), b);
    }

    /// Snipes: announces at the first second to take the pending proof. The original has the grace period to deliver.
    function test_10_SnipesAPendingProof() public {
        Quote memory q = quote();
        publishAndAnnounce(q);
        bytes memory pending = proofOf(q);
        vm.expectRevert(IZKPool.TooEarly.selector);
        vm.prank(rescuer);
        pool.proveRescued(q, rescuer, SPARE, defaultCall(), pending);
        vm.prank(signer);
        pool.prove(q, defaultCall(), pending);
        assertEq(pool.balanceOf(address(token), rescuer), 0);
        assertEq(pool.balanceOf(address(token), operator), REWARD);
    }

    /// A rescuer takes its collateral out again before the task is settled.
    function test_10_ARescuerCannotLeave() public {
        vm.prank(rescuer);
        pool.closeSlot(address(token), SPARE);
        after_(D - PROOF_WINDOW / 2);
        Quote memory q = quote();
        q.terms.proofWindow = 1;
        uint256 rescueAt = publishAndAnnounce(q);
        for (uint256 i; i < 2; i++) {
            vm.warp(rescueAt + i * 10);
            vm.expectRevert(IZKPool.SlotBusy.selector);
            vm.prank(rescuer);
            pool.emptySlot(address(token), SPARE);
        }
        pool.novate(q);
        vm.expectRevert(IZKPool.SlotBusy.selector);
        vm.prank(rescuer);
        pool.emptySlot(address(token), SPARE);
    }
}
