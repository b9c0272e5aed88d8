//! Which enclaves, on which platforms, are let through.

use alloy_primitives::B256;
use dcap_qvl::QuotePolicy;
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// Who vouches for the platforms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// Intel's production root, which is part of this program.
    Intel,
    /// The root certificate (DER) of a simulated platform. It vouches for nothing, and only on
    /// [`super::SIMULATION_CHAINS`].
    Simulated(Vec<u8>),
}

/// What is let through. Nothing is by default: who writes a policy says which TCB statuses are good enough and which
/// enclaves are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// How far behind a platform may be.
    pub statuses: Vec<TcbStatus>,
    /// The least `tcbEvaluationDataNumber` of the collateral. Intel counts it up when it judges platforms anew; older
    /// collateral, though still valid, calls platforms good that no longer are.
    pub min_evaluation: u32,
    /// The enclaves, by MRENCLAVE.
    pub enclaves: Vec<B256>,
    /// Who must have signed the enclave (MRSIGNER), if that matters.
    #[serde(default)]
    pub signer: Option<B256>,
    /// ISVPRODID.
    pub product: u16,
    /// The least ISVSVN.
    pub min_svn: u16,
    /// Intel's advisories (`INTEL-SA-…`) to which no platform may be open.
    #[serde(default)]
    pub refused_advisories: Vec<String>,
    /// For how many days after the date of its TCB level a platform may still be [`TcbStatus::OutOfDate`], if that is
    /// let through at all.
    #[serde(default)]
    pub grace_days: u16,
    /// Let platforms through on which two threads share a core: what one does can leak to the other.
    #[serde(default)]
    pub allow_smt: bool,
    /// Let platforms through whose root keys Intel's registration service keeps, too.
    #[serde(default)]
    pub allow_cached_keys: bool,
    /// Let platforms through to which processors can be added.
    #[serde(default)]
    pub allow_dynamic_platform: bool,
}

impl Policy {
    /// The part of it that `dcap-qvl` checks.
    pub(super) fn quote_policy(&self, now: u64) -> QuotePolicy {
        let grace = Duration::from_secs(u64::from(self.grace_days) * 24 * 3600);
        // It always lets UpToDate through; whether this policy does, is checked beside it.
        let policy = QuotePolicy::strict(now)
            .min_tcb_eval_data_number(self.min_evaluation)
            .reject_advisories(&self.refused_advisories)
            .platform_grace_period(grace)
            .qe_grace_period(grace)
            .allow_smt(self.allow_smt)
            .allow_cached_keys(self.allow_cached_keys)
            .allow_dynamic_platform(self.allow_dynamic_platform);
        self.statuses.iter().fold(policy, |policy, status| policy.allow_status(status.dcap()))
    }
}

/// How a platform stands, as Intel calls it. What is revoked cannot be let through, and therefore has no name here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TcbStatus {
    /// Nothing is known against it.
    UpToDate,
    /// Safe if the enclave's code guards against known attacks.
    #[serde(rename = "SWHardeningNeeded")]
    SwHardeningNeeded,
    /// Safe if its owner has set it up so.
    ConfigurationNeeded,
    /// Both.
    #[serde(rename = "ConfigurationAndSWHardeningNeeded")]
    ConfigurationAndSwHardeningNeeded,
    /// Open to known attacks.
    OutOfDate,
    /// Open to known attacks, and its configuration is in question.
    OutOfDateConfigurationNeeded,
}

impl TcbStatus {
    /// Every status that a policy can let through.
    pub const ALL: [Self; 6] = [
        Self::UpToDate,
        Self::SwHardeningNeeded,
        Self::ConfigurationNeeded,
        Self::ConfigurationAndSwHardeningNeeded,
        Self::OutOfDate,
        Self::OutOfDateConfigurationNeeded,
    ];

    /// Intel's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UpToDate => "UpToDate",
            Self::SwHardeningNeeded => "SWHardeningNeeded",
            Self::ConfigurationNeeded => "ConfigurationNeeded",
            Self::ConfigurationAndSwHardeningNeeded => "ConfigurationAndSWHardeningNeeded",
            Self::OutOfDate => "OutOfDate",
            Self::OutOfDateConfigurationNeeded => "OutOfDateConfigurationNeeded",
        }
    }

    const fn dcap(self) -> dcap_qvl::TcbStatus {
        use dcap_qvl::TcbStatus as Dcap;
        match self {
            Self::UpToDate => Dcap::UpToDate,
            Self::SwHardeningNeeded => Dcap::SWHardeningNeeded,
            Self::ConfigurationNeeded => Dcap::ConfigurationNeeded,
            Self::ConfigurationAndSwHardeningNeeded => Dcap::ConfigurationAndSWHardeningNeeded,
            Self::OutOfDate => Dcap::OutOfDate,
            Self::OutOfDateConfigurationNeeded => Dcap::OutOfDateConfigurationNeeded,
        }
    }

    /// `None` for what is never let through: revoked platforms, and what is said of TDX only.
    pub(super) fn of(status: dcap_qvl::TcbStatus) -> Option<Self> {
        Self::ALL.into_iter().find(|ours| ours.dcap() == status)
    }
}

impl fmt::Display for TcbStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
