//! The client against services that behave, misbehave and do not answer.

mod bad_answers;
mod events;
mod patience;
mod server;
mod sessions;
mod transfers;
