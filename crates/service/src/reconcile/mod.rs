//! The reconcilers: idempotent, without input, run periodically and when nudged.
//!
//! Each has a `tick(&Context) -> OpResult<bool>`, true if there is more to do at once. A tick that fails is logged and
//! tried again; one that dies half-way is an ordinary tick later.

pub(crate) mod account;
pub(crate) mod aftermath;
mod calldata;
pub(crate) mod dispatch;
pub(crate) mod execute;
pub(crate) mod follow;
pub(crate) mod gather;
pub(crate) mod pay;
pub(crate) mod plan;
pub(crate) mod preflight;
pub(crate) mod rescue;
pub(crate) mod seal;
pub(crate) mod segments;
pub(crate) mod slots;
pub(crate) mod submit;
