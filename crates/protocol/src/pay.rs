//! What provers are paid with: results that they sign, receipts that their operator gives for them, and vouchers that the
//! revenue ledger pays.
//!
//! The same types as `contracts/src/interfaces/IRevenueLedger.sol`. Anyone can recompute all of it: a job's amount follows
//! from its task ([`TaskPay`]), a receipt's hash is the head of the chain after it, and a voucher says how long that chain is
//! and what its receipts come to.

mod tree;

pub use tree::{Cap, CapProof, CapTree, CapTreeError, SumNode};

use crate::{TaskId, WorkUnits, decimal};
use alloy_primitives::{Address, B256, Bytes, Signature, SignatureError, U256, keccak256};
use alloy_sol_types::{Eip712Domain, SolStruct, SolValue};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// All of a reward, in basis points.
pub const ALL_BPS: u16 = 10_000;
/// Receipts are given out of a tranche that is to be closed as long as it can be claimed from for so many seconds more.
pub const CLAIMABLE: u64 = 7 * 24 * 3_600;
/// One ether, in wei.
pub const ETHER: u128 = 1_000_000_000_000_000_000;
/// Shares are multiples of this many basis points (`SHARE_STEP`).
pub const SHARE_STEP: u16 = 50;

/// The revenue ledger that results, receipts and vouchers are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ledger {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Address of the RevenueLedger contract.
    pub address: Address,
}

/// One lease of one job: what a prover answers for with its signature, and its bond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeasedJob {
    /// The task: the digest of its quote, or a leg's name ([`crate::bundle::leg_id`]).
    pub task: TaskId,
    /// The job's index in the task's graph.
    pub index: u32,
    /// The lease's fencing token.
    pub fence: u64,
}

/// What a prover signs with every result. Two with different outputs for one job cost it its bond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignedResult {
    /// For whom it works.
    pub operator: Address,
    /// [`LeasedJob::id`].
    pub job: B256,
    /// SHA-256 of the result.
    pub output: B256,
}

/// What an operator says of one accepted result. Its hash is the head of the prover's chain after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The task: the digest of its quote, or a leg's name ([`crate::bundle::leg_id`]).
    pub task: TaskId,
    /// The job's index in the task's graph.
    pub index: u32,
    /// The token of the lease under which it was returned.
    pub fence: u64,
    /// Who is paid.
    pub prover: Address,
    /// SHA-256 of the result.
    pub output: B256,
    /// How large the job was.
    pub units: u64,
    /// What it earns, in the smallest unit of the tranche's token.
    #[serde(with = "decimal")]
    pub amount: u128,
    /// The head before it; zero for the first of a tranche.
    pub previous: B256,
}

/// What the ledger pays a prover out of a tranche: all that it has earned there so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voucher {
    /// Whose tranche.
    pub operator: Address,
    /// Its index among the operator's.
    pub tranche: u64,
    /// Who is paid.
    pub prover: Address,
    /// The sum of the receipts' amounts, in the smallest unit of the tranche's token.
    #[serde(with = "decimal")]
    pub amount: u128,
    /// How many receipts.
    pub count: u64,
    /// The last one's hash; zero if there is none.
    pub head: B256,
}

/// A voucher with the signature of the tranche's signer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedVoucher {
    /// What is owed.
    pub voucher: Voucher,
    /// 65 bytes r ‖ s ‖ v over [`Voucher::digest`].
    pub signature: Bytes,
}

/// From what a task's jobs are paid. Fixed before the first of them is given out.
///
/// A job's provers get `share * reward * units / total units`, rounded down ([`TaskPay::amount`]), where the total is what
/// the task was *quoted* for. So a job's pay is known before it is worked on, also where the graph still grows, and depends
/// on nothing that happens later:
///
/// - Every accepted result is paid so, also if the task is never delivered, if its graph is begun anew, or if it is one of
///   several tries of a bundle's leg: the operator has promised the job, not the task. What that comes to beyond what the
///   chain keeps apart of the reward is the operator's to deposit.
/// - A bundle's legs share their bundle's reward, each by its part of the bundle's units.
/// - Of several copies of a job the first accepted result is paid. The reward of a task whose jobs are raced for holds the
///   work of all that race, and the winner gets all of it.
/// - Where provers compete this is the most that a job pays: it pays what came of their bids ([`crate::Strategy::Compete`]).
/// - A prover is never owed more than its cap in the tranche: the amount is cut to what is left of it ([`TaskPay::owed`]).
/// - What a graph stays below the quoted units, and what rounding leaves, stays in the operator's fund for its provers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskPay {
    /// The token of the reward.
    pub token: Address,
    /// The task's reward, of a leg its bundle's; in the token's smallest unit.
    #[serde(with = "decimal")]
    pub reward: u128,
    /// The provers' part of it when the task was published, in basis points.
    pub share: u16,
    /// All work that the task was quoted for.
    pub units: WorkUnits,
}

mod eip712 {
    alloy_sol_types::sol! {
        struct Result {
            address operator;
            bytes32 job;
            bytes32 output;
        }
        struct Receipt {
            bytes32 task;
            uint32 index;
            uint64 fence;
            address prover;
            bytes32 output;
            uint64 units;
            uint128 amount;
            bytes32 previous;
        }
        struct Voucher {
            address operator;
            uint256 tranche;
            address prover;
            uint128 amount;
            uint64 count;
            bytes32 head;
        }
    }
}

impl Ledger {
    /// The EIP-712 domain: name `ZKPool RevenueLedger`, version `1`.
    pub fn eip712(&self) -> Eip712Domain {
        Eip712Domain {
            name: Some(Cow::Borrowed("ZKPool RevenueLedger")),
            version: Some(Cow::Borrowed("1")),
            chain_id: Some(U256::from(self.chain_id)),
            verifying_contract: Some(self.address),
            salt: None,
        }
    }
}

impl LeasedJob {
    /// The job's name on chain: `keccak256(abi.encode(task, index, fence))`.
    pub fn id(&self) -> B256 {
        keccak256((self.task, self.index, self.fence).abi_encode())
    }
}

impl SignedResult {
    /// What the prover signs.
    pub fn digest(&self, ledger: &Ledger) -> B256 {
        eip712::Result { operator: self.operator, job: self.job, output: self.output }
            .eip712_signing_hash(&ledger.eip712())
    }

    /// The address that signed, if the signature is one that the ledger takes.
    pub fn signer(&self, ledger: &Ledger, signature: &[u8]) -> Result<Address, SignatureError> {
        recover(&self.digest(ledger), signature)
    }
}

impl Receipt {
    /// The EIP-712 struct hash: the head after it.
    pub fn hash(&self) -> B256 {
        eip712::Receipt {
            task: self.task,
            index: self.index,
            fence: self.fence,
            prover: self.prover,
            output: self.output,
            units: self.units,
            amount: self.amount,
            previous: self.previous,
        }
        .eip712_hash_struct()
    }

    /// Which lease it is for.
    pub const fn job(&self) -> LeasedJob {
        LeasedJob { task: self.task, index: self.index, fence: self.fence }
    }
}

impl Voucher {
    /// The one before the first receipt.
    pub const fn none(operator: Address, tranche: u64, prover: Address) -> Self {
        Self { operator, tranche, prover, amount: 0, count: 0, head: B256::ZERO }
    }

    /// The one after a further receipt. `None` if the receipt does not follow, or is another prover's.
    pub fn after(&self, receipt: &Receipt) -> Option<Self> {
        if receipt.previous != self.head || receipt.prover != self.prover {
            return None;
        }
        let (amount, count) = (self.amount.checked_add(receipt.amount)?, self.count.checked_add(1)?);
        Some(Self { amount, count, head: receipt.hash(), ..*self })
    }

    /// What the tranche's signer signs.
    pub fn digest(&self, ledger: &Ledger) -> B256 {
        eip712::Voucher {
            operator: self.operator,
            tranche: U256::from(self.tranche),
            prover: self.prover,
            amount: self.amount,
            count: self.count,
            head: self.head,
        }
        .eip712_signing_hash(&ledger.eip712())
    }
}

impl SignedVoucher {
    /// The address that signed, if the signature is one that the ledger takes.
    pub fn signer(&self, ledger: &Ledger) -> Result<Address, SignatureError> {
        recover(&self.voucher.digest(ledger), &self.signature)
    }
}

/// So many wei in a token of which one ether is worth `per_ether` of the smallest unit; rounded up.
pub fn in_token(wei: u128, per_ether: u128) -> u128 {
    (U256::from(wei) * U256::from(per_ether)).div_ceil(U256::from(ETHER)).saturating_to()
}

/// So much of such a token in wei; rounded down, so that what costs no more in wei costs no more in the token.
pub fn in_wei(amount: u128, per_ether: u128) -> u128 {
    (U256::from(amount) * U256::from(ETHER)).checked_div(U256::from(per_ether)).unwrap_or_default().saturating_to()
}

/// What so much work costs by the million, in a token of which one ether is worth `per_ether` of the smallest unit; rounded
/// up.
pub fn asked(wei_per_million_units: u128, units: WorkUnits, per_ether: u128) -> u128 {
    let wei = (U256::from(wei_per_million_units) * U256::from(units.0)).div_ceil(U256::from(1_000_000));
    in_token(wei.saturating_to(), per_ether)
}

/// The address that signed a digest. As strict as the ledger: 65 bytes, v 27 or 28, low s; what it would not pay on is no
/// signature.
fn recover(digest: &B256, signature: &[u8]) -> Result<Address, SignatureError> {
    let (r_s, v) = match signature {
        [r_s @ .., v @ (27 | 28)] if r_s.len() == 64 => (r_s, *v),
        [.., v] if signature.len() == 65 => return Err(SignatureError::InvalidParity((*v).into())),
        _ => return Err(SignatureError::FromBytes("a signature has 65 bytes")),
    };
    let signature = Signature::from_bytes_and_parity(r_s, v == 28);
    if signature.normalize_s().is_some() {
        return Err(SignatureError::FromBytes("the s of the signature is not the low one"));
    }
    signature.recover_address_from_prehash(digest)
}

impl TaskPay {
    /// What a job of so many units earns, in the token's smallest unit, as long as the prover's cap allows it.
    pub fn amount(&self, units: WorkUnits) -> u128 {
        let total = U256::from(self.units.0) * U256::from(ALL_BPS);
        if total.is_zero() {
            return 0;
        }
        (U256::from(self.reward) * U256::from(self.share) * U256::from(units.0) / total).saturating_to()
    }

    /// What a job earns of which `left` is what the prover's cap in the tranche has left.
    pub fn owed(&self, units: WorkUnits, left: u128) -> u128 {
        self.amount(units).min(left)
    }

    /// What the chain keeps apart of the reward when the task is delivered by an operator that had got `advance` of it before.
    pub fn kept_apart(&self, advance: u128) -> u128 {
        let share = U256::from(self.reward) * U256::from(self.share) / U256::from(ALL_BPS);
        share.saturating_to::<u128>().min(self.reward.saturating_sub(advance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pay(reward: u128, share: u16, units: u64) -> TaskPay {
        TaskPay { token: Address::ZERO, reward, share, units: WorkUnits(units) }
    }

    fn receipt(index: u32, amount: u128, previous: B256) -> Receipt {
        Receipt {
            task: B256::repeat_byte(1),
            index,
            fence: 3,
            prover: Address::repeat_byte(2),
            output: B256::repeat_byte(4),
            units: 5,
            amount,
            previous,
        }
    }

    #[test]
    fn a_jobs_pay_is_its_part_of_the_share_rounded_down() {
        assert_eq!(pay(1_000, 5_000, 100).amount(WorkUnits(100)), 500);
        assert_eq!(pay(1_000, 5_000, 3).amount(WorkUnits(1)), 166);
        assert_eq!(pay(1_000, 0, 3).amount(WorkUnits(1)), 0);
        assert_eq!(pay(1_000, 5_000, 0).amount(WorkUnits(1)), 0, "nothing was quoted");
        assert_eq!(pay(u128::MAX, ALL_BPS, u64::MAX).amount(WorkUnits(u64::MAX)), u128::MAX);
        assert_eq!(pay(u128::MAX, ALL_BPS, 1).amount(WorkUnits(u64::MAX)), u128::MAX, "no overflow");
        assert_eq!(pay(1_000, 5_000, 100).owed(WorkUnits(100), 7), 7);
    }

    #[test]
    fn the_jobs_of_a_task_never_earn_more_than_its_share_if_they_are_as_large_as_quoted() {
        for reward in [0, 1, 999, 1_000_003, u128::MAX] {
            let pay = pay(reward, 3_350, 17 + 29 + 3);
            let sum: u128 = [17, 29, 3].map(|units| pay.amount(WorkUnits(units))).iter().sum();
            assert!(sum <= pay.kept_apart(0) && pay.kept_apart(0) - sum <= 3);
        }
        assert_eq!(pay(1_000, 9_500, 1).kept_apart(100), 900, "no more than is left beside the advance");
    }

    #[test]
    fn what_was_asked_is_in_what_is_paid() {
        assert_eq!((asked(5, WorkUnits(1), ETHER), asked(5, WorkUnits(1_000_000), ETHER)), (1, 5));
        assert_eq!(asked(ETHER, WorkUnits(500_000), 3_000_000_000), 1_500_000_000);
        assert_eq!((in_token(1, 1), in_wei(1, 3), in_wei(1, 0)), (1, ETHER / 3, 0));
        assert_eq!((in_token(u128::MAX, u128::MAX), in_wei(u128::MAX, 1)), (u128::MAX, u128::MAX));
        for per_ether in [1, 3_000_000_000, ETHER, 7 * ETHER] {
            for (ask, amount) in [(1_000_003, 5), (77 * ETHER, 9_999_999_999), (3, 0)] {
                let wei = asked(ask, WorkUnits(333_333), ETHER);
                let fits = wei <= in_wei(amount, per_ether);
                assert!(!fits || asked(ask, WorkUnits(333_333), per_ether) <= amount);
            }
        }
    }

    #[test]
    fn vouchers_follow_their_receipts() {
        let none = Voucher::none(Address::repeat_byte(9), 7, Address::repeat_byte(2));
        let first = receipt(0, 10, B256::ZERO);
        let one = none.after(&first).unwrap();
        assert_eq!((one.amount, one.count, one.head), (10, 1, first.hash()));
        let two = one.after(&receipt(1, 5, first.hash())).unwrap();
        assert_eq!((two.amount, two.count), (15, 2));
        assert_eq!(one.after(&receipt(1, 5, B256::ZERO)), None, "it does not follow");
        let other = Receipt { prover: Address::ZERO, ..receipt(1, 5, first.hash()) };
        assert_eq!(one.after(&other), None, "it is another's");
        assert_eq!(one.after(&receipt(1, u128::MAX, first.hash())), None, "no overflow");
    }

    #[test]
    fn every_field_is_in_the_hash() {
        let whole = receipt(0, 10, B256::ZERO);
        let others = [
            Receipt { task: B256::ZERO, ..whole },
            Receipt { index: 1, ..whole },
            Receipt { fence: 1, ..whole },
            Receipt { prover: Address::ZERO, ..whole },
            Receipt { output: B256::ZERO, ..whole },
            Receipt { units: 1, ..whole },
            Receipt { amount: 1, ..whole },
            Receipt { previous: B256::repeat_byte(1), ..whole },
        ];
        assert!(others.iter().all(|other| other.hash() != whole.hash()));
        let ledger = Ledger { chain_id: 1, address: Address::repeat_byte(1) };
        let job = whole.job();
        let result = SignedResult { operator: Address::ZERO, job: job.id(), output: whole.output };
        assert_ne!(result.digest(&ledger), result.digest(&Ledger { chain_id: 2, ..ledger }));
        assert_ne!(job.id(), LeasedJob { fence: 4, ..job }.id());
    }

    #[test]
    fn the_types_are_the_documented_ones() {
        use alloy_sol_types::SolStruct;
        assert_eq!(eip712::Result::eip712_root_type(), "Result(address operator,bytes32 job,bytes32 output)");
        assert_eq!(
            eip712::Receipt::eip712_root_type(),
            "Receipt(bytes32 task,uint32 index,uint64 fence,address prover,bytes32 output,uint64 units,\
             uint128 amount,bytes32 previous)"
        );
        assert_eq!(
            eip712::Voucher::eip712_root_type(),
            "Voucher(address operator,uint256 tranche,address prover,uint128 amount,uint64 count,bytes32 head)"
        );
    }
}
