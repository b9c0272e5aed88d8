// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice Builds the call to a target whose function does not take the proof as ABI `bytes`.
/// @dev It is given 1,000,000 gas, and may return 65,536 bytes.
interface ICallEncoder {
    /// @param data `Call.prefix`, agreed in the quote
    /// @param proof the proof as the verifier takes it
    /// @return callData what the target is called with
    function encode(bytes calldata data, bytes calldata proof) external view returns (bytes memory callData);
}
