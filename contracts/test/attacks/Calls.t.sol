// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Call, Delivery, IZKPool, Quote, SlotState, Task, Terms} from "../../src/interfaces/IZKPool.sol";
import {BrokenEncoder, CostlyEncoder} from "../mocks/Encoders.sol";
import {CostlyTarget, GasBombTarget, ReentrantTarget, ReturnBombTarget} from "../mocks/Targets.sol";
import {HookToken, PlainToken} from "../mocks/Tokens.sol";
import {TestVerifier} from "../mocks/Verifiers.sol";
import {Fixture} from "../unit/Fixture.sol";

/// @notice SECURITY, Money 4: reentrancy, starved calls, unbounded gas, return bombs.
contract CallAttacks is Fixture {
    HookToken private hook;

    function newToken() internal override returns (address) {
        hook = new HookToken();
        return address(hook);
    }

    // ---- reentrancy ----

    /// Every function that changes something, entered from a target and from a token.
    function test_4_NothingCanBeEnteredFromATarget() public {
        ReentrantTarget reentrant = new ReentrantTarget();
        bytes[] memory attacks = _everything(address(reentrant));
        for (uint256 mode; mode < 2; mode++) {
            for (uint256 i; i < attacks.length; i++) {
                uint256 snapshot = vm.snapshotState();
                reentrant.prepare(address(pool), attacks[i]);
                Quote memory q = mode == 0 ? quote() : targetQuote(address(reentrant));
                q.terms.target = address(reentrant);
                publishAccepted(q);
                Books memory b = books();
                prove(q);
                assertTrue(reentrant.attacked());
                assertFalse(reentrant.succeeded());
                assertEq(bytes4(reentrant.result()), IZKPool.Reentrancy.selector, "refused for another reason");
                b.operator += REWARD - ADVANCE;
                assertBooks(books(), b);
                vm.revertToState(snapshot);
            }
        }
    }

    function test_4_NothingCanBeEnteredFromAToken() public {
        bytes[] memory attacks = _everything(address(hook));
        for (uint256 i; i < attacks.length; i++) {
            for (uint256 place; place < 4; place++) {
                uint256 snapshot = vm.snapshotState();
                hook.setHook(address(pool), attacks[i], place % 2 == 0);
                if (place < 2) {
                    vm.startPrank(payer);
                    assertEq(pool.deposit(address(token), payer, 500), 500);
                    pool.withdraw(address(token), payer, payer, 500);
                    vm.stopPrank();
                } else {
                    publishAccepted(quote());
                }
                assertFalse(hook.lastSuccess());
                assertEq(bytes4(hook.lastResult()), IZKPool.Reentrancy.selector, "refused for another reason");
                vm.revertToState(snapshot);
            }
        }
    }

    /// The classic: withdraw again in the middle of a withdrawal.
    function test_4_AWithdrawalIsBookedBeforeItIsPaid() public {
        vm.prank(payer);
        pool.deposit(address(token), address(hook), 100);
        hook.setHook(
            address(pool), abi.encodeCall(pool.withdraw, (address(token), address(hook), stranger, 100)), false
        );
        vm.prank(address(hook));
        pool.withdraw(address(token), address(hook), stranger, 100);
        assertFalse(hook.lastSuccess());
        assertEq(token.balanceOf(stranger), FUNDS + 100);
    }

    /// A deposit inside a deposit must not be credited twice.
    function test_4_ADepositIsCreditedOnce() public {
        vm.prank(payer);
        token.transfer(address(hook), 1000);
        vm.prank(address(hook));
        token.approve(address(pool), type(uint256).max);
        for (uint256 i; i < 2; i++) {
            hook.setHook(address(pool), abi.encodeCall(pool.deposit, (address(token), stranger, 100)), i == 0);
            uint256 there = token.balanceOf(address(pool));
            vm.prank(payer);
            assertEq(pool.deposit(address(token), payer, 50), 50);
            assertEq(token.balanceOf(address(pool)), there + 50);
            assertEq(pool.balanceOf(address(token), stranger), 0);
        }
    }

    /// The guard is open again afterwards, also after a call that has failed.
    function test_4_TheGuardOpensAgain() public {
        Quote memory q = quote();
        publishAccepted(q);
        vm.expectRevert(IZKPool.ProofRejected.selector);
        vm.prank(signer);
        pool.prove(q, defaultCall(), "");
        prove(q);
    }

    // ---- starvation ----

    /// A target that needs all its gas cannot be made to fail by giving the transaction less: neither by the operator,
    /// who would be rid of the call in verifier mode, nor with an encoder in between.
    function test_4_AStarvedCallDoesNotPassForAFailure() public {
        CostlyTarget costly = new CostlyTarget(400_000);
        Quote memory q = quote();
        (q.terms.target, q.terms.callGas) = (address(costly), 450_000);
        publishAccepted(q);
        _neverDeliveredWithoutItsCall(
            abi.encodeCall(pool.prove, (q, defaultCall(), proofOf(q))), costly, 300_000, 900_000
        );
    }

    function test_4_AStarvedEncoderDoesNotPassForAFailure() public {
        CostlyTarget costly = new CostlyTarget(100_000);
        Quote memory q = quote();
        // It does not even try with less: what is left would do to deliver without it.
        q.terms.encoder = address(new CostlyEncoder(900_000));
        (q.terms.target, q.terms.callGas) = (address(costly), 150_000);
        publishAccepted(q);
        _neverDeliveredWithoutItsCall(
            abi.encodeCall(pool.prove, (q, defaultCall(), proofOf(q))), costly, 150_000, 1_500_000
        );
    }

    /// Copying the question costs gas on its way to the encoder, the more so the longer the proof, and a verifier that
    /// does not mind what stands behind a proof leaves its length to the operator.
    function test_4_ALongProofDoesNotStarveTheEncoder() public {
        verifier.setVerify(TestVerifier.Verify.AcceptAll);
        CostlyTarget costly = new CostlyTarget(10_000);
        Quote memory q = quote();
        q.terms.encoder = address(new CostlyEncoder(960_000));
        (q.terms.target, q.terms.callGas) = (address(costly), 50_000);
        publishAccepted(q);
        bytes memory data = abi.encodeCall(pool.prove, (q, defaultCall(), new bytes(250_000)));
        _neverDeliveredWithoutItsCall(data, costly, 1_000_000, 3_500_000);
    }

    /// A long call costs gas on its way: that must not be the target's.
    function test_4_ALongCallIsNotStarvedEither() public {
        CostlyTarget costly = new CostlyTarget(400_000);
        Quote memory q = quote();
        (q.terms.target, q.terms.callGas) = (address(costly), 450_000);
        Call memory call = Call({prefix: new bytes(60_000), suffix: new bytes(30_000), doneCheck: ""});
        q.task.callHash = hashCall(call);
        publishAccepted(q);
        _neverDeliveredWithoutItsCall(abi.encodeCall(pool.prove, (q, call, proofOf(q))), costly, 500_000, 2_500_000);
    }

    /// A halt cannot be denied by asking with too little gas to answer.
    function test_4_AStarvedVerifierIsNotSeenRunning() public {
        Quote memory q = quote();
        publishAccepted(q);
        verifier.setHalt(TestVerifier.Halt.Halted);
        pool.observeHalt(q);
        after_(100);
        uint256 snapshot = vm.snapshotState();
        bool observed;
        for (uint256 gas_ = 20_000; gas_ < 400_000; gas_ += 1_777) {
            vm.prank(stranger);
            (bool ok,) = address(pool).call{gas: gas_}(abi.encodeCall(pool.observeHalt, (q)));
            if (ok) {
                (uint256 proofDeadline,,,,,) = pool.liveTask(q);
                assertEq(proofDeadline, block.timestamp + PROOF_WINDOW, "seen running");
                observed = true;
            }
            vm.revertToState(snapshot);
        }
        assertTrue(observed);
    }

    // ---- bombs ----

    /// Whatever a target does with its gas and its return data: the delivery costs its gas and a bounded rest.
    function test_4_TargetsCannotMakeDeliveryDear() public {
        uint256 ordinary = _gasOfDelivery(address(target), 500_000);
        uint256 limit = ordinary + 500_000;
        assertLt(_gasOfDelivery(address(new GasBombTarget()), 500_000), limit);
        assertLt(_gasOfDelivery(address(new ReturnBombTarget(true, 300_000)), 500_000), limit);
        assertLt(_gasOfDelivery(address(new ReturnBombTarget(false, 300_000)), 500_000), limit);
    }

    /// In target mode the reason that is passed on is short, and still the beginning of the real one.
    function test_4_ReasonsAreCut() public {
        Quote memory q = targetQuote(address(new ReturnBombTarget(true, 100_000)));
        publishAccepted(q);
        vm.prank(signer);
        (bool ok, bytes memory reason) = address(pool).call(abi.encodeCall(pool.prove, (q, defaultCall(), "")));
        assertFalse(ok);
        assertEq(bytes4(reason), IZKPool.TargetReverted.selector);
        assertLt(reason.length, 500);
    }

    /// A verifier burns at most what it is given; it can keep nobody from collecting.
    function test_4_VerifiersCannotMakeDeliveryDear() public {
        Quote memory q = quote();
        publishAccepted(q);
        bytes memory proof = proofOf(q);
        for (uint256 i; i < 2; i++) {
            verifier.setVerify(i == 0 ? TestVerifier.Verify.GasBomb : TestVerifier.Verify.ReturnBomb);
            vm.prank(signer);
            uint256 before = gasleft();
            (bool ok,) = address(pool).call(abi.encodeCall(pool.prove, (q, defaultCall(), proof)));
            assertFalse(ok);
            assertLt(before - gasleft(), pool.MAX_CALL_GAS() + 200_000);
        }
        for (uint256 i; i < 2; i++) {
            verifier.setHalt(i == 0 ? TestVerifier.Halt.GasBomb : TestVerifier.Halt.ReturnBomb);
            uint256 before = gasleft();
            pool.observeHalt(q);
            assertLt(before - gasleft(), 400_000);
        }
    }

    function test_4_EncodersCannotMakeDeliveryDear() public {
        address broken = address(new BrokenEncoder());
        // Fails, burns its gas, returns as much as its gas buys.
        uint8[3] memory kinds = [0, 6, 5];
        for (uint256 i; i < kinds.length; i++) {
            uint256 snapshot = vm.snapshotState();
            Quote memory q = quote();
            q.terms.encoder = broken;
            Call memory call = Call({prefix: abi.encodePacked(kinds[i]), suffix: "", doneCheck: ""});
            q.task.callHash = hashCall(call);
            publishAccepted(q);
            bytes memory proof = proofOf(q);
            vm.expectEmit(address(pool));
            emit IZKPool.Delivered(digest(q), true, false, 0);
            vm.prank(signer);
            uint256 before = gasleft();
            pool.prove(q, call, proof);
            assertLt(before - gasleft(), 1_300_000);
            assertEq(target.calls(), 0);
            vm.revertToState(snapshot);
        }
    }

    // ---- helpers ----

    /// A call to each function that changes something, which the caller would otherwise be allowed.
    function _everything(address attacker) private returns (bytes[] memory attacks) {
        vm.startPrank(payer);
        token.transfer(attacker, 10_000);
        pool.deposit(address(token), attacker, 10_000);
        vm.stopPrank();
        vm.startPrank(attacker);
        token.approve(address(pool), type(uint256).max);
        pool.setSigner(signer);
        pool.openSlot(address(token), 0, 100, 100, address(0));
        vm.stopPrank();
        Quote memory q = quote();
        q.task = task(DEDICATED, 2);
        bytes memory signature = sign(q);
        Task[] memory tasks = new Task[](1);
        tasks[0] = q.task;
        attacks = new bytes[](20);
        attacks[0] = abi.encodeCall(pool.deposit, (address(token), attacker, 0));
        attacks[1] = abi.encodeCall(pool.withdraw, (address(token), attacker, attacker, 1));
        attacks[2] = abi.encodeCall(pool.setAuthorization, (attacker, true));
        attacks[3] = abi.encodeCall(pool.setSigner, (attacker));
        attacks[4] = abi.encodeCall(pool.freeze, (attacker));
        attacks[5] = abi.encodeCall(pool.openSlot, (address(token), 3, 1, 1, address(0)));
        attacks[6] = abi.encodeCall(pool.topUpSlot, (operator, address(token), SHARED, 1, 1));
        attacks[7] = abi.encodeCall(pool.dedicateSlot, (address(token), 0, attacker));
        attacks[8] = abi.encodeCall(pool.closeSlot, (address(token), 0));
        attacks[9] = abi.encodeCall(pool.emptySlot, (address(token), 0));
        attacks[10] = abi.encodeCall(pool.publish, (q, signature));
        attacks[11] =
            abi.encodeCall(pool.publishBatch, (q.terms, tasks, signWith(signerKey, batchDigest(q.terms, tasks))));
        attacks[12] = abi.encodeCall(pool.prove, (q, defaultCall(), ""));
        attacks[13] = abi.encodeCall(pool.proveBatch, (q.terms, new Delivery[](1)));
        attacks[14] = abi.encodeCall(pool.proveRescued, (q, attacker, 0, defaultCall(), ""));
        attacks[15] = abi.encodeCall(pool.rescue, (q, attacker, 0));
        attacks[16] = abi.encodeCall(pool.novate, (q));
        attacks[17] = abi.encodeCall(pool.collect, (q));
        attacks[18] = abi.encodeCall(pool.observeHalt, (q));
        attacks[19] = abi.encodeCall(pool.unwind, (q));
    }

    function _neverDeliveredWithoutItsCall(bytes memory data, CostlyTarget costly, uint256 from, uint256 to) private {
        uint256 snapshot = vm.snapshotState();
        bool delivered;
        bool refused;
        for (uint256 gas_ = from; gas_ < to; gas_ += 7_919) {
            vm.prank(signer);
            (bool ok,) = address(pool).call{gas: gas_}(data);
            assertEq(costly.calls(), ok ? 1 : 0, "delivered without its call");
            if (ok) delivered = true;
            else refused = true;
            vm.revertToState(snapshot);
        }
        assertTrue(delivered && refused);
    }

    function _gasOfDelivery(address target_, uint32 callGas) private returns (uint256 used) {
        uint256 snapshot = vm.snapshotState();
        Quote memory q = quote();
        (q.terms.target, q.terms.callGas) = (target_, callGas);
        publishAccepted(q);
        bytes memory data = abi.encodeCall(pool.prove, (q, defaultCall(), proofOf(q)));
        vm.prank(signer);
        uint256 before = gasleft();
        (bool ok,) = address(pool).call(data);
        used = before - gasleft();
        assertTrue(ok);
        assertState(slot(SHARED), SlotState.Idle);
        vm.revertToState(snapshot);
    }
}
