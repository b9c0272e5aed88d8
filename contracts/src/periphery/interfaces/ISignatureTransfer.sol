// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice Permit2's transfers by signature, as far as the router needs them.
interface ISignatureTransfer {
    struct TokenPermissions {
        address token;
        /// The most that may be requested.
        uint256 amount;
    }

    struct PermitTransferFrom {
        TokenPermissions permitted;
        /// Unordered: any that was not used yet.
        uint256 nonce;
        uint256 deadline;
    }

    struct SignatureTransferDetails {
        address to;
        uint256 requestedAmount;
    }

    /// @notice Moves `owner`'s tokens. What `owner` signed names the caller as the spender.
    function permitTransferFrom(
        PermitTransferFrom calldata permit,
        SignatureTransferDetails calldata transferDetails,
        address owner,
        bytes calldata signature
    ) external;
}
