// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Task, Terms} from "../interfaces/IZKPool.sol";

import {EfficientHashLib} from "solady/utils/EfficientHashLib.sol";

/// @notice EIP-712 struct hashes of the quote types, and the amounts that follow from the terms.
library QuoteLib {
    // Whole literals, because the compiler hashes nothing else in advance.
    bytes32 internal constant TASK_TYPEHASH =
        keccak256("Task(uint32 slot,bytes32 statement,bytes32 callHash,bytes32 inputHash,bytes32 salt)");
    bytes32 internal constant TERMS_TYPEHASH = keccak256(
        "Terms(address requester,address operator,address target,address encoder,address verifier,"
        "uint32 callGas,uint32 proofWindow,uint32 liabilityWindow,uint40 validUntil,"
        "address rewardToken,uint128 reward,uint128 advance,"
        "address liabilityToken,uint128 liability,uint128 bond,uint128 burn,uint128 honour)"
    );
    bytes32 internal constant QUOTE_TYPEHASH = keccak256(
        "Quote(Terms terms,Task task)"
        "Task(uint32 slot,bytes32 statement,bytes32 callHash,bytes32 inputHash,bytes32 salt)"
        "Terms(address requester,address operator,address target,address encoder,address verifier,"
        "uint32 callGas,uint32 proofWindow,uint32 liabilityWindow,uint40 validUntil,"
        "address rewardToken,uint128 reward,uint128 advance,"
        "address liabilityToken,uint128 liability,uint128 bond,uint128 burn,uint128 honour)"
    );
    bytes32 internal constant BATCH_TYPEHASH = keccak256(
        "QuoteBatch(Terms terms,Task[] tasks)"
        "Task(uint32 slot,bytes32 statement,bytes32 callHash,bytes32 inputHash,bytes32 salt)"
        "Terms(address requester,address operator,address target,address encoder,address verifier,"
        "uint32 callGas,uint32 proofWindow,uint32 liabilityWindow,uint40 validUntil,"
        "address rewardToken,uint128 reward,uint128 advance,"
        "address liabilityToken,uint128 liability,uint128 bond,uint128 burn,uint128 honour)"
    );
    bytes32 internal constant CALL_TYPEHASH = keccak256("Call(bytes prefix,bytes suffix,bytes doneCheck)");

    // ---- terms ----

    /// The terms in memory, where reading them costs next to nothing. Reverts, like the compiler's own decoding, if a
    /// member has bits that its type has not; that one checks member by member and costs 2,500 gas.
    function load(Terms calldata source) internal pure returns (Terms memory terms) {
        assembly ("memory-safe") {
            calldatacopy(terms, source, 0x220)
            function at(base, member) -> value {
                value := mload(add(base, shl(5, member)))
            }
            let addresses := or(or(at(terms, 0), at(terms, 1)), or(at(terms, 2), at(terms, 3)))
            addresses := or(addresses, or(at(terms, 4), or(at(terms, 9), at(terms, 12))))
            let seconds_ := or(at(terms, 5), or(at(terms, 6), at(terms, 7)))
            let amounts := or(or(at(terms, 10), at(terms, 11)), or(at(terms, 13), at(terms, 14)))
            amounts := or(amounts, or(at(terms, 15), at(terms, 16)))
            let excess := or(shr(160, addresses), or(shr(128, amounts), or(shr(32, seconds_), shr(40, at(terms, 8)))))
            if excess { revert(0, 0) }
        }
    }

    // ---- hashes ----

    // Members of static structs stand in calldata and in memory as EIP-712 encodes them.

    function hash(Terms memory terms) internal pure returns (bytes32 result) {
        bytes32 typeHash = TERMS_TYPEHASH;
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, typeHash)
            mcopy(add(m, 0x20), terms, 0x220)
            result := keccak256(m, 0x240)
        }
    }

    /// As it came: bits that no value of `slot` has make another hash, and reading it reverts.
    function hash(Task calldata task) internal pure returns (bytes32 result) {
        bytes32 typeHash = TASK_TYPEHASH;
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, typeHash)
            calldatacopy(add(m, 0x20), task, 0xa0)
            result := keccak256(m, 0xc0)
        }
    }

    function callHash(bytes calldata prefix, bytes calldata suffix, bytes calldata doneCheck)
        internal
        pure
        returns (bytes32)
    {
        return EfficientHashLib.hash(
            CALL_TYPEHASH,
            EfficientHashLib.hashCalldata(prefix),
            EfficientHashLib.hashCalldata(suffix),
            EfficientHashLib.hashCalldata(doneCheck)
        );
    }

    function quoteHash(bytes32 termsHash, bytes32 taskHash) internal pure returns (bytes32) {
        return EfficientHashLib.hash(QUOTE_TYPEHASH, termsHash, taskHash);
    }

    function batchHash(bytes32 termsHash, bytes32[] memory taskHashes) internal pure returns (bytes32) {
        return EfficientHashLib.hash(BATCH_TYPEHASH, termsHash, EfficientHashLib.hash(taskHashes));
    }

    // ---- amounts ----

    /// What the slot of a task locks.
    function lock(Terms memory terms) internal pure returns (uint256) {
        return uint256(terms.liability) + terms.burn + terms.bond + terms.advance;
    }

    /// What the slot of a rescuer locks.
    function rescueLock(Terms memory terms) internal pure returns (uint256) {
        return uint256(terms.liability) + terms.burn;
    }

    /// The requester's part of the bond of a late task: the odd unit is the requester's.
    function requesterBond(Terms memory terms) internal pure returns (uint256) {
        return terms.bond - delivererBond(terms);
    }

    function delivererBond(Terms memory terms) internal pure returns (uint256) {
        return terms.bond / 2;
    }

    /// How long after its announcement a rescue takes effect.
    function grace(Terms memory terms) internal pure returns (uint256) {
        return (terms.liabilityWindow - terms.proofWindow) / 4;
    }
}
