// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ILeg} from "../../interfaces/ILeg.sol";
import {IProofVerifier, TrustClass} from "../../interfaces/IProofVerifier.sol";

/// @notice A verifier of one kind of proof, asked about the statement of a bundle.
///
/// Trust: what stands at `VERIFIER`. Its trust class is read once, when the leg is made, and never again; a verifier that
/// lies about it deceives the leg, and whoever agrees to a leg must know the code behind it.
abstract contract Leg is ILeg {
    error NotAContract();

    IProofVerifier public immutable VERIFIER;
    TrustClass private immutable TRUST_CLASS;

    constructor(IProofVerifier verifier) {
        if (address(verifier).code.length == 0) revert NotAContract();
        VERIFIER = verifier;
        TRUST_CLASS = verifier.trustClass();
    }

    /// @notice What `VERIFIER` is asked about the journal whose SHA-256 is `digest`.
    function statementOf(bytes32 digest) public view virtual returns (bytes32);

    /// @inheritdoc IProofVerifier
    /// @dev What `VERIFIER` reverts with is passed on.
    function verify(bytes32 digest, bytes calldata proof) external view returns (bool) {
        return VERIFIER.verify(statementOf(digest), proof);
    }

    /// @inheritdoc IProofVerifier
    function halted() external view virtual returns (bool) {
        return VERIFIER.halted();
    }

    /// @inheritdoc IProofVerifier
    function trustClass() external view returns (TrustClass) {
        return TRUST_CLASS;
    }
}
