//! Who proves what, when, and for how much: pure decisions over an [`Index`] that is updated, not rebuilt.
//!
//! No clock, no randomness, no I/O: the same jobs and provers at the same moment give the same actions, so that a decision
//! can be replayed, simulated and tested. Times are unix milliseconds. [`decide`] is for whoever has a [`Snapshot`] and
//! nothing that is kept up to date: it makes an index of it.

mod bidders;
mod decide;
mod floor;
mod index;
mod legs;
mod line;
mod path;
mod plan;
mod price;
mod queue;
mod shop;
mod snapshot;
mod standing;
mod strategy;

pub use decide::{Action, decide, ends_at};
pub use index::{Event, Index};
pub use legs::each_has_one_of_its_own;
pub use path::{Typical, after};
pub use plan::{Machine, Plan, PlanError, PlanRequest, plan, task_units};
pub use price::{PriceInput, PriceParts, price};
pub use snapshot::{Candidate, Holder, LegOf, Millis, OpenJob, Rules, Snapshot};
pub use standing::{Standing, observed_speed};
pub use strategy::{Deal, Score, redundancy, score, suited};
pub use zkpool_protocol::Strategy;
