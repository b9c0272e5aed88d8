//! The prover agent: claim, heartbeat, prove, return.
