//! How a task's jobs are handed out: to one prover each, to the best bidder, or to several at once.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// More than so many never race for a job.
pub const MOST_RACERS: u32 = 8;

/// How the jobs of a task are handed out. Written as `assign`, `compete`, or `race:N`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strategy {
    /// Each job has one prover, chosen by who is done soonest. It gets what the work is worth at the pool's price.
    #[default]
    Assign,
    /// Provers bid a price and a time, and the best score gets the job. It is paid what would have been just as good as the
    /// runner-up of another owner, at most what the work is worth, so that bidding more than the work is worth to one gains
    /// nothing. What is left stays with the operator, whose price was firm before anybody bid.
    Compete,
    /// Several provers of different owners prove each job. The first valid result gets the pay of all of them, the others
    /// are stopped and get nothing: only a result is proof that somebody worked.
    Race {
        /// How many, 2 to [`MOST_RACERS`].
        provers: u32,
    },
}

impl Strategy {
    /// How many provers a job is wanted to have.
    pub fn holders(self) -> u32 {
        match self {
            Self::Assign | Self::Compete => 1,
            Self::Race { provers } => provers.clamp(1, MOST_RACERS),
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Assign => f.write_str("assign"),
            Self::Compete => f.write_str("compete"),
            Self::Race { provers } => write!(f, "race:{provers}"),
        }
    }
}

/// A text that names no strategy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no strategy: assign, compete, or race:N with N from 2 to {MOST_RACERS}")]
pub struct ParseStrategyError(String);

impl FromStr for Strategy {
    type Err = ParseStrategyError;

    fn from_str(text: &str) -> Result<Self, ParseStrategyError> {
        let racers = |count: &str| {
            // One way to write each: neither `+2` nor `02`.
            let provers = count.parse().ok().filter(|provers: &u32| provers.to_string() == count)?;
            (2..=MOST_RACERS).contains(&provers).then_some(Self::Race { provers })
        };
        let known = match text {
            "assign" => Some(Self::Assign),
            "compete" => Some(Self::Compete),
            _ => text.strip_prefix("race:").and_then(racers),
        };
        // Whatever was sent is not sent back whole.
        known.ok_or_else(|| ParseStrategyError(text.chars().take(32).collect()))
    }
}

impl Serialize for Strategy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Strategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_is_written_in_one_way() {
        let all = [Strategy::Assign, Strategy::Compete, Strategy::Race { provers: 2 }, Strategy::Race { provers: 8 }];
        for (strategy, text) in all.into_iter().zip(["assign", "compete", "race:2", "race:8"]) {
            assert_eq!((strategy.to_string().as_str(), text.parse()), (text, Ok(strategy)));
            assert_eq!(serde_json::to_value(strategy).unwrap(), text);
            assert_eq!(serde_json::from_value::<Strategy>(text.into()).unwrap(), strategy);
        }
        for bad in
            ["", "Assign", "race", "race:", "race:1", "race:9", "race:02", "race:+2", "race: 2", "race:2 ", "rate"]
        {
            let error = bad.parse::<Strategy>().unwrap_err().to_string();
            assert!(error.ends_with("is no strategy: assign, compete, or race:N with N from 2 to 8"), "{error}");
        }
        assert!("x".repeat(1_000).parse::<Strategy>().unwrap_err().to_string().len() < 120);
    }

    #[test]
    fn a_race_is_bounded() {
        assert_eq!(Strategy::Race { provers: 0 }.holders(), 1);
        assert_eq!(Strategy::Race { provers: u32::MAX }.holders(), MOST_RACERS);
    }
}
