//! Who proves what, when, and for how much: pure decisions over a snapshot.
//!
//! No clock, no randomness, no I/O: the same snapshot at the same moment gives the same actions, so that a decision can
//! be replayed, simulated and tested. Times are unix milliseconds.

mod decide;
mod floor;
mod legs;
mod path;
mod plan;
mod price;
mod shop;
mod snapshot;
mod standing;

pub use decide::{Action, decide, ends_at};
pub use legs::each_has_one_of_its_own;
pub use path::{Typical, after};
pub use plan::{Machine, Plan, PlanError, PlanRequest, plan, task_units};
pub use price::{PriceInput, PriceParts, price};
pub use snapshot::{Candidate, Holder, LegOf, Millis, OpenJob, Rules, Snapshot};
pub use standing::{Standing, observed_speed};
