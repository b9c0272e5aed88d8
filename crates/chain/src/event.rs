//! The pool's events in plain words.

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    rpc::types::Log,
    sol_types::SolEventInterface,
};
use serde::{Deserialize, Serialize};
use zkpool_bindings::IZKPool::{self, IZKPoolEvents};
use zkpool_protocol::TaskId;

/// An event where it stands in the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainEvent {
    /// What happened.
    pub event: PoolEvent,
    /// The transaction that did it.
    pub transaction: B256,
    /// Its place among the block's logs.
    pub log_index: u64,
}

/// What the pool says. Amounts in the token's smallest unit, times in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are named and documented in IZKPool.sol
#[non_exhaustive]
pub enum PoolEvent {
    /// A balance grew from outside.
    Deposited { token: Address, account: Address, amount: U256 },
    /// A balance was paid out.
    Withdrawn { token: Address, account: Address, to: Address, amount: U256 },
    /// An owner let an agent withdraw for it, or stopped it.
    AuthorizationSet { owner: Address, agent: Address, allowed: bool },
    /// All that was earmarked for an account's provers went to the revenue ledger.
    EarmarkReleased { token: Address, account: Address, amount: U256 },
    /// An operator set the key that signs for it.
    SignerSet { operator: Address, signer: Address, effective_at: u64 },
    /// An operator set what its provers get of each reward, in basis points.
    ShareSet { operator: Address, share: u32, effective_at: u64 },
    /// An operator accepts nothing from now on.
    Frozen { operator: Address },
    /// A slot was opened.
    SlotOpened {
        operator: Address,
        token: Address,
        slot: u32,
        collateral: U256,
        honour: U256,
        dedicated_to: Option<Address>,
    },
    /// A slot's collateral or honour reserve was raised by these amounts.
    SlotToppedUp { operator: Address, token: Address, slot: u32, collateral: U256, honour: U256 },
    /// A slot will serve only one requester, or everybody.
    SlotDedicated { operator: Address, token: Address, slot: u32, requester: Option<Address>, effective_at: u64 },
    /// A slot will close.
    SlotClosing { operator: Address, token: Address, slot: u32, closes_at: u64 },
    /// A closed slot was emptied.
    SlotEmptied { operator: Address, token: Address, slot: u32, amount: U256 },
    /// A quote was accepted: the task is live.
    Published { task: TaskId, operator: Address, requester: Address, slot: u32 },
    /// A quote was not backed: the requester got its reward back and `paid`.
    Dishonoured { task: TaskId, operator: Address, requester: Address, paid: U256, burned: U256 },
    /// The proof was accepted; `earmarked` of the reward was kept apart for the deliverer's provers.
    Delivered { task: TaskId, on_time: bool, target_ok: bool, earmarked: U256 },
    /// The proof was accepted but the target's call failed; the call can be replayed with this proof.
    TargetFailed { task: TaskId, proof: Bytes },
    /// An item of a batch was not accepted, for the error with this selector.
    DeliveryRejected { task: TaskId, reason: [u8; 4] },
    /// Somebody will take the task over.
    RescueAnnounced { task: TaskId, rescuer: Address, slot: u32, effective_at: u64 },
    /// The task was taken over.
    Novated { task: TaskId, rescuer: Address },
    /// Never delivered: the requester has its refund and the liability.
    Defaulted { task: TaskId, operator: Address },
    /// The verifier was asked whether it is halted; `total` is the halted time that counts so far.
    HaltObserved { task: TaskId, halted: bool, total: u64 },
    /// Ended without fault.
    Unwound { task: TaskId },
}

impl PoolEvent {
    /// The task that the event is about, if it is about one.
    pub const fn task(&self) -> Option<TaskId> {
        match self {
            Self::Published { task, .. }
            | Self::Dishonoured { task, .. }
            | Self::Delivered { task, .. }
            | Self::TargetFailed { task, .. }
            | Self::DeliveryRejected { task, .. }
            | Self::RescueAnnounced { task, .. }
            | Self::Novated { task, .. }
            | Self::Defaulted { task, .. }
            | Self::HaltObserved { task, .. }
            | Self::Unwound { task } => Some(*task),
            _ => None,
        }
    }

    /// Whether the task is settled by it.
    pub const fn is_end(&self) -> bool {
        matches!(
            self,
            Self::Dishonoured { .. } | Self::Delivered { .. } | Self::Defaulted { .. } | Self::Unwound { .. }
        )
    }

    /// Reads a log of the pool. `None`: not one of these events, or none at all.
    pub fn decode(log: &alloy::primitives::Log) -> Option<Self> {
        IZKPoolEvents::decode_log(log).ok().and_then(|log| Self::from_abi(log.data))
    }

    fn from_abi(event: IZKPoolEvents) -> Option<Self> {
        use IZKPoolEvents as E;
        Some(match event {
            E::Deposited(e) => Self::Deposited { token: e.token, account: e.account, amount: e.amount },
            E::Withdrawn(e) => Self::Withdrawn { token: e.token, account: e.account, to: e.to, amount: e.amount },
            E::AuthorizationSet(e) => Self::AuthorizationSet { owner: e.owner, agent: e.agent, allowed: e.allowed },
            E::EarmarkReleased(e) => Self::EarmarkReleased { token: e.token, account: e.account, amount: e.amount },
            E::ShareSet(e) => {
                Self::ShareSet { operator: e.operator, share: index(e.share)?, effective_at: seconds(e.effectiveAt) }
            }
            E::SignerSet(e) => {
                Self::SignerSet { operator: e.operator, signer: e.signer, effective_at: seconds(e.effectiveAt) }
            }
            E::Frozen(e) => Self::Frozen { operator: e.operator },
            E::SlotOpened(e) => Self::SlotOpened {
                operator: e.operator,
                token: e.token,
                slot: index(e.slot)?,
                collateral: e.collateral,
                honour: e.honour,
                dedicated_to: some(e.dedicatedTo),
            },
            E::SlotToppedUp(e) => Self::SlotToppedUp {
                operator: e.operator,
                token: e.token,
                slot: index(e.slot)?,
                collateral: e.collateral,
                honour: e.honour,
            },
            E::SlotDedicated(e) => Self::SlotDedicated {
                operator: e.operator,
                token: e.token,
                slot: index(e.slot)?,
                requester: some(e.requester),
                effective_at: seconds(e.effectiveAt),
            },
            E::SlotClosing(e) => Self::SlotClosing {
                operator: e.operator,
                token: e.token,
                slot: index(e.slot)?,
                closes_at: seconds(e.closesAt),
            },
            E::SlotEmptied(e) => {
                Self::SlotEmptied { operator: e.operator, token: e.token, slot: index(e.slot)?, amount: e.amount }
            }
            E::Published(e) => {
                Self::Published { task: e.task, operator: e.operator, requester: e.requester, slot: index(e.slot)? }
            }
            E::Dishonoured(e) => Self::Dishonoured {
                task: e.task,
                operator: e.operator,
                requester: e.requester,
                paid: e.paid,
                burned: e.burned,
            },
            E::Delivered(e) => {
                Self::Delivered { task: e.task, on_time: e.onTime, target_ok: e.targetOk, earmarked: e.earmarked }
            }
            E::TargetFailed(e) => Self::TargetFailed { task: e.task, proof: e.proof },
            E::DeliveryRejected(e) => Self::DeliveryRejected { task: e.task, reason: e.reason.0 },
            E::RescueAnnounced(e) => Self::RescueAnnounced {
                task: e.task,
                rescuer: e.rescuer,
                slot: index(e.slot)?,
                effective_at: seconds(e.effectiveAt),
            },
            E::Novated(e) => Self::Novated { task: e.task, rescuer: e.rescuer },
            E::Defaulted(e) => Self::Defaulted { task: e.task, operator: e.operator },
            E::HaltObserved(e) => Self::HaltObserved { task: e.task, halted: e.halted, total: seconds(e.total) },
            E::Unwound(e) => Self::Unwound { task: e.task },
        })
    }
}

impl ChainEvent {
    /// Reads a log that is part of a block. `None`: not one of the pool's events.
    pub(crate) fn from_log(log: &Log) -> Option<Self> {
        let event = PoolEvent::decode(&log.inner)?;
        Some(Self { event, transaction: log.transaction_hash?, log_index: log.log_index? })
    }
}

/// The topics that the pool emits and this crate reads.
pub(crate) fn topics() -> Vec<B256> {
    IZKPool::IZKPoolEvents::SELECTORS.iter().copied().map(B256::new).collect()
}

/// A slot's index or a share, which the contract emits as uint256 and takes as a smaller number.
fn index(word: U256) -> Option<u32> {
    u32::try_from(word).ok()
}

fn seconds(word: U256) -> u64 {
    word.saturating_to()
}

fn some(address: Address) -> Option<Address> {
    (!address.is_zero()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::sol_types::SolEvent;

    #[test]
    fn an_event_is_read_back_and_strangers_are_left_out() {
        let pool = Address::repeat_byte(9);
        let event = IZKPool::Published {
            task: B256::repeat_byte(1),
            operator: Address::repeat_byte(2),
            requester: Address::repeat_byte(3),
            slot: U256::from(4),
        };
        let log = alloy::primitives::Log { address: pool, data: event.encode_log_data() };
        assert_eq!(
            PoolEvent::decode(&log),
            Some(PoolEvent::Published {
                task: B256::repeat_byte(1),
                operator: Address::repeat_byte(2),
                requester: Address::repeat_byte(3),
                slot: 4,
            })
        );
        let stranger = alloy::primitives::Log::new_unchecked(pool, vec![B256::ZERO], Bytes::new());
        assert_eq!(PoolEvent::decode(&stranger), None);
        let cut = alloy::primitives::Log::new_unchecked(pool, log.topics()[..2].to_vec(), Bytes::new());
        assert_eq!(PoolEvent::decode(&cut), None);
    }
}
