//! Quotes: what an operator signs and a requester publishes, and their EIP-712 digests.
//!
//! The same types as `contracts/src/interfaces/IZKPool.sol`; `contracts/test/vectors/eip712.json` holds both to the
//! same digests.

use crate::decimal;
use alloy_primitives::{Address, B256, Bytes, Signature, SignatureError, U256};
use alloy_sol_types::{Eip712Domain, SolStruct};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// V: a quote's validity may end at most this many seconds ahead.
pub const MAX_VALIDITY: u64 = 5 * 60;
/// D: changes to signer, dedication and closing take effect after this many seconds.
pub const CHANGE_DELAY: u64 = 10 * 60;
/// The most gas that a target's call can be given.
pub const MAX_CALL_GAS: u32 = 10_000_000;

/// The EIP-712 digest of a task's quote: its id on chain, in the API and in the database.
pub type TaskId = B256;

/// What all tasks of one publication share. Amounts in the token's smallest unit, times in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Terms {
    /// Receives refunds, liability and honour, whoever pays or publishes.
    pub requester: Address,
    /// Owner of the slots that back the tasks; earns the reward.
    pub operator: Address,
    /// The requester's own contract, called on delivery.
    pub target: Address,
    /// Builds the call from data and proof; zero: template.
    pub encoder: Address,
    /// Verifier mode: accepts the statement. Zero: target mode.
    pub verifier: Address,
    /// Gas that the target's call is given.
    pub call_gas: u32,
    /// On time means at or before `published_at + proof_window`.
    pub proof_window: u32,
    /// After `published_at + liability_window` nothing can be proven.
    pub liability_window: u32,
    /// Last second at which the quote can be published (uint40).
    pub valid_until: u64,
    /// Token of the reward.
    pub reward_token: Address,
    /// Paid by the publisher, per task.
    #[serde(with = "decimal")]
    pub reward: u128,
    /// Part of the reward that the operator gets at publication.
    #[serde(with = "decimal")]
    pub advance: u128,
    /// Token of liability, bond, burn and honour.
    pub liability_token: Address,
    /// All of it the requester's when the task is never delivered.
    #[serde(with = "decimal")]
    pub liability: u128,
    /// Lost when the delivery is late.
    #[serde(with = "decimal")]
    pub bond: u128,
    /// Destroyed when the task is never delivered.
    #[serde(with = "decimal")]
    pub burn: u128,
    /// Paid when the operator signed what it cannot back.
    #[serde(with = "decimal")]
    pub honour: u128,
}

/// What differs from task to task.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Task {
    /// Index of the slot of (operator, liability token) that backs the task.
    pub slot: u32,
    /// What the verifier is asked to accept.
    pub statement: B256,
    /// [`Call::hash`].
    pub call_hash: B256,
    /// Content address of the input.
    pub input_hash: B256,
    /// Makes the quote unique.
    pub salt: B256,
}

/// A signed offer for one task, without the signature.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quote {
    /// Shared part.
    pub terms: Terms,
    /// The task's own part.
    pub task: Task,
}

/// Many tasks with the same terms under one signature.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchQuote {
    /// Shared part.
    pub terms: Terms,
    /// One per task, in the order that is signed.
    pub tasks: Vec<Task>,
}

/// A quote with the signature of the operator's signer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedQuote {
    /// The offer.
    pub quote: Quote,
    /// 65 bytes r ‖ s ‖ v over [`Quote::id`].
    pub signature: Bytes,
}

/// How the target's call is built; revealed on delivery, committed to by [`Task::call_hash`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Call {
    /// Template: what stands before the ABI-encoded `bytes proof`. Encoder: its data.
    pub prefix: Bytes,
    /// Template: what stands after it. Encoder: empty.
    #[serde(default)]
    pub suffix: Bytes,
    /// Target mode: calldata of a static call that returns `true` if the target is already satisfied.
    #[serde(default)]
    pub done_check: Bytes,
}

/// The contract that quotes are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Domain {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Address of the ZKPool contract.
    pub pool: Address,
}

mod eip712 {
    alloy_sol_types::sol! {
        struct Terms {
            address requester;
            address operator;
            address target;
            address encoder;
            address verifier;
            uint32 callGas;
            uint32 proofWindow;
            uint32 liabilityWindow;
            uint40 validUntil;
            address rewardToken;
            uint128 reward;
            uint128 advance;
            address liabilityToken;
            uint128 liability;
            uint128 bond;
            uint128 burn;
            uint128 honour;
        }
        struct Task {
            uint32 slot;
            bytes32 statement;
            bytes32 callHash;
            bytes32 inputHash;
            bytes32 salt;
        }
        struct Quote {
            Terms terms;
            Task task;
        }
        struct QuoteBatch {
            Terms terms;
            Task[] tasks;
        }
        struct Call {
            bytes prefix;
            bytes suffix;
            bytes doneCheck;
        }
    }
}

impl Domain {
    /// The EIP-712 domain: name `ZKPool`, version `1`.
    pub fn eip712(&self) -> Eip712Domain {
        Eip712Domain {
            name: Some(Cow::Borrowed("ZKPool")),
            version: Some(Cow::Borrowed("1")),
            chain_id: Some(U256::from(self.chain_id)),
            verifying_contract: Some(self.pool),
            salt: None,
        }
    }
}

/// Terms that the contract would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TermsError {
    /// A party is missing.
    #[error("{0} must not be the zero address")]
    ZeroAddress(&'static str),
    /// More advance than reward.
    #[error("the advance ({advance}) is larger than the reward ({reward})")]
    AdvanceTooLarge {
        /// Asked.
        advance: u128,
        /// Of.
        reward: u128,
    },
    /// The advance is secured by collateral of the same token.
    #[error("an advance needs reward and liability in the same token")]
    AdvanceNeedsOneToken,
    /// Windows are out of order.
    #[error("the proof window ({proof} s) must be positive and not longer than the liability window ({liability} s)")]
    Windows {
        /// Seconds.
        proof: u32,
        /// Seconds.
        liability: u32,
    },
    /// Too much gas for the call.
    #[error("the call's gas ({0}) is above the maximum of {MAX_CALL_GAS}")]
    CallGas(u32),
    /// Does not fit uint40.
    #[error("the validity ({0}) is no timestamp")]
    Validity(u64),
}

impl Terms {
    /// Refuses what the contract would revert on as `MalformedTerms`.
    pub fn check(&self) -> Result<(), TermsError> {
        for (name, address) in [("requester", self.requester), ("operator", self.operator), ("target", self.target)] {
            if address.is_zero() {
                return Err(TermsError::ZeroAddress(name));
            }
        }
        if self.advance > self.reward {
            return Err(TermsError::AdvanceTooLarge { advance: self.advance, reward: self.reward });
        }
        if self.advance > 0 && self.reward_token != self.liability_token {
            return Err(TermsError::AdvanceNeedsOneToken);
        }
        if self.proof_window == 0 || self.liability_window < self.proof_window {
            return Err(TermsError::Windows { proof: self.proof_window, liability: self.liability_window });
        }
        if self.call_gas > MAX_CALL_GAS {
            return Err(TermsError::CallGas(self.call_gas));
        }
        if self.valid_until >= 1 << 40 {
            return Err(TermsError::Validity(self.valid_until));
        }
        Ok(())
    }

    /// What an active task locks of its slot's collateral: L + B + P + A.
    pub fn lock(&self) -> U256 {
        [self.liability, self.burn, self.bond, self.advance].into_iter().map(U256::from).sum()
    }

    /// What a rescuer puts up: L + B.
    pub fn rescue_lock(&self) -> U256 {
        U256::from(self.liability) + U256::from(self.burn)
    }

    /// Last second on time, without halts.
    pub fn proof_deadline(&self, published_at: u64) -> u64 {
        published_at + u64::from(self.proof_window)
    }

    /// Last second at which the task can be proven, without halts.
    pub fn liability_deadline(&self, published_at: u64) -> u64 {
        published_at + u64::from(self.liability_window)
    }

    /// Seconds between the announcement of a rescue and its taking effect: a quarter of the span between the windows.
    pub fn rescue_grace(&self) -> u64 {
        u64::from(self.liability_window - self.proof_window) / 4
    }

    fn sol(&self) -> eip712::Terms {
        eip712::Terms {
            requester: self.requester,
            operator: self.operator,
            target: self.target,
            encoder: self.encoder,
            verifier: self.verifier,
            callGas: self.call_gas,
            proofWindow: self.proof_window,
            liabilityWindow: self.liability_window,
            validUntil: alloy_primitives::aliases::U40::wrapping_from(self.valid_until),
            rewardToken: self.reward_token,
            reward: self.reward,
            advance: self.advance,
            liabilityToken: self.liability_token,
            liability: self.liability,
            bond: self.bond,
            burn: self.burn,
            honour: self.honour,
        }
    }
}

impl Task {
    fn sol(&self) -> eip712::Task {
        eip712::Task {
            slot: self.slot,
            statement: self.statement,
            callHash: self.call_hash,
            inputHash: self.input_hash,
            salt: self.salt,
        }
    }
}

impl Quote {
    /// The task's id: the EIP-712 digest.
    pub fn id(&self, domain: &Domain) -> TaskId {
        eip712::Quote { terms: self.terms.sol(), task: self.task.sol() }.eip712_signing_hash(&domain.eip712())
    }
}

impl BatchQuote {
    /// What is signed.
    pub fn digest(&self, domain: &Domain) -> B256 {
        eip712::QuoteBatch { terms: self.terms.sol(), tasks: self.tasks.iter().map(Task::sol).collect() }
            .eip712_signing_hash(&domain.eip712())
    }

    /// The tasks as quotes of their own.
    pub fn quotes(&self) -> impl Iterator<Item = Quote> + '_ {
        self.tasks.iter().map(|task| Quote { terms: self.terms.clone(), task: task.clone() })
    }
}

impl SignedQuote {
    /// The address that signed, if the signature is one at all.
    pub fn signer(&self, domain: &Domain) -> Result<Address, SignatureError> {
        Signature::from_raw(&self.signature)?.recover_address_from_prehash(&self.quote.id(domain))
    }
}

impl Call {
    /// The EIP-712 struct hash that `Task.callHash` commits to.
    pub fn hash(&self) -> B256 {
        eip712::Call { prefix: self.prefix.clone(), suffix: self.suffix.clone(), doneCheck: self.done_check.clone() }
            .eip712_hash_struct()
    }

    /// The calldata that a template call sends: `prefix ‖ length ‖ proof, padded ‖ suffix`.
    pub fn template(&self, proof: &[u8]) -> Bytes {
        let mut data = self.prefix.to_vec();
        data.extend_from_slice(&U256::from(proof.len()).to_be_bytes::<32>());
        data.extend_from_slice(proof);
        data.resize(data.len() + (32 - proof.len() % 32) % 32, 0);
        data.extend_from_slice(&self.suffix);
        data.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn terms() -> Terms {
        Terms {
            requester: Address::repeat_byte(1),
            operator: Address::repeat_byte(2),
            target: Address::repeat_byte(3),
            encoder: Address::ZERO,
            verifier: Address::repeat_byte(4),
            call_gas: 1_000_000,
            proof_window: 60,
            liability_window: 120,
            valid_until: 1_800_000_000,
            reward_token: Address::repeat_byte(5),
            reward: u128::MAX,
            advance: 1,
            liability_token: Address::repeat_byte(5),
            liability: 10,
            bond: 3,
            burn: 2,
            honour: 1,
        }
    }

    #[test]
    fn amounts_survive_json_beyond_64_bits() {
        let text = serde_json::to_string(&terms()).unwrap();
        assert!(text.contains(&format!("\"{}\"", u128::MAX)));
        assert_eq!(serde_json::from_str::<Terms>(&text).unwrap(), terms());
    }

    #[test]
    fn every_malformed_term_is_refused() {
        assert_eq!(terms().check(), Ok(()));
        let cases: [fn(&mut Terms); 9] = [
            |t| t.requester = Address::ZERO,
            |t| t.operator = Address::ZERO,
            |t| t.target = Address::ZERO,
            |t| (t.reward, t.advance) = (1, 2),
            |t| t.liability_token = Address::ZERO,
            |t| t.proof_window = 0,
            |t| t.liability_window = 59,
            |t| t.call_gas = MAX_CALL_GAS + 1,
            |t| t.valid_until = 1 << 40,
        ];
        for (i, case) in cases.iter().enumerate() {
            let mut terms = terms();
            case(&mut terms);
            assert!(terms.check().is_err(), "case {i}");
        }
    }

    #[test]
    fn a_template_is_an_abi_call() {
        alloy_sol_types::sol! { function prove(uint256 id, bytes proof, bytes note); }
        use alloy_sol_types::SolCall;
        let proof = [7u8; 33];
        let whole = proveCall { id: U256::from(9), proof: proof.into(), note: b"note".into() }.abi_encode();
        let tail = 4 + 3 * 32 + 32 + 64;
        let call = Call {
            prefix: whole[..4 + 3 * 32].to_vec().into(),
            suffix: whole[tail..].to_vec().into(),
            done_check: Bytes::new(),
        };
        assert_eq!(call.template(&proof).as_ref(), whole);
    }
}
