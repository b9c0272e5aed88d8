// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ILeg} from "../../interfaces/ILeg.sol";
import {IProofVerifier} from "../../interfaces/IProofVerifier.sol";
import {RiscZeroProof} from "../../libraries/RiscZeroProof.sol";
import {Leg} from "./Leg.sol";

/// @title A bundle's leg by RISC Zero: the program `IMAGE_ID` ended with the journal.
/// @notice Over `RiscZeroVerifierAdapter` it is a proof, over `CommitteeVerifier` a committee's word; proof as these take it.
contract RiscZeroLeg is Leg {
    /// @inheritdoc ILeg
    bytes32 public constant kind = keccak256("risc0");

    bytes32 public immutable IMAGE_ID;

    constructor(IProofVerifier verifier, bytes32 imageId) Leg(verifier) {
        IMAGE_ID = imageId;
    }

    /// @inheritdoc Leg
    function statementOf(bytes32 digest) public view override returns (bytes32) {
        return RiscZeroProof.statementOf(IMAGE_ID, digest);
    }
}
