// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IProofVerifier, TrustClass} from "../interfaces/IProofVerifier.sol";
import {ISemaphoreVerifier} from "@semaphore-protocol/contracts/interfaces/ISemaphoreVerifier.sol";

/// @title Semaphore v4 for one depth of its circuit, by Semaphore's own published verifier, unchanged.
/// @notice statement = keccak256(root ‖ nullifier ‖ hash(message) ‖ hash(scope)), Semaphore's four public inputs, where
/// hash(x) = keccak256(x) >> 8. proof = points (8 words) ‖ the same four public inputs. Semaphore's `points` are in the
/// order of the EVM's precompiles already, which is this pool's order: nothing is converted.
///
/// Trust: Semaphore's verifier contract and, through it, Semaphore's ceremony. That contract calls the precompiles with
/// fixed amounts of gas, a third above today's prices (200 for an addition at 150, which drafts of EIP-7904 raise to 314):
/// a fork that raises them further silences it, and Semaphore with it. `Groth16Verifier` with the same key and depth
/// checks the same proofs, for less, and has no such limit.
contract SemaphoreVerifierAdapter is IProofVerifier {
    error NotAContract();
    error BadDepth();

    ISemaphoreVerifier public immutable VERIFIER;
    /// @notice The depth that the circuit was compiled for; an on-chain tree may be shallower.
    uint256 public immutable DEPTH;

    uint256 private constant Q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    uint256 private constant POINTS_LENGTH = 256;
    uint256 private constant PROOF_LENGTH = 384;

    constructor(ISemaphoreVerifier verifier, uint256 depth) {
        if (address(verifier).code.length == 0) revert NotAContract();
        if (depth == 0 || depth > 32) revert BadDepth();
        VERIFIER = verifier;
        DEPTH = depth;
    }

    /// @inheritdoc IProofVerifier
    function verify(bytes32 statement, bytes calldata proof) external view returns (bool) {
        if (proof.length != PROOF_LENGTH) return false;
        if (keccak256(proof[POINTS_LENGTH:]) != statement) return false;
        (uint256[2] memory a, uint256[2][2] memory b, uint256[2] memory c, uint256[4] memory inputs) =
            abi.decode(proof, (uint256[2], uint256[2][2], uint256[2], uint256[4]));
        // Semaphore's verifier negates A before any precompile sees it and so would take a y above q in disguise; it
        // checks the inputs itself, and the precompiles the other coordinates.
        if (a[1] >= Q) return false;
        return VERIFIER.verifyProof(a, b, c, inputs, DEPTH);
    }

    /// @inheritdoc IProofVerifier
    function halted() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IProofVerifier
    function trustClass() external pure returns (TrustClass) {
        return TrustClass.ONCHAIN_PROOF;
    }
}
