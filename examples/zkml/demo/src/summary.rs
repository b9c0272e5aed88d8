//! What came of it: for people, and as data.

use alloy::primitives::Address;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// One question, from the drawing to the contract.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Whether it ended as it should, and nothing contradicts it.
    pub ok: bool,
    /// What went otherwise than it should.
    pub faults: Vec<String>,
    /// The digits that were drawn.
    pub drawn: Vec<u8>,
    /// What the contract says they are.
    pub classes: Vec<u8>,
    /// The kind of receipt.
    pub receipt: &'static str,
    /// The application's contract.
    pub oracle: Address,
    /// The committee whose word it takes.
    pub committee: Address,
    /// The question's number there.
    pub question: String,
    /// The task's id at the pool.
    pub task: String,
    /// What was paid, in whole tokens.
    pub price: String,
    /// The transaction that delivered.
    pub transaction: String,
    /// Its gas.
    pub gas: u64,
    /// Steps of the proof, by operation.
    pub steps: BTreeMap<String, u32>,
    /// Who did how many of them.
    pub provers: BTreeMap<String, u64>,
    /// From *prove* to the answer.
    pub answer_seconds: f64,
    /// Everything, without building.
    pub seconds: f64,
}

/// Counts the steps of a question's view.
pub fn steps(view: &Value) -> BTreeMap<String, u32> {
    let mut steps = BTreeMap::new();
    for job in view["jobs"].as_array().into_iter().flatten() {
        *steps.entry(text(&job["operation"])).or_default() += 1;
    }
    steps
}

/// Who did how many steps, in a question's view.
pub fn provers(view: &Value) -> BTreeMap<String, u64> {
    let provers = view["provers"].as_array().into_iter().flatten();
    provers.map(|prover| (text(&prover["address"]), prover["done"].as_u64().unwrap_or_default())).collect()
}

/// A text of a view.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl zkpool_demo::run::Summary for Summary {
    fn ok(&self) -> bool {
        self.ok
    }

    fn print(&self) {
        let digits = |digits: &[u8]| digits.iter().map(u8::to_string).collect::<Vec<_>>().join(" ");
        println!("\n\x1b[1mThe answer, on chain\x1b[0m");
        println!("  drawn        {}", digits(&self.drawn));
        println!("  proven       {}   (question {} of {})", digits(&self.classes), self.question, self.oracle);
        println!("  transaction  {}, {} gas", self.transaction, self.gas);
        println!("  trusted      the committee {}, for a {} receipt", self.committee, self.receipt);
        let steps: Vec<_> = self.steps.iter().map(|(step, count)| format!("{count} {step}")).collect();
        println!(
            "  price        {}; {}; {:.0} s from prove to answer",
            self.price,
            steps.join(", "),
            self.answer_seconds
        );
        println!("\n\x1b[1mWho did what\x1b[0m");
        for (prover, done) in &self.provers {
            println!("  {prover}  {done} steps");
        }
        println!();
        for fault in &self.faults {
            println!("\x1b[31mfault\x1b[0m: {fault}");
        }
        let verdict = if self.ok { "the contract has its answer" } else { "NOT as it should be" };
        println!("{verdict}; {:.0} s", self.seconds);
    }
}
