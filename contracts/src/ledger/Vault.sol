// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IRevenueLedger} from "../interfaces/IRevenueLedger.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {EIP712} from "solady/utils/EIP712.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

/// @notice What the ledger's two parts share: the guard, tokens that come in, signatures.
abstract contract Vault is IRevenueLedger, EIP712 {
    using SafeTransferLib for address;

    uint256 private transient _entered;

    modifier nonReentrant() {
        if (_entered != 0) revert Reentrancy();
        _entered = 1;
        _;
        _entered = 0;
    }

    /// Pulls `amount` out of the caller's wallet.
    /// @return arrived what is credited, for tokens that keep a fee
    function _pull(address token, uint256 amount) internal returns (uint256 arrived) {
        uint256 before = IERC20(token).balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        arrived = IERC20(token).balanceOf(address(this)) - before;
    }

    /// Whose signature of 65 bytes it is, with an s in the lower half; zero if it is nobody's.
    function _recover(bytes32 structHash, bytes calldata signature) internal view returns (address signer) {
        // slither-disable-next-line unused-return
        (signer,,) = ECDSA.tryRecoverCalldata(_hashTypedData(structHash), signature);
    }

    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("ZKPool RevenueLedger", "1");
    }
}
