// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title The hand with which the pool calls requesters' contracts.
/// @notice It owns nothing and must never be given anything: no balance, no allowance, no role. Anyone may use it, so
/// that a call which it made says nothing about who asked for it.
///
/// It has no functions. Calldata: `target` (a word) ‖ `callGas` (a word) ‖ the call. It returns a word, 1 if `target`
/// has code and did not revert, otherwise 0 and then at most 256 bytes of what `target` reverted with. It reverts only
/// if it was given too little gas to pass `callGas` on.
contract TargetCaller {
    /// @notice The target would have been given less gas than was asked for.
    error InsufficientGas();

    /// As much of a failing target's return data is passed back.
    uint256 private constant MAX_REASON = 256;
    /// Spent between the check of the gas and the target's first instruction.
    uint256 private constant CALL_OVERHEAD = 1_000;

    fallback() external {
        uint256 maxReason = MAX_REASON;
        uint256 overhead = CALL_OVERHEAD;
        bytes4 insufficientGas = InsufficientGas.selector;
        assembly {
            let target := calldataload(0x00)
            let callGas := calldataload(0x20)
            let size := sub(calldatasize(), 0x40)
            calldatacopy(0x00, 0x40, size)
            let ok := iszero(iszero(extcodesize(target)))
            if ok {
                // A call is given at most 63/64 of what is left, whatever it was promised. A starved target would fail,
                // and its failure pass for its own.
                if lt(gas(), add(add(callGas, div(callGas, 63)), overhead)) {
                    mstore(0x00, insufficientGas)
                    revert(0x00, 0x04)
                }
                ok := call(callGas, target, 0, 0x00, size, 0x00, 0x00)
            }
            let reason := 0
            if iszero(ok) {
                reason := returndatasize()
                if gt(reason, maxReason) { reason := maxReason }
                returndatacopy(0x20, 0x00, reason)
            }
            mstore(0x00, ok)
            return(0x00, add(0x20, reason))
        }
    }
}
