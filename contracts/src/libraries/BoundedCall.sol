// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice Static calls to contracts that are not trusted: their gas is capped, and no more of what they return is
/// copied than was asked for.
library BoundedCall {
    /// Whether `to` has code, does not revert, and answers with exactly `true` in the first word.
    /// @dev Starved of gas, the answer is false: callers for whom that is an advantage must check the gas themselves.
    function answersTrue(address to, uint256 gasCap, bytes memory data) internal view returns (bool answer) {
        if (to.code.length == 0) return false;
        assembly ("memory-safe") {
            let ok := staticcall(gasCap, to, add(data, 0x20), mload(data), 0x00, 0x20)
            answer := and(ok, and(gt(returndatasize(), 0x1f), eq(mload(0x00), 1)))
        }
    }

    /// Calls a function that returns one `bytes`. Not ok if `to` has no code, reverts, returns more than `maxReturn`
    /// bytes, or returns something else than one well-formed `bytes`.
    function readBytes(address to, uint256 gasCap, bytes memory data, uint256 maxReturn)
        internal
        view
        returns (bool ok, bytes memory answer)
    {
        if (to.code.length == 0) return (false, answer);
        assembly ("memory-safe") {
            ok := staticcall(gasCap, to, add(data, 0x20), mload(data), 0x00, 0x40)
            let size := returndatasize()
            // The first word says where the bytes start, which is right behind it; the second how many they are.
            let length := mload(0x20)
            ok := and(ok, and(gt(size, 0x3f), and(iszero(gt(size, maxReturn)), eq(mload(0x00), 0x20))))
            if ok {
                ok := iszero(gt(length, sub(size, 0x40)))
                if ok {
                    answer := mload(0x40)
                    mstore(answer, length)
                    let start := add(answer, 0x20)
                    returndatacopy(start, 0x40, length)
                    mstore(0x40, and(add(add(start, length), 0x1f), not(0x1f)))
                }
            }
        }
    }
}
