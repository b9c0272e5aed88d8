//! Following the chain, sending transactions and holding keys.
//!
//! - [`Rpc`]: a handle on a JSON-RPC endpoint with bounded requests and retries. Everything else takes one.
//! - [`Follower`]: the pool's events, block by block, resumable and aware of reorganisations.
//! - [`TaskHistory`]: one task's events, for those who care about a single task.
//! - [`Sender`]: one key's transactions, driven from a durable [`TxJournal`]: call [`Sender::enqueue`] and then
//!   [`Sender::tick`] again and again; nothing is sent that was not recorded, nothing recorded is sent twice.
//! - [`PoolView`]: typed reads of the pool, its slots and tokens; simulations at the head of the chain.
//! - [`CommitteeView`]: typed reads of a committee of verifiers.
//! - [`LedgerView`]: typed reads of the revenue ledger.
//! - [`SgxView`]: typed reads of a verifier of SGX enclaves.
//! - [`RegistryView`]: who operates, by its own word. [`RecordBook`]: what operators have done, by the chain's.
//! - [`KeySource`], [`Key`]: signing keys that are never printed.
//! - `testing` (feature `test-support`): a real anvil for tests and the demo.
//!
//! Nothing here decides: it reads the chain and carries out what it is given. No function waits without a bound.

mod bundle;
mod committee;
mod error;
mod event;
mod follower;
mod history;
mod journal;
mod keys;
mod ledger;
mod logs;
mod publication;
mod record;
mod registry;
mod rpc;
mod sender;
mod sgx;
#[cfg(feature = "test-support")]
pub mod testing;
mod transport;
mod view;

pub use bundle::{BundlePolicy, BundleView, LegPolicy, LegReceiverView};
pub use committee::{Committee, CommitteeProgram, CommitteeView, Member, MemberState};
pub use error::{ChainError, JournalError};
pub use event::{ChainEvent, PoolEvent};
pub use follower::{Block, BlockRef, Cursor, Follower, FollowerOptions, Polled, Step};
pub use history::{TaskEvent, TaskHistory};
pub use journal::{
    Attempt, DirJournal, Failure, FailureKind, MemoryJournal, Receipt, TxJournal, TxRecord, TxState, write_durably,
};
pub use keys::{Key, KeyError, KeySource, Secret};
pub use ledger::{Bond, LedgerEvent, LedgerView, ShareView, Tranche, TrancheState, claim_call};
pub use logs::{logs_between, logs_of};
pub use record::{OperatorRecord, Past, RecordBook, Voices};
pub use registry::{Listed, Listing, RegistryView, registration};
pub use rpc::{Head, Rpc, RpcOptions};
pub use sender::{Clock, FeePolicy, Sender, SenderOptions, TxRequest, Urgency};
pub use sgx::{EnclaveProgram, Enclaves, InstanceState, Registration, SgxView};
pub use view::{LiveTask, PoolView, Rescue, SignerView, Simulated, Slot, SlotState, TokenInfo};

pub use alloy;
pub use zkpool_bindings::Revert;
