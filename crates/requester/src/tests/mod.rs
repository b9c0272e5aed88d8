//! The SDK against the real contracts on a real anvil.

mod asking;
mod checks;
mod collection;
mod crashes;
mod many;
mod operator;
mod publication;
mod ranking;
mod twice;
mod watching;
mod world;
