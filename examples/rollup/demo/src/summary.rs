//! What came of it: for people, and as data.

use crate::told::{Names, label};
use alloy::primitives::{Address, B256};
use serde::Serialize;
use serde_json::Value;
use zkpool_demo::{money::Balances, report::BeforeAfter};

/// All batches, from the first transfer to the contract.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Whether everything ended as it should, and nothing contradicts it.
    pub ok: bool,
    /// Whether no token came from nowhere or went there.
    pub conserved: bool,
    /// What went otherwise than it should.
    pub faults: Vec<String>,
    /// What is simulated, and therefore proves nothing.
    pub simulated: Vec<String>,
    /// The chain's id.
    pub chain_id: u64,
    /// The pool contract.
    pub pool: Address,
    /// The rollup's contract.
    pub rollup: Address,
    /// The verifier whose legs must all agree.
    pub verifier: Address,
    /// The state's root, by the contract.
    pub root: B256,
    /// How many batches are final, by the contract.
    pub finalised: u32,
    /// The batches.
    pub batches: Vec<BatchReport>,
    /// Who has what.
    pub balances: BeforeAfter,
    /// Everything, without building, in seconds.
    pub seconds: f64,
}

/// A batch.
#[derive(Debug, Serialize)]
pub struct BatchReport {
    /// Its number.
    pub batch: u64,
    /// How it ended.
    pub stage: String,
    /// The task's id at the pool.
    pub task: String,
    /// The root that it leads to.
    pub root: String,
    /// What the sequencer paid, in whole tokens.
    pub price: String,
    /// The transaction that delivered.
    pub transaction: String,
    /// Its gas.
    pub gas: u64,
    /// What the operator paid for it, in ether.
    pub fee: String,
    /// Its legs.
    pub legs: Vec<LegReport>,
    /// Legs that the rollup received before the bundle.
    pub early: Vec<String>,
    /// From the publication to the delivery, by the operator's clock, in milliseconds.
    pub publish_to_delivered_ms: Option<u64>,
    /// The leg that was proven last.
    pub slowest_leg: Option<String>,
    /// What bundling costs: from that leg's proof to the delivery, in milliseconds. Two blocks at least are in it.
    pub overhead_ms: Option<u64>,
    /// Of that, until the bundle was put together and checked.
    pub bundling_ms: Option<u64>,
}

/// A leg.
#[derive(Debug, Serialize)]
pub struct LegReport {
    /// What it is.
    pub leg: String,
    /// The kind of proof.
    pub kind: String,
    /// Whether its enclaves do not exist.
    pub simulated: bool,
    /// Who made the proof that was delivered.
    pub provers: Vec<String>,
    /// How often it was made.
    pub tries: usize,
    /// From the publication until it was given out, in milliseconds.
    pub waited_ms: Option<u64>,
    /// From then until its proof was there, in milliseconds; for a zkVM's with the committee's signatures.
    pub took_ms: Option<u64>,
}

impl BatchReport {
    /// Of a batch's last view.
    pub fn of(policy: &Value, view: &Value, names: &Names) -> Self {
        let timings = &view["timings"];
        let at = |name: &str| timings[name].as_u64();
        let between = |from: Option<u64>, until: Option<u64>| Some(until?.saturating_sub(from?));
        let (published, slowest, delivered) = (at("published_at_ms"), at("slowest_leg_at_ms"), at("delivered_at_ms"));
        let legs = view["legs"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_slowest = |leg: &&Value| last(leg)["proven_at_ms"].as_u64().is_some_and(|at| Some(at) == slowest);
        let of_leg = |leg: &Value| {
            let index = leg["leg"].as_u64().unwrap_or_default();
            let label = label(policy, index);
            let one = last(leg);
            let (started, proven) = (one["started_at_ms"].as_u64(), one["proven_at_ms"].as_u64());
            LegReport {
                simulated: label.contains("SIMULATED"),
                leg: label,
                kind: text(&leg["kind"]),
                provers: names.all(&one["provers"]),
                tries: leg["tries"].as_array().map_or(0, Vec::len),
                waited_ms: between(published, started),
                took_ms: between(started, proven),
            }
        };
        let named = |leg: &Value| label(policy, leg["leg"].as_u64().unwrap_or_default());
        let early = view["soft"].as_array().into_iter().flatten().map(named).collect();
        Self {
            batch: view["batch"].as_u64().unwrap_or_default(),
            stage: text(&view["stage"]),
            task: text(&view["task"]),
            root: text(&view["post_root"]),
            price: format!("{} {}", text(&view["offer"]["price"]), text(&view["offer"]["token"])),
            transaction: text(&view["delivery"]["transaction"]),
            gas: view["delivery"]["gas"].as_u64().unwrap_or_default(),
            fee: text(&view["delivery"]["fee"]),
            slowest_leg: legs.iter().find(is_slowest).map(named),
            legs: legs.iter().map(of_leg).collect(),
            early,
            publish_to_delivered_ms: between(published, delivered),
            overhead_ms: between(slowest, delivered),
            bundling_ms: between(slowest, at("bundled_at_ms")),
        }
    }

    fn print(&self) {
        println!("\n\x1b[1mBatch {}\x1b[0m: {}, leads to root {}", self.batch, self.stage, self.root);
        for leg in &self.legs {
            let who = leg.provers.join(", ");
            let again = if leg.tries > 1 { format!(", {} tries", leg.tries) } else { String::new() };
            println!("  {:<24} {:>9}  by {who} ({}{again})", leg.leg, seconds(leg.took_ms), leg.kind);
        }
        for early in &self.early {
            println!("  received early by the rollup: {early}");
        }
        let slowest = self.slowest_leg.as_deref().unwrap_or("?");
        println!(
            "  delivered {} after publication; {} after the slowest leg ({slowest}), of which {} to put it together",
            seconds(self.publish_to_delivered_ms),
            seconds(self.overhead_ms),
            seconds(self.bundling_ms)
        );
        println!(
            "  price {}; delivery {} gas, {} ETH; transaction {}",
            self.price, self.gas, self.fee, self.transaction
        );
    }
}

/// The try of a leg that counts.
fn last(leg: &Value) -> &Value {
    leg["tries"].as_array().and_then(|tries| tries.last()).unwrap_or(&Value::Null)
}

/// A text of a view.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn seconds(ms: Option<u64>) -> String {
    ms.map_or("?".to_owned(), |ms| format!("{:.1} s", ms as f64 / 1000.0))
}

/// What is simulated of a policy's legs.
pub fn simulated(policy: &Value) -> Vec<String> {
    let legs = policy["legs"].as_array().into_iter().flatten().filter(|leg| leg["simulated"] == true);
    legs.map(|leg| label(policy, leg["index"].as_u64().unwrap_or_default())).collect()
}

/// Balances at both ends, and what does not add up.
pub fn counted(before: Balances, after: Balances) -> (BeforeAfter, Vec<String>) {
    let faults = after.conserved_since(&before);
    (BeforeAfter { before, after }, faults)
}

impl zkpool_demo::run::Summary for Summary {
    fn ok(&self) -> bool {
        self.ok
    }

    fn print(&self) {
        for batch in &self.batches {
            batch.print();
        }
        println!("\n\x1b[1mThe rollup, on chain\x1b[0m");
        println!("  root      {}", self.root);
        println!("  batches   {} final", self.finalised);
        println!("  rollup    {}, verifier {}", self.rollup, self.verifier);
        for leg in &self.simulated {
            println!(
                "  \x1b[33mSIMULATED\x1b[0m: the {leg} is signed by an enclave that does not exist, and proves nothing"
            );
        }
        println!();
        for fault in &self.faults {
            println!("\x1b[31mfault\x1b[0m: {fault}");
        }
        let verdict = if self.ok { "every batch is final" } else { "NOT as it should be" };
        let books = if self.conserved { "every token is accounted for" } else { "TOKENS ARE MISSING" };
        println!("{verdict}; {books}; {:.0} s", self.seconds);
    }
}
