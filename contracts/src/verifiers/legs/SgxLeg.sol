// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ILeg} from "../../interfaces/ILeg.sol";
import {SgxVerifier} from "../SgxVerifier.sol";
import {Leg} from "./Leg.sol";

/// @title A bundle's leg by an enclave: an active instance of `PROGRAM` has signed for the journal.
/// @notice proof as `SgxVerifier` takes it.
contract SgxLeg is Leg {
    /// @inheritdoc ILeg
    bytes32 public constant kind = keccak256("sgx");

    bytes32 public immutable PROGRAM;

    constructor(SgxVerifier verifier, bytes32 program) Leg(verifier) {
        PROGRAM = program;
    }

    /// @inheritdoc Leg
    function statementOf(bytes32 digest) public view override returns (bytes32) {
        return keccak256(abi.encode(PROGRAM, digest));
    }

    /// @notice True while `PROGRAM` has no active instance: removed, revoked and expired ones cannot prove anything.
    function halted() external view override returns (bool) {
        return SgxVerifier(address(VERIFIER)).haltedFor(PROGRAM);
    }
}
