//! What the page is told of a question. Amounts are in whole tokens, as text.

use alloy::primitives::{Address, B256, U256};
use serde::Serialize;
use std::collections::BTreeMap;
use zkpool_api::TaskView;
use zkpool_protocol::{JobState, Operation};

/// Where a question stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// There is a price.
    Quoted,
    /// The quote is on its way to the pool's contract.
    Publishing,
    /// It is paid for and being proven.
    Proving,
    /// All steps are done: the proof is on its way to the contract.
    Submitting,
    /// The contract has the answer.
    Delivered,
    /// It ended otherwise: `error` says how.
    Failed,
}

/// A question, complete.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QuestionView {
    /// Names it here: its number in the contract.
    pub id: u64,
    /// The same as text.
    pub question: String,
    /// The task's id at the pool.
    pub task: B256,
    /// Where it stands.
    pub stage: Stage,
    /// Whether nothing more will come.
    pub ended: bool,
    /// What the operator signed.
    pub offer: OfferView,
    /// The steps of the proof, as the operator tells of them.
    pub jobs: Vec<JobView>,
    /// Who works on them.
    pub provers: Vec<ProverView>,
    /// Members of the committee that have signed for the receipt.
    pub signers: Vec<Address>,
    /// What the chain says about the answer.
    pub delivery: Option<DeliveryView>,
    /// What stands in the way.
    pub error: Option<String>,
}

/// What the operator signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OfferView {
    /// The price.
    pub price: String,
    /// In which token.
    pub token: String,
    /// Seconds within which the proof is due.
    pub seconds: u32,
    /// Seconds that the operator expects.
    pub expected_seconds: Option<u64>,
    /// What is paid if it never comes.
    pub liability: String,
    /// Who signed.
    pub operator: Address,
    /// Last second at which it can be bought.
    pub valid_until: u64,
}

/// A step of the proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobView {
    /// Its place in the graph.
    pub index: u32,
    /// What is done.
    pub operation: Operation,
    /// How far it is.
    pub state: JobState,
    /// Who does it, or did.
    pub prover: Option<Address>,
    /// Which segment it proves or lifts, counted from zero.
    pub segment: Option<u32>,
    /// How large it is.
    pub units: u64,
}

/// What a prover has done for the question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProverView {
    /// Its address.
    pub address: Address,
    /// Steps done.
    pub done: u32,
    /// Its share of the work done, in hundredths.
    pub share_percent: u32,
}

/// What the chain says about the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeliveryView {
    /// One for each digit.
    pub classes: Vec<u8>,
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

impl QuestionView {
    /// Before anything has happened to it.
    pub fn new(id: u64, question: U256, task: B256, stage: Stage, offer: OfferView) -> Self {
        Self {
            id,
            question: question.to_string(),
            task,
            stage,
            ended: false,
            offer,
            jobs: vec![],
            provers: vec![],
            signers: vec![],
            delivery: None,
            error: None,
        }
    }

    /// Takes over what the operator says of the task. Its word is progress, never an outcome.
    pub fn progress(&mut self, task: &TaskView) {
        self.jobs = task
            .jobs
            .iter()
            .map(|job| JobView {
                index: job.index,
                operation: job.operation,
                state: job.state,
                prover: job.prover,
                segment: job.segment,
                units: job.units.0,
            })
            .collect();
        self.signers = task.seal.as_ref().map(|seal| seal.signers.clone()).unwrap_or_default();
        self.provers = provers(&self.jobs);
        let proving = matches!(self.stage, Stage::Publishing | Stage::Proving);
        if proving && task.timings.proven_at_ms.is_some() {
            self.stage = Stage::Submitting;
        }
    }
}

/// Who did how much, in the order of their first step.
fn provers(jobs: &[JobView]) -> Vec<ProverView> {
    let mut order = Vec::new();
    let mut work = BTreeMap::<Address, (u32, u64)>::new();
    for job in jobs {
        if let Some(prover) = job.prover {
            if !order.contains(&prover) {
                order.push(prover);
            }
            let (done, units) = work.entry(prover).or_default();
            if job.state == JobState::Done {
                *done += 1;
                *units = units.saturating_add(job.units);
            }
        }
    }
    let total = work.values().fold(0_u64, |total, (_, units)| total.saturating_add(*units));
    let view = |address| {
        let (done, units) = work[&address];
        let share = units.saturating_mul(100).checked_div(total).unwrap_or_default();
        ProverView { address, done, share_percent: u32::try_from(share).unwrap_or_default() }
    };
    order.into_iter().map(view).collect()
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

    fn job(index: u32, state: JobState, prover: Option<u8>) -> JobView {
        let prover = prover.map(Address::repeat_byte);
        JobView { index, operation: Operation::Prove, state, prover, segment: Some(index), units: 1 << index }
    }

    #[test]
    fn provers_come_in_the_order_of_their_first_step_with_what_they_finished() {
        let jobs = [
            job(0, JobState::Done, Some(9)),
            job(1, JobState::Done, Some(2)),
            job(2, JobState::Leased, Some(2)),
            job(3, JobState::Done, Some(9)),
            job(4, JobState::Ready, None),
        ];
        let found: Vec<_> = provers(&jobs).iter().map(|p| (p.address.0[0], p.done, p.share_percent)).collect();
        assert_eq!(found, [(9, 2, 81), (2, 1, 18)], "steps of 1 and 8 against one of 2");
        assert_eq!(provers(&jobs[2..3])[0].share_percent, 0);
    }

    #[test]
    fn amounts_are_in_whole_tokens() {
        let ether = U256::from(10).pow(U256::from(18));
        assert_eq!(amount(ether / U256::from(8), 18), "0.125");
        assert_eq!(amount(U256::from(20) * ether, 18), "20");
        assert_eq!(amount(U256::from(1_500_000), 6), "1.5");
        assert_eq!(amount(U256::from(3), 0), "3");
        assert_eq!(amount(U256::ZERO, 18), "0");
    }
}
