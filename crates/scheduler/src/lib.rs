//! Who proves what, when, and for how much: pure decisions over a snapshot.
