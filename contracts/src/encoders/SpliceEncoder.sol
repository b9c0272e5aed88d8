// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ICallEncoder} from "../interfaces/ICallEncoder.sol";

/// @title A call with a part of the proof anywhere in it.
/// @notice data = abi.encode(bytes prefix, uint256 start, uint256 end, bytes suffix, bool asBytes);
/// the call is `prefix ‖ part ‖ suffix`, part = proof[start:end].
///
/// With `asBytes` the part is written as the tail of an ABI `bytes`: its length, itself, zeros up to a whole word.
/// - `verifyProof(uint256[2], uint256[2][2], uint256[2], uint256[n])`: prefix = selector, start = 0, end = 256 + 32n.
/// - `f(uint256 x, bytes proof)` that takes the eight points alone: prefix = selector ‖ x ‖ 0x40, 0, 256, asBytes.
/// @dev Whether it reverts depends on `data` and the proof's length alone, both known before a quote is signed.
contract SpliceEncoder is ICallEncoder {
    /// `proof[start:end]` does not exist.
    error OutOfBounds();

    /// @inheritdoc ICallEncoder
    function encode(bytes calldata data, bytes calldata proof) external pure returns (bytes memory callData) {
        (bytes memory prefix, uint256 start, uint256 end, bytes memory suffix, bool asBytes) =
            abi.decode(data, (bytes, uint256, uint256, bytes, bool));
        if (start > end || end > proof.length) revert OutOfBounds();
        bytes calldata part = proof[start:end];
        if (!asBytes) return bytes.concat(prefix, part, suffix);
        bytes memory padding = new bytes((32 - part.length % 32) % 32);
        return bytes.concat(prefix, bytes32(part.length), part, padding, suffix);
    }
}
