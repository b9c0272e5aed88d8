// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Receipt, Result, Voucher} from "../interfaces/IRevenueLedger.sol";

/// @notice EIP-712 struct hashes of what operators and provers sign for each other.
library LedgerTypes {
    bytes32 internal constant VOUCHER_TYPEHASH =
        keccak256("Voucher(address operator,uint256 tranche,address prover,uint128 amount,uint64 count,bytes32 head)");
    bytes32 internal constant RESULT_TYPEHASH = keccak256("Result(address operator,bytes32 job,bytes32 output)");
    bytes32 internal constant RECEIPT_TYPEHASH = keccak256(
        "Receipt(bytes32 task,uint32 index,uint64 fence,address prover,bytes32 output,uint64 units,uint128 amount,"
        "bytes32 previous)"
    );

    // Members of static structs stand in the ABI's encoding as in EIP-712's.

    function hash(Voucher memory voucher) internal pure returns (bytes32) {
        return keccak256(abi.encode(VOUCHER_TYPEHASH, voucher));
    }

    function hash(Result memory result) internal pure returns (bytes32) {
        return keccak256(abi.encode(RESULT_TYPEHASH, result));
    }

    function hash(Receipt memory receipt) internal pure returns (bytes32) {
        return keccak256(abi.encode(RECEIPT_TYPEHASH, receipt));
    }
}
