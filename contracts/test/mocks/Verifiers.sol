// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IProofVerifier, TrustClass} from "../../src/interfaces/IProofVerifier.sol";

/// @dev Accepts exactly `proofOf(statement)`; everything else about it can be turned wrong.
contract TestVerifier is IProofVerifier {
    enum Verify {
        Honest,
        AcceptAll,
        RejectAll,
        Reverts,
        Nothing,
        Short,
        Two,
        GasBomb,
        ReturnBomb
    }
    enum Halt {
        Running,
        Halted,
        Reverts,
        Nothing,
        Short,
        Two,
        GasBomb,
        ReturnBomb,
        HaltedLong
    }

    Verify public verifyMode;
    Halt public haltMode;

    function setVerify(Verify mode) external {
        verifyMode = mode;
    }

    function setHalt(Halt mode) external {
        haltMode = mode;
    }

    function proofOf(bytes32 statement) public pure returns (bytes memory) {
        return abi.encode("a proof of", statement);
    }

    function verify(bytes32 statement, bytes calldata proof) external view returns (bool) {
        Verify mode = verifyMode;
        if (mode == Verify.Honest) return keccak256(proof) == keccak256(proofOf(statement));
        if (mode == Verify.AcceptAll) return true;
        if (mode == Verify.RejectAll) return false;
        if (mode == Verify.Reverts) revert("refused");
        if (mode == Verify.GasBomb) _burnGas();
        _answer(uint256(mode) - uint256(Verify.Nothing));
    }

    function halted() external view returns (bool) {
        Halt mode = haltMode;
        if (mode == Halt.Running) return false;
        if (mode == Halt.Halted) return true;
        if (mode == Halt.Reverts) revert("no comment");
        if (mode == Halt.GasBomb) _burnGas();
        if (mode == Halt.HaltedLong) {
            assembly ("memory-safe") {
                mstore(0, 1)
                return(0, 64)
            }
        }
        _answer(uint256(mode) - uint256(Halt.Nothing));
    }

    function trustClass() external view virtual returns (TrustClass) {
        return TrustClass.ONCHAIN_PROOF;
    }

    function _burnGas() private pure {
        assembly ("memory-safe") {
            invalid()
        }
    }

    // 0: nothing, 1: 31 bytes of ones, 2: the number two, 4: a hundred thousand bytes that begin with one
    function _answer(uint256 kind) private pure {
        assembly ("memory-safe") {
            switch kind
            case 0 { return(0, 0) }
            case 1 {
                mstore(0, not(0))
                return(0, 31)
            }
            case 2 {
                mstore(0, 2)
                return(0, 32)
            }
            default {
                mstore(0, not(0))
                return(0, 100000)
            }
        }
    }
}
