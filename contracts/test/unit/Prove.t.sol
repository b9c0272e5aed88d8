// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Fixture} from "./Fixture.sol";
import {Call, IZKPool, Quote, SlotState, Task} from "../../src/interfaces/IZKPool.sol";
import {BrokenEncoder, SwappingEncoder} from "../mocks/Encoders.sol";
import {
    AnsweringTarget,
    CostlyTarget,
    FlippingTarget,
    GasBombTarget,
    RecordingTarget,
    ReturnBombTarget
} from "../mocks/Targets.sol";
import {TestVerifier} from "../mocks/Verifiers.sol";

contract ProveTest is Fixture {
    // ---- who ----

    function test_RevertWhen_CallerIsNotTheOperator() public {
        Quote memory q = quote();
        publishAccepted(q);
        address[4] memory others = [stranger, requester, payer, rescuerSigner];
        for (uint256 i; i < others.length; i++) {
            vm.expectRevert(IZKPool.NotAuthorized.selector);
            vm.prank(others[i]);
            pool.prove(q, defaultCall(), proofOf(q));
        }
    }

    function test_DeliveredByTheOperatorItself() public {
        Quote memory q = quote();
        publishAccepted(q);
        vm.prank(operator);
        pool.prove(q, defaultCall(), proofOf(q));
        assertState(slot(SHARED), SlotState.Idle);
    }

    function test_DeliveredThoughFrozen() public {
        Quote memory q = quote();
        publishAccepted(q);
        vm.prank(signer);
        pool.freeze(operator);
        vm.prank(operator);
        pool.prove(q, defaultCall(), proofOf(q));
        assertState(slot(SHARED), SlotState.Idle);
    }

    function test_DeliveredThoughTheSlotHasClosed() public {
        vm.prank(operator);
        pool.closeSlot(address(token), SHARED);
        after_(D - 1);
        Quote memory q = quote();
        publishAccepted(q);
        after_(10);
        prove(q);
        assertState(slot(SHARED), SlotState.Idle);
    }

    // ---- what ----

    function test_RevertWhen_NeverPublished() public {
        _notInSlot(quote());
    }

    function test_RevertWhen_AlreadyDelivered() public {
        Quote memory q = quote();
        publishAccepted(q);
        prove(q);
        _notInSlot(q);
    }

    function test_RevertWhen_AlreadyCollected() public {
        Quote memory q = quote();
        publishAccepted(q);
        after_(LIABILITY_WINDOW + 1);
        pool.collect(q);
        _notInSlot(q);
    }

    function test_RevertWhen_AnotherQuoteIsInTheSlot() public {
        Quote memory q = quote();
        publishAccepted(q);
        q.task.salt = bytes32("another");
        _notInSlot(q);
    }

    function test_RevertWhen_Novated() public {
        Quote memory q = quote();
        vm.warp(publishAndAnnounce(q));
        pool.novate(q);
        _notInSlot(q);
    }

    function test_RevertWhen_CallIsNotTheCommittedOne() public {
        Quote memory q = quote();
        Call memory call = Call({prefix: "abc", suffix: "de", doneCheck: "f"});
        q.task.callHash = hashCall(call);
        publishAccepted(q);
        bytes memory proof = proofOf(q);
        Call[5] memory wrong;
        wrong[0] = Call({prefix: "abx", suffix: "de", doneCheck: "f"});
        wrong[1] = Call({prefix: "abc", suffix: "dx", doneCheck: "f"});
        wrong[2] = Call({prefix: "abc", suffix: "de", doneCheck: "x"});
        wrong[3] = Call({prefix: "abcd", suffix: "e", doneCheck: "f"});
        wrong[4] = Call({prefix: "abc", suffix: "def", doneCheck: ""});
        for (uint256 i; i < wrong.length; i++) {
            vm.expectRevert(IZKPool.WrongCall.selector);
            vm.prank(signer);
            pool.prove(q, wrong[i], proof);
        }
        vm.prank(signer);
        pool.prove(q, call, proof);
    }

    // ---- verifier mode ----

    function test_DeliveredOnTime() public {
        Quote memory q = quote();
        publishAccepted(q);
        Books memory b = books();
        vm.expectEmit(address(pool));
        emit IZKPool.Delivered(digest(q), true, true, 0);
        prove(q);
        b.operator += REWARD - ADVANCE;
        assertBooks(books(), b);
        assertState(slot(SHARED), SlotState.Idle);
        assertEq(slot(SHARED).digest, kept(digest(q)), "the digest stays");
        assertEq(slot(SHARED).busyUntil, q.terms.validUntil, "the slot stays busy");
        assertEq(target.calls(), 1);
    }

    function test_DeliveredPaysInTheRewardToken() public {
        Quote memory q = quote();
        q.terms.rewardToken = address(otherToken);
        q.terms.advance = 0;
        publishAccepted(q);
        Books memory b = books();
        Books memory other = booksOf(address(otherToken), SHARED);
        prove(q);
        other.operator += REWARD;
        assertBooks(books(), b);
        assertBooks(booksOf(address(otherToken), SHARED), other);
    }

    function test_DeliveredThoughTheTargetReverts() public {
        FlippingTarget flipping = new FlippingTarget();
        flipping.setReverting(true);
        _deliveredWithoutTarget(address(flipping), address(0));
    }

    function test_DeliveredThoughTheTargetHasNoCode() public {
        _deliveredWithoutTarget(makeAddr("no code"), address(0));
    }

    function test_DeliveredThoughTheTargetBurnsItsGas() public {
        _deliveredWithoutTarget(address(new GasBombTarget()), address(0));
    }

    function test_DeliveredThoughTheEncoderFails() public {
        _deliveredWithoutTarget(address(target), address(new GasBombTarget()));
        assertEq(target.calls(), 0);
    }

    function test_DeliveredThoughTheEncoderHasNoCode() public {
        _deliveredWithoutTarget(address(target), makeAddr("no code"));
        assertEq(target.calls(), 0);
    }

    function test_RevertWhen_ProofIsOfAnotherStatement() public {
        Quote memory q = quote();
        publishAccepted(q);
        bytes memory proof = verifier.proofOf(keccak256("another statement"));
        _proofRejected(q, proof);
        _proofRejected(q, "");
        // A verifier that would accept the other statement was asked about this one.
        vm.expectCall(address(verifier), abi.encodeCall(verifier.verify, (q.task.statement, proof)));
        _proofRejected(q, proof);
    }

    function test_RevertWhen_VerifierDoesNotSayTrue() public {
        Quote memory q = quote();
        publishAccepted(q);
        bytes memory proof = proofOf(q);
        for (
            uint256 mode = uint256(TestVerifier.Verify.RejectAll);
            mode <= uint256(type(TestVerifier.Verify).max);
            mode++
        ) {
            verifier.setVerify(TestVerifier.Verify(mode));
            _proofRejected(q, proof);
        }
        verifier.setVerify(TestVerifier.Verify.Honest);
        prove(q);
    }

    function test_RevertWhen_VerifierHasNoCode() public {
        Quote memory q = quote();
        q.terms.verifier = makeAddr("no code");
        publishAccepted(q);
        _proofRejected(q, proofOf(q));
        // The same verifier with code would do.
        vm.etch(q.terms.verifier, address(verifier).code);
        prove(q);
    }

    // ---- target mode ----

    function test_TargetMode_Delivered() public {
        FlippingTarget flipping = new FlippingTarget();
        Quote memory q = targetQuote(address(flipping));
        publishAccepted(q);
        Books memory b = books();
        vm.expectEmit(address(pool));
        emit IZKPool.Delivered(digest(q), true, true, 0);
        prove(q);
        b.operator += REWARD - ADVANCE;
        assertBooks(books(), b);
        assertEq(flipping.calls(), 1);
    }

    function test_TargetMode_RevertWhen_TargetReverts() public {
        FlippingTarget flipping = new FlippingTarget();
        flipping.setReverting(true);
        Quote memory q = targetQuote(address(flipping));
        publishAccepted(q);
        bytes memory reason = abi.encodeWithSelector(FlippingTarget.Flipped.selector, 42);
        vm.expectRevert(abi.encodeWithSelector(IZKPool.TargetReverted.selector, reason));
        vm.prank(signer);
        pool.prove(q, defaultCall(), "");
        flipping.setReverting(false);
        prove(q);
    }

    function test_TargetMode_RevertWhen_TargetHasNoCode() public {
        Quote memory q = targetQuote(makeAddr("no code"));
        publishAccepted(q);
        vm.expectRevert(IZKPool.TargetHasNoCode.selector);
        vm.prank(signer);
        pool.prove(q, defaultCall(), "");
    }

    function test_TargetMode_DeliveredWhenAlreadySatisfied() public {
        AnsweringTarget answering = new AnsweringTarget();
        Call memory call = Call({prefix: "x", suffix: "", doneCheck: abi.encodeCall(answering.isDone, ())});
        Quote memory q = targetQuote(address(answering));
        q.task.callHash = hashCall(call);
        publishAccepted(q);
        vm.expectPartialRevert(IZKPool.TargetReverted.selector);
        vm.prank(signer);
        pool.prove(q, call, "");
        answering.setDone(true);
        Books memory b = books();
        vm.prank(signer);
        pool.prove(q, call, "");
        b.operator += REWARD - ADVANCE;
        assertBooks(books(), b);
    }

    function test_TargetMode_RevertWhen_DoneCheckDoesNotSayTrue() public {
        AnsweringTarget answering = new AnsweringTarget();
        AnsweringTarget.Answer[7] memory kinds = [
            AnsweringTarget.Answer.No,
            AnsweringTarget.Answer.Revert,
            AnsweringTarget.Answer.Nothing,
            AnsweringTarget.Answer.Short,
            AnsweringTarget.Answer.Two,
            AnsweringTarget.Answer.GasBomb,
            AnsweringTarget.Answer.Write
        ];
        uint256 snapshot = vm.snapshotState();
        for (uint256 i; i < kinds.length; i++) {
            _doneCheckRefused(answering, abi.encodeCall(answering.answer, (kinds[i])));
            vm.revertToState(snapshot);
        }
        // Without a done check nothing is asked: the fallback's success would not count either.
        _doneCheckRefused(answering, "");
    }

    function test_VerifierMode_DoneCheckIsNotAsked() public {
        AnsweringTarget answering = new AnsweringTarget();
        answering.setDone(true);
        Call memory call = Call({prefix: "x", suffix: "", doneCheck: abi.encodeCall(answering.isDone, ())});
        Quote memory q = quote();
        q.terms.target = address(answering);
        q.task.callHash = hashCall(call);
        publishAccepted(q);
        vm.expectRevert(IZKPool.ProofRejected.selector);
        vm.prank(signer);
        pool.prove(q, call, "not a proof");
    }

    // ---- the call ----

    function test_TemplateIsPrefixProofSuffix() public {
        for (uint256 length; length < 67; length += 11) {
            uint256 snapshot = vm.snapshotState();
            Quote memory q = targetQuote(address(target));
            Call memory call = Call({prefix: hex"01020304aabb", suffix: hex"cc", doneCheck: ""});
            q.task.callHash = hashCall(call);
            publishAccepted(q);
            bytes memory proof = new bytes(length);
            for (uint256 i; i < length; i++) {
                proof[i] = bytes1(uint8(i + 1));
            }
            vm.prank(signer);
            pool.prove(q, call, proof);
            bytes memory padding = new bytes((32 - length % 32) % 32);
            assertEq(target.data(), abi.encodePacked(call.prefix, length, proof, padding, call.suffix));
            assertEq(target.caller(), pool.TARGET_CALLER());
            vm.revertToState(snapshot);
        }
    }

    /// The template serves an ordinary function with the proof between other arguments.
    function test_TemplateIsAnOrdinaryAbiCall() public {
        Quote memory q = targetQuote(address(target));
        bytes memory proof = "forty-one bytes, so that padding is needed";
        bytes memory full = abi.encodeWithSignature("settle(uint256,bytes,bytes)", 7, proof, "tail");
        // Head: selector, 7, offset of the proof, offset of the tail, which the template must know beforehand.
        bytes memory prefix = new bytes(4 + 96);
        for (uint256 i; i < prefix.length; i++) {
            prefix[i] = full[i];
        }
        Call memory call = Call({prefix: prefix, suffix: abi.encode(uint256(4), bytes32("tail")), doneCheck: ""});
        q.task.callHash = hashCall(call);
        publishAccepted(q);
        vm.prank(signer);
        pool.prove(q, call, proof);
        assertEq(target.data(), full);
    }

    function test_EncoderBuildsTheCall() public {
        Quote memory q = targetQuote(address(target));
        q.terms.encoder = address(new SwappingEncoder());
        Call memory call = Call({prefix: "the data", suffix: "", doneCheck: ""});
        q.task.callHash = hashCall(call);
        publishAccepted(q);
        vm.prank(signer);
        pool.prove(q, call, "the proof");
        assertEq(target.data(), abi.encodeWithSignature("submit(bytes,bytes)", bytes("the proof"), bytes("the data")));
    }

    function test_TargetMode_RevertWhen_EncoderFails() public {
        address broken = address(new BrokenEncoder());
        uint256 snapshot = vm.snapshotState();
        for (uint8 kind; kind < 7; kind++) {
            if (kind == 5) continue; // large, but honest about it: see the attacks
            _encoderRefused(broken, abi.encodePacked(kind));
            vm.revertToState(snapshot);
        }
        _encoderRefused(makeAddr("no code"), "");
    }

    // ---- gas ----

    function test_RevertWhen_GasDoesNotCoverTheCall() public {
        CostlyTarget costly = new CostlyTarget(900_000);
        for (uint256 mode; mode < 2; mode++) {
            uint256 snapshot = vm.snapshotState();
            Quote memory q = quote();
            q.terms.target = address(costly);
            q.terms.callGas = 1_000_000;
            if (mode == 1) q.terms.verifier = address(0);
            publishAccepted(q);
            bytes memory proof = proofOf(q);
            vm.prank(signer);
            vm.expectRevert(IZKPool.InsufficientGas.selector);
            pool.prove{gas: 1_000_000}(q, defaultCall(), proof);
            vm.prank(signer);
            pool.prove{gas: 1_300_000}(q, defaultCall(), proof);
            assertEq(costly.calls(), 1, "the target did not run");
            vm.revertToState(snapshot);
        }
    }

    /// Whatever gas is given: the target gets all that was agreed, or nothing happens.
    function test_TargetGetsTheAgreedGasOrNothingHappens() public {
        Quote memory q = quote();
        q.terms.callGas = 500_000;
        publishAccepted(q);
        bytes memory proof = proofOf(q);
        uint256 snapshot = vm.snapshotState();
        bool delivered;
        bool refused;
        for (uint256 gas_ = 480_000; gas_ < 800_000; gas_ += 4_001) {
            vm.prank(signer);
            try pool.prove{gas: gas_}(q, defaultCall(), proof) {
                delivered = true;
                // A few hundred pass before the target's first opcode that looks.
                assertGt(target.gasGiven(), 499_000, "starved");
            } catch {
                refused = true;
                assertFalse(delivered, "refused with more gas than sufficed");
            }
            vm.revertToState(snapshot);
        }
        assertTrue(delivered && refused);
    }

    // ---- when ----

    function test_OnTimeUpToTheProofDeadline() public {
        Quote memory q = quote();
        publishAccepted(q);
        uint256 published = block.timestamp;
        uint256 snapshot = vm.snapshotState();
        for (uint256 i; i < 2; i++) {
            vm.warp(published + PROOF_WINDOW - i);
            Books memory b = books();
            vm.expectEmit(address(pool));
            emit IZKPool.Delivered(digest(q), true, true, 0);
            prove(q);
            b.operator += REWARD - ADVANCE;
            assertBooks(books(), b);
            vm.revertToState(snapshot);
        }
    }

    function test_LateUpToTheLiabilityDeadline() public {
        Quote memory q = quote();
        publishAccepted(q);
        uint256 published = block.timestamp;
        uint32[3] memory times = [PROOF_WINDOW + 1, LIABILITY_WINDOW - 1, LIABILITY_WINDOW];
        uint256 snapshot = vm.snapshotState();
        for (uint256 i; i < times.length; i++) {
            vm.warp(published + times[i]);
            Books memory b = books();
            vm.expectEmit(address(pool));
            emit IZKPool.Delivered(digest(q), false, true, 0);
            prove(q);
            b.operator += REWARD - ADVANCE;
            b.collateral -= BOND - half(BOND);
            b.requester += BOND - half(BOND);
            assertBooks(books(), b);
            assertState(slot(SHARED), SlotState.Idle);
            vm.revertToState(snapshot);
        }
    }

    function test_LateSharesAnEvenBondEvenly() public {
        Quote memory q = quote();
        q.terms.bond = 334;
        publishAccepted(q);
        after_(PROOF_WINDOW + 1);
        Books memory b = books();
        prove(q);
        b.operator += REWARD - ADVANCE;
        b.collateral -= 167;
        b.requester += 167;
        assertBooks(books(), b);
    }

    function test_RevertWhen_AfterTheLiabilityDeadline() public {
        Quote memory q = quote();
        publishAccepted(q);
        after_(LIABILITY_WINDOW + 1);
        bytes memory proof = proofOf(q);
        vm.expectRevert(IZKPool.TooLate.selector);
        vm.prank(signer);
        pool.prove(q, defaultCall(), proof);
    }

    // ---- helpers ----

    function _notInSlot(Quote memory q) private {
        bytes memory proof = proofOf(q);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        vm.prank(signer);
        pool.prove(q, defaultCall(), proof);
    }

    function _proofRejected(Quote memory q, bytes memory proof) private {
        vm.expectRevert(IZKPool.ProofRejected.selector);
        vm.prank(signer);
        pool.prove(q, defaultCall(), proof);
    }

    function _deliveredWithoutTarget(address target_, address encoder) private {
        Quote memory q = quote();
        (q.terms.target, q.terms.encoder) = (target_, encoder);
        publishAccepted(q);
        Books memory b = books();
        vm.expectEmit(address(pool));
        emit IZKPool.Delivered(digest(q), true, false, 0);
        vm.expectEmit(address(pool));
        emit IZKPool.TargetFailed(digest(q), proofOf(q));
        prove(q);
        b.operator += REWARD - ADVANCE;
        assertBooks(books(), b);
        assertState(slot(SHARED), SlotState.Idle);
    }

    function _doneCheckRefused(AnsweringTarget answering, bytes memory doneCheck) private {
        Call memory call = Call({prefix: "x", suffix: "", doneCheck: doneCheck});
        Quote memory q = targetQuote(address(answering));
        q.task.callHash = hashCall(call);
        publishAccepted(q);
        vm.expectPartialRevert(IZKPool.TargetReverted.selector);
        vm.prank(signer);
        pool.prove(q, call, "");
        assertEq(answering.written(), 0);
    }

    function _encoderRefused(address encoder, bytes memory data) private {
        Quote memory q = targetQuote(address(target));
        q.terms.encoder = encoder;
        Call memory call = Call({prefix: data, suffix: "", doneCheck: ""});
        q.task.callHash = hashCall(call);
        publishAccepted(q);
        vm.expectRevert(IZKPool.EncoderFailed.selector);
        vm.prank(signer);
        pool.prove(q, call, "proof");
        assertEq(target.calls(), 0);
    }
}
