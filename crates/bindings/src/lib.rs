//! Typed bindings of the contracts, from the committed ABI files.
