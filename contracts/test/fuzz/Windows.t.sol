// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Call, IZKPool, Quote, SlotState, Task, Terms} from "../../src/interfaces/IZKPool.sol";
import {TestVerifier} from "../mocks/Verifiers.sol";
import {Fixture} from "../unit/Fixture.sol";

/// @notice Any windows and any moment: exactly one of the outcomes is open. And any bytes: one digest.
contract WindowsFuzz is Fixture {
    function testFuzz_WhatIsPossibleWhen(uint32 proofWindow, uint32 liabilityWindow, uint256 when) public {
        Quote memory q = quote();
        q.terms.proofWindow = uint32(bound(proofWindow, 1, type(uint32).max));
        q.terms.liabilityWindow = uint32(bound(liabilityWindow, q.terms.proofWindow, type(uint32).max));
        publishAccepted(q);
        when = bound(when, 0, uint256(q.terms.liabilityWindow) + 10);
        if (when % 3 == 0) when = bound(when, q.terms.proofWindow, uint256(q.terms.proofWindow) + 1);
        after_(when);
        bool onTime = when <= q.terms.proofWindow;
        bool lost = when > q.terms.liabilityWindow;
        uint256 grace = (q.terms.liabilityWindow - q.terms.proofWindow) / 4;

        uint256 snapshot = vm.snapshotState();
        vm.prank(rescuer);
        (bool rescued,) = address(pool).call(abi.encodeCall(pool.rescue, (q, rescuer, SPARE)));
        assertEq(rescued, !onTime && when + grace <= q.terms.liabilityWindow, "rescue");
        vm.revertToState(snapshot);
        (bool collected,) = address(pool).call(abi.encodeCall(pool.collect, (q)));
        assertEq(collected, lost, "collect");
        vm.revertToState(snapshot);
        Books memory b = books();
        vm.prank(signer);
        (bool proven,) = address(pool).call(abi.encodeCall(pool.prove, (q, defaultCall(), proofOf(q))));
        assertEq(proven, !lost, "prove");
        if (proven) {
            b.operator += REWARD - ADVANCE;
            b.requester += onTime ? 0 : BOND - half(BOND);
            b.collateral -= onTime ? 0 : BOND - half(BOND);
            assertBooks(books(), b);
        }
    }

    /// After the announcement: the original up to the end of the grace period, the rescuer from then on, never both.
    function testFuzz_WhoseTaskItIs(uint256 announced, uint256 when) public {
        Quote memory q = quote();
        publishAccepted(q);
        uint256 published = block.timestamp;
        announced = bound(announced, PROOF_WINDOW + 1, LIABILITY_WINDOW - GRACE);
        when = bound(when, announced, LIABILITY_WINDOW);
        vm.warp(published + announced);
        rescue(q);
        vm.warp(published + when);
        uint256 snapshot = vm.snapshotState();
        vm.prank(signer);
        (bool byOriginal,) = address(pool).call(abi.encodeCall(pool.prove, (q, defaultCall(), proofOf(q))));
        vm.revertToState(snapshot);
        vm.prank(rescuer);
        (bool byRescuer,) =
            address(pool).call(abi.encodeCall(pool.proveRescued, (q, rescuer, SPARE, defaultCall(), proofOf(q))));
        assertEq(byOriginal, when < announced + GRACE);
        assertEq(byRescuer, when >= announced + GRACE);
    }

    /// Whatever is observed when: the clock stands for the halted intervals with bounded gaps, and for nothing else.
    function testFuzz_OnlyBoundedHaltedIntervalsCount(uint256 seed) public {
        Quote memory q = quote();
        (q.terms.proofWindow, q.terms.liabilityWindow) = (10 days, 20 days);
        publishAccepted(q);
        uint256 published = block.timestamp;
        uint256 gap = pool.MAX_OBSERVATION_GAP();
        uint256 counted;
        uint256 last;
        for (uint256 i; i < 12; i++) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            // Around the gap more often than not.
            after_(word % 4 == 0 ? word / 4 % (2 * gap) : gap - 2 + word / 4 % 5);
            bool halted = word >> 128 & 3 != 0;
            verifier.setHalt(halted ? TestVerifier.Halt.Halted : TestVerifier.Halt.Running);
            pool.observeHalt(q);
            if (halted && last != 0 && block.timestamp - last <= gap) counted += block.timestamp - last;
            last = halted ? block.timestamp : 0;
            (uint256 proofDeadline, uint256 liabilityDeadline,,,,) = pool.liveTask(q);
            assertEq(proofDeadline, published + 10 days + counted);
            assertEq(liabilityDeadline, published + 20 days + counted);
        }
    }

    // ---- digests ----

    function testFuzz_Digests(Terms memory t, Task memory task_) public view {
        assertEq(pool.digestOf(Quote(t, task_)), digest(Quote(t, task_)));
        Task[] memory tasks = new Task[](uint256(task_.salt) % 4);
        for (uint256 i; i < tasks.length; i++) {
            tasks[i] = task_;
            tasks[i].slot = uint32(i);
        }
        assertEq(pool.batchDigestOf(t, tasks), batchDigest(t, tasks));
    }

    /// The call is the committed one, byte for byte, or nothing happens.
    function testFuzz_CallHash(Call memory call, Call memory other) public {
        Quote memory q = quote();
        q.task.callHash = hashCall(call);
        publishAccepted(q);
        bytes memory proof = proofOf(q);
        if (hashCall(other) != hashCall(call)) {
            vm.expectRevert(IZKPool.WrongCall.selector);
            vm.prank(signer);
            pool.prove(q, other, proof);
        }
        vm.prank(signer);
        pool.prove(q, call, proof);
    }

    /// The target sees `prefix`, the proof as ABI bytes, `suffix`: whatever their lengths.
    function testFuzz_Template(bytes memory prefix, bytes memory proof, bytes memory suffix) public {
        vm.assume(prefix.length < 300 && proof.length < 300 && suffix.length < 300);
        Quote memory q = targetQuote(address(target));
        q.terms.callGas = 2_000_000;
        Call memory call = Call({prefix: prefix, suffix: suffix, doneCheck: ""});
        q.task.callHash = hashCall(call);
        publishAccepted(q);
        vm.prank(signer);
        pool.prove(q, call, proof);
        bytes memory padding = new bytes((32 - proof.length % 32) % 32);
        assertEq(target.data(), abi.encodePacked(prefix, proof.length, proof, padding, suffix));
        assertState(slot(SHARED), SlotState.Idle);
    }
}
