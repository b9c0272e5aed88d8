//! Looking after the pay: what is set apart is checked on chain before any work, every result is signed, every voucher is
//! checked and kept before anything else happens, and the first one that is withheld or wrong ends the work for its operator.
//!
//! The chain is reached through [`PayDesk`], which whoever runs the agent brings along.

mod book;
mod check;
mod collect;
mod signed;

pub use book::{Book, Holding};
pub(crate) use check::{Expected, Withheld};
pub(crate) use collect::collect;
pub(crate) use signed::Signed;

use crate::{
    disk,
    report::{Event, Observer},
};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use zkpool_api::{ClaimedJob, Client, ClientError, EarmarkView};
use zkpool_protocol::{
    Address, B256, Bytes, ErrorCode, JobId,
    pay::{self, Cap, LeasedJob, Ledger, SignedResult, asked},
};

/// How old may be what is known of a tranche when another job is asked for. Closing one takes far longer.
const FRESH: Duration = Duration::from_secs(600);

/// A voucher of a tranche that can be reclaimed earlier than this is no pay: it must be claimed before.
const CLAIM_TIME: Duration = Duration::from_secs(24 * 3_600);

/// What the chain says of a tranche.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrancheOnChain {
    /// What it pays in.
    pub token: Address,
    /// Whether it pays, and is not about to be closed.
    pub open: bool,
    /// Whether what was left of it is back with its operator: it pays nobody any more.
    pub reclaimed: bool,
    /// From which second on it can be reclaimed, if it is to be closed.
    pub closes_at: Option<u64>,
    /// Signs its vouchers.
    pub signer: Address,
    /// The sum of its caps, in the token's smallest unit.
    pub total: u128,
    /// Of the tree of its caps.
    pub root: B256,
}

impl TrancheOnChain {
    /// Whether what is earned now can still be claimed: a job that was given out before its tranche was to be closed is paid
    /// out of it.
    fn pays(&self) -> bool {
        self.open || self.closes_at.is_some_and(|at| at >= crate::unix_now() + CLAIM_TIME.as_secs())
    }

    /// Whether no more is earned in it, so that one claim is the last.
    fn closes_soon(&self) -> bool {
        self.closes_at.is_some_and(|at| at < crate::unix_now() + pay::CLAIMABLE)
    }

    /// Whether it is the tranche of a holding: after a reorganisation another can have its number.
    fn is_of(&self, holding: &Holding) -> bool {
        let cap = Cap { prover: holding.prover, amount: holding.cap };
        (self.token, self.signer) == (holding.token, holding.signer)
            && holding.proof.verify(&cap, self.root, self.total).is_some()
    }
}

/// The chain, or the key, could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct DeskError {
    /// What was attempted, why it failed, what to do.
    pub message: String,
    /// Stable name.
    pub code: ErrorCode,
}

/// The key that earns, and the chain. Every method is bounded in time.
#[async_trait]
pub trait PayDesk: Debug + Send + Sync + 'static {
    /// Signs a digest; the same digest gives the same signature.
    fn sign(&self, digest: &B256) -> Result<Bytes, DeskError>;
    /// Whether the chain can be asked. Otherwise nothing below is.
    fn sees_chain(&self) -> bool;
    /// The revenue ledger to which a pool gives its provers' shares. Fails if the chain has another id.
    async fn ledger_of(&self, chain_id: u64, pool: Address) -> Result<Address, DeskError>;
    /// A tranche; `None` if it was never opened.
    async fn tranche(
        &self,
        ledger: &Ledger,
        operator: Address,
        index: u64,
    ) -> Result<Option<TrancheOnChain>, DeskError>;
    /// What a prover has been paid in a tranche, in the token's smallest unit.
    async fn paid(&self, ledger: &Ledger, operator: Address, index: u64, prover: Address) -> Result<u128, DeskError>;
    /// Has a voucher paid; returns the transaction's hash once it is included.
    async fn claim(&self, holding: &Holding) -> Result<B256, DeskError>;
}

/// How the owner wants to be paid.
#[derive(Clone, Debug)]
pub struct PayConfig {
    /// The key and the chain.
    pub desk: Arc<dyn PayDesk>,
    /// Works whether or not anything is set apart.
    pub unpaid: bool,
    /// No job is asked for with less than so much set apart and not earned yet, in the token's smallest unit.
    pub min_left: u128,
    /// Vouchers are claimed by itself when so much more is due, in the token's smallest unit.
    pub claim_above: Option<u128>,
}

/// One operator's pay.
#[derive(Debug)]
pub(crate) struct Till {
    pub(crate) config: PayConfig,
    pub(crate) ledger: Ledger,
    pub(crate) operator: Address,
    pub(crate) prover: Address,
    client: Client,
    book: Arc<Book>,
    signed: Arc<Signed>,
    /// What the chain was last found to say, and when.
    looked: Mutex<Option<Instant>>,
    /// The open tranches of the book that the endpoint did not know then, or knew as others: reorganised away, or it is
    /// behind. They may be there again, so that the book keeps them, but are not counted on.
    vanished: Mutex<BTreeSet<u64>>,
    /// What the jobs in hand will earn.
    promised: Mutex<BTreeMap<JobId, (Address, u128)>>,
    /// What the operator takes one ether to be worth, by token.
    rates: Mutex<BTreeMap<Address, u128>>,
    /// What was paid of each tranche when the chain was last asked.
    paid: Mutex<BTreeMap<u64, u128>>,
    /// One voucher after the other.
    turn: tokio::sync::Mutex<()>,
}

impl Till {
    pub(crate) fn new(
        config: PayConfig,
        ledger: Ledger,
        operator: Address,
        client: Client,
        (book, signed): (Arc<Book>, Arc<Signed>),
    ) -> Option<Self> {
        let prover = client.address()?;
        Some(Self {
            config,
            ledger,
            operator,
            prover,
            client,
            book,
            signed,
            looked: Mutex::default(),
            vanished: Mutex::default(),
            promised: Mutex::default(),
            rates: Mutex::default(),
            paid: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// Signs a result, for the lease under which it is returned: once it is durable that this is the one. Fails if another
    /// was signed for this lease.
    pub(crate) fn sign(&self, job: LeasedJob, output: B256) -> Result<Bytes, DeskError> {
        let error = |message: String, code| DeskError { message, code };
        match self.signed.note(&self.ledger, self.operator, job, output) {
            Ok(true) => {}
            Ok(false) => {
                let message = "another result was signed for this lease before: a second signature would cost the bond";
                return Err(error(message.into(), ErrorCode::LeaseLost));
            }
            Err(why) => return Err(error(format!("cannot note what is signed: {why}"), ErrorCode::Storage)),
        }
        let said = SignedResult { operator: self.operator, job: job.id(), output };
        self.config.desk.sign(&said.digest(&self.ledger))
    }

    /// Whether pay is looked at at all.
    pub(crate) fn is_checked(&self) -> bool {
        !self.config.unpaid
    }

    /// The operator's URL.
    pub(crate) fn url(&self) -> &str {
        self.client.url()
    }

    /// Whether a holding is this prover's with this operator.
    pub(crate) fn has(&self, holding: &Holding) -> bool {
        (holding.ledger, holding.operator, holding.prover) == (self.ledger, self.operator, self.prover)
    }

    /// What this prover has from this operator, by tranche.
    fn holdings(&self) -> Vec<Holding> {
        self.book.of(&self.ledger, self.operator, self.prover)
    }

    fn has_vanished(&self, tranche: u64) -> bool {
        locked(&self.vanished).contains(&tranche)
    }

    /// Those that something can still be earned in.
    fn open(&self) -> Vec<Holding> {
        let is_open = |held: &Holding| held.open && !self.has_vanished(held.tranche);
        self.holdings().into_iter().filter(is_open).collect()
    }

    /// What can still be earned in a token beyond what is promised for jobs in hand. One receipt is in one tranche.
    fn left(&self, token: Address) -> u128 {
        let best = self.open().iter().filter(|h| h.token == token).map(Holding::left).max();
        let promised: u128 = locked(&self.promised).values().filter(|(t, _)| *t == token).map(|(_, a)| a).sum();
        best.unwrap_or_default().saturating_sub(promised)
    }

    /// Whether enough is set apart to ask for a job: what is not known, or may have changed, is checked.
    pub(crate) async fn ready(&self) -> Result<(), Withheld> {
        if !self.is_checked() {
            return Ok(());
        }
        let enough = || {
            let tokens: Vec<Address> = self.open().iter().map(|h| h.token).collect();
            tokens.iter().any(|token| self.left(*token) >= self.config.min_left.max(1))
        };
        let is_fresh = locked(&self.looked).is_some_and(|at| at.elapsed() < FRESH);
        if is_fresh && enough() {
            return Ok(());
        }
        self.look().await?;
        if enough() {
            return Ok(());
        }
        let vanished = self.holdings().into_iter().find(|held| held.open && self.has_vanished(held.tranche));
        Err(match vanished {
            Some(Holding { tranche, .. }) => Withheld::Vanished { tranche },
            None => Withheld::NothingSetApart { min: self.config.min_left.max(1) },
        })
    }

    /// Asks the operator what is set apart, and the chain whether it is so.
    async fn look(&self) -> Result<(), Withheld> {
        let _turn = self.turn.lock().await;
        let found = self.client.earmarks(self.prover).await?;
        // Whether or not the operator still speaks of them: it may have closed one while nobody looked.
        for holding in self.holdings().into_iter().filter(|held| held.open) {
            let index = holding.tranche;
            let found = self.config.desk.tranche(&self.ledger, self.operator, index).await?;
            match found.filter(|found| found.is_of(&holding)) {
                Some(found) => {
                    locked(&self.vanished).remove(&index);
                    self.keep(Holding { open: found.open, ..holding }).await?;
                }
                None => {
                    locked(&self.vanished).insert(index);
                }
            }
        }
        let known = |index| self.holdings().iter().any(|held| held.tranche == index) && !self.has_vanished(index);
        for earmark in found.earmarks.into_iter().filter(|earmark| !known(earmark.tranche.index)) {
            self.look_at(earmark).await?;
        }
        *locked(&self.looked) = Some(Instant::now());
        Ok(())
    }

    /// Takes an earmark into the book if the chain bears it out.
    async fn look_at(&self, earmark: EarmarkView) -> Result<(), Withheld> {
        let index = earmark.tranche.index;
        let Some(found) = self.config.desk.tranche(&self.ledger, self.operator, index).await? else {
            tracing::warn!(tranche = index, "the operator names a tranche that is not on chain");
            return Ok(());
        };
        let (cap, proof) = (Cap { prover: self.prover, amount: earmark.cap }, earmark.proof());
        if proof.verify(&cap, found.root, found.total).is_none() {
            tracing::warn!(tranche = index, "the operator names a cap that is not in the tranche's tree on chain");
            return Ok(());
        }
        locked(&self.vanished).remove(&index);
        self.keep(Holding {
            ledger: self.ledger,
            url: self.client.url().to_owned(),
            operator: self.operator,
            tranche: index,
            prover: self.prover,
            token: found.token,
            signer: found.signer,
            open: found.open,
            cap: earmark.cap,
            proof,
            voucher: None,
            vouched_at: None,
            reclaimed: false,
            disputed: None,
        })
        .await
    }

    /// Durable before it counts; a disk that refuses is waited for.
    async fn keep(&self, holding: Holding) -> Result<(), Withheld> {
        let (book, kept) = (Arc::clone(&self.book), holding.clone());
        let saved = tokio::task::spawn_blocking(move || book.save(&kept)).await;
        let saved = saved.unwrap_or_else(|error| Err(io::Error::other(error)));
        saved.map_err(|error| Withheld::Disk(error.to_string()))
    }

    /// By these rates what is asked in ether is in other tokens: how much of each one ether is worth.
    pub(crate) fn price_by(&self, rates: BTreeMap<Address, u128>) {
        *locked(&self.rates) = rates;
    }

    /// Notes what a job in hand will earn. Fails if that is less than is asked (in wei, for a million work units), or not
    /// set apart.
    pub(crate) fn promise(&self, job: &ClaimedJob, ask: Option<u128>) -> Result<(), Withheld> {
        if let (Some(ask), Some(pay)) = (ask, job.pay) {
            let rate = locked(&self.rates).get(&pay.token).copied();
            let rate = rate.ok_or(Withheld::NoRate { token: pay.token })?;
            let asked = asked(ask, job.units, rate);
            if pay.amount < asked {
                return Err(Withheld::BelowAsk { token: pay.token, amount: pay.amount, asked });
            }
        }
        if !self.is_checked() {
            return Ok(());
        }
        let Some(pay) = job.pay else { return Err(Withheld::NotPromised) };
        let left = self.left(pay.token);
        if pay.amount > left {
            return Err(Withheld::TooLittle { token: pay.token, amount: pay.amount, left });
        }
        locked(&self.promised).insert(job.id, (pay.token, pay.amount));
        Ok(())
    }

    /// The job has come to its end, whatever it was.
    pub(crate) fn settle(&self, job: JobId) {
        locked(&self.promised).remove(&job);
    }

    /// What was paid of a tranche, if that is known.
    pub(crate) fn paid_of(&self, tranche: u64) -> Option<u128> {
        locked(&self.paid).get(&tranche).copied()
    }

    /// Finds out what was paid, and has what is due paid where it is worth it; `None`: only finds out.
    async fn claim_due(&self, above: Option<u128>, observer: &dyn Observer) {
        for holding in self.holdings() {
            let index = holding.tranche;
            let earned = holding.earned();
            let known = self.paid_of(index);
            if earned == 0 || known == Some(earned) || (holding.reclaimed && known.is_some()) {
                continue;
            }
            let desk = &self.config.desk;
            let due = match desk.paid(&self.ledger, self.operator, index, self.prover).await {
                Ok(paid) => {
                    locked(&self.paid).insert(index, paid);
                    earned.saturating_sub(paid)
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot ask the chain what was paid; trying again");
                    continue;
                }
            };
            if due == 0 || holding.reclaimed {
                continue;
            }
            // Nobody else may look at it: a prover that is out, or that works for whatever comes, asks for no job.
            let is_urgent = match desk.tranche(&self.ledger, self.operator, index).await {
                Ok(Some(found)) if found.reclaimed => {
                    self.forfeit(holding, due, observer).await;
                    continue;
                }
                Ok(found) => found.is_some_and(|found| found.closes_soon()),
                Err(error) => {
                    tracing::warn!(tranche = index, %error, "cannot ask the chain about a tranche; trying again");
                    continue;
                }
            };
            if !above.is_some_and(|above| due >= above || is_urgent) {
                continue;
            }
            match desk.claim(&holding).await {
                Ok(transaction) => {
                    locked(&self.paid).insert(index, earned);
                    tracing::info!(tranche = index, amount = due, token = %holding.token, %transaction, "pay was claimed");
                }
                Err(error) => tracing::warn!(tranche = index, %error, "cannot claim; trying again"),
            }
        }
    }

    /// Nothing more is to be had of a tranche: says so once, and notes it.
    async fn forfeit(&self, holding: Holding, amount: u128, observer: &dyn Observer) {
        let event =
            Event::Forfeited { operator: self.operator, tranche: holding.tranche, token: holding.token, amount };
        match self.keep(Holding { open: false, reclaimed: true, ..holding }).await {
            Ok(()) => observer.on(&event),
            Err(error) => tracing::warn!(%error, "cannot note that a tranche was taken back; trying again"),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<ClientError> for Withheld {
    fn from(error: ClientError) -> Self {
        Self::Unreachable(error)
    }
}

impl From<DeskError> for Withheld {
    fn from(error: DeskError) -> Self {
        Self::Desk(error)
    }
}

/// What was earned, and what was signed, below the agent's state directory.
pub(crate) fn open(state: &std::path::Path) -> io::Result<(Arc<Book>, Arc<Signed>)> {
    let dir = state.join("vouchers");
    disk::private_dir(&dir)?;
    disk::sweep(&dir)?;
    Ok((Arc::new(Book::open(&dir)?), Arc::new(Signed::open(&state.join("signed"))?)))
}
