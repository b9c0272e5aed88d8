// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ICallEncoder} from "../interfaces/ICallEncoder.sol";
import {IProofVerifier} from "../interfaces/IProofVerifier.sol";

import {Terms} from "../interfaces/IZKPool.sol";

/// @notice Calls to contracts that are not trusted: their gas is capped, and no more of what they return is copied than
/// is of use.
/// @dev A static call that is starved of gas fails like one that is refused: where that is to somebody's advantage, the
/// gas must be checked before.
library ExternalCalls {
    /// Gas given to an encoder.
    uint256 internal constant ENCODER_GAS = 1_000_000;
    /// No more bytes than this are taken from an encoder.
    uint256 internal constant MAX_ENCODED = 65_536;

    // ---- questions ----

    /// Whether `to` has code, does not revert, and answers with exactly `true` in the first word.
    function answersTrue(address to, uint256 gasCap, bytes memory question) internal view returns (bool answer) {
        assembly ("memory-safe") {
            // Without code there is no answer: the call succeeds, but returns nothing.
            let ok := staticcall(gasCap, to, add(question, 0x20), mload(question), 0x00, 0x20)
            answer := and(ok, and(gt(returndatasize(), 0x1f), eq(mload(0x00), 1)))
        }
    }

    /// Whether `verifier` accepts `proof` for `statement`.
    /// @dev `answersTrue` of the encoded question, without keeping the copy of the proof in memory.
    function accepts(address verifier, uint256 gasCap, bytes32 statement, bytes calldata proof)
        internal
        view
        returns (bool answer)
    {
        bytes4 selector = IProofVerifier.verify.selector;
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, selector)
            mstore(add(m, 0x04), statement)
            mstore(add(m, 0x24), 0x40)
            mstore(add(m, 0x44), proof.length)
            calldatacopy(add(m, 0x64), proof.offset, proof.length)
            mstore(add(add(m, 0x64), proof.length), 0)
            let size := add(0x64, and(add(proof.length, 0x1f), not(0x1f)))
            let ok := staticcall(gasCap, verifier, m, size, 0x00, 0x20)
            answer := and(ok, and(gt(returndatasize(), 0x1f), eq(mload(0x00), 1)))
        }
    }

    // ---- the target's call ----

    // A frame is what `TargetCaller` is called with: `target` and `callGas`, a word each, and the call.

    /// The frame of the call `prefix ‖ abi(proof) ‖ suffix`.
    function frameOf(Terms memory terms, bytes calldata prefix, bytes calldata proof, bytes calldata suffix)
        internal
        pure
        returns (bytes memory frame)
    {
        (address target, uint256 callGas) = (terms.target, terms.callGas);
        assembly ("memory-safe") {
            frame := mload(0x40)
            mstore(add(frame, 0x20), target)
            mstore(add(frame, 0x40), callGas)
            let end := add(frame, 0x60)
            calldatacopy(end, prefix.offset, prefix.length)
            end := add(end, prefix.length)
            mstore(end, proof.length)
            end := add(end, 0x20)
            calldatacopy(end, proof.offset, proof.length)
            mstore(add(end, proof.length), 0)
            end := add(end, and(add(proof.length, 0x1f), not(0x1f)))
            calldatacopy(end, suffix.offset, suffix.length)
            end := add(end, suffix.length)
            mstore(frame, sub(sub(end, frame), 0x20))
            mstore(0x40, and(add(end, 0x1f), not(0x1f)))
        }
    }

    /// The frame of the call that the encoder builds out of `data` and `proof`. Not ok if it has no code, reverts, or
    /// returns something else than one well-formed `bytes` within `MAX_ENCODED` bytes.
    function frameFrom(Terms memory terms, bytes calldata data, bytes calldata proof)
        internal
        view
        returns (bool ok, bytes memory frame)
    {
        (address encoder, address target, uint256 callGas) = (terms.encoder, terms.target, terms.callGas);
        (uint256 encoderGas, uint256 maxEncoded) = (ENCODER_GAS, MAX_ENCODED);
        bytes memory question = abi.encodeCall(ICallEncoder.encode, (data, proof));
        assembly ("memory-safe") {
            ok := staticcall(encoderGas, encoder, add(question, 0x20), mload(question), 0x00, 0x40)
            // The first word says where the bytes start, which is right behind it; the second how many they are.
            let size := returndatasize()
            let length := mload(0x20)
            ok := and(ok, and(gt(size, 0x3f), and(iszero(gt(size, maxEncoded)), eq(mload(0x00), 0x20))))
            if ok { ok := iszero(gt(length, sub(size, 0x40))) }
            if ok {
                frame := mload(0x40)
                mstore(frame, add(length, 0x40))
                mstore(add(frame, 0x20), target)
                mstore(add(frame, 0x40), callGas)
                returndatacopy(add(frame, 0x60), 0x40, length)
                mstore(0x40, and(add(add(frame, length), 0x7f), not(0x1f)))
            }
        }
    }

    /// Has `hand` (a `TargetCaller`) make the call of `frame`. Reverts if the gas does not suffice.
    function callTarget(address hand, bytes memory frame) internal returns (bool ok) {
        assembly ("memory-safe") {
            let made := call(gas(), hand, 0, add(frame, 0x20), mload(frame), 0x00, 0x20)
            if iszero(made) {
                returndatacopy(0x00, 0x00, returndatasize())
                revert(0x00, returndatasize())
            }
            ok := mload(0x00)
        }
    }

    /// What the target reverted with, right after `callTarget`.
    function reasonOfTarget() internal pure returns (bytes memory reason) {
        assembly ("memory-safe") {
            let size := sub(returndatasize(), 0x20)
            reason := mload(0x40)
            mstore(reason, size)
            returndatacopy(add(reason, 0x20), 0x20, size)
            mstore(0x40, and(add(add(reason, size), 0x3f), not(0x1f)))
        }
    }
}
