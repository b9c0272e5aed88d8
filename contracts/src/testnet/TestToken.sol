// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ERC20} from "solady/tokens/ERC20.sol";

/// @title A token with ERC-2612 permits for local chains and tests: worthless, since anyone can mint it.
contract TestToken is ERC20 {
    /// @inheritdoc ERC20
    function name() public pure override returns (string memory) {
        return "ZKPool Test Token";
    }

    /// @inheritdoc ERC20
    function symbol() public pure override returns (string memory) {
        return "TEST";
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @dev As most tokens do: Permit2 needs an approval here too.
    function _givePermit2InfiniteAllowance() internal pure override returns (bool) {
        return false;
    }
}
