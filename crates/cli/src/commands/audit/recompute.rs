//! From announced share to claims, recomputed: pure, over what the chain says and what the operator has published.

use super::gather::legs;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use zkpool_api::{ReceiptView, TaskPayReply};
use zkpool_protocol::{
    Address, B256, Strategy, TaskId, U256, WorkUnits,
    pay::{Cap, CapTree, Ledger, SignedResult, Voucher},
};

/// A task that this operator had to deliver, as the chain knows it.
#[derive(Clone, Debug)]
pub(super) struct Task {
    /// Its id.
    pub id: TaskId,
    /// The provers' part of its reward by the chain, in basis points.
    pub share: u16,
    /// Reward token, reward and advance, out of the transaction that published it; `None` if that hides its quote.
    pub terms: Option<(Address, u128, u128)>,
    /// What was kept apart when this operator delivered it.
    pub kept_apart: Option<U256>,
    /// The block that published it, or in which this operator took it over.
    pub block: u64,
    /// Whether it has ended.
    pub over: bool,
    /// What the operator has published of it; `None`: nothing.
    pub published: Option<TaskPayReply>,
}

/// A tranche on chain.
#[derive(Clone, Debug)]
pub(super) struct Tranche {
    /// Its index.
    pub index: u64,
    /// What it pays in.
    pub token: Address,
    /// Root of its tree.
    pub root: B256,
    /// Sum of its caps.
    pub total: U256,
    /// What the operator says of its caps; `None`: nothing.
    pub caps: Option<Vec<Cap>>,
}

/// A prover's receipts in a tranche.
#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    /// As far as they are published.
    pub receipts: Vec<ReceiptView>,
    /// How many there are, as the operator says.
    pub count: u64,
}

/// A claim on chain.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    /// Out of which tranche.
    pub tranche: u64,
    /// Whose.
    pub prover: Address,
    /// In which block.
    pub block: u64,
    /// What was paid with it.
    pub paid: U256,
    /// The voucher's amount, count and head.
    pub voucher: (U256, u64, B256),
}

/// Money of one token between the pool and the fund.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kept {
    /// Swept from this pool.
    pub swept: U256,
    /// Kept apart in the pool and not swept yet.
    pub left: U256,
}

/// All that is looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    /// Tasks, in the order of their publication.
    pub tasks: Vec<Task>,
    /// Tranches, by index.
    pub tranches: Vec<Tranche>,
    /// Chains, by tranche and prover.
    pub chains: BTreeMap<(u64, Address), Chain>,
    /// Claims, in order.
    pub claims: Vec<Claim>,
    /// By token.
    pub kept: BTreeMap<Address, Kept>,
    /// Tasks of this operator, and legs of them, that came while it was asked: nothing is said about them.
    pub later: BTreeSet<TaskId>,
}

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Discrepancy {
    /// Stable name.
    pub code: &'static str,
    /// The tranche, if it is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tranche: Option<u64>,
    /// The task, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The prover, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prover: Option<Address>,
    /// In words.
    pub message: String,
}

/// What was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Figures {
    /// Tasks of this operator.
    pub tasks: usize,
    /// Those whose publication hides the quote: their reward is taken from the operator's word.
    pub rewards_unread: usize,
    /// Receipts that are published.
    pub receipts: usize,
    /// Receipts of tasks that have not ended.
    pub receipts_to_come: u64,
    /// Vouched for by the receipts, by token.
    pub vouched: BTreeMap<Address, String>,
    /// Kept apart by deliveries, by token.
    pub kept_apart: BTreeMap<Address, String>,
    /// What receipts of tasks that were competed for stay below what these pay at most, by token: the bids are known to the
    /// operator alone.
    pub bid_below: BTreeMap<Address, String>,
    /// Claimed, by token.
    pub claimed: BTreeMap<Address, String>,
    /// Delivered tasks of which less work was paid than they were quoted for: work that the operator did itself, that was done
    /// unpaid or that was smaller than quoted.
    pub partly_paid: Vec<TaskId>,
}

/// The audit's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    /// The first that does not fit, going along the road of the money.
    pub first: Option<Discrepancy>,
    /// How many do not fit.
    pub discrepancies: usize,
    /// What was looked at.
    pub figures: Figures,
}

struct Audit<'a> {
    ledger: Ledger,
    operator: Address,
    evidence: &'a Evidence,
    found: Vec<Discrepancy>,
    figures: Figures,
}

/// Recomputes everything.
pub(super) fn audit(ledger: Ledger, operator: Address, evidence: &Evidence) -> Verdict {
    let mut audit = Audit { ledger, operator, evidence, found: Vec::new(), figures: Figures::default() };
    audit.tasks();
    audit.money();
    audit.tranches();
    audit.chains();
    audit.claims();
    let Audit { found, figures, .. } = audit;
    Verdict { discrepancies: found.len(), first: found.into_iter().next(), figures }
}

/// Names a discrepancy's place.
#[derive(Clone, Copy, Default)]
struct Place {
    tranche: Option<u64>,
    task: Option<TaskId>,
    prover: Option<Address>,
}

impl Audit<'_> {
    fn find(&mut self, code: &'static str, at: Place, message: impl Into<String>) {
        let Place { tranche, task, prover } = at;
        self.found.push(Discrepancy { code, tranche, task, prover, message: message.into() });
    }

    /// The share that was announced is the one that tasks are paid from, of the reward that they were published with.
    fn tasks(&mut self) {
        for task in &self.evidence.tasks {
            self.figures.tasks += 1;
            let at = Place { task: Some(task.id), ..Place::default() };
            let Some(published) = &task.published else {
                if task.over {
                    self.find("task_unpublished", at, "the task has ended, and the operator publishes nothing of it");
                }
                continue;
            };
            let Some(pay) = &published.pay else {
                if published.parts.iter().any(|part| !part.receipts.is_empty()) {
                    self.find(
                        "pay_unpublished",
                        at,
                        "there are receipts, and the operator does not say from what they are paid",
                    );
                }
                continue;
            };
            if pay.share != task.share {
                let message = format!("paid from a share of {} bps; on chain it is {}", pay.share, task.share);
                self.find("share_changed", at, message);
            }
            match task.terms {
                Some((token, reward, _)) if (token, reward) != (pay.token, pay.reward) => {
                    let message = format!(
                        "paid from a reward of {} of {}; published with {reward} of {token}",
                        pay.reward, pay.token
                    );
                    self.find("reward_changed", at, message);
                }
                Some(_) => {}
                None => self.figures.rewards_unread += 1,
            }
            if let Some(kept) = task.kept_apart {
                let advance = task.terms.map_or(0, |(_, _, advance)| advance);
                let should = pay.kept_apart(advance);
                // Without the quote the advance is not known, which can only have made it less.
                let fits = kept == U256::from(should) || (task.terms.is_none() && kept < U256::from(should));
                if !fits {
                    self.find(
                        "kept_apart_differs",
                        at,
                        format!("{kept} was kept apart at delivery, and should be {should}"),
                    );
                }
                let sum = self.figures.kept_apart.entry(pay.token).or_insert_with(|| "0".into());
                *sum = add(sum, kept);
            }
            let done: u64 = published.parts.iter().flat_map(|part| &part.receipts).map(|view| view.receipt.units).sum();
            if task.kept_apart.is_some() && done < pay.units.0 {
                self.figures.partly_paid.push(task.id);
            }
        }
    }

    /// What deliveries have kept apart was swept or is still there.
    fn money(&mut self) {
        let mut kept: BTreeMap<Address, U256> = BTreeMap::new();
        for task in &self.evidence.tasks {
            let token = task.terms.map(|(token, _, _)| token);
            let token = token.or_else(|| Some(task.published.as_ref()?.pay.as_ref()?.token));
            if let (Some(token), Some(amount)) = (token, task.kept_apart) {
                *kept.entry(token).or_default() += amount;
            }
        }
        for (token, Kept { swept, left }) in &self.evidence.kept {
            let should = kept.get(token).copied().unwrap_or_default();
            if should != *swept + *left {
                let message = format!("{should} of {token} was kept apart, {swept} was swept and {left} is left");
                self.find("money_differs", Place::default(), message);
            }
        }
    }

    /// The caps that the operator publishes are the ones on chain.
    fn tranches(&mut self) {
        for tranche in &self.evidence.tranches {
            let at = Place { tranche: Some(tranche.index), ..Place::default() };
            let Some(caps) = &tranche.caps else {
                self.find("caps_unpublished", at, "the operator does not say who is in the tranche");
                continue;
            };
            let tree = CapTree::new(caps).map(|tree| tree.root());
            if tree.ok().map(|(root, total)| (root, U256::from(total))) != Some((tranche.root, tranche.total)) {
                self.find("caps_differ", at, "the caps that the operator publishes do not make the tree on chain");
            }
        }
    }

    /// Each chain by itself, and each receipt against its task.
    fn chains(&mut self) {
        let evidence = self.evidence;
        let tasks: BTreeMap<TaskId, &Task> = evidence.tasks.iter().map(|task| (task.id, task)).collect();
        let bundles = bundles(&evidence.tasks);
        let mut in_chains: BTreeSet<B256> = BTreeSet::new();
        let mut jobs: BTreeSet<B256> = BTreeSet::new();
        for ((index, prover), chain) in &evidence.chains {
            let tranche = evidence.tranches.iter().find(|tranche| tranche.index == *index);
            let cap =
                tranche.and_then(|t| t.caps.as_ref()?.iter().find(|cap| cap.prover == *prover)).map_or(0, |c| c.amount);
            let token = tranche.map(|tranche| tranche.token).unwrap_or_default();
            let mut voucher = Voucher::none(self.operator, *index, *prover);
            for view in &chain.receipts {
                self.figures.receipts += 1;
                let receipt = &view.receipt;
                let at = Place { tranche: Some(*index), task: Some(receipt.task), prover: Some(*prover) };
                let Some(next) = voucher.after(receipt) else {
                    let number = voucher.count + 1;
                    self.find("chain_broken", at, format!("receipt {number} does not follow the one before it"));
                    break;
                };
                let said = SignedResult { operator: self.operator, job: receipt.job().id(), output: receipt.output };
                if said.signer(&self.ledger, &view.signature).ok() != Some(*prover) {
                    self.find("not_signed", at, "the prover has not signed the result that the receipt is for");
                }
                if !jobs.insert(receipt.job().id()) {
                    self.find("job_twice", at, "one lease of one job has two receipts");
                }
                let whole = bundles.get(&receipt.task).copied().unwrap_or(receipt.task);
                let task = tasks.get(&whole);
                match task.and_then(|task| task.published.as_ref()?.pay) {
                    _ if evidence.later.contains(&receipt.task) => {}
                    _ if task.is_none() => {
                        self.find("unknown_task", at, "no task of this operator is known on chain by this name")
                    }
                    Some(pay) => {
                        let should = pay.owed(WorkUnits(receipt.units), cap.saturating_sub(voucher.amount));
                        let strategy = task.and_then(|task| Some(task.published.as_ref()?.strategy));
                        // What was bid is not public. Nobody bids nothing, and no bid is for more than there is.
                        let is_bid = strategy == Some(Strategy::Compete) && (1..should).contains(&receipt.amount);
                        if is_bid && pay.token == token {
                            let sum = self.figures.bid_below.entry(token).or_insert_with(|| "0".into());
                            *sum = add(sum, U256::from(should - receipt.amount));
                        } else if receipt.amount != should || pay.token != token {
                            let message =
                                format!("it earns {}, and should earn {should} of {}", receipt.amount, pay.token);
                            self.find("amount_differs", at, message);
                        }
                    }
                    None => {}
                }
                in_chains.insert(receipt.hash());
                voucher = next;
            }
            self.figures.receipts_to_come += chain.count.saturating_sub(voucher.count);
            if voucher.count == chain.receipts.len() as u64 && voucher.count < chain.count {
                self.withheld(&voucher, chain.count);
            }
            let sum = self.figures.vouched.entry(token).or_insert_with(|| "0".into());
            *sum = add(sum, U256::from(voucher.amount));
        }
        self.both_ways(&in_chains);
    }

    /// What is published of a chain ends before the first receipt of a task that has not ended, and nowhere else. `shown`: the
    /// voucher after the last that is published, of `count`.
    fn withheld(&mut self, shown: &Voucher, count: u64) {
        let (evidence, hidden) = (self.evidence, count - shown.count);
        let at = Place { tranche: Some(shown.tranche), task: None, prover: Some(shown.prover) };
        let live = evidence.tasks.iter().filter(|task| !task.over).map(|task| task.block).min();
        if live.is_none() && evidence.later.is_empty() {
            let message = format!("{hidden} receipts are held back, and no task of this operator is under way");
            return self.find("receipts_withheld", at, message);
        }
        // What ended tasks name of the rest of the chain is behind one that has not ended.
        let chain = evidence.chains.get(&(shown.tranche, shown.prover));
        let known: BTreeSet<B256> =
            chain.iter().flat_map(|chain| &chain.receipts).map(|view| view.receipt.hash()).collect();
        let parts = evidence.tasks.iter().filter(|task| task.over).filter_map(|task| task.published.as_ref());
        let receipts = parts.flat_map(|published| &published.parts).flat_map(|part| &part.receipts);
        let of_ended: Vec<_> = receipts
            .filter(|view| (view.tranche, view.receipt.prover) == (shown.tranche, shown.prover))
            .map(|view| view.receipt)
            .filter(|receipt| !known.contains(&receipt.hash()))
            .collect();
        if of_ended.len() as u64 >= hidden || of_ended.iter().any(|receipt| receipt.previous == shown.head) {
            return self.find("receipts_withheld", at, "receipts of tasks that have ended are held back");
        }
        let before = |claim: &&Claim| live.is_none_or(|live| claim.block < live);
        let mut claims = evidence.claims.iter().filter(before);
        if claims.any(|c| (c.tranche, c.prover) == (shown.tranche, shown.prover) && c.voucher.1 > shown.count) {
            let message = "receipts are held back that were claimed before any task that is under way was published";
            self.find("receipts_withheld", at, message);
        }
    }

    /// The receipts of a task are those in the chains, and the other way round.
    fn both_ways(&mut self, in_chains: &BTreeSet<B256>) {
        let mut in_tasks = BTreeSet::new();
        let evidence = self.evidence;
        for task in &evidence.tasks {
            for part in task.published.iter().flat_map(|published| &published.parts) {
                for view in &part.receipts {
                    in_tasks.insert(view.receipt.hash());
                    // A chain ends, for strangers, before the first task that has not ended.
                    let chain = evidence.chains.get(&(view.tranche, view.receipt.prover));
                    let whole = chain.is_some_and(|chain| chain.receipts.len() as u64 == chain.count);
                    if !in_chains.contains(&view.receipt.hash()) && (whole || chain.is_none()) {
                        let prover = view.receipt.prover;
                        let at = Place { tranche: Some(view.tranche), task: Some(task.id), prover: Some(prover) };
                        self.find("invented_job", at, "the task names a receipt that is in its prover's chain nowhere");
                    }
                }
            }
        }
        for ((index, prover), chain) in &evidence.chains {
            for view in &chain.receipts {
                let (hash, task) = (view.receipt.hash(), view.receipt.task);
                if in_chains.contains(&hash) && !in_tasks.contains(&hash) && !evidence.later.contains(&task) {
                    let at = Place { tranche: Some(*index), task: Some(view.receipt.task), prover: Some(*prover) };
                    self.find("missing_job", at, "a receipt of the chain is missing among those of its task");
                }
            }
        }
    }

    /// What was claimed was vouched for by exactly these receipts.
    fn claims(&mut self) {
        for claim in &self.evidence.claims {
            let tranche = self.evidence.tranches.iter().find(|tranche| tranche.index == claim.tranche);
            let token = tranche.map(|tranche| tranche.token).unwrap_or_default();
            let sum = self.figures.claimed.entry(token).or_insert_with(|| "0".into());
            *sum = add(sum, claim.paid);
            let at = Place { tranche: Some(claim.tranche), task: None, prover: Some(claim.prover) };
            let none = Chain::default();
            let chain = self.evidence.chains.get(&(claim.tranche, claim.prover)).unwrap_or(&none);
            let (amount, count, head) = claim.voucher;
            if count > chain.count {
                let message =
                    format!("a voucher of {count} receipts was claimed, and the operator knows of {}", chain.count);
                self.find("receipts_hidden", at, message);
                continue;
            }
            let mut voucher = Voucher::none(self.operator, claim.tranche, claim.prover);
            for view in chain.receipts.iter().take(usize::try_from(count).unwrap_or(usize::MAX)) {
                let Some(next) = voucher.after(&view.receipt) else { break };
                voucher = next;
            }
            // What is of tasks that have not ended is looked at when they have.
            let to_come = voucher.count < count && (chain.receipts.len() as u64) < count;
            if !to_come && (U256::from(voucher.amount), voucher.count, voucher.head) != (amount, count, head) {
                let message = format!(
                    "a voucher over {amount} with head {head} was claimed; its {count} receipts come to {} with head {}",
                    voucher.amount, voucher.head
                );
                self.find("claim_differs", at, message);
            }
        }
    }
}

/// Of which bundle a leg is, for all that could be.
fn bundles(tasks: &[Task]) -> BTreeMap<TaskId, TaskId> {
    let mut known = BTreeMap::new();
    for task in tasks {
        // A name is believed only as far as it follows from the bundle's.
        known.extend(legs(task.id, task.published.as_ref()).map(|leg| (leg, task.id)));
    }
    known
}

fn add(sum: &str, amount: U256) -> String {
    (sum.parse::<U256>().unwrap_or_default() + amount).to_string()
}
