// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IProofVerifier, TrustClass} from "../interfaces/IProofVerifier.sol";

interface IStandsBefore {
    /// @dev Of RISC Zero's emergency stop: the verifier that it forwards to.
    function verifier() external view returns (address);
}

/// @notice Keeps what rests on less than a proof from passing for one.
library TrustClasses {
    uint256 private constant QUESTION_GAS = 50_000;

    /// Whether `verifier`, or what it says that it forwards to, answers to a trust class other than ONCHAIN_PROOF.
    /// @dev RISC Zero's own verifiers know no trust class and answer nothing. Neither does whoever wants to deceive: this
    /// stops mistakes, the code of a verifier must be read all the same.
    function isKnownForLess(address verifier) internal view returns (bool) {
        if (_isForLess(verifier)) return true;
        (bool answered, uint256 behind) = _ask(verifier, IStandsBefore.verifier.selector);
        return answered && behind <= type(uint160).max && _isForLess(address(uint160(behind)));
    }

    function _isForLess(address verifier) private view returns (bool) {
        (bool answered, uint256 class) = _ask(verifier, IProofVerifier.trustClass.selector);
        return answered && class != uint256(TrustClass.ONCHAIN_PROOF);
    }

    function _ask(address to, bytes4 question) private view returns (bool answered, uint256 word) {
        assembly ("memory-safe") {
            mstore(0x00, question)
            let ok := staticcall(QUESTION_GAS, to, 0x00, 0x04, 0x00, 0x20)
            answered := and(ok, gt(returndatasize(), 0x1f))
            word := mload(0x00)
        }
    }
}
