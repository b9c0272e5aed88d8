// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IRevenueLedger, Receipt, Result, Voucher} from "./interfaces/IRevenueLedger.sol";
import {Bonds} from "./ledger/Bonds.sol";
import {Tranches} from "./ledger/Tranches.sol";
import {LedgerTypes} from "./libraries/LedgerTypes.sol";

/// @title RevenueLedger: provers' money, that each can always collect.
/// @notice See `IRevenueLedger` for what it does and `SPEC-ledger.md` for what it guarantees. Two parts that share nothing
/// but the tokens: `Tranches` pays provers, `Bonds` holds what they put up.
contract RevenueLedger is Tranches, Bonds {
    using LedgerTypes for Receipt;
    using LedgerTypes for Result;
    using LedgerTypes for Voucher;

    /// @inheritdoc IRevenueLedger
    function voucherDigestOf(Voucher calldata voucher) external view returns (bytes32) {
        return _hashTypedData(voucher.hash());
    }

    /// @inheritdoc IRevenueLedger
    function resultDigestOf(Result calldata result) external view returns (bytes32) {
        return _hashTypedData(result.hash());
    }

    /// @inheritdoc IRevenueLedger
    function headOf(Receipt calldata receipt) external pure returns (bytes32) {
        return receipt.hash();
    }

    /// @inheritdoc IRevenueLedger
    function jobOf(bytes32 task, uint32 index, uint64 fence) external pure returns (bytes32) {
        return keccak256(abi.encode(task, index, fence));
    }
}
