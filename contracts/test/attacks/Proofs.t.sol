// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Call, IZKPool, Quote, SlotState} from "../../src/interfaces/IZKPool.sol";
import {PermissionlessTarget} from "../mocks/Targets.sol";
import {TestVerifier} from "../mocks/Verifiers.sol";
import {Fixture} from "../unit/Fixture.sol";

/// @notice SECURITY, Proofs 11, 12, 14, 19 and 19b, as far as they are the pool's. The numbers are those lines'.
contract ProofAttacks is Fixture {
    // ---- 11: a proof is a bearer artifact ----

    /// A thief copies the proof from the mempool and is first, with every function that takes one.
    function test_11_AStolenProofPaysNobodyElse() public {
        Quote memory q = quote();
        publishAccepted(q);
        after_(PROOF_WINDOW + 1);
        rescue(q);
        bytes memory stolen = proofOf(q);
        // The thief is an operator in good standing, with a slot and a signer of its own.
        vm.startPrank(stranger);
        pool.setSigner(stranger);
        pool.openSlot(address(token), SHARED, COLLATERAL, RESERVE, address(0));
        vm.expectRevert(IZKPool.NotAuthorized.selector);
        pool.prove(q, defaultCall(), stolen);
        vm.expectRevert(IZKPool.NotAuthorized.selector);
        pool.proveRescued(q, rescuer, SPARE, defaultCall(), stolen);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.proveRescued(q, stranger, SHARED, defaultCall(), stolen);
        Quote memory own = q;
        own.terms.operator = stranger;
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.prove(own, defaultCall(), stolen);
        vm.stopPrank();
        q = quote();
        q.terms.validUntil = uint40(slot(SHARED).busyUntil);
        prove(q);
        assertEq(pool.balanceOf(address(token), operator), REWARD);
        assertEq(pool.balanceOf(address(token), stranger), 0);
    }

    /// The thief goes to the target itself. The operator is paid all the same, in both modes.
    function test_11_AProofStolenForTheTargetCostsTheOperatorNothing() public {
        for (uint256 mode; mode < 2; mode++) {
            uint256 snapshot = vm.snapshotState();
            PermissionlessTarget open = new PermissionlessTarget();
            Call memory call = defaultCall();
            call.doneCheck = abi.encodeCall(open.isDone, ("id"));
            Quote memory q = mode == 0 ? quote() : targetQuote(address(open));
            q.terms.target = address(open);
            q.task.callHash = hashCall(call);
            publishAccepted(q);
            vm.prank(stranger);
            open.submit("id", proofOf(q));
            bytes memory proof = proofOf(q);
            vm.prank(signer);
            pool.prove(q, call, proof);
            assertEq(pool.balanceOf(address(token), operator), REWARD);
            vm.revertToState(snapshot);
        }
    }

    // ---- 12: proofs re-randomise ----

    /// Another proof of the same statement is the same delivery: there is nothing left to be paid.
    function test_12_AnotherProofOfTheSameStatementIsNotPaidAgain() public {
        verifier.setVerify(TestVerifier.Verify.AcceptAll);
        Quote memory q = quote();
        publishAccepted(q);
        vm.startPrank(signer);
        pool.prove(q, defaultCall(), "one proof");
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.prove(q, defaultCall(), "the same, in other words");
        vm.stopPrank();
        assertEq(pool.balanceOf(address(token), operator), REWARD);
    }

    /// The same proof serves two tasks that ask for the same statement: each is paid, once.
    function test_12_TheSameProofServesTwoTasksOnceEach() public {
        Quote memory first = quote();
        Quote memory second = quote();
        second.task.slot = DEDICATED;
        assertNotEq(digest(first), digest(second));
        publishAccepted(first);
        publishAccepted(second);
        prove(first);
        prove(second);
        assertEq(pool.balanceOf(address(token), operator), 2 * uint256(REWARD));
    }

    // ---- 14: empty code "succeeds", and a returned `false` is a failure ----

    function test_14_NothingIsNoVerifier() public {
        address[3] memory nothings = [makeAddr("no code"), address(1), operator];
        for (uint256 i; i < nothings.length; i++) {
            uint256 snapshot = vm.snapshotState();
            Quote memory q = quote();
            q.terms.verifier = nothings[i];
            publishAccepted(q);
            bytes memory proof = proofOf(q);
            vm.expectRevert(IZKPool.ProofRejected.selector);
            vm.prank(signer);
            pool.prove(q, defaultCall(), proof);
            vm.revertToState(snapshot);
        }
    }

    function test_14_FalseIsAFailure() public {
        Quote memory q = quote();
        publishAccepted(q);
        verifier.setVerify(TestVerifier.Verify.RejectAll);
        bytes memory proof = proofOf(q);
        vm.expectRevert(IZKPool.ProofRejected.selector);
        vm.prank(signer);
        pool.prove(q, defaultCall(), proof);
    }

    /// A target that was there when the quote was signed and is gone when it is proven.
    function test_14_AVanishedTargetDeliversNothing() public {
        Quote memory q = targetQuote(address(target));
        publishAccepted(q);
        vm.etch(address(target), "");
        vm.expectRevert(IZKPool.TargetHasNoCode.selector);
        vm.prank(signer);
        pool.prove(q, defaultCall(), "");
    }

    // ---- 19: a halted verifier ----

    /// It stops for good: the operator loses no liability, and no money is frozen.
    function test_19_APermanentHaltCostsNoLiability() public {
        Quote memory q = quote();
        publishAccepted(q);
        Books memory b = books();
        verifier.setHalt(TestVerifier.Halt.Halted);
        verifier.setVerify(TestVerifier.Verify.Reverts);
        _watch(q, pool.HALT_CAP());
        vm.prank(stranger);
        pool.unwind(q);
        b.requester += REWARD;
        b.collateral -= ADVANCE;
        assertBooks(books(), b);
    }

    /// It stops and comes back: the task goes on where it was.
    function test_19_AHaltThatEndsStopsTheClock() public {
        Quote memory q = quote();
        publishAccepted(q);
        verifier.setHalt(TestVerifier.Halt.Halted);
        _watch(q, 1 days);
        verifier.setHalt(TestVerifier.Halt.Running);
        after_(PROOF_WINDOW);
        Books memory b = books();
        prove(q);
        b.operator += REWARD - ADVANCE;
        assertBooks(books(), b);
    }

    /// Nobody looked: an unobserved halt is none.
    function test_19_AnUnobservedHaltIsNone() public {
        Quote memory q = quote();
        publishAccepted(q);
        verifier.setHalt(TestVerifier.Halt.Halted);
        pool.observeHalt(q);
        after_(LIABILITY_WINDOW + 1);
        pool.collect(q);
    }

    /// A requester shows the pool a verifier that runs for an instant: that ends the interval, not what was counted.
    function test_19_AFlickeringVerifierLosesOneInterval() public {
        Quote memory q = quote();
        publishAccepted(q);
        verifier.setHalt(TestVerifier.Halt.Halted);
        _watch(q, 500);
        after_(100);
        verifier.setHalt(TestVerifier.Halt.Running);
        pool.observeHalt(q);
        verifier.setHalt(TestVerifier.Halt.Halted);
        pool.observeHalt(q);
        after_(100);
        pool.observeHalt(q);
        (uint256 proofDeadline,,,,,) = pool.liveTask(q);
        assertEq(proofDeadline, block.timestamp - 700 + PROOF_WINDOW + 600);
    }

    /// A faked halt does not freeze money for ever: after the cap anybody ends it.
    function test_19_AFakedHaltEndsAtTheCap() public {
        Quote memory q = quote();
        publishAccepted(q);
        uint256 published = block.timestamp;
        verifier.setHalt(TestVerifier.Halt.Halted);
        _watch(q, pool.HALT_CAP());
        after_(PROOF_WINDOW);
        pool.observeHalt(q);
        (, uint256 liabilityDeadline,,,,) = pool.liveTask(q);
        assertEq(liabilityDeadline, published + LIABILITY_WINDOW + pool.HALT_CAP());
        pool.unwind(q);
        assertEq(pool.balanceOf(address(token), requester), REWARD);
    }

    // ---- 19b: a publish that is reorganised out after the proof was revealed ----

    /// The proof is out, the publication is gone. Nobody can make money of the proof; the quote can be published again,
    /// and then it is its operator that is paid.
    function test_19b_APublicationIsReorganisedOut() public {
        Quote memory q = quote();
        bytes memory signature = sign(q);
        uint256 before = vm.snapshotState();
        vm.prank(payer);
        pool.publish(q, signature);
        prove(q);
        bytes memory revealed = proofOf(q);
        vm.revertToState(before);

        vm.expectRevert(IZKPool.NotInSlot.selector);
        vm.prank(signer);
        pool.prove(q, defaultCall(), revealed);
        vm.prank(payer);
        pool.publish(q, signature);
        vm.expectRevert(IZKPool.NotAuthorized.selector);
        vm.prank(requester);
        pool.prove(q, defaultCall(), revealed);
        prove(q);
        assertEq(pool.balanceOf(address(token), operator), REWARD);
        assertState(slot(SHARED), SlotState.Idle);
    }

    /// The requester lets it be: it has the proof for nothing, which is why the service waits for confirmations. What
    /// the chain can grant is that no collateral was ever at stake for it.
    function test_19b_NothingIsLockedForAPublicationThatIsGone() public {
        Quote memory q = quote();
        uint256 before = vm.snapshotState();
        publishAccepted(q);
        vm.revertToState(before);
        after_(LIABILITY_WINDOW + 1);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        vm.prank(requester);
        pool.collect(q);
    }

    // ---- helpers ----

    /// Somebody looks often enough: before each deadline, as it then is.
    function _watch(Quote memory q, uint256 time) private {
        pool.observeHalt(q);
        while (time > 0) {
            uint256 step = time < PROOF_WINDOW ? time : PROOF_WINDOW;
            after_(step);
            pool.observeHalt(q);
            time -= step;
        }
    }
}
