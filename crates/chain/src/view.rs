//! Typed reads of the pool, of tokens and targets, at the head of the chain.

use crate::{ChainError, Rpc};
use alloy::{
    eips::BlockId,
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, FixedBytes, U256},
    providers::{DynProvider, Provider},
    rpc::types::TransactionRequest,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use zkpool_bindings::{ICallEncoder, IERC20, IProofVerifier, IZKPool, Revert};
use zkpool_protocol::{Domain, Quote, SignedQuote, TaskId};

/// Reads of one pool contract. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PoolView {
    rpc: Rpc,
    domain: Domain,
}

/// What a slot is doing; the names of `IZKPool.SlotState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotState {
    /// Holds no task.
    Idle,
    /// Holds the task that its own operator was quoted for.
    Active,
    /// Has announced a rescue that is not in effect yet.
    Reserved,
    /// Holds a task taken over from another slot.
    Rescuing,
}

/// A slot as the contract shows it. Times in seconds since 1970, amounts in the token's smallest unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The first 25 bytes of the current or last accepted quote's id: all that the contract keeps. See [`Slot::is_of`].
    pub digest: FixedBytes<25>,
    /// What it is doing.
    pub state: SlotState,
    /// When its task was published.
    pub published_at: u64,
    /// Last second at which it cannot accept another quote.
    pub busy_until: u64,
    /// From this second on nothing is accepted; `None`: open for good. Zero: never opened.
    pub closes_at: Option<u64>,
    /// All of it, locked or not.
    pub collateral: u128,
    /// Apart from the collateral.
    pub honour_reserve: u128,
    /// The only requester served.
    pub dedicated_to: Option<Address>,
    /// Who will be, and from when, if a change is pending.
    pub next_dedication: Option<(Option<Address>, u64)>,
}

impl Slot {
    /// Whether its current or last accepted quote is this task.
    pub fn is_of(&self, task: TaskId) -> bool {
        task.starts_with(self.digest.as_slice())
    }
}

/// Who signs for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignerView {
    /// Now. `None`: never set.
    pub signer: Option<Address>,
    /// From when on somebody else, if a change is pending.
    pub next: Option<(Address, u64)>,
    /// Nothing is accepted.
    pub frozen: bool,
}

/// A task that is live in a slot. Times in seconds since 1970, halts included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveTask {
    /// Last second on time.
    pub proof_deadline: u64,
    /// Last second at which it can be proven.
    pub liability_deadline: u64,
    /// The rescue, if one was announced.
    pub rescue: Option<Rescue>,
}

/// A rescue that was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rescue {
    /// The operator that takes over.
    pub rescuer: Address,
    /// Its slot.
    pub slot: u32,
    /// When it takes, or took, effect.
    pub at: u64,
    /// Whether the rescuer's slot holds the task already.
    pub novated: bool,
}

/// A token's own description. Foreign text: bounded, never to be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    /// The contract.
    pub address: Address,
    /// At most 32 characters; the address in short if it tells none.
    pub symbol: String,
    /// Zero if it tells none.
    pub decimals: u8,
}

/// What a call did when it was tried out at the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Simulated {
    /// It succeeded, with this result.
    Ok(Bytes),
    /// It reverted.
    Reverted(Revert),
}

type Pool = IZKPool::IZKPoolInstance<DynProvider>;

impl PoolView {
    /// Reads of `domain`'s contract through `rpc`. Does not check the domain: see [`Rpc::check`].
    pub const fn new(rpc: Rpc, domain: Domain) -> Self {
        Self { rpc, domain }
    }

    /// The contract that is read.
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The endpoint.
    pub const fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    fn pool(&self) -> Pool {
        IZKPool::new(self.domain.pool, self.rpc.provider().clone())
    }

    /// `account`'s internal balance.
    pub async fn balance(&self, token: Address, account: Address) -> Result<U256, ChainError> {
        let what = format!("read the pool balance of {account}");
        self.pool().balanceOf(token, account).call().await.map_err(|e| ChainError::contract(what, e))
    }

    /// A slot; never opened ones are all zeros.
    pub async fn slot(&self, operator: Address, token: Address, index: u32) -> Result<Slot, ChainError> {
        let what = format!("read slot {index} of {operator}");
        let slot =
            self.pool().slotOf(operator, token, index).call().await.map_err(|e| ChainError::contract(&what, e))?;
        let state = match slot.state {
            0 => SlotState::Idle,
            1 => SlotState::Active,
            2 => SlotState::Reserved,
            3 => SlotState::Rescuing,
            other => return Err(ChainError::BadAnswer { what, reason: format!("unknown slot state {other}") }),
        };
        let closes_at: u64 = slot.closesAt.to();
        let changes_at: u64 = slot.dedicationChangesAt.to();
        Ok(Slot {
            digest: slot.digest,
            state,
            published_at: slot.publishedAt.to(),
            busy_until: slot.busyUntil.to(),
            closes_at: (closes_at != (1 << 40) - 1).then_some(closes_at),
            collateral: slot.collateral,
            honour_reserve: slot.honourReserve,
            dedicated_to: some(slot.dedicatedTo),
            next_dedication: (changes_at != 0).then(|| (some(slot.nextDedicatedTo), changes_at)),
        })
    }

    /// Whether the quote could be published now and until its validity ends.
    pub async fn is_backed(&self, quote: &SignedQuote) -> Result<bool, ChainError> {
        let call = self.pool();
        let call = call.isBacked((&quote.quote).into(), quote.signature.clone());
        match call.call().await.map_err(|e| ChainError::contract("ask whether the quote is backed", e)) {
            // A signature that is none can revert.
            Err(ChainError::Reverted { .. }) => Ok(false),
            other => other,
        }
    }

    /// Who signs for `operator`.
    pub async fn signer_of(&self, operator: Address) -> Result<SignerView, ChainError> {
        let what = format!("read the signer of {operator}");
        let found = self.pool().signerOf(operator).call().await.map_err(|e| ChainError::contract(what, e))?;
        let changes_at: u64 = found.changesAt.saturating_to();
        Ok(SignerView {
            signer: some(found.signer),
            next: (changes_at != 0).then_some((found.next, changes_at)),
            frozen: found.frozen,
        })
    }

    /// A live task's deadlines and rescue; `None` if no slot holds it now.
    pub async fn live_task(&self, quote: &Quote) -> Result<Option<LiveTask>, ChainError> {
        let result = self.pool().liveTask(quote.into()).call().await;
        match result.map_err(|e| ChainError::contract("read the task", e)) {
            Ok(task) => Ok(Some(LiveTask {
                proof_deadline: task.proofDeadline.saturating_to(),
                liability_deadline: task.liabilityDeadline.saturating_to(),
                rescue: some(task.rescuer).map(|rescuer| Rescue {
                    rescuer,
                    slot: task.rescuerSlot,
                    at: task.rescueAt.saturating_to(),
                    novated: task.novated,
                }),
            })),
            Err(ChainError::Reverted { revert, .. }) if revert.is("NotInSlot") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A token's own description; what it does not tell is made up as [`TokenInfo`] says.
    pub async fn token(&self, token: Address) -> Result<TokenInfo, ChainError> {
        let contract = IERC20::new(token, self.rpc.provider().clone());
        let symbol =
            told(contract.symbol().call().await.map_err(|e| ChainError::contract("read a token's symbol", e)))?;
        let decimals =
            told(contract.decimals().call().await.map_err(|e| ChainError::contract("read a token's decimals", e)))?;
        let symbol: String = symbol.unwrap_or_default().chars().filter(|c| c.is_ascii_graphic()).take(32).collect();
        let symbol = if symbol.is_empty() { token.to_string()[..8].to_owned() } else { symbol };
        Ok(TokenInfo { address: token, symbol, decimals: decimals.unwrap_or_default() })
    }

    /// What `owner` holds of a token in its own wallet.
    pub async fn token_balance(&self, token: Address, owner: Address) -> Result<U256, ChainError> {
        let what = format!("read the token balance of {owner}");
        let contract = IERC20::new(token, self.rpc.provider().clone());
        contract.balanceOf(owner).call().await.map_err(|e| ChainError::contract(what, e))
    }

    /// What `spender` may take of `owner`'s tokens.
    pub async fn allowance(&self, token: Address, owner: Address, spender: Address) -> Result<U256, ChainError> {
        let what = format!("read the allowance of {spender}");
        let contract = IERC20::new(token, self.rpc.provider().clone());
        contract.allowance(owner, spender).call().await.map_err(|e| ChainError::contract(what, e))
    }

    /// The contract that calls targets.
    pub async fn target_caller(&self) -> Result<Address, ChainError> {
        let what = "read the target caller";
        self.pool().TARGET_CALLER().call().await.map_err(|e| ChainError::contract(what, e))
    }

    /// Whether a verifier accepts a statement. `false` covers a verifier that reverts.
    pub async fn verifies(&self, verifier: Address, statement: B256, proof: &Bytes) -> Result<bool, ChainError> {
        let contract = IProofVerifier::new(verifier, self.rpc.provider().clone());
        let result = contract.verify(statement, proof.clone()).call().await;
        match result.map_err(|e| ChainError::contract("ask the verifier", e)) {
            Err(ChainError::Reverted { .. }) => Ok(false),
            other => other,
        }
    }

    /// Whether a verifier says that it is halted. One that fails to answer is not.
    pub async fn is_halted(&self, verifier: Address) -> Result<bool, ChainError> {
        let contract = IProofVerifier::new(verifier, self.rpc.provider().clone());
        let result = contract.halted().call().await;
        Ok(told(result.map_err(|e| ChainError::contract("ask whether the verifier is halted", e)))?.unwrap_or(false))
    }

    /// The call that an encoder builds.
    pub async fn encode(&self, encoder: Address, data: &Bytes, proof: &Bytes) -> Result<Bytes, ChainError> {
        let contract = ICallEncoder::new(encoder, self.rpc.provider().clone());
        let result = contract.encode(data.clone(), proof.clone()).call().await;
        result.map_err(|e| ChainError::contract("have the encoder build the call", e))
    }

    /// Tries out a call at the head, with at most `gas`.
    pub async fn simulate(&self, from: Address, to: Address, data: Bytes, gas: u64) -> Result<Simulated, ChainError> {
        let request = TransactionRequest::default().with_from(from).with_to(to).with_input(data).with_gas_limit(gas);
        let result = self.rpc.provider().call(request).block(BlockId::latest()).await;
        match result.map_err(|e| ChainError::rpc(format!("try out a call of {to}"), e)) {
            Ok(output) => Ok(Simulated::Ok(output)),
            Err(ChainError::Reverted { revert, .. }) => Ok(Simulated::Reverted(revert)),
            Err(error) => Err(error),
        }
    }

    /// Tries out the call of a target as the pool would make it: from its target caller, with `call_gas`.
    pub async fn simulate_target(&self, target: Address, data: Bytes, call_gas: u32) -> Result<Simulated, ChainError> {
        let caller = self.target_caller().await?;
        self.simulate(caller, target, data, call_gas.into()).await
    }

    /// Polls every `interval` until `condition` yields something; gives up after `bound`.
    ///
    /// Faults of the endpoint that may pass do not end the wait.
    ///
    /// # Errors
    /// [`ChainError::TimedOut`] naming `what`, or the condition's own lasting error.
    pub async fn wait_for<T, F>(
        what: &str,
        bound: Duration,
        interval: Duration,
        mut condition: F,
    ) -> Result<T, ChainError>
    where
        F: AsyncFnMut() -> Result<Option<T>, ChainError>,
    {
        let end = tokio::time::Instant::now() + bound;
        loop {
            match condition().await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(error) if error.is_transient() => tracing::debug!(%error, what, "still waiting"),
                Err(error) => return Err(error),
            }
            if tokio::time::Instant::now() + interval > end {
                return Err(ChainError::TimedOut { what: what.into(), after: bound });
            }
            tokio::time::sleep(interval).await;
        }
    }
}

/// A contract that does not answer the question is no fault; an endpoint that does not answer is one.
fn told<T>(result: Result<T, ChainError>) -> Result<Option<T>, ChainError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(ChainError::Reverted { .. } | ChainError::BadAnswer { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn some(address: Address) -> Option<Address> {
    (!address.is_zero()).then_some(address)
}
