// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ICallEncoder} from "../interfaces/ICallEncoder.sol";
import {ISemaphore} from "@semaphore-protocol/contracts/interfaces/ISemaphore.sol";

/// @title The call of `Semaphore.validateProof(uint256 groupId, SemaphoreProof proof)`.
/// @notice data = abi.encode(groupId, merkleTreeDepth, merkleTreeRoot, nullifier, message, scope); proof as
/// `SemaphoreVerifierAdapter` takes it.
/// @dev Whether it reverts depends on the two lengths alone, both known before a quote is signed: whoever chose `data`
/// cannot make a valid proof undeliverable. That `data` belongs to the quote's statement is for both parties to check;
/// if it does not, Semaphore refuses the call, and in verifier mode the task is delivered all the same.
contract SemaphoreEncoder is ICallEncoder {
    error BadDataLength();
    error BadProofLength();

    uint256 private constant DATA_LENGTH = 192;
    uint256 private constant POINTS_LENGTH = 256;
    uint256 private constant PROOF_LENGTH = 384;

    /// @inheritdoc ICallEncoder
    function encode(bytes calldata data, bytes calldata proof) external pure returns (bytes memory callData) {
        if (data.length != DATA_LENGTH) revert BadDataLength();
        if (proof.length != PROOF_LENGTH) revert BadProofLength();
        // `SemaphoreProof` has no dynamic part: its words stand where the call's do.
        return bytes.concat(ISemaphore.validateProof.selector, data, proof[:POINTS_LENGTH]);
    }
}
