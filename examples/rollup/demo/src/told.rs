//! The timeline of a batch: who does which leg, as the node tells of it.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use zkpool_demo::actors::{Actor, Scenery};

/// Names of parties by their address.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// Of these.
    pub fn of<'a>(actors: impl IntoIterator<Item = &'a Actor>) -> Self {
        Self(actors.into_iter().map(|actor| (actor.address().to_string().to_lowercase(), actor.name.clone())).collect())
    }

    /// What somebody is called; its address in short for a stranger.
    pub fn name(&self, address: &str) -> String {
        let known = self.0.get(&address.to_lowercase());
        known.cloned().unwrap_or_else(|| address.chars().take(10).collect())
    }

    /// What several are called.
    pub fn all(&self, addresses: &Value) -> Vec<String> {
        addresses.as_array().into_iter().flatten().filter_map(Value::as_str).map(|who| self.name(who)).collect()
    }
}

/// What the timeline has said already.
pub struct Told<'a> {
    names: &'a Names,
    said: BTreeSet<String>,
}

impl<'a> Told<'a> {
    /// Nothing yet.
    pub fn new(names: &'a Names) -> Self {
        Self { names, said: BTreeSet::new() }
    }

    /// Says what is new about a batch.
    pub fn news(&mut self, scenery: &Scenery, policy: &Value, view: &Value) {
        let batch = &view["batch"];
        let stage = view["stage"].as_str().unwrap_or_default();
        self.once(scenery, "node", format!("batch {batch}: {stage}"));
        if let Some(price) = view["offer"]["price"].as_str() {
            let (token, seconds) = (view["offer"]["token"].as_str().unwrap_or("?"), &view["offer"]["seconds"]);
            self.once(scenery, "operator", format!("batch {batch}: {price} {token}, due within {seconds} s"));
        }
        for leg in view["legs"].as_array().into_iter().flatten() {
            let label = label(policy, leg["leg"].as_u64().unwrap_or_default());
            for (round, one) in leg["tries"].as_array().into_iter().flatten().enumerate() {
                let who = self.names.all(&one["provers"]);
                let again = if round == 0 { String::new() } else { format!(", try {}", round + 1) };
                for prover in &who {
                    self.once(scenery, prover, format!("batch {batch}, {label}{again}: at work"));
                }
                if let Some(took) = took(one) {
                    let verdict = if one["agrees"] == false { "SAYS SOMETHING ELSE" } else { "proven" };
                    let text = format!("batch {batch}, {label}{again}: {verdict}, {took:.1} s after its first job");
                    self.once(scenery, &who.join(", "), text);
                }
            }
        }
        for soft in view["soft"].as_array().into_iter().flatten() {
            let label = label(policy, soft["leg"].as_u64().unwrap_or_default());
            self.once(scenery, "chain", format!("batch {batch}: the rollup has received its {label} early"));
        }
        if let Some(error) = view["error"].as_str() {
            self.once(scenery, "node", format!("batch {batch}: {error}"));
        }
    }

    fn once(&mut self, scenery: &Scenery, who: &str, text: String) {
        if self.said.insert(format!("{who}: {text}")) {
            scenery.timeline.say(who, text);
        }
    }
}

/// Seconds from a try's first job to its proof.
fn took(one: &Value) -> Option<f64> {
    let (from, until) = (one["started_at_ms"].as_u64()?, one["proven_at_ms"].as_u64()?);
    Some(until.saturating_sub(from) as f64 / 1000.0)
}

/// What a leg is called. A simulated one is called so wherever it is named.
pub fn label(policy: &Value, leg: u64) -> String {
    let leg = policy["legs"].as_array().and_then(|legs| legs.iter().find(|one| one["index"] == leg));
    let system = leg.and_then(|leg| leg["system"].as_str()).unwrap_or("?");
    let simulated = leg.is_some_and(|leg| leg["simulated"] == true);
    let name = match system {
        "groth16-bn254" => "circuit leg",
        "risc0" => "zkVM leg",
        "sgx" => "enclave leg",
        other => other,
    };
    if simulated { format!("{name} (SIMULATED)") } else { name.to_owned() }
}
