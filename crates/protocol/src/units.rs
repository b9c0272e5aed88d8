//! Work units.

use serde::{Deserialize, Serialize};
use std::{fmt, iter::Sum, ops::Add};

/// The size of a job, in the unit of its proof system: constraints for Groth16, cycles (padding included) for a zkVM; what
/// the zkVM's recursion costs is expressed in cycles, too, so that one speed describes a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkUnits(pub u64);

/// What an enclave's word counts as: one run of its program, however long.
pub const ATTEST_UNITS: WorkUnits = WorkUnits(10_000);

impl Add for WorkUnits {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for WorkUnits {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self(0), Add::add)
    }
}

impl fmt::Display for WorkUnits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
