//! The reconcilers: idempotent, without input, run periodically and when nudged.
//!
//! Division of labour at this moment: `follow`, `submit`, `rescue` and `account` are being written by the lead right now
//! (16:06); `preflight`, `plan`, `dispatch`, the runner and everything in `ops` are the state engineer's.
