//! A zkML application as its owner would write it, on top of the requester's SDK.
//!
//! A page lets a person draw digits. The application asks its contract (`DigitOracle`) which digits they are, buys a
//! proof from a pool of operators, and the contract takes the answer from whoever proves it. Nobody has to trust the
//! application: the contract checks that the answer is about this question and comes from this model.
//!
//! | module | what |
//! | --- | --- |
//! | [`wish`] | what is bought: program, input, statement, terms |
//! | [`oracle`] | the contract: asking, reading what was answered |
//! | [`desk`] | questions under way: priced, bought, found again after a restart |
//! | `follow` | from a bargain to its end, whatever fails in between |
//! | [`view`] | what the page is told |
//! | [`web`] | the page and its routes |

pub mod desk;
pub mod error;
mod follow;
pub mod oracle;
pub mod view;
pub mod web;
pub mod wish;
