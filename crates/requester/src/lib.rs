//! The requester's SDK: ask, compare, publish, watch, collect.
