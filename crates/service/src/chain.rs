//! The chain as the service sees it: what it reads, and the transactions of this operator's keys.
//!
//! [`LiveChain`] is the real one; tests bring their own.

use async_trait::async_trait;
use std::sync::Arc;
use tokio::sync::Mutex;
use zkpool_chain::{
    BundlePolicy, BundleView, ChainError, CommitteeView, Cursor, Follower, Head, Key, LegReceiverView, LiveTask,
    Polled, PoolView, Rpc, Sender, SenderOptions, SignerView, Simulated, Slot, TxJournal, TxRecord, TxRequest,
};
use zkpool_protocol::{Address, B256, Bytes, Domain, ErrorCode, Quote, TaskId, U256};

/// Which of the operator's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyRole {
    /// Signs quotes, proves and rescues.
    Signer,
    /// Owns the slots.
    Owner,
}

/// Members whose signatures a verifier takes for a proof. Never changes for one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committee {
    /// Strictly ascending.
    pub members: Vec<Address>,
    /// How many must sign.
    pub threshold: u32,
}

/// Reads at the head of the chain, and transactions. Every method is bounded in time.
#[async_trait]
pub trait Chain: Send + Sync {
    /// What happened since `cursor`.
    async fn poll(&self, cursor: &Cursor) -> Result<Polled, ChainError>;
    /// The newest block.
    async fn head(&self) -> Result<Head, ChainError>;

    /// A slot of `operator`.
    async fn slot(&self, operator: Address, token: Address, index: u32) -> Result<Slot, ChainError>;
    /// Who signs for `operator`.
    async fn signer_of(&self, operator: Address) -> Result<SignerView, ChainError>;
    /// The quote of a task, out of the transaction that has published it; `None` if it does not stand there.
    async fn published_quote(&self, task: TaskId, transaction: B256) -> Result<Option<Quote>, ChainError>;
    /// A live task's deadlines and rescue.
    async fn live_task(&self, quote: &Quote) -> Result<Option<LiveTask>, ChainError>;
    /// An internal balance.
    async fn balance(&self, token: Address, account: Address) -> Result<U256, ChainError>;
    /// What `owner` could pay the pool out of its wallet: the smaller of its balance and its approval.
    async fn payable(&self, token: Address, owner: Address) -> Result<U256, ChainError>;
    /// Whether there is a contract at an address.
    async fn has_code(&self, address: Address) -> Result<bool, ChainError>;
    /// Whether a verifier accepts a statement.
    async fn verifies(&self, verifier: Address, statement: B256, proof: &Bytes) -> Result<bool, ChainError>;
    /// The committee behind a verifier, if it is one.
    async fn committee(&self, verifier: Address) -> Result<Option<Committee>, ChainError>;
    /// How many bytes of the journals of the program with this image id are the question. `None`: the committee does not
    /// vouch for it.
    async fn question_bytes(&self, committee: Address, image_id: B256) -> Result<Option<u32>, ChainError>;
    /// Whether a member's signature counts now.
    async fn is_live_member(&self, committee: Address, member: Address) -> Result<bool, ChainError>;
    /// The policy of a bundle's verifier, if it is one.
    async fn bundle(&self, verifier: Address) -> Result<Option<BundlePolicy>, ChainError>;
    /// What the verifier behind a leg is asked when the bundle's statement is `output`.
    async fn leg_statement(&self, verifier: Address, leg: Address, output: B256) -> Result<B256, ChainError>;
    /// When a target takes a leg by itself, in seconds: from the first on and before the second. `None`: it takes none.
    async fn leg_window(&self, target: Address, statement: B256, leg: u32) -> Result<Option<(u64, u64)>, ChainError>;
    /// Whether a verifier says that it is halted.
    async fn is_halted(&self, verifier: Address) -> Result<bool, ChainError>;
    /// The call that an encoder builds.
    async fn encode(&self, encoder: Address, data: &Bytes, proof: &Bytes) -> Result<Bytes, ChainError>;
    /// Tries out a target's call as the pool would make it.
    async fn simulate_target(&self, target: Address, data: Bytes, call_gas: u32) -> Result<Simulated, ChainError>;
    /// Tries out a transaction of the signer's own, with so much gas.
    async fn simulate_own(&self, to: Address, data: Bytes, gas: u64) -> Result<Simulated, ChainError>;

    /// The address of a key, if the service has it.
    fn address_of(&self, key: KeyRole) -> Option<Address>;
    /// Signs a quote's digest with the signer's key. The same digest gives the same signature.
    fn sign(&self, digest: &B256) -> Result<Bytes, ChainError>;
    /// Records a transaction under its purpose; what is recorded will be carried out, once. One that has failed for good
    /// is tried again.
    async fn enqueue(&self, key: KeyRole, request: TxRequest) -> Result<TxRecord, ChainError>;
    /// What became of a transaction.
    async fn transaction(&self, purpose: &str) -> Result<Option<TxRecord>, ChainError>;
    /// Drives all recorded transactions on; returns those that changed.
    async fn drive(&self) -> Result<Vec<TxRecord>, ChainError>;
}

/// The chain behind an RPC endpoint.
#[derive(Debug)]
pub struct LiveChain {
    view: PoolView,
    follower: Mutex<Follower>,
    key: Key,
    signer: Arc<Sender>,
    owner: Option<Arc<Sender>>,
}

/// The operator's keys.
#[derive(Clone, Debug)]
pub struct OperatorKeys {
    /// Signs quotes, proves and rescues.
    pub signer: Key,
    /// Owns the slots; without it they are managed by hand.
    pub owner: Option<Key>,
}

impl LiveChain {
    /// Over `rpc`, whose domain has been checked; transactions are kept in `journal`.
    pub fn new(
        rpc: &Rpc,
        domain: Domain,
        keys: OperatorKeys,
        journal: &Arc<dyn TxJournal>,
        options: &SenderOptions,
    ) -> Self {
        let sender = |key: &Key| {
            Arc::new(Sender::new(rpc.clone(), domain.chain_id, key.clone(), journal.clone(), options.clone()))
        };
        let signer = sender(&keys.signer);
        // One key, one sender: an operator may sign with its own key.
        let owner = keys.owner.map(|owner| match owner.address() == signer.address() {
            true => signer.clone(),
            false => sender(&owner),
        });
        Self {
            view: PoolView::new(rpc.clone(), domain),
            follower: Mutex::new(Follower::new(rpc.clone(), domain.pool)),
            key: keys.signer,
            signer,
            owner,
        }
    }
}

impl LiveChain {
    fn view_of(&self, committee: Address) -> CommitteeView {
        CommitteeView::new(self.view.rpc().clone(), self.view.domain().chain_id, committee)
    }

    fn bundle_view(&self, verifier: Address) -> BundleView {
        BundleView::new(self.view.rpc().clone(), self.view.domain().chain_id, verifier)
    }
}

#[async_trait]
impl Chain for LiveChain {
    async fn poll(&self, cursor: &Cursor) -> Result<Polled, ChainError> {
        self.follower.lock().await.poll(cursor).await
    }

    async fn head(&self) -> Result<Head, ChainError> {
        self.view.rpc().head().await
    }

    async fn slot(&self, operator: Address, token: Address, index: u32) -> Result<Slot, ChainError> {
        self.view.slot(operator, token, index).await
    }

    async fn signer_of(&self, operator: Address) -> Result<SignerView, ChainError> {
        self.view.signer_of(operator).await
    }

    async fn published_quote(&self, task: TaskId, transaction: B256) -> Result<Option<Quote>, ChainError> {
        self.view.published_quote(task, transaction).await
    }

    async fn live_task(&self, quote: &Quote) -> Result<Option<LiveTask>, ChainError> {
        self.view.live_task(quote).await
    }

    async fn balance(&self, token: Address, account: Address) -> Result<U256, ChainError> {
        self.view.balance(token, account).await
    }

    async fn payable(&self, token: Address, owner: Address) -> Result<U256, ChainError> {
        let allowance = self.view.allowance(token, owner, self.view.domain().pool).await?;
        if allowance.is_zero() {
            return Ok(allowance);
        }
        Ok(allowance.min(self.view.token_balance(token, owner).await?))
    }

    async fn has_code(&self, address: Address) -> Result<bool, ChainError> {
        self.view.rpc().has_code(address).await
    }

    async fn verifies(&self, verifier: Address, statement: B256, proof: &Bytes) -> Result<bool, ChainError> {
        self.view.verifies(verifier, statement, proof).await
    }

    async fn committee(&self, verifier: Address) -> Result<Option<Committee>, ChainError> {
        match self.view_of(verifier).committee().await {
            Ok(committee) => Ok(Some(Committee { members: committee.members, threshold: committee.threshold })),
            // Another contract.
            Err(ChainError::NoContract { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn question_bytes(&self, committee: Address, image_id: B256) -> Result<Option<u32>, ChainError> {
        self.view_of(committee).question_bytes(image_id).await
    }

    async fn is_live_member(&self, committee: Address, member: Address) -> Result<bool, ChainError> {
        Ok(self.view_of(committee).member(member).await?.live)
    }

    async fn bundle(&self, verifier: Address) -> Result<Option<BundlePolicy>, ChainError> {
        match self.bundle_view(verifier).policy().await {
            Ok(policy) => Ok(Some(policy)),
            // Another contract.
            Err(ChainError::NoContract { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn leg_statement(&self, verifier: Address, leg: Address, output: B256) -> Result<B256, ChainError> {
        self.bundle_view(verifier).statement_of(leg, output).await
    }

    async fn leg_window(&self, target: Address, statement: B256, leg: u32) -> Result<Option<(u64, u64)>, ChainError> {
        LegReceiverView::new(self.view.rpc().clone(), target).window(statement, leg).await
    }

    async fn is_halted(&self, verifier: Address) -> Result<bool, ChainError> {
        self.view.is_halted(verifier).await
    }

    async fn encode(&self, encoder: Address, data: &Bytes, proof: &Bytes) -> Result<Bytes, ChainError> {
        self.view.encode(encoder, data, proof).await
    }

    async fn simulate_target(&self, target: Address, data: Bytes, call_gas: u32) -> Result<Simulated, ChainError> {
        self.view.simulate_target(target, data, call_gas).await
    }

    async fn simulate_own(&self, to: Address, data: Bytes, gas: u64) -> Result<Simulated, ChainError> {
        self.view.simulate(self.signer.address(), to, data, gas).await
    }

    fn address_of(&self, key: KeyRole) -> Option<Address> {
        match key {
            KeyRole::Signer => Some(self.signer.address()),
            KeyRole::Owner => self.owner.as_ref().map(|owner| owner.address()),
        }
    }

    fn sign(&self, digest: &B256) -> Result<Bytes, ChainError> {
        Ok(self.key.sign_digest(digest)?)
    }

    async fn enqueue(&self, key: KeyRole, request: TxRequest) -> Result<TxRecord, ChainError> {
        match (key, &self.owner) {
            (KeyRole::Signer, _) => self.signer.retry(request).await,
            (KeyRole::Owner, Some(owner)) => owner.retry(request).await,
            (KeyRole::Owner, None) => Err(ChainError::Transaction {
                purpose: request.purpose,
                reason: "the operator's own key is not configured (keys.owner)".into(),
                code: ErrorCode::Forbidden,
            }),
        }
    }

    async fn transaction(&self, purpose: &str) -> Result<Option<TxRecord>, ChainError> {
        self.signer.get(purpose).await
    }

    async fn drive(&self) -> Result<Vec<TxRecord>, ChainError> {
        let mut changed = self.signer.tick().await?;
        if let Some(owner) = &self.owner
            && !Arc::ptr_eq(owner, &self.signer)
        {
            changed.extend(owner.tick().await?);
        }
        Ok(changed)
    }
}
