// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {ISemaphore} from "@semaphore-protocol/contracts/interfaces/ISemaphore.sol";
import {SemaphoreEncoder} from "../../src/encoders/SemaphoreEncoder.sol";

contract SemaphoreEncoderTest is Test {
    SemaphoreEncoder internal encoder = new SemaphoreEncoder();

    function testFuzz_BuildsValidateProof(
        uint256 groupId,
        ISemaphore.SemaphoreProof calldata proof,
        uint256[4] calldata inputs
    ) public view {
        bytes memory data = abi.encode(
            groupId, proof.merkleTreeDepth, proof.merkleTreeRoot, proof.nullifier, proof.message, proof.scope
        );
        bytes memory built = encoder.encode(data, abi.encode(proof.points, inputs));
        assertEq(built, abi.encodeCall(ISemaphore.validateProof, (groupId, proof)));
    }

    function testFuzz_RevertWhen_DataHasAnotherLength(bytes calldata data) public {
        vm.assume(data.length != 192);
        vm.expectRevert(SemaphoreEncoder.BadDataLength.selector);
        encoder.encode(data, new bytes(384));
    }

    function testFuzz_RevertWhen_ProofHasAnotherLength(uint256 length) public {
        length = bound(length, 0, 1000);
        vm.assume(length != 384);
        vm.expectRevert(SemaphoreEncoder.BadProofLength.selector);
        encoder.encode(new bytes(192), new bytes(length));
    }

    function test_RevertWhen_LengthIsOffByOne() public {
        vm.expectRevert(SemaphoreEncoder.BadDataLength.selector);
        encoder.encode(new bytes(191), new bytes(384));
        vm.expectRevert(SemaphoreEncoder.BadDataLength.selector);
        encoder.encode(new bytes(193), new bytes(384));
        vm.expectRevert(SemaphoreEncoder.BadProofLength.selector);
        encoder.encode(new bytes(192), new bytes(383));
        vm.expectRevert(SemaphoreEncoder.BadProofLength.selector);
        encoder.encode(new bytes(192), new bytes(385));
    }
}
