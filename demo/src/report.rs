//! What the demo says: a timeline while it works, a summary at the end, the same as data.

use crate::money::Balances;
use crate::run::Summary;
use alloy::primitives::{Address, B256, U256};
use serde::Serialize;
use std::{collections::BTreeMap, time::Instant};

/// How a task ended, for its requester.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Delivered by the operator that signed.
    Done,
    /// Never delivered; refund and liability collected.
    Defaulted,
    /// Delivered by another operator that took it over.
    Rescued,
    /// The operator had signed more than it had; honour paid.
    Dishonoured,
}

/// One task.
#[derive(Clone, Debug, Serialize)]
pub struct TaskReport {
    /// The quote's EIP-712 digest.
    pub id: B256,
    /// What the task shows.
    pub title: &'static str,
    /// The kind of proof.
    pub proof_kind: &'static str,
    /// The requester's contract.
    pub target: Address,
    /// How it ended.
    pub outcome: Outcome,
    /// From the publication's transaction being sent to its end being known, in milliseconds.
    pub publish_to_done_ms: u64,
    /// How much of that a prover was at work, in milliseconds; absent if no proof was made.
    pub proving_ms: Option<u64>,
    /// Step → gas of its transaction.
    pub gas: BTreeMap<String, u64>,
}

/// Balances at the two ends.
#[derive(Debug, Serialize)]
pub struct BeforeAfter {
    /// Before the first task.
    pub before: Balances,
    /// After the last one, everything withdrawn.
    pub after: Balances,
}

/// Everything.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether every task ended as it should and nothing is missing.
    pub ok: bool,
    /// Whether no token came from nowhere or went there.
    pub conserved: bool,
    /// What went otherwise than it should.
    pub faults: Vec<String>,
    /// The chain's id.
    pub chain_id: u64,
    /// The pool contract.
    pub pool: Address,
    /// The tasks, in the order of their beginning.
    pub tasks: Vec<TaskReport>,
    /// Who has what.
    pub balances: BeforeAfter,
    /// Seconds that it all took, without building.
    pub seconds: f64,
}

/// Writes what happens, with the time since the beginning.
#[derive(Clone, Copy)]
pub struct Timeline {
    start: Instant,
}

impl Timeline {
    /// Starts now.
    pub fn begin() -> Self {
        Self { start: Instant::now() }
    }

    /// A heading.
    pub fn title(&self, text: &str) {
        println!("\n\x1b[1m{text}\x1b[0m");
    }

    /// `who` did or saw something.
    pub fn say(&self, who: &str, what: impl AsRef<str>) {
        println!("{:>7.2} s  {who:<12} {}", self.start.elapsed().as_secs_f64(), what.as_ref());
    }

    /// Seconds since the beginning.
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

/// `1.25` for 1.25·10^18.
pub fn amount(value: U256) -> String {
    let text = format!("{value:0>19}");
    let (whole, fraction) = text.split_at(text.len() - 18);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

impl Summary for Report {
    fn ok(&self) -> bool {
        self.ok
    }

    fn print(&self) {
        println!("\n\x1b[1mWho has what\x1b[0m (wallet and pool together, in whole tokens)");
        let (before, after) = (&self.balances.before, &self.balances.after);
        for (party, tokens) in &after.wallets {
            for token in tokens.keys().filter(|_| party != "pool contract") {
                let (then, now) = (before.wealth(party, token), after.wealth(party, token));
                if then != now {
                    let change = if now > then {
                        format!("+{}", amount(now - then))
                    } else {
                        format!("-{}", amount(then - now))
                    };
                    println!("  {party:<12} {token:<5} {change:>24}   {} -> {}", amount(then), amount(now));
                }
            }
        }
        for (token, burned) in after.books.get("burned").into_iter().flatten().filter(|(_, burned)| !burned.is_zero()) {
            println!("  {:<12} {token:<5} {:>25}", "burned", format!("+{}", amount(*burned)));
        }
        println!("\n\x1b[1mTasks\x1b[0m");
        for task in &self.tasks {
            let proving = task.proving_ms.map_or("-".to_owned(), |ms| format!("{ms} ms proving"));
            let outcome = format!("{:?}", task.outcome).to_lowercase();
            println!("  {outcome:<12} {:>7} ms, {proving:<16} {}", task.publish_to_done_ms, task.title);
            let gas: Vec<_> = task.gas.iter().map(|(step, gas)| format!("{step} {gas}")).collect();
            println!("  {:<12} gas: {}", "", gas.join(", "));
        }
        println!();
        for fault in &self.faults {
            println!("\x1b[31mfault\x1b[0m: {fault}");
        }
        let verdict = if self.ok { "every task ended as it should" } else { "NOT as it should be" };
        let books = if self.conserved { "every token is accounted for" } else { "TOKENS ARE MISSING" };
        println!("{verdict}; {books}; {:.0} s", self.seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_whole_tokens() {
        let ether = U256::from(10).pow(U256::from(18));
        assert_eq!(amount(U256::ZERO), "0");
        assert_eq!(amount(ether), "1");
        assert_eq!(amount(ether / U256::from(8)), "0.125");
        assert_eq!(amount(U256::from(1)), "0.000000000000000001");
    }
}
