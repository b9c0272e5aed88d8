// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ILeg} from "../../interfaces/ILeg.sol";
import {IProofVerifier} from "../../interfaces/IProofVerifier.sol";
import {Leg} from "./Leg.sol";

/// @title A bundle's leg by a circuit of its own: Groth16 over BN254.
/// @notice The circuit has two public inputs, the upper and the lower 128 bits of the journal's SHA-256: as a whole it does
/// not fit into the field. proof as `Groth16Verifier` takes it.
contract Groth16Leg is Leg {
    /// @inheritdoc ILeg
    bytes32 public constant kind = keccak256("groth16-bn254");

    constructor(IProofVerifier verifier) Leg(verifier) {}

    /// @inheritdoc Leg
    function statementOf(bytes32 digest) public pure override returns (bytes32) {
        return keccak256(abi.encode(uint256(digest) >> 128, uint256(uint128(uint256(digest)))));
    }
}
