// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ISemaphore} from "@semaphore-protocol/contracts/interfaces/ISemaphore.sol";
import {Call, IZKPool, Quote} from "../../src/interfaces/IZKPool.sol";
import {Fixtures} from "../fixtures/Fixtures.sol";
import {DeliveryFixture} from "./DeliveryFixture.sol";

/// @notice The whole way of a real proof: quote, publication, proof, the unchanged Semaphore, reward.
contract SemaphoreDeliveryTest is DeliveryFixture {
    using Fixtures for bytes;

    function test_RealProofReachesSemaphore() public {
        address[2] memory verifiers = [address(adapter), address(generic)];
        for (uint256 i; i < verifiers.length; ++i) {
            uint256 before = vm.snapshotState();
            (Quote memory quote, Call memory call, bytes memory proof) = semaphoreTask(0, verifiers[i]);
            bytes32 task = publish(quote);

            vm.expectEmit(address(semaphore));
            emit ISemaphore.ProofValidated(groupId, 20, proof.wordAt(8), proof.wordAt(9), 71, 1, pointsOf(proof));
            vm.expectEmit(address(pool));
            emit IZKPool.Delivered(task, true, true, 0);
            vm.prank(signer);
            pool.prove(quote, call, proof);

            assertEq(earned(), REWARD);
            vm.revertToState(before);
        }
    }

    /// SECURITY 9 and 11: a proof is a bearer artifact. Whoever copies it from the mempool can use it up at the target,
    /// but not be paid for it, and the operator is.
    function test_CopiedProofCostsTheOperatorNothing() public {
        (Quote memory quote, Call memory call, bytes memory proof) = semaphoreTask(0, address(adapter));
        bytes32 task = publish(quote);

        vm.startPrank(stranger);
        (bool stolen,) = address(semaphore).call(stolenCall(call, proof));
        assertTrue(stolen);
        vm.expectRevert(IZKPool.NotAuthorized.selector);
        pool.prove(quote, call, proof);
        vm.stopPrank();

        vm.expectEmit(address(pool));
        emit IZKPool.Delivered(task, true, false, 0);
        vm.expectEmit(address(pool));
        emit IZKPool.TargetFailed(task, proof);
        vm.prank(signer);
        pool.prove(quote, call, proof);
        assertEq(earned(), REWARD);
    }

    /// Why verifier mode is the default: with the target's word alone the thief makes the operator fail.
    function test_CopiedProofMakesTargetModeFail() public {
        (Quote memory quote, Call memory call, bytes memory proof) = semaphoreTask(0, address(0));
        publish(quote);
        vm.prank(stranger);
        (bool stolen,) = address(semaphore).call(stolenCall(call, proof));
        assertTrue(stolen);

        bytes memory reason = abi.encodeWithSelector(ISemaphore.Semaphore__YouAreUsingTheSameNullifierTwice.selector);
        vm.expectRevert(abi.encodeWithSelector(IZKPool.TargetReverted.selector, reason));
        vm.prank(signer);
        pool.prove(quote, call, proof);
    }

    /// SECURITY 12: proofs can be re-randomised; what is paid for is the statement.
    function test_RerandomisedProofIsPaidOnce() public {
        (Quote memory quote, Call memory call, bytes memory proof) = semaphoreTask(0, address(adapter));
        publish(quote);
        bytes memory other = proof.withWord(1, Fixtures.Q - proof.wordAt(1)).withWord(4, Fixtures.Q - proof.wordAt(4))
            .withWord(5, Fixtures.Q - proof.wordAt(5));
        vm.startPrank(signer);
        pool.prove(quote, call, other);
        assertEq(earned(), REWARD);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.prove(quote, call, proof);
    }

    function test_RevertWhen_ProofIsOfAnotherStatement() public {
        (Quote memory quote, Call memory call,) = semaphoreTask(0, address(adapter));
        (bytes memory other,,) = Fixtures.semaphoreProof(1);
        publish(quote);
        vm.expectRevert(IZKPool.ProofRejected.selector);
        vm.prank(signer);
        pool.prove(quote, call, other);
    }

    function testFuzz_TamperedProofIsNeverPaid(uint256 bit, bool useGeneric) public {
        (Quote memory quote, Call memory call, bytes memory proof) =
            semaphoreTask(0, useGeneric ? address(generic) : address(adapter));
        publish(quote);
        bit = bound(bit, 0, proof.length * 8 - 1);
        proof = proof.withWord(bit / 256, proof.wordAt(bit / 256) ^ (1 << (bit % 256)));
        vm.expectRevert(IZKPool.ProofRejected.selector);
        vm.prank(signer);
        pool.prove(quote, call, proof);
    }
}
