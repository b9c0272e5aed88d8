//! Typed reads of a verifier of SGX enclaves, at the head of the chain.

use crate::{ChainError, Head, Rpc};
use alloy::{
    primitives::{Address, B256, Bytes},
    providers::Provider,
    rpc::types::Filter,
    sol_types::SolEvent,
};
use serde::{Deserialize, Serialize};
use zkpool_bindings::SgxVerifier;

/// Reads of one `SgxVerifier`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SgxView {
    rpc: Rpc,
    chain_id: u64,
    address: Address,
}

/// What holds for all of a verifier's programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enclaves {
    /// Adds programs and builds, names the registrar.
    pub owner: Address,
    /// Can revoke, remove and stop.
    pub guardian: Option<Address>,
    /// Registers instances.
    pub registrar: Option<Address>,
    /// Seconds until a build or an instance counts.
    pub delay: u64,
    /// Seconds for which an instance counts.
    pub lifetime: u64,
    /// Whether it takes enclaves that do not exist.
    pub simulated: bool,
    /// Whether it verifies nothing any more.
    pub stopped: bool,
}

/// Who signs a program's builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnclaveProgram {
    /// MRSIGNER.
    pub signer: B256,
    /// ISVPRODID.
    pub product: u16,
    /// The least ISVSVN.
    pub min_svn: u16,
}

/// Where an instance stands; the names of `SgxInstances.InstanceState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceState {
    /// Not registered, or gone so long ago that another has its seat.
    Unknown,
    /// Registered, but the delay is not over.
    Pending,
    /// Counts.
    Active,
    /// Its time is over.
    Expired,
    /// Out for ever.
    Revoked,
    /// Its build is not on the list.
    Removed,
    /// Its ISVSVN is too low by now.
    Outdated,
}

impl InstanceState {
    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Removed => "removed",
            Self::Outdated => "outdated",
        }
    }
}

/// What an instance was registered with: enough for anyone to check it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The program.
    pub program: B256,
    /// The address of the instance's key.
    pub instance: Address,
    /// The block that the quote is bound to.
    pub quoted_at: u64,
    /// The quote.
    pub quote: Bytes,
    /// What the registrar checked it with.
    pub collateral: Bytes,
    /// The block of the registration.
    pub block: u64,
    /// The transaction.
    pub transaction: B256,
}

/// The most blocks that are searched at once.
const MAX_RANGE: u64 = 10_000;

impl SgxView {
    /// Of the verifier at `address`. Does not talk to the endpoint yet.
    pub const fn new(rpc: Rpc, chain_id: u64, address: Address) -> Self {
        Self { rpc, chain_id, address }
    }

    /// The verifier's contract.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// EIP-155 id.
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The endpoint.
    pub const fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    fn contract(&self) -> SgxVerifier::SgxVerifierInstance<&alloy::providers::DynProvider> {
        SgxVerifier::new(self.address, self.rpc.provider())
    }

    /// What holds for all of its programs. Fails unless such a verifier is there.
    ///
    /// # Errors
    /// [`ChainError::WrongChain`], [`ChainError::NoContract`] also for another contract, [`ChainError::Unreachable`].
    pub async fn enclaves(&self) -> Result<Enclaves, ChainError> {
        let actual = self.rpc.chain_id().await?;
        if actual != self.chain_id {
            return Err(ChainError::WrongChain { expected: self.chain_id, actual });
        }
        let none = ChainError::NoContract { address: self.address, chain_id: self.chain_id };
        if !self.rpc.has_code(self.address).await? {
            return Err(none);
        }
        let contract = self.contract();
        let simulated = match contract.SIMULATED().call().await.map_err(|e| self.failed(e)) {
            Err(error) if error.is_transient() && !matches!(error, ChainError::BadAnswer { .. }) => return Err(error),
            // Another contract reverts, or answers with something else.
            Err(_) => return Err(none),
            Ok(simulated) => simulated,
        };
        let failed = |error| self.failed(error);
        let some = |address: Address| Some(address).filter(|address| !address.is_zero());
        let seconds = |value, what| u64::try_from(value).map_err(|_| self.nonsense(what));
        Ok(Enclaves {
            owner: contract.OWNER().call().await.map_err(failed)?,
            guardian: some(contract.GUARDIAN().call().await.map_err(failed)?),
            registrar: some(contract.registrar().call().await.map_err(failed)?),
            delay: seconds(contract.DELAY().call().await.map_err(failed)?, "the delay")?,
            lifetime: seconds(contract.LIFETIME().call().await.map_err(failed)?, "the lifetime")?,
            simulated,
            stopped: contract.stopped().call().await.map_err(failed)?,
        })
    }

    /// Who signs a program's builds; `None`: the verifier does not know it.
    pub async fn program(&self, program: B256) -> Result<Option<EnclaveProgram>, ChainError> {
        let known = self.contract().programs(program).call().await.map_err(|e| self.failed(e))?;
        let (signer, product, min_svn) = (known.mrsigner, known.isvProdId, known.minIsvSvn);
        Ok(Some(EnclaveProgram { signer, product, min_svn }).filter(|known| !known.signer.is_zero()))
    }

    /// From which second on a build counts as the program; `None`: it is not on the list.
    pub async fn build_from(&self, program: B256, mrenclave: B256) -> Result<Option<u64>, ChainError> {
        let from = self.contract().mrenclaveFrom(program, mrenclave).call().await.map_err(|e| self.failed(e))?;
        let from = u64::try_from(from).map_err(|_| self.nonsense("a build's time"))?;
        Ok(Some(from).filter(|from| *from != 0))
    }

    /// Where an instance stands with a program.
    pub async fn state(&self, program: B256, instance: Address) -> Result<InstanceState, ChainError> {
        let state = self.contract().stateOf(program, instance).call().await.map_err(|e| self.failed(e))?;
        Ok(match state {
            0 => InstanceState::Unknown,
            1 => InstanceState::Pending,
            2 => InstanceState::Active,
            3 => InstanceState::Expired,
            4 => InstanceState::Revoked,
            5 => InstanceState::Removed,
            6 => InstanceState::Outdated,
            _ => return Err(self.nonsense("an instance's state")),
        })
    }

    /// What an instance was registered for; `None`: it never was.
    pub async fn program_of(&self, instance: Address) -> Result<Option<B256>, ChainError> {
        let program = self.contract().programOf(instance).call().await.map_err(|e| self.failed(e))?;
        Ok(Some(program).filter(|program| !program.is_zero()))
    }

    /// Every registration from block `from` on, in order, and the head up to which was searched. Endpoints that give only
    /// a few blocks at a time are asked often.
    ///
    /// # Errors
    /// The endpoint cannot be used now, or does not search at all.
    pub async fn registrations(&self, from: u64) -> Result<(Head, Vec<Registration>), ChainError> {
        let head = self.rpc.head().await?;
        let (mut from, mut range, mut found) = (from, MAX_RANGE, Vec::new());
        while from <= head.number {
            let to = head.number.min(from.saturating_add(range - 1));
            match self.stretch(from, to).await {
                Ok(more) => found.extend(more),
                Err(error) if to == from || matches!(error, ChainError::Unreachable { .. }) => return Err(error),
                Err(_) => {
                    // More than one block, or it would have been given up above.
                    range = (to - from).div_ceil(2);
                    continue;
                }
            }
            from = to + 1;
        }
        Ok((head, found))
    }

    async fn stretch(&self, from: u64, to: u64) -> Result<Vec<Registration>, ChainError> {
        let what = format!("read the registrations of blocks {from} to {to}");
        let topic = SgxVerifier::QuotePublished::SIGNATURE_HASH;
        let filter = Filter::new().address(self.address).event_signature(topic).from_block(from).to_block(to);
        let logs = self.rpc.provider().get_logs(&filter).await.map_err(|e| ChainError::rpc(&what, e))?;
        let mut found = Vec::with_capacity(logs.len());
        for log in logs {
            let place = (|| Some((log.block_number?, log.transaction_hash?, log.log_index?)))();
            let event = SgxVerifier::QuotePublished::decode_log(&log.inner);
            let (Some((block, transaction, index)), Ok(event)) = (place.filter(|_| !log.removed), event) else {
                return Err(ChainError::BadAnswer { what, reason: "a log is not of this verifier".into() });
            };
            let SgxVerifier::QuotePublished { program, instance, blockNumber: quoted_at, quote, collateral } =
                event.data;
            found.push((
                block,
                index,
                Registration { program, instance, quoted_at, quote, collateral, block, transaction },
            ));
        }
        found.sort_by_key(|(block, index, _)| (*block, *index));
        Ok(found.into_iter().map(|(_, _, registration)| registration).collect())
    }

    fn failed(&self, error: alloy::contract::Error) -> ChainError {
        ChainError::contract(format!("read the enclaves' verifier {}", self.address), error)
    }

    fn nonsense(&self, what: &str) -> ChainError {
        let reason = format!("{what} is out of range");
        ChainError::BadAnswer { what: format!("read the enclaves' verifier {}", self.address), reason }
    }
}
