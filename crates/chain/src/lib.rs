//! Following the chain, sending transactions and holding keys.
