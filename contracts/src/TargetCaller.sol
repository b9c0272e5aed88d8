// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title The hand with which the pool calls requesters' contracts.
/// @notice It owns nothing and must never be given anything: no balance, no allowance, no role. Anyone may use it, so
/// that a call which it made says nothing about who asked for it.
contract TargetCaller {
    /// @notice The gas that was passed on would have been less than what was asked for.
    error InsufficientGas();

    /// @notice As much of a failing target's return data is passed back.
    uint256 public constant MAX_REASON = 256;

    /// @dev Spent between the check below and the call itself: the check, a cold account.
    uint256 private constant CALL_OVERHEAD = 3_000;

    /// @notice Calls `target` with exactly `callGas` gas. Reverts only if there is too little gas to do so.
    /// @return ok whether `target` has code and did not revert
    /// @return reason what it reverted with, cut at `MAX_REASON` bytes
    function callTarget(address target, uint256 callGas, bytes calldata data)
        external
        returns (bool ok, bytes memory reason)
    {
        if (target.code.length == 0) return (false, reason);
        bytes memory input = data;
        // A call gets at most 63/64 of what is left, whatever it was promised. A starved target would fail, and its
        // failure pass for its own.
        if (gasleft() < callGas + callGas / 63 + CALL_OVERHEAD) revert InsufficientGas();
        assembly ("memory-safe") {
            ok := call(callGas, target, 0, add(input, 0x20), mload(input), 0x00, 0x00)
        }
        if (!ok) {
            uint256 cap = MAX_REASON;
            assembly ("memory-safe") {
                let size := returndatasize()
                if gt(size, cap) { size := cap }
                reason := mload(0x40)
                mstore(reason, size)
                returndatacopy(add(reason, 0x20), 0x00, size)
                mstore(0x40, and(add(add(reason, size), 0x3f), not(0x1f)))
            }
        }
    }
}
