//! What can be asked for.

use clap::{Args, ValueEnum};
use serde::Serialize;
use std::{fmt, path::PathBuf, str::FromStr};
use zkpool_protocol::{MOST_RACERS, Strategy};

/// How demand comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Trace {
    /// Evenly, as a Poisson process
    Steady,
    /// A fifth of the time four times as much as on average, otherwise a quarter
    Bursty,
    /// Ten times the usual for a twentieth of the time
    Flash,
    /// Evenly, with few jobs that are up to a thousand times as large as most
    Heavy,
}

/// What is varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Sweep {
    /// How many leases fail
    Failures,
    /// How much is asked of the pool
    Load,
    /// How much time there is
    Slack,
    /// What the operator loses if it fails
    Penalty,
    /// How many provers lie
    Liars,
}

/// A strategy, as it is chosen for every task of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This one.
    One(Strategy),
    /// `assign`, or a race where the penalty is worth it.
    Suited,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(strategy) => strategy.fmt(f),
            Self::Suited => f.write_str("suited"),
        }
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "suited" => Ok(Self::Suited),
            "race" => Ok(Self::One(Strategy::Race { provers: 2 })),
            _ => text
                .parse()
                .map(Self::One)
                .map_err(|_| format!("assign, compete, race, race:N (2 to {MOST_RACERS}) or suited")),
        }
    }
}

/// A pool and what is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Args)]
pub struct Scenario {
    /// How many provers
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub provers: u32,
    /// How many jobs
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub jobs: u32,
    /// How they come
    #[arg(long, value_enum, default_value_t = Trace::Steady)]
    pub trace: Trace,
    /// How much is asked: 1 is all that honest provers could do
    #[arg(long, value_name = "PART", default_value_t = 0.6, value_parser = positive)]
    pub load: f64,
    /// How many leases fail: a crash, a lost line, a machine that is six times as slow all at once
    #[arg(long, value_name = "PART", default_value_t = 0.02, value_parser = part)]
    pub failures: f64,
    /// How many provers lie: half say that they are four times as fast, half return rubbish
    #[arg(long, value_name = "PART", default_value_t = 0.05, value_parser = part)]
    pub liars: f64,
    /// How much time a job has, as a multiple of what it typically takes
    #[arg(long, value_name = "TIMES", default_value_t = 4.0, value_parser = positive)]
    pub slack: f64,
    /// The liability, as a multiple of the work's price; a bond of a quarter of it comes on top
    #[arg(long, value_name = "TIMES", default_value_t = 10.0, value_parser = positive)]
    pub penalty: f64,
    /// Another one gives other provers, jobs and failures
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Play a pool through, with the real scheduler and prices over made-up demand and provers
#[derive(Clone, Debug, Args)]
pub struct SimulateArgs {
    /// The pool.
    #[command(flatten)]
    pub scenario: Scenario,
    /// Which strategies: assign, compete, race (or race:N), suited (a race where the penalty is worth it)
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "assign,compete,race,race:3")]
    pub strategies: Vec<Choice>,
    /// Vary one thing, and leave the others as they are
    #[arg(long, value_enum, conflicts_with = "bench")]
    pub sweep: Option<Sweep>,
    /// Draw the figures, as SVG files in this directory
    #[arg(long, value_name = "DIR", conflicts_with = "bench")]
    pub plots: Option<PathBuf>,
    /// Measure how fast the scheduler decides instead, up to so many provers and jobs
    #[arg(long)]
    pub bench: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 && value <= 1e6 => Ok(value),
        _ => Err("a number above 0, at most a million".into()),
    }
}

fn part(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=0.9).contains(&value) => Ok(value),
        _ => Err("a part, from 0 to 0.9".into()),
    }
}

impl Sweep {
    /// The values that are gone through.
    pub(crate) const fn values(self) -> &'static [f64] {
        match self {
            Self::Failures => &[0.0, 0.02, 0.05, 0.1, 0.2, 0.4],
            Self::Load => &[0.2, 0.4, 0.6, 0.8, 0.9, 1.0, 1.2],
            Self::Slack => &[1.5, 2.0, 3.0, 4.0, 6.0, 10.0],
            Self::Penalty => &[1.0, 3.0, 10.0, 30.0, 100.0, 300.0],
            Self::Liars => &[0.0, 0.05, 0.1, 0.2, 0.4],
        }
    }

    /// The scenario with this value.
    pub(crate) const fn set(self, mut scenario: Scenario, value: f64) -> Scenario {
        match self {
            Self::Failures => scenario.failures = value,
            Self::Load => scenario.load = value,
            Self::Slack => scenario.slack = value,
            Self::Penalty => scenario.penalty = value,
            Self::Liars => scenario.liars = value,
        }
        scenario
    }

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::Load => "load",
            Self::Slack => "slack",
            Self::Penalty => "penalty",
            Self::Liars => "liars",
        }
    }
}
