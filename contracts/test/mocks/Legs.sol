// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ILeg} from "../../src/interfaces/ILeg.sol";
import {IProofVerifier, TrustClass} from "../../src/interfaces/IProofVerifier.sol";
import {TestVerifier} from "./Verifiers.sol";

/// @dev A test verifier of any kind and any trust class, which it may change.
contract TestLeg is TestVerifier, ILeg {
    bytes32 public kind;
    TrustClass private _trustClass;

    constructor(bytes32 kind_, TrustClass trustClass_) {
        (kind, _trustClass) = (kind_, trustClass_);
    }

    function setTrustClass(TrustClass trustClass_) external {
        _trustClass = trustClass_;
    }

    function trustClass() external view override(TestVerifier, IProofVerifier) returns (TrustClass) {
        return _trustClass;
    }
}
