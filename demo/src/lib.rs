//! The whole road on one machine: a local chain, operators' services, provers and requesters as separate processes that
//! talk only over HTTP and the chain. The demo (`zkpool-demo`) plays four tasks on it, the benchmark (`zkpool-bench`)
//! measures it.

pub mod actors;
pub mod browser;
pub mod chainlog;
pub mod committee;
pub mod error;
pub mod money;
pub mod process;
pub mod report;
pub mod run;
pub mod scenes;
pub mod semaphore;
pub mod stage;
