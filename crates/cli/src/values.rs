//! What people write on a command line and in a file: amounts, times, sizes.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::Duration};

/// A text that is not the value it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(String);

macro_rules! as_text {
    ($name:ident) => {
        impl TryFrom<Raw> for $name {
            type Error = ValueError;

            fn try_from(raw: Raw) -> Result<Self, ValueError> {
                match raw {
                    Raw::Number(number) => number.to_string().parse(),
                    Raw::Float(number) => number.to_string().parse(),
                    Raw::Text(text) => text.parse(),
                }
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

/// A number or a text, as TOML and environment variables give them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Raw {
    Number(u64),
    Float(f64),
    Text(String),
}

/// An amount of a token, in its smallest unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "String")]
pub struct Amount(pub u128);
as_text!(Amount);

impl FromStr for Amount {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let error = || {
            ValueError(format!(
                "{text:?} is no amount: write it in the token's smallest unit (1000000), or with a unit of 18 (ether) or \
                 9 (gwei) decimals (1.5ether, 20gwei), or as a power of ten (2.5e6)"
            ))
        };
        let clean = text.replace('_', "");
        let (number, decimals) = match clean.strip_suffix("ether") {
            Some(number) => (number, 18),
            None => match clean.strip_suffix("gwei") {
                Some(number) => (number, 9),
                None => match clean.strip_suffix("wei") {
                    Some(number) => (number, 0),
                    None => match clean.split_once(['e', 'E']) {
                        Some((number, power)) => (number, power.parse::<u32>().map_err(|_| error())?),
                        None => (clean.as_str(), 0),
                    },
                },
            },
        };
        scaled(number.trim_end(), decimals).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `number` × 10^`decimals`, exactly.
fn scaled(number: &str, decimals: u32) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let fraction_digits = u32::try_from(fraction.len()).ok()?;
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction_digits > decimals {
        return None;
    }
    let value: u128 = format!("{whole}{fraction}").parse().ok()?;
    value.checked_mul(10u128.checked_pow(decimals - fraction_digits)?)
}

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "String")]
pub struct Span(pub Duration);
as_text!(Span);

impl Span {
    /// In whole seconds, as contracts count them.
    pub fn seconds(self) -> u32 {
        u32::try_from(self.0.as_secs()).unwrap_or(u32::MAX)
    }
}

impl FromStr for Span {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let error = || ValueError(format!("{text:?} is no time: write seconds (90), or 500ms, 90s, 15m, 2h, 7d"));
        let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = text[..at].parse().map_err(|_| error())?;
        let millis = match &text[at..] {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(error()),
        };
        number.checked_mul(millis).map(|millis| Self(Duration::from_millis(millis))).ok_or_else(error)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX) {
            millis if millis % 1000 == 0 => write!(f, "{}s", millis / 1000),
            millis => write!(f, "{millis}ms"),
        }
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "String")]
pub struct Size(pub u64);
as_text!(Size);

impl FromStr for Size {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let error = || ValueError(format!("{text:?} is no size: write bytes (1000000), or 512MiB, 4GiB, 20GB"));
        let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = text[..at].parse().map_err(|_| error())?;
        let unit: u64 = match text[at..].trim() {
            "" | "B" => 1,
            "KiB" | "K" => 1 << 10,
            "MiB" | "M" => 1 << 20,
            "GiB" | "G" => 1 << 30,
            "TiB" | "T" => 1 << 40,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            _ => return Err(error()),
        };
        number.checked_mul(unit).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, name) in [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
            if self.0 >= unit && self.0.is_multiple_of(unit) {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        self.0.fmt(f)
    }
}

/// One text, several with commas between them, or a list: as flags, environment and file give them.
pub mod texts {
    use serde::{Deserialize, Deserializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Raw {
        One(String),
        Many(Vec<String>),
    }

    /// Reads a list.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
        Ok(match Raw::deserialize(deserializer)? {
            Raw::One(text) => text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(Into::into).collect(),
            Raw::Many(texts) => texts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        let amount = |text: &str| text.parse::<Amount>().map(|a| a.0);
        assert_eq!(amount("1000"), Ok(1000));
        assert_eq!(amount("1_000"), Ok(1000));
        assert_eq!(amount("1.5ether"), Ok(1_500_000_000_000_000_000));
        assert_eq!(amount("20gwei"), Ok(20_000_000_000));
        assert_eq!(amount("7 wei"), Ok(7));
        assert_eq!(amount("2.5e6"), Ok(2_500_000));
        assert_eq!(amount(&u128::MAX.to_string()), Ok(u128::MAX));
        for bad in ["", "-1", "0.5", "1.5wei", "1e40", "1e", "ether", ".5ether", "1.2.3ether", "0x10", "1,5ether"] {
            assert!(amount(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_and_sizes_have_units() {
        let span = |text: &str| text.parse::<Span>().map(|s| s.0.as_millis());
        assert_eq!(
            (span("90"), span("500ms"), span("15m"), span("7d")),
            (Ok(90_000), Ok(500), Ok(900_000), Ok(604_800_000))
        );
        assert!(span("1y").is_err() && span("").is_err() && span(&format!("{}d", u64::MAX)).is_err());
        let size = |text: &str| text.parse::<Size>().map(|s| s.0);
        assert_eq!((size("5"), size("4GiB"), size("2 MB")), (Ok(5), Ok(4 << 30), Ok(2_000_000)));
        assert!(size("4 gigs").is_err() && size(&format!("{}TiB", u64::MAX)).is_err());
    }

    #[test]
    fn values_survive_the_configuration() {
        for text in ["\"1.5ether\"", "1500000"] {
            let amount: Amount = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::from_str::<Amount>(&serde_json::to_string(&amount).unwrap()).unwrap(), amount);
        }
        let (span, size) = (Span(Duration::from_millis(1500)), Size(3 << 20));
        assert_eq!(span.to_string().parse(), Ok(span));
        assert_eq!(size.to_string().parse(), Ok(size));
    }
}
