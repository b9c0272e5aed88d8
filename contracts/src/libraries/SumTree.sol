// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Sibling} from "../interfaces/IRevenueLedger.sol";

/// @notice Merkle-sum trees of what each prover may earn: a node stands for all caps below it and commits to both of its
/// children's sums, the root to the total.
///
/// leaf = keccak256(keccak256(abi.encode(LEAF, prover, cap))), its sum is the cap;
/// node = keccak256(abi.encode(NODE, left, leftSum, right, rightSum)), its sum is leftSum + rightSum.
/// Where there is no leaf stands zero with the sum zero. The order counts: a leaf's place is part of its proof.
///
/// @dev Why nobody can be promised the same money twice, whoever made the tree. A proof is a way from the root down. What a
/// node's children and their sums are is fixed by its hash, and it adds up, or there is no proof through it. So below each
/// node lie disjoint parts of exactly its sum, leaf by leaf: the proofs of two leaves part somewhere, and from there on lie
/// in disjoint parts. Leaves are hashed twice and under another word than nodes, so neither passes for the other.
library SumTree {
    bytes32 internal constant LEAF = keccak256("ZKPool RevenueLedger leaf");
    bytes32 internal constant NODE = keccak256("ZKPool RevenueLedger node");

    function leaf(address prover, uint256 cap) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(LEAF, prover, cap))));
    }

    function node(bytes32 left, uint256 leftSum, bytes32 right, uint256 rightSum) internal pure returns (bytes32) {
        return keccak256(abi.encode(NODE, left, leftSum, right, rightSum));
    }

    /// Root and total of the tree in which (`prover`, `cap`) stands at `index`, beside these siblings.
    function rootOf(address prover, uint256 cap, uint256 index, Sibling[] calldata siblings)
        internal
        pure
        returns (bytes32 root, uint256 total)
    {
        (root, total) = (leaf(prover, cap), cap);
        for (uint256 i; i < siblings.length; ++i) {
            (bytes32 beside, uint256 sum) = (siblings[i].node, siblings[i].sum);
            root = index >> i & 1 == 0 ? node(root, total, beside, sum) : node(beside, sum, root, total);
            total += sum;
        }
    }
}
