//! The rollup's node, as its team would write it, on top of the requester's SDK.
//!
//! It takes signed transfers, makes batches of them, proposes each batch to the rollup's contract, and buys a *bundle* for
//! it: proofs of one statement in several ways, made by provers that are independent of each other and delivered
//! together. Nobody has to trust the node: what it proposes becomes final when the bundle is accepted, and by nothing else.
//!
//! | module | what |
//! | --- | --- |
//! | [`contract`] | the rollup's contract: proposing, reading what became of it |
//! | [`policy`] | who must agree: the legs of the contract's verifier |
//! | [`bundle`] | what is bought: programs, inputs, statement, terms |
//! | [`node`] | transfers and batches, found again after a restart |
//! | `follow` | from a batch to its end, whatever fails in between |
//! | [`view`] | what the page is told |
//! | [`web`] | the page and its routes |

pub mod bundle;
pub mod contract;
pub mod error;
mod follow;
pub mod node;
pub mod policy;
pub mod view;
pub mod web;
