//! What the page is told. Amounts of tokens are in whole tokens, as text; amounts of the rollup's own money are as they are.

use crate::policy::Policy;
use alloy::primitives::{Address, B256, U256};
use serde::Serialize;
use zkpool_api::TaskView;
use zkpool_protocol::{ProofKind, TaskState};
use zkpool_rollup::{
    Batch,
    core::{Account, Transfer},
};

/// Where a batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// On its way to the contract.
    Proposing,
    /// In the contract; operators are asked for a price.
    Asking,
    /// The quote is on its way to the pool's contract.
    Publishing,
    /// It is paid for, and its legs are being proven.
    Proving,
    /// A leg shows another output than it should: nothing is sent, others repeat what was said.
    Held,
    /// All legs agree: the bundle is on its way to the contract.
    Submitting,
    /// The contract has accepted it, but not yet one before it.
    Proven,
    /// The contract has accepted it and all before it.
    Final,
    /// It ended otherwise: `error` says how.
    Failed,
}

/// The rollup, complete.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeView {
    /// The chain.
    pub chain_id: u64,
    /// The contract.
    pub rollup: Address,
    /// Who must agree.
    pub policy: Policy,
    /// The state's root after the last batch that is final, by the contract.
    pub root: B256,
    /// How many batches are final.
    pub finalised: u32,
    /// Transfers that wait for a batch.
    pub waiting: usize,
    /// How many fit one.
    pub batch_size: usize,
    /// All accounts, after every transfer that was taken.
    pub accounts: Vec<AccountView>,
    /// The batches, oldest first.
    pub batches: Vec<BatchView>,
    /// Whether this node signs transfers of demonstration accounts itself.
    pub demonstration: bool,
    /// What stands in the way of the next batch.
    pub error: Option<String>,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountView {
    /// Its place in the tree.
    pub place: u32,
    /// Its key.
    pub key: B256,
    /// What it has.
    #[serde(serialize_with = "text")]
    pub balance: u64,
    /// The nonce of its next transfer.
    pub nonce: u32,
}

/// A batch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BatchView {
    /// Its number.
    pub batch: u32,
    /// What is to be proven of it: the SHA-256 of its journal.
    pub statement: B256,
    /// The root before it.
    pub pre_root: B256,
    /// The root that it leads to.
    pub post_root: B256,
    /// Its transfers.
    pub transfers: Vec<TransferView>,
    /// Where it stands.
    pub stage: Stage,
    /// Whether nothing more will come.
    pub ended: bool,
    /// The transaction that proposed it.
    pub proposed: Option<B256>,
    /// What the operator signed.
    pub offer: Option<OfferView>,
    /// The task's id at the pool.
    pub task: Option<B256>,
    /// Its legs, by their index in the verifier.
    pub legs: Vec<LegView>,
    /// Legs that the contract has received before the bundle.
    pub soft: Vec<SoftView>,
    /// When what happened.
    pub timings: TimingsView,
    /// What the chain says about its delivery.
    pub delivery: Option<DeliveryView>,
    /// What stands in the way.
    pub error: Option<String>,
}

/// A transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TransferView {
    /// The sender's place.
    pub from: u32,
    /// The receiver's.
    pub to: u32,
    /// How much.
    #[serde(serialize_with = "text")]
    pub amount: u64,
    /// The sender's nonce.
    pub nonce: u32,
}

/// What the operator signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OfferView {
    /// The price.
    pub price: String,
    /// The same in the token's smallest unit.
    pub reward: String,
    /// In which token.
    pub token: String,
    /// Seconds within which the bundle is due.
    pub seconds: u32,
    /// Seconds that the operator expects.
    pub expected_seconds: Option<u64>,
    /// What is paid if it never comes.
    pub liability: String,
    /// Who signed.
    pub operator: Address,
}

/// A leg: every try of it, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LegView {
    /// Its index in the verifier.
    pub leg: u32,
    /// The kind of proof.
    pub kind: ProofKind,
    /// One, unless legs disagreed or one lost its worth.
    pub tries: Vec<TryView>,
}

/// A try of a leg. Times are unix milliseconds by the operator's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TryView {
    /// Its name as a task of its own.
    pub id: B256,
    /// Its state.
    pub state: TaskState,
    /// Who works on it, or has made it.
    pub provers: Vec<Address>,
    /// When the first of them was given a job of it.
    pub started_at_ms: Option<u64>,
    /// When its proof was there.
    pub proven_at_ms: Option<u64>,
    /// Whether it shows what the bundle must show.
    pub agrees: Option<bool>,
}

/// A leg that came early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SoftView {
    /// Which.
    pub leg: usize,
    /// The transaction.
    pub transaction: B256,
    /// Its block's time, in seconds.
    pub at: u64,
}

/// When what happened; unix milliseconds by the operator's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TimingsView {
    /// It saw the publication.
    pub published_at_ms: Option<u64>,
    /// The last leg that counts was proven.
    pub slowest_leg_at_ms: Option<u64>,
    /// The bundle was put together.
    pub bundled_at_ms: Option<u64>,
    /// It was first sent.
    pub submitted_at_ms: Option<u64>,
    /// It saw the delivery.
    pub delivered_at_ms: Option<u64>,
}

/// What the chain says about a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeliveryView {
    /// The transaction.
    pub transaction: B256,
    /// Its block.
    pub block: u64,
    /// Its gas.
    pub gas: u64,
    /// What that cost, in ether.
    pub fee: String,
    /// Whether it came in time.
    pub on_time: bool,
}

impl TimingsView {
    /// What bundling costs: from the slowest leg's proof to the delivery, in milliseconds.
    pub fn overhead_ms(&self) -> Option<u64> {
        Some(self.delivered_at_ms?.saturating_sub(self.slowest_leg_at_ms?))
    }
}

impl BatchView {
    /// Before anything has happened to it.
    pub fn new(batch: &Batch, statement: B256, stage: Stage) -> Self {
        Self {
            batch: batch.journal.context.batch,
            statement,
            pre_root: batch.pre_root().into(),
            post_root: batch.post_root().into(),
            transfers: batch.transfers.iter().map(TransferView::from).collect(),
            stage,
            ended: matches!(stage, Stage::Proven | Stage::Final),
            proposed: None,
            offer: None,
            task: None,
            legs: vec![],
            soft: vec![],
            timings: TimingsView::default(),
            delivery: None,
            error: None,
        }
    }

    /// Takes over what the operator says of the task. Its word is progress, never an outcome.
    pub fn progress(&mut self, task: &TaskView) {
        self.legs = legs(task);
        let counts = self.legs.iter().filter_map(|leg| leg.tries.last());
        let proven: Vec<Option<u64>> = counts.map(|last| last.proven_at_ms).collect();
        let timings = &task.timings;
        self.timings = TimingsView {
            published_at_ms: timings.published_at_ms,
            // Only when all are there is one of them the last.
            slowest_leg_at_ms: proven.iter().copied().collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max()),
            bundled_at_ms: timings.proven_at_ms,
            submitted_at_ms: timings.submitted_at_ms,
            delivered_at_ms: timings.delivered_at_ms,
        };
        if matches!(self.stage, Stage::Publishing | Stage::Proving | Stage::Held) {
            let is_odd = |leg: &LegView| leg.tries.iter().any(|one| one.agrees == Some(false));
            self.stage = match (timings.proven_at_ms, self.legs.iter().any(is_odd)) {
                (Some(_), _) => Stage::Submitting,
                (None, true) => Stage::Held,
                (None, false) => Stage::Proving,
            };
        }
    }
}

/// The tries of a task's legs, by leg.
fn legs(task: &TaskView) -> Vec<LegView> {
    let mut legs: Vec<LegView> = Vec::new();
    for one in &task.legs {
        let view = TryView {
            id: one.id,
            state: one.state,
            provers: one.provers.clone(),
            started_at_ms: one.started_at_ms,
            proven_at_ms: one.proven_at_ms,
            agrees: one.agrees,
        };
        match legs.iter_mut().find(|leg| leg.leg == one.leg) {
            Some(leg) => leg.tries.push(view),
            None => legs.push(LegView { leg: one.leg, kind: one.kind, tries: vec![view] }),
        }
    }
    legs
}

impl From<&Transfer> for TransferView {
    fn from(transfer: &Transfer) -> Self {
        let Transfer { from, to, amount, nonce, .. } = *transfer;
        Self { from, to, amount, nonce }
    }
}

impl AccountView {
    /// Of those that are somebody's.
    pub fn of(accounts: &[Account]) -> Vec<Self> {
        let accounts = (0u32..).zip(accounts).filter(|(_, account)| **account != Account::default());
        let view = |(place, account): (u32, &Account)| Self {
            place,
            key: account.key.into(),
            balance: account.balance,
            nonce: account.nonce,
        };
        accounts.map(view).collect()
    }
}

/// What JSON's numbers do not hold exactly.
fn text<S: serde::Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// `1.25` for 1.25·10^`decimals`.
pub fn amount(value: U256, decimals: u8) -> String {
    let decimals = usize::from(decimals);
    let text = format!("{value:0>width$}", width = decimals + 1);
    let (whole, fraction) = text.split_at(text.len() - decimals);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use zkpool_rollup::{DeployedSequencer, Domain, Wallet};

    fn view() -> BatchView {
        let domain = Domain { chain_id: 1, rollup: [0; 20] };
        let wallets = [Wallet::from_seed(&[1; 32]), Wallet::from_seed(&[2; 32])];
        let genesis = wallets.each_ref().map(|wallet| Account { key: wallet.key(), balance: 9, nonce: 0 });
        let mut sequencer = DeployedSequencer::new(domain, &genesis, 0).unwrap();
        sequencer.submit(wallets[0].transfer(&domain, 0, 1, 4, 0)).unwrap();
        BatchView::new(&sequencer.next_batch().unwrap(), B256::ZERO, Stage::Publishing)
    }

    fn leg(leg: u32, round: u32, proven_at_ms: Option<u64>, agrees: Option<bool>) -> Value {
        json!({
            "id": B256::repeat_byte((leg * 16 + round) as u8), "leg": leg, "round": round, "kind": "sgx", "state": "proving",
            "provers": [Address::repeat_byte(1)], "started_at_ms": 1, "proven_at_ms": proven_at_ms, "agrees": agrees,
        })
    }

    fn task(legs: &[Value], timings: Value) -> TaskView {
        let task = json!({
            "id": B256::ZERO, "state": "proving", "role": "own", "jobs": [], "legs": legs, "txs": [], "timings": timings,
        });
        serde_json::from_value(task).unwrap()
    }

    #[test]
    fn a_disagreement_holds_the_bundle_until_it_is_put_together() {
        let mut view = view();
        view.progress(&task(&[leg(0, 0, None, None), leg(1, 0, Some(7), Some(true))], json!({})));
        assert_eq!((view.stage, view.timings.slowest_leg_at_ms), (Stage::Proving, None));
        view.progress(&task(&[leg(0, 0, Some(9), Some(false)), leg(1, 0, Some(7), Some(true))], json!({})));
        assert_eq!(view.stage, Stage::Held);
        let legs = [leg(0, 0, Some(9), Some(false)), leg(0, 1, Some(20), Some(true)), leg(1, 1, Some(15), Some(true))];
        view.progress(&task(&legs, json!({ "proven_at_ms": 21 })));
        assert_eq!((view.stage, view.timings.slowest_leg_at_ms), (Stage::Submitting, Some(20)));
        assert_eq!(view.legs.iter().map(|leg| leg.tries.len()).collect::<Vec<_>>(), [2, 1]);
        view.progress(&task(&legs, json!({ "proven_at_ms": 21, "delivered_at_ms": 50 })));
        assert_eq!(view.timings.overhead_ms(), Some(30));
    }

    #[test]
    fn what_the_chain_has_said_the_operator_does_not_take_back() {
        let mut view = view();
        view.stage = Stage::Final;
        view.progress(&task(&[leg(0, 0, Some(9), Some(false))], json!({})));
        assert_eq!(view.stage, Stage::Final);
    }

    #[test]
    fn amounts_are_in_whole_tokens() {
        let ether = U256::from(10).pow(U256::from(18));
        assert_eq!(amount(ether / U256::from(8), 18), "0.125");
        assert_eq!(amount(U256::from(3), 0), "3");
        assert_eq!(amount(U256::ZERO, 18), "0");
    }
}
