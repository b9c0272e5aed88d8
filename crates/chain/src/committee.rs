//! Typed reads of a committee of verifiers, at the head of the chain.

use crate::{ChainError, Rpc};
use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256},
    sol_types::Eip712Domain,
};
use serde::{Deserialize, Serialize};
use zkpool_bindings::{CommitteeVerifier, committee_domain};

/// Reads of one committee's contract, which is one version of the committee. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CommitteeView {
    rpc: Rpc,
    chain_id: u64,
    address: Address,
}

/// What never changes about a committee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committee {
    /// Strictly ascending.
    pub members: Vec<Address>,
    /// How many must sign; more than half.
    pub threshold: u32,
    /// Of the stakes.
    pub token: Address,
    /// What each member puts up, in the token's smallest unit.
    pub stake: u128,
    /// The verifier of proofs whose word overrules a member's.
    pub arbiter: Option<Address>,
}

/// Where a member stands; the names of `CommitteeStakes.MemberState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberState {
    /// Not of this committee.
    Stranger,
    /// Has not joined, or has left and taken its stake back.
    Absent,
    /// Has put its stake up.
    Staked,
    /// Out for ever.
    Slashed,
}

/// A member of a committee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Where it stands.
    pub state: MemberState,
    /// From this second on it does not count; `None`: it has not resigned.
    pub leaves_at: Option<u64>,
    /// What it has at stake, in the token's smallest unit.
    pub stake: u128,
    /// Whether its signature counts now.
    pub live: bool,
}

/// A program that a committee vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitteeProgram {
    /// Its image id.
    pub image_id: B256,
    /// So many bytes, the first of the journal, are the question.
    pub question_bytes: u32,
}

/// `leavesAt` of a member that has not resigned.
const NEVER: u64 = (1 << 40) - 1;

impl CommitteeView {
    /// Of the committee at `address`. Does not talk to the endpoint yet.
    pub const fn new(rpc: Rpc, chain_id: u64, address: Address) -> Self {
        Self { rpc, chain_id, address }
    }

    /// The committee's contract.
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

    /// In which its members sign.
    pub fn domain(&self) -> Eip712Domain {
        committee_domain(self.chain_id, self.address)
    }

    fn contract(&self) -> CommitteeVerifier::CommitteeVerifierInstance<&alloy::providers::DynProvider> {
        CommitteeVerifier::new(self.address, self.rpc.provider())
    }

    /// What never changes about it. Fails unless a committee whose members sign in [`Self::domain`] is there.
    ///
    /// # Errors
    /// [`ChainError::WrongChain`], [`ChainError::NoContract`] also for another contract, [`ChainError::Unreachable`].
    pub async fn committee(&self) -> Result<Committee, ChainError> {
        let actual = self.rpc.chain_id().await?;
        if actual != self.chain_id {
            return Err(ChainError::WrongChain { expected: self.chain_id, actual });
        }
        let none = ChainError::NoContract { address: self.address, chain_id: self.chain_id };
        if !self.rpc.has_code(self.address).await? {
            return Err(none);
        }
        let contract = self.contract();
        let selector = match contract.SELECTOR().call().await.map_err(|e| self.failed(e)) {
            Err(error) if error.is_transient() && !matches!(error, ChainError::BadAnswer { .. }) => return Err(error),
            // Another contract reverts, or answers with something else.
            Err(_) => return Err(none),
            Ok(selector) => selector,
        };
        if selector != self.domain().separator()[..4] {
            return Err(none);
        }
        let failed = |error| self.failed(error);
        let members = contract.members().call().await.map_err(failed)?;
        let threshold = contract.THRESHOLD().call().await.map_err(failed)?;
        let token = contract.TOKEN().call().await.map_err(failed)?;
        let stake = contract.STAKE().call().await.map_err(failed)?;
        let arbiter = contract.ARBITER().call().await.map_err(failed)?;
        let threshold = u32::try_from(threshold).map_err(|_| self.nonsense("the threshold"))?;
        Ok(Committee { members, threshold, token, stake, arbiter: Some(arbiter).filter(|arbiter| !arbiter.is_zero()) })
    }

    /// Where an account stands.
    pub async fn member(&self, account: Address) -> Result<Member, ChainError> {
        let contract = self.contract();
        let member = contract.memberOf(account).call().await.map_err(|e| self.failed(e))?;
        let live = contract.isLive(account).call().await.map_err(|e| self.failed(e))?;
        let state = match member.state {
            0 => MemberState::Stranger,
            1 => MemberState::Absent,
            2 => MemberState::Staked,
            3 => MemberState::Slashed,
            _ => return Err(self.nonsense("a member's state")),
        };
        let leaves_at = Some(member.leavesAt.to::<u64>()).filter(|at| state == MemberState::Staked && *at != NEVER);
        Ok(Member { state, leaves_at, stake: member.stake, live })
    }

    /// How many bytes of the journals of the program with this image id are the question. `None`: the committee does not
    /// vouch for it.
    pub async fn question_bytes(&self, image_id: B256) -> Result<Option<u32>, ChainError> {
        let bytes = self.contract().questionBytes(image_id).call().await.map_err(|e| self.failed(e))?;
        let bytes = u32::try_from(bytes).map_err(|_| self.nonsense("a program's question"))?;
        Ok(Some(bytes).filter(|bytes| *bytes != 0))
    }

    /// The programs that it vouches for, from its events: endpoints that only search a few blocks at a time refuse.
    pub async fn programs(&self) -> Result<Vec<CommitteeProgram>, ChainError> {
        let contract = self.contract();
        let filter = contract.ProgramAdded_filter().from_block(BlockNumberOrTag::Earliest);
        let events = filter.query().await.map_err(|e| self.failed(e))?;
        let program = |event: &CommitteeVerifier::ProgramAdded| {
            let question_bytes = u32::try_from(event.questionBytes).map_err(|_| self.nonsense("a program"))?;
            Ok(CommitteeProgram { image_id: event.imageId, question_bytes })
        };
        events.iter().map(|(event, _)| program(event)).collect()
    }

    /// What an account has earned by reporting and not collected, in the token's smallest unit.
    pub async fn reward(&self, account: Address) -> Result<alloy::primitives::U256, ChainError> {
        self.contract().rewardOf(account).call().await.map_err(|e| self.failed(e))
    }

    /// Whether too few members are live.
    pub async fn halted(&self) -> Result<bool, ChainError> {
        self.contract().halted().call().await.map_err(|e| self.failed(e))
    }

    fn failed(&self, error: alloy::contract::Error) -> ChainError {
        ChainError::contract(format!("read the committee {}", self.address), error)
    }

    fn nonsense(&self, what: &str) -> ChainError {
        let reason = format!("{what} is out of range");
        ChainError::BadAnswer { what: format!("read the committee {}", self.address), reason }
    }
}
