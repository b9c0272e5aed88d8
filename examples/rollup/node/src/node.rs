//! Transfers in, batches out: what the node does between its users and the chain.

use crate::{
    bundle::{self, Files, Programs, Terms},
    contract::{Contract, Proposed},
    error::NodeError,
    follow::pause,
    policy::Policy,
    view::{AccountView, BatchView, NodeView, Stage},
};
use alloy::primitives::B256;
use sha2::{Digest, Sha256};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use zkpool_chain::{TokenInfo, TxRequest};
use zkpool_requester::Requester;
use zkpool_rollup::{
    Batch, DeployedSequencer, State, Wallet,
    core::{Account, DEPTH, TRANSFERS, Transfer},
};

/// Batches that are shown; the oldest that has ended makes room.
const SHOWN: usize = 64;
/// Batches that the contract has in hand at most (`Rollup.MAX_PENDING`).
const MAX_PENDING: usize = 32;
/// Longest that the transaction that proposes is waited for, before it is looked at again.
const PROPOSE_BOUND: Duration = Duration::from_secs(120);

/// The node. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) requester: Requester,
    pub(crate) contract: Contract,
    pub(crate) policy: Policy,
    pub(crate) programs: Programs,
    pub(crate) terms: Terms,
    pub(crate) token: TokenInfo,
    pub(crate) view: watch::Sender<NodeView>,
    /// A batch that is not full is made when its oldest transfer has waited for so long.
    patience: Duration,
    /// Owners of the accounts, by place, if they are this node's to show what a rollup does.
    wallets: Option<Vec<Wallet>>,
    sequencer: Mutex<Waiting>,
    /// Told of every transfer.
    came: Notify,
}

/// The sequencer, and since when its oldest transfer waits.
struct Waiting {
    sequencer: DeployedSequencer,
    since: Option<Instant>,
}

/// What a node needs.
pub struct Setup {
    /// Pays for proofs; its key is the sequencer's.
    pub requester: Requester,
    /// The rollup's contract.
    pub contract: Contract,
    /// The accounts at the beginning.
    pub genesis: Vec<Account>,
    /// The programs' files.
    pub files: Files,
    /// What it buys on.
    pub terms: Terms,
    /// How long a transfer waits for others before its batch is made.
    pub patience: Duration,
    /// Owners of the accounts, by place, for a demonstration.
    pub wallets: Option<Vec<Wallet>>,
}

impl Node {
    /// Reads the contract, checks that it is for this state, key and build, and applies again every batch that stands in it:
    /// transfers are published with their batches, so the chain is all that the state is made from. What is not proven yet
    /// is gone on with.
    ///
    /// # Errors
    /// [`NodeError::Contract`] if something does not fit.
    pub async fn open(setup: Setup) -> Result<Self, NodeError> {
        let Setup { requester, contract, genesis, files, terms, patience, wallets } = setup;
        let fixed = contract.fixed().await?;
        let domain =
            zkpool_rollup::Domain { chain_id: requester.domain().chain_id, rollup: contract.address().into_array() };
        let mut sequencer = DeployedSequencer::new(domain, &genesis, 0)?;
        let checks = [
            (fixed.sequencer == requester.address(), format!("its sequencer is {}, not this key", fixed.sequencer)),
            (
                fixed.genesis_root == B256::from(sequencer.state().root()),
                format!("it began with root {}, not with these accounts", fixed.genesis_root),
            ),
            (
                fixed.transfers_length == TRANSFERS * Transfer::LENGTH,
                format!("its batches are of {} bytes", fixed.transfers_length),
            ),
        ];
        if let Some((_, reason)) = checks.into_iter().find(|(good, _)| !good) {
            return Err(contract.fault(reason));
        }
        let policy = Policy::read(contract.rpc(), fixed.verifier).await?;
        let programs = Programs::of(&policy, &files)?;
        let token = requester.view().token(terms.token).await?;
        let mut done = Vec::new();
        for proposed in contract.history().await? {
            done.push((again(&mut sequencer, &contract, &proposed)?, proposed));
        }
        let (root, finalised) = contract.root().await?;
        let view = NodeView {
            chain_id: domain.chain_id,
            rollup: contract.address(),
            policy: policy.clone(),
            root,
            finalised,
            waiting: 0,
            batch_size: TRANSFERS,
            accounts: AccountView::of(sequencer.pending().accounts()),
            batches: vec![],
            demonstration: wallets.is_some(),
            error: None,
        };
        let inner = Inner {
            requester,
            contract,
            policy,
            programs,
            terms,
            token,
            view: watch::Sender::new(view),
            patience,
            wallets,
            sequencer: Mutex::new(Waiting { sequencer, since: None }),
            came: Notify::new(),
        };
        let node = Self { inner: Arc::new(inner) };
        for (batch, proposed) in done {
            node.resume(batch, &proposed, finalised).await?;
        }
        Ok(node)
    }

    async fn resume(&self, batch: Batch, proposed: &Proposed, finalised: u32) -> Result<(), NodeError> {
        let stage = match self.inner.contract.standing(proposed.batch).await?.proven {
            true if proposed.batch < finalised => Stage::Final,
            true => Stage::Proven,
            false => Stage::Asking,
        };
        let mut view = BatchView::new(&batch, proposed.statement, stage);
        view.proposed = Some(proposed.transaction);
        self.show(view);
        if stage == Stage::Asking {
            tracing::info!(batch = proposed.batch, "goes on");
            let node = self.clone();
            tokio::spawn(async move { node.see_through(&batch).await });
        }
        Ok(())
    }

    /// Takes a signed transfer, if it is valid after all that wait. Returns how many wait now.
    ///
    /// # Errors
    /// [`NodeError::Refused`].
    pub fn submit(&self, transfer: Transfer) -> Result<usize, NodeError> {
        let waiting = {
            let mut waiting = self.sequencer();
            waiting.sequencer.submit(transfer)?;
            waiting.since.get_or_insert_with(Instant::now);
            self.show_state(&waiting.sequencer);
            waiting.sequencer.waiting()
        };
        self.inner.came.notify_one();
        Ok(waiting)
    }

    /// Signs a transfer as the owner of a demonstration account, and takes it.
    ///
    /// # Errors
    /// [`NodeError::NotOurs`], [`NodeError::Refused`].
    pub fn submit_for(&self, from: u32, to: u32, amount: u64) -> Result<usize, NodeError> {
        let wallet = self.inner.wallets.as_ref().and_then(|wallets| wallets.get(from as usize));
        let wallet = wallet.ok_or(NodeError::NotOurs(from))?;
        let (domain, nonce) = {
            let waiting = self.sequencer();
            let account = waiting.sequencer.pending().account(from).ok_or(NodeError::NotOurs(from))?;
            (waiting.sequencer.domain(), account.nonce)
        };
        self.submit(wallet.transfer(&domain, from, to, amount, nonce))
    }

    /// Everything, now and whenever it changes.
    pub fn watch(&self) -> watch::Receiver<NodeView> {
        self.inner.view.subscribe()
    }

    /// Makes batches and proposes them, one after the other; their proofs are bought side by side. Returns only with an
    /// error that no waiting mends.
    ///
    /// # Errors
    /// [`NodeError::Contract`] if the contract has another batch than this node: start it again, and it reads the chain anew.
    pub async fn run(&self) -> Result<(), NodeError> {
        loop {
            self.full_or_old().await;
            // The contract takes no more before some are final.
            while self.inner.view.borrow().batches.iter().filter(|batch| !batch.ended).count() >= MAX_PENDING {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let batch = {
                let mut waiting = self.sequencer();
                let batch = waiting.sequencer.next_batch();
                waiting.since = (waiting.sequencer.waiting() > 0).then(Instant::now);
                self.show_state(&waiting.sequencer);
                batch
            };
            let Some(batch) = batch else { continue };
            self.propose(&batch).await?;
            let node = self.clone();
            tokio::spawn(async move { node.see_through(&batch).await });
        }
    }

    /// Waits until there is a batch to be made.
    async fn full_or_old(&self) {
        loop {
            let until = {
                let waiting = self.sequencer();
                if waiting.sequencer.waiting() >= TRANSFERS {
                    return;
                }
                waiting.since.map(|since| since + self.inner.patience)
            };
            match until {
                None => self.inner.came.notified().await,
                Some(until) if until <= Instant::now() => return,
                Some(until) => {
                    tokio::select! { () = self.inner.came.notified() => (), () = tokio::time::sleep_until(until) => () }
                }
            }
        }
    }

    /// Has the contract take a batch. An endpoint that is away is waited for.
    async fn propose(&self, batch: &Batch) -> Result<(), NodeError> {
        let (inner, number) = (&self.inner, batch.journal.context.batch);
        let statement = bundle::statement(batch);
        self.show(BatchView::new(batch, statement, Stage::Proposing));
        // The same batch is the same transaction, also after a crash.
        let data = inner.contract.proposing(batch.post_root().into(), &batch.records);
        let request = TxRequest::call(format!("propose:{number}:{statement}"), inner.contract.address(), data);
        let mut failures = 0;
        let proposed = loop {
            let sent = async {
                let transaction = inner.requester.send(request.clone(), PROPOSE_BOUND).await?;
                inner.contract.proposed(transaction).await
            };
            match sent.await {
                Ok(proposed) => break proposed,
                Err(error) if error.may_pass() => {
                    tracing::warn!(batch = number, %error, "cannot be proposed now");
                    self.batch(number, |view| view.error = Some(format!("{error}; tried again soon")));
                    failures += 1;
                    tokio::time::sleep(pause(failures)).await;
                }
                Err(error) => return Err(error),
            }
        };
        if (proposed.batch, proposed.statement) != (number, statement) {
            let reason = format!("it has another batch {}: start the node again", proposed.batch);
            return Err(inner.contract.fault(reason));
        }
        tracing::info!(batch = number, %statement, transfers = batch.transfers.len(), "proposed");
        self.batch(number, |view| {
            view.stage = Stage::Asking;
            view.proposed = Some(proposed.transaction);
            view.error = None;
        });
        Ok(())
    }

    /// Changes what is shown of a batch.
    pub(crate) fn batch(&self, number: u32, change: impl FnOnce(&mut BatchView)) {
        self.inner.view.send_modify(|view| {
            if let Some(batch) = view.batches.iter_mut().find(|batch| batch.batch == number) {
                change(batch);
            }
        });
    }

    fn show(&self, batch: BatchView) {
        self.inner.view.send_modify(|view| {
            if view.batches.len() >= SHOWN
                && let Some(oldest) = view.batches.iter().position(|batch| batch.ended)
            {
                view.batches.remove(oldest);
            }
            view.batches.push(batch);
        });
    }

    fn show_state(&self, sequencer: &DeployedSequencer) {
        self.inner.view.send_modify(|view| {
            view.waiting = sequencer.waiting();
            view.accounts = AccountView::of(sequencer.pending().accounts());
        });
    }

    /// What is locked is never left half-changed, so a panic elsewhere does not matter.
    fn sequencer(&self) -> MutexGuard<'_, Waiting> {
        self.inner.sequencer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The owners of a demonstration's accounts, by place: the SHA-256 of secret and place is each one's seed.
pub fn demonstration(secret: &[u8; 32]) -> Vec<Wallet> {
    let places = 0..State::<DEPTH>::ACCOUNTS as u32;
    let seed = |place: u32| Sha256::new_with_prefix(secret).chain_update(place.to_be_bytes()).finalize().into();
    places.map(|place| Wallet::from_seed(&seed(place))).collect()
}

/// Applies a batch that stands in the contract.
fn again(sequencer: &mut DeployedSequencer, contract: &Contract, proposed: &Proposed) -> Result<Batch, NodeError> {
    let fault = |why: String| contract.fault(format!("batch {} is none of this node's: {why}", proposed.batch));
    let (records, _) = proposed.transfers.as_chunks::<{ Transfer::LENGTH }>();
    for record in records.iter().filter(|record| **record != Transfer::PADDING) {
        sequencer.submit(Transfer::decode(record)).map_err(|error| fault(error.to_string()))?;
    }
    let batch = sequencer.next_batch().ok_or_else(|| fault("it has no transfers".into()))?;
    match bundle::statement(&batch) == proposed.statement {
        true => Ok(batch),
        false => Err(fault("it leads elsewhere".into())),
    }
}
