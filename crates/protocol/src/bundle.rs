//! Bundles: one statement, proven in several ways by provers that are independent of each other, delivered together.
//!
//! What a bundle proves is an *output*: the SHA-256 of what the computation makes public (its journal). The output itself is
//! the bundle's statement. Each leg proves a statement of its own, which follows from the leg's program and the output
//! ([`ProgramManifest::statement`](crate::ProgramManifest::statement)).

use crate::{ProgramId, ProofKind, TaskId};
use alloy_primitives::{B256, U256, keccak256};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The fewest legs of a bundle.
pub const MIN_LEGS: usize = 2;
/// The most.
pub const MAX_LEGS: usize = 8;

/// One of a bundle's legs: a program, and the kind of proof that is made with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleLeg {
    /// The program.
    pub program: ProgramId,
    /// What it is to yield. The legs' proof systems differ, and none is a bundle.
    pub kind: ProofKind,
}

/// What is public of a computation with this journal: its SHA-256.
pub fn output(journal: &[u8]) -> B256 {
    B256::new(Sha256::digest(journal).into())
}

/// The public inputs of a circuit that proves an output: its high and its low 128 bits, as the field has no room for 256.
pub fn halves(output: B256) -> [U256; 2] {
    let word = U256::from_be_bytes(output.0);
    [word >> 128, word & U256::from(u128::MAX)]
}

/// The output that a circuit's public inputs stand for, if they are two halves of one.
pub fn whole(halves: [U256; 2]) -> Option<B256> {
    let [high, low] = halves;
    let fits = high <= U256::from(u128::MAX) && low <= U256::from(u128::MAX);
    fits.then(|| B256::from(high << 128 | low))
}

/// The name under which the service keeps a leg as a task of its own. It is not on chain.
///
/// `round` is 0 for the first try, and one more for every time that another prover is asked to repeat it.
pub fn leg_id(bundle: TaskId, leg: u32, round: u32) -> TaskId {
    keccak256([b"zkpool leg v1".as_slice(), bundle.as_slice(), &leg.to_be_bytes(), &round.to_be_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_survives_being_halved() {
        let all = output(b"journal");
        assert_eq!(whole(halves(all)), Some(all));
        let [high, low] = halves(all);
        assert_eq!(whole([high, low + (U256::from(1) << 128)]), None, "nothing but 128 bits each");
        assert_eq!(whole([high + (U256::from(1) << 128), low]), None);
        assert_eq!(halves(B256::with_last_byte(7)), [U256::ZERO, U256::from(7)]);
    }

    #[test]
    fn every_try_of_every_leg_has_a_name_of_its_own() {
        let bundle = B256::repeat_byte(1);
        let ids = [leg_id(bundle, 0, 0), leg_id(bundle, 1, 0), leg_id(bundle, 0, 1), leg_id(B256::ZERO, 0, 0)];
        assert!(ids.iter().enumerate().all(|(i, id)| ids[..i].iter().all(|other| other != id)));
    }
}
