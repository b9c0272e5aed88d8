//! The provers: what they are, what they say, what working costs them, and what goes wrong.

use crate::{Scenario, rng::Rng};
use std::collections::BTreeMap;
use zkpool_protocol::{Address, ProofKind};
use zkpool_scheduler::{Candidate, Millis, Standing};

/// The only kind of work that is simulated: proofs that are one job.
pub(crate) const KIND: ProofKind = ProofKind::Groth16Bn254;
/// Work units a second of the median prover.
pub(crate) const MEDIAN_SPEED: f64 = 1_000.0;
/// The pool's price, in wei for a million work units.
pub(crate) const UNIT_PRICE: u128 = 1_000_000_000_000_000;
/// What a work unit costs the median prover, as a part of the pool's price.
const COST: f64 = 0.5;
/// Fast machines are dear, and a little more efficient.
const EFFICIENCY: f64 = 0.1;
/// What a prover bids, as a multiple of what working costs it.
const MARKUP: f64 = 1.1;
/// How much faster than it is a liar says it is.
const BOAST: f64 = 4.0;
/// How often one that returns rubbish does.
const RUBBISH: f64 = 0.5;
const GIB: u64 = 1 << 30;

/// A prover.
#[derive(Clone, Debug)]
pub(crate) struct Prover {
    /// As the pool knows it.
    pub(crate) known: Candidate,
    /// Work units a second.
    pub(crate) speed: f64,
    /// What working costs it, in wei for a millisecond.
    pub(crate) cost: f64,
    pub(crate) character: Character,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Character {
    Honest,
    /// Says that it is faster than it is.
    Boaster,
    /// Returns what is no proof, soon.
    Cheat,
}

/// What becomes of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A valid result after so long.
    Done(Millis),
    /// The same, but nothing is heard of the prover before.
    Silent(Millis),
    /// It breaks off after so long.
    Crash(Millis),
    /// A wrong result after so long.
    Wrong(Millis),
}

impl Prover {
    /// What becomes of a lease of this job. The same for each strategy.
    pub(crate) fn fate(&self, scenario: &Scenario, prover: usize, job: u32, units: u64) -> Fate {
        let mut rng = Rng::new(scenario.seed, [prover as u64 + 10, u64::from(job)]);
        // Machines do not take the same time each time.
        let takes = units as f64 * 1_000.0 / self.speed * rng.log_normal(0.05);
        let millis = |times: f64| (takes * times).ceil() as Millis;
        if self.character == Character::Cheat && rng.unit() < RUBBISH {
            return Fate::Wrong(millis(0.1));
        }
        let unlucky = rng.unit() < scenario.failures;
        match rng.weighted(&[0.4, 0.3, 0.3]) {
            _ if !unlucky => Fate::Done(millis(1.0)),
            0 => Fate::Crash(millis(rng.unit())),
            1 => Fate::Silent(millis(1.0)),
            _ => Fate::Done(millis(6.0)),
        }
    }
}

/// The provers of a scenario.
pub(crate) fn provers(scenario: &Scenario) -> Vec<Prover> {
    let mut rng = Rng::new(scenario.seed, [2, 0]);
    let prover = |index: u32| {
        let speed = MEDIAN_SPEED * rng.log_normal(0.7);
        let units = COST * UNIT_PRICE as f64 / 1e6 * (speed / MEDIAN_SPEED).powf(-EFFICIENCY) * rng.log_normal(0.25);
        // Whatever the draw, somebody can do the largest jobs.
        let memory = if index < 2 { 64 * GIB } else { (8 * GIB) << rng.weighted(&[0.4, 0.3, 0.2, 0.1]) };
        let lies = rng.unit() < scenario.liars && index >= 2;
        let character = match rng.unit() < 0.5 {
            _ if !lies => Character::Honest,
            true => Character::Boaster,
            false => Character::Cheat,
        };
        let said = if character == Character::Boaster { speed * BOAST } else { speed };
        let known = Candidate {
            address: Address::left_padding_from(&(index + 1).to_be_bytes()),
            present: true,
            waiting: 1,
            concurrency: 1,
            memory,
            speeds: BTreeMap::from([(KIND, said)]),
            enclaves: vec![],
            standing: Standing::default(),
            asks: BTreeMap::from([(KIND, (units * MARKUP * 1e6) as u128)]),
        };
        Prover { known, speed, cost: units * speed / 1_000.0, character }
    };
    (0..scenario.provers).map(prover).collect()
}

/// Memory for a job of this size, in bytes.
pub(crate) const fn memory(size: u8) -> u64 {
    (4 * GIB) << (size / 3)
}
