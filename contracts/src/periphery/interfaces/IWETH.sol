// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice Wrapped ether, as far as the router needs it.
interface IWETH {
    function deposit() external payable;
    function withdraw(uint256 amount) external;
}
