// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice Reads ABI `bytes` where they stand, and takes them in their only form.
library AbiBytes {
    uint256 private constant WORD = 0x20;

    /// The ABI `bytes` at `start`: its length, itself, zeros up to a whole word. `start` is at most the length of `data`.
    function read(bytes calldata data, uint256 start)
        internal
        pure
        returns (bool ok, bytes calldata content, uint256 end)
    {
        content = data[:0];
        uint256 room = data.length - start;
        if (room < WORD) return (false, content, end);
        room -= WORD;
        uint256 length = uint256(bytes32(data[start:start + WORD]));
        if (length > room) return (false, content, end);
        uint256 padding = (WORD - length % WORD) % WORD;
        if (padding > room - length) return (false, content, end);
        start += WORD;
        content = data[start:start + length];
        end = start + length + padding;
        // What is longer than the padding would be cut by the conversion: it is at most 31 bytes.
        ok = bytes32(data[start + length:end]) == 0;
    }
}
