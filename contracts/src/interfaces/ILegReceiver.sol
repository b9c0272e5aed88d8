// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

/// @notice What a target implements that has a use for the legs of a bundle before the bundle is complete. Early legs are a
/// courtesy: nobody is paid for them, and the whole bundle is delivered all the same.
/// @dev `supportsInterface` answers for this interface's id, which is how an operator's service finds out.
interface ILegReceiver is IERC165 {
    /// @notice When a leg is taken: from `from` on and before `until`, in seconds. Both zero: never.
    /// @param statement the bundle's
    /// @param leg its index in the bundle's verifier
    function legWindow(bytes32 statement, uint256 leg) external view returns (uint64 from, uint64 until);

    /// @notice Takes one leg's proof, as it stands in the bundle's. Anyone; the same leg again does no harm.
    function receiveLeg(bytes32 statement, uint256 leg, bytes calldata proof) external;
}
