//! A real anvil, for tests and the demo.
