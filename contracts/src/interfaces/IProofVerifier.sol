// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice What a verifier's acceptance rests on. Fixed per adapter.
enum TrustClass {
    /// A proof checked by the EVM itself.
    ONCHAIN_PROOF,
    /// Trusted hardware and its vendor.
    TEE,
    /// The word of a set of signers.
    COMMITTEE
}

/// @notice Accepts statements. Immutable: an operator puts its address on its own allow-list before it signs.
interface IProofVerifier {
    /// @notice True if `proof` proves `statement`. May also revert to refuse. It is given at most 10,000,000 gas.
    function verify(bytes32 statement, bytes calldata proof) external view returns (bool);
    /// @notice True while nothing can be verified through no fault of the prover (an emergency stop).
    /// It must say so within 200,000 gas.
    function halted() external view returns (bool);
    function trustClass() external view returns (TrustClass);
}
