// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {WETH} from "solady/tokens/WETH.sol";

/// @title Wrapped ether for local chains and tests; a real chain has its own.
contract TestWETH is WETH {
    /// @dev As the canonical WETH9, which knows no Permit2.
    function _givePermit2InfiniteAllowance() internal pure override returns (bool) {
        return false;
    }
}
