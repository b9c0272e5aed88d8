// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice A receipt without its journal: a seal, and the digest of the claim that it is for.
struct Receipt {
    bytes seal;
    bytes32 claimDigest;
}

/// @notice The functions by which contracts of RISC Zero applications have receipts checked: the same as in RISC Zero's
/// own interface of this name, whose implementations can be used wherever this one is asked for, and the reverse.
interface IRiscZeroVerifier {
    /// @notice Returns if `seal` shows that the program ended successfully with this journal, resting on no assumption
    /// that is still open. Reverts otherwise.
    /// @param seal its first four bytes name the kind of verifier that it is for
    /// @param imageId the program
    /// @param journalDigest SHA-256 of the journal
    function verify(bytes calldata seal, bytes32 imageId, bytes32 journalDigest) external view;

    /// @notice Returns if the seal is one for the receipt's claim, whatever that says. Reverts otherwise.
    function verifyIntegrity(Receipt calldata receipt) external view;
}
