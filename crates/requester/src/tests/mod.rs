//! The SDK against the real contracts on a real anvil.

mod asking;
mod checks;
mod collection;
mod crashes;
mod operator;
mod publication;
mod watching;
mod world;
