// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IProofVerifier} from "./IProofVerifier.sol";

/// @notice One kind of proof in a bundle. Its statement is the bundle's: the SHA-256 of the journal, which a leg turns into
/// what its own kind of proof speaks of.
interface ILeg is IProofVerifier {
    /// @notice keccak256 of the kind's name: "groth16-bn254", "risc0", "sgx". No bundle has two legs of one kind.
    function kind() external view returns (bytes32);
}
