//! The pool's economics, simulated: the real scheduler and pricing, over demand and provers that are made up.
//!
//! Nothing here reads a clock or the system's randomness: the same arguments give the same figures. What is modelled, and
//! what is not, is said in `docs/economics.md`.

mod account;
mod args;
mod bench;
mod command;
mod plot;
mod report;
mod rng;
mod run;
mod trace;
mod world;

pub use account::{Figures, Spread};
pub use args::{Choice, Scenario, SimulateArgs, Sweep, Trace};
pub use bench::{BenchRow, bench};
pub use command::{Outcome, SimulateError, simulate};
pub use report::{Row, table};
pub use run::run;
