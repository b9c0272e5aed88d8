//! The requester's SDK: ask, compare, publish, watch, collect.
//!
//! ```no_run
//! # async fn example(config: zkpool_requester::Config, wish: zkpool_requester::ProofRequest)
//! # -> Result<(), zkpool_requester::RequesterError> {
//! use std::time::Duration;
//! use zkpool_requester::{Ended, Payment, Requester};
//!
//! let requester = Requester::open(config).await?;
//! // Asks all operators, takes the best offer, or the next if that one cannot be had.
//! let bought = requester.buy(&wish, Payment::Pool).await?;
//! requester.tell(bought.task).await?;
//! match requester.wait(bought.task, Duration::from_secs(3600)).await? {
//!     Ended::Collectable => drop(requester.collect(bought.task).await?),
//!     outcome => println!("{outcome}"),
//! }
//! # Ok(()) }
//! ```
//!
//! Step by step: [`Requester::ask`], [`Requester::choose`], [`Requester::record`], [`Requester::publish`].
//!
//! Money is safe across crashes: the signed quote and every transaction are on disk before anything is sent
//! ([`Requester::record`]), so whoever starts again buys the same again, or calls [`Requester::publish`] with the same
//! task, and nothing is paid twice. The chain decides what became of a task; what operators say is progress, never an
//! outcome. Every wait has a bound and says what it waits for.

mod ask;
mod buy;
mod check;
mod collect;
mod config;
mod discover;
mod error;
mod money;
mod payment;
mod point;
mod publish;
mod rank;
mod records;
mod request;
mod send;
mod state;
mod watch;

#[cfg(test)]
mod tests;

pub use ask::{Answer, FirmOffer, Offer};
pub use buy::{Bought, PassedOver, Taken};
pub use collect::Settled;
pub use config::{Config, Options};
pub use discover::Discovery;
pub use error::RequesterError;
pub use payment::Payment;
pub use point::Point;
pub use publish::Publication;
pub use rank::{Ranked, Ranking};
pub use request::{Expected, Limits, ProgramFiles, ProofRequest, groth16_statement};
pub use state::{Stage, TaskRecord, own_tasks};
pub use watch::{Ended, Update, Watch};

use point::Probe;
use state::StateDir;
use std::{fmt, sync::Arc};
use zkpool_api::{Client, Identity, Reach};
use zkpool_chain::{DirJournal, Key, PoolView, RecordBook, Sender, TaskHistory, TxJournal};
use zkpool_protocol::{Address, Domain, TaskId};

/// One requester: a key, a pool, and a directory that remembers. Cheap to clone.
#[derive(Clone)]
pub struct Requester {
    inner: Arc<Inner>,
}

struct Inner {
    view: PoolView,
    key: Key,
    sender: Sender,
    state: StateDir,
    operators: Vec<String>,
    options: Options,
    /// Held while money is found for a publication, so that two do not count on the same.
    paying: tokio::sync::Mutex<money::Reserved>,
    /// Held while one offer is put on record, so that no other of the same wish is.
    taking: tokio::sync::Mutex<()>,
    /// Operators' records, as far as they were read.
    book: tokio::sync::Mutex<Option<RecordBook>>,
    probe: Probe,
}

impl Requester {
    /// Opens the state directory and checks chain and contract.
    ///
    /// # Errors
    /// [`RequesterError::InUse`] if another process works on the directory; a wrong chain or an unreachable endpoint as
    /// [`RequesterError::Chain`].
    pub async fn open(config: Config) -> Result<Self, RequesterError> {
        Self::open_with(config, Probe::default()).await
    }

    async fn open_with(config: Config, probe: Probe) -> Result<Self, RequesterError> {
        let state = StateDir::open(&config.state)?;
        let journal: Arc<dyn TxJournal> =
            Arc::new(DirJournal::open(config.state.join("transactions")).map_err(zkpool_chain::ChainError::from)?);
        config.rpc.check(&config.domain).await?;
        let sender = Sender::new(
            config.rpc.clone(),
            config.domain.chain_id,
            config.key.clone(),
            journal,
            config.options.sender.clone(),
        );
        Ok(Self {
            inner: Arc::new(Inner {
                view: PoolView::new(config.rpc, config.domain),
                key: config.key,
                sender,
                state,
                operators: config.operators,
                options: config.options,
                paying: tokio::sync::Mutex::default(),
                taking: tokio::sync::Mutex::default(),
                book: tokio::sync::Mutex::default(),
                probe,
            }),
        })
    }

    /// The address that pays.
    pub fn address(&self) -> Address {
        self.inner.key.address()
    }

    /// The pool.
    pub fn domain(&self) -> &Domain {
        self.inner.view.domain()
    }

    /// Reads of the pool, its tokens and slots.
    pub fn view(&self) -> &PoolView {
        &self.inner.view
    }

    /// The operators that are asked in any case.
    pub fn operators(&self) -> &[String] {
        &self.inner.operators
    }

    /// Everything on record, oldest first.
    ///
    /// # Errors
    /// [`RequesterError::State`] if a record cannot be read.
    pub fn tasks(&self) -> Result<Vec<TaskRecord>, RequesterError> {
        self.inner.state.all()
    }

    /// The record of one task.
    ///
    /// # Errors
    /// [`RequesterError::UnknownTask`].
    pub fn task(&self, task: TaskId) -> Result<TaskRecord, RequesterError> {
        self.inner.state.get(task)
    }

    /// A client of an operator's service; of one that was only found, for where a stranger's word may lead.
    fn client(&self, url: &str, found: bool) -> Result<Client, RequesterError> {
        let key = self.inner.key.clone();
        let identity = Identity::new(self.address(), move |message: String| {
            let signed = key.sign_message(message.as_bytes());
            async move { signed }
        });
        let mut options = self.inner.options.client.clone();
        options.chain_id = Some(self.domain().chain_id);
        if found && !self.inner.operators.iter().any(|named| named == url) {
            options.reach = self.inner.options.discovery.as_ref().map_or(Reach::Public, |discovery| discovery.reach);
        }
        Client::new(url, identity, options).map_err(|source| RequesterError::Operator { url: url.into(), source })
    }

    /// A client of a service that is on record with a task.
    fn client_of(&self, record: &TaskRecord, url: &str) -> Result<Client, RequesterError> {
        let holders = self.inner.state.holders(record.quote.quote.task.input_hash)?;
        self.client(url, holders.iter().any(|found| found == url))
    }

    fn history(&self, record: &TaskRecord) -> TaskHistory {
        TaskHistory::new(self.inner.view.rpc().clone(), self.domain().pool, record.task, record.from_block)
    }
}

impl fmt::Debug for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requester").field("address", &self.address()).finish_non_exhaustive()
    }
}
