//! The Merkle-sum tree of a tranche: who may be paid how much of it.
//!
//! Every node commits to the sums of its children, so a proof says not only that a cap is in the tree but also which part of
//! the tranche it covers. The parts of different leaves do not overlap, whoever has made the tree: the same rules as in
//! `contracts/src/libraries/SumTree.sol`.

use crate::decimal;
use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

/// The longest proof that is believed. The ledger takes longer ones; no tree that is built here needs them.
const MAX_DEPTH: usize = 32;
/// What stands where there is no leaf, nor anything below.
const NOTHING: SumNode = SumNode { hash: B256::ZERO, sum: 0 };

/// What one prover may be paid out of a tranche, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// Who.
    pub prover: Address,
    /// How much, in the smallest unit of the tranche's token.
    #[serde(with = "decimal")]
    pub amount: u128,
}

/// A node: the hash and the sum of the caps below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SumNode {
    /// Its hash.
    pub hash: B256,
    /// What is below it, in the smallest unit of the tranche's token.
    #[serde(with = "decimal")]
    pub sum: u128,
}

/// That a cap is in a tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapProof {
    /// Position of the leaf: bit `i` says whether the node at height `i` is a right child.
    pub index: u64,
    /// The siblings of the nodes on the way to the root, from the leaf's on.
    pub siblings: Vec<SumNode>,
}

/// A tree that cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CapTreeError {
    /// No caps.
    #[error("a tranche needs at least one cap")]
    Empty,
    /// The caps come to more than 128 bits.
    #[error("the caps come to more than a tranche can hold")]
    Overflow,
    /// More than anybody will believe proofs for.
    #[error("a tranche has at most 2^{MAX_DEPTH} caps")]
    TooMany,
}

/// All caps of a tranche, in a fixed order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapTree {
    /// From the leaves to the root.
    levels: Vec<Vec<SumNode>>,
}

fn leaf(cap: &Cap) -> SumNode {
    let domain = keccak256("ZKPool RevenueLedger leaf");
    let hash = keccak256(keccak256((domain, cap.prover, cap.amount).abi_encode()));
    SumNode { hash, sum: cap.amount }
}

/// `None` if the sums overflow.
fn parent(left: SumNode, right: SumNode) -> Option<SumNode> {
    let domain = keccak256("ZKPool RevenueLedger node");
    let hash = keccak256((domain, left.hash, left.sum, right.hash, right.sum).abi_encode());
    Some(SumNode { hash, sum: left.sum.checked_add(right.sum)? })
}

impl CapTree {
    /// Of these caps, in this order.
    pub fn new(caps: &[Cap]) -> Result<Self, CapTreeError> {
        if caps.is_empty() {
            return Err(CapTreeError::Empty);
        }
        let mut levels = vec![caps.iter().map(leaf).collect::<Vec<_>>()];
        loop {
            let last = &levels[levels.len() - 1];
            if last.len() == 1 {
                return Ok(Self { levels });
            }
            if levels.len() > MAX_DEPTH {
                return Err(CapTreeError::TooMany);
            }
            let join = |pair: &[SumNode]| {
                let right = pair.get(1).copied().unwrap_or(NOTHING);
                parent(pair[0], right).ok_or(CapTreeError::Overflow)
            };
            let next = last.chunks(2).map(join).collect::<Result<_, _>>()?;
            levels.push(next);
        }
    }

    /// The root's hash, and the sum of all caps.
    pub fn root(&self) -> (B256, u128) {
        self.levels.last().and_then(|top| top.first()).map_or((B256::ZERO, 0), |root| (root.hash, root.sum))
    }

    /// That the cap at `place` is in the tree; `None` if there is none.
    pub fn proof(&self, place: usize) -> Option<CapProof> {
        self.levels.first()?.get(place)?;
        let below = &self.levels[..self.levels.len() - 1];
        let beside =
            |(height, level): (usize, &Vec<SumNode>)| level.get(place >> height ^ 1).copied().unwrap_or(NOTHING);
        Some(CapProof { index: u64::try_from(place).ok()?, siblings: below.iter().enumerate().map(beside).collect() })
    }
}

impl CapProof {
    /// Where the cap's part of the tranche begins, if this proves that it is in the tree with this root and total.
    pub fn verify(&self, cap: &Cap, root: B256, total: u128) -> Option<u128> {
        if self.siblings.len() > MAX_DEPTH {
            return None;
        }
        let (mut node, mut offset) = (leaf(cap), 0u128);
        for (height, sibling) in self.siblings.iter().enumerate() {
            if self.index >> height & 1 == 0 {
                node = parent(node, *sibling)?;
            } else {
                offset = offset.checked_add(sibling.sum)?;
                node = parent(*sibling, node)?;
            }
        }
        (node == SumNode { hash: root, sum: total }).then_some(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(count: u8) -> Vec<Cap> {
        (0..count).map(|i| Cap { prover: Address::repeat_byte(i), amount: 10 + u128::from(i) }).collect()
    }

    #[test]
    fn every_cap_has_a_part_of_its_own() {
        for count in 1..20 {
            let caps = caps(count);
            let tree = CapTree::new(&caps).unwrap();
            let (root, total) = tree.root();
            assert_eq!(total, caps.iter().map(|cap| cap.amount).sum::<u128>());
            let mut end = 0;
            for (place, cap) in caps.iter().enumerate() {
                let proof = tree.proof(place).unwrap();
                assert_eq!(proof.verify(cap, root, total), Some(end), "{place} of {count}");
                end += cap.amount;
                let more = Cap { amount: cap.amount + 1, ..*cap };
                assert_eq!(proof.verify(&more, root, total), None);
                let other = Cap { prover: Address::repeat_byte(0xff), ..*cap };
                assert_eq!(proof.verify(&other, root, total), None);
                assert_eq!(proof.verify(cap, root, total + 1), None);
                if count > 1 {
                    let turned = CapProof { index: proof.index ^ 1, ..proof };
                    assert_eq!(turned.verify(cap, root, total), None, "the order counts");
                }
            }
            assert_eq!(tree.proof(caps.len()), None);
        }
    }

    #[test]
    fn a_tree_without_caps_or_beyond_128_bits_is_none() {
        assert_eq!(CapTree::new(&[]), Err(CapTreeError::Empty));
        let cap = Cap { prover: Address::ZERO, amount: u128::MAX };
        assert_eq!(CapTree::new(&[cap, cap]), Err(CapTreeError::Overflow));
        assert_eq!(CapTree::new(&[cap]).unwrap().root().1, u128::MAX);
    }

    #[test]
    fn a_node_does_not_pass_for_a_leaf() {
        let tree = CapTree::new(&caps(4)).unwrap();
        let (root, total) = tree.root();
        let proof = tree.proof(0).unwrap();
        let short = CapProof { index: 0, siblings: proof.siblings[1..].to_vec() };
        let cap = Cap { prover: Address::ZERO, amount: 21 };
        assert_eq!(short.verify(&cap, root, total), None);
    }
}
