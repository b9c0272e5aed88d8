// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Call, Task, Terms} from "../interfaces/IZKPool.sol";

/// @notice EIP-712 struct hashes of the quote types, and the amounts that follow from the terms.
library QuoteLib {
    bytes private constant TASK_TYPE =
        "Task(uint32 slot,bytes32 statement,bytes32 callHash,bytes32 inputHash,bytes32 salt)";
    bytes private constant TERMS_TYPE = "Terms(address requester,address operator,address target,address encoder,"
        "address verifier,uint32 callGas,uint32 proofWindow,uint32 liabilityWindow,uint40 validUntil,"
        "address rewardToken,uint128 reward,uint128 advance,"
        "address liabilityToken,uint128 liability,uint128 bond,uint128 burn,uint128 honour)";

    bytes32 internal constant TASK_TYPEHASH = keccak256(TASK_TYPE);
    bytes32 internal constant TERMS_TYPEHASH = keccak256(TERMS_TYPE);
    bytes32 internal constant QUOTE_TYPEHASH =
        keccak256(abi.encodePacked("Quote(Terms terms,Task task)", TASK_TYPE, TERMS_TYPE));
    bytes32 internal constant BATCH_TYPEHASH =
        keccak256(abi.encodePacked("QuoteBatch(Terms terms,Task[] tasks)", TASK_TYPE, TERMS_TYPE));
    bytes32 internal constant CALL_TYPEHASH = keccak256("Call(bytes prefix,bytes suffix,bytes doneCheck)");

    // ---- hashes ----

    function hash(Terms calldata terms) internal pure returns (bytes32) {
        return keccak256(abi.encode(TERMS_TYPEHASH, terms));
    }

    function hash(Task calldata task) internal pure returns (bytes32) {
        return keccak256(abi.encode(TASK_TYPEHASH, task));
    }

    function hash(Call calldata call) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(CALL_TYPEHASH, keccak256(call.prefix), keccak256(call.suffix), keccak256(call.doneCheck))
        );
    }

    function quoteHash(bytes32 termsHash, bytes32 taskHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(QUOTE_TYPEHASH, termsHash, taskHash));
    }

    function batchHash(Terms calldata terms, Task[] calldata tasks) internal pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](tasks.length);
        for (uint256 i; i < tasks.length; ++i) {
            hashes[i] = hash(tasks[i]);
        }
        return keccak256(abi.encode(BATCH_TYPEHASH, hash(terms), keccak256(abi.encodePacked(hashes))));
    }

    // ---- amounts ----

    /// What the slot of a task locks.
    function lock(Terms calldata terms) internal pure returns (uint256) {
        return uint256(terms.liability) + terms.burn + terms.bond + terms.advance;
    }

    /// What the slot of a rescuer locks.
    function rescueLock(Terms calldata terms) internal pure returns (uint256) {
        return uint256(terms.liability) + terms.burn;
    }

    /// The requester's part of the bond of a late task: the odd unit is the requester's.
    function requesterBond(Terms calldata terms) internal pure returns (uint256) {
        return terms.bond - delivererBond(terms);
    }

    function delivererBond(Terms calldata terms) internal pure returns (uint256) {
        return terms.bond / 2;
    }

    /// How long after its announcement a rescue takes effect.
    function grace(Terms calldata terms) internal pure returns (uint256) {
        return (terms.liabilityWindow - terms.proofWindow) / 4;
    }
}
