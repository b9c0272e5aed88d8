//! A simulated platform under an enclave's agent.

use crate::{Body, Platform, SimError};
use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};
use zkpool_enclave::{Quoting, QuotingError};

/// Vouches, worthlessly, for the program that it is part of.
pub struct Simulated {
    platform: Platform,
    body: Body,
}

impl Simulated {
    /// With a platform's keys and what is to be said of the enclave.
    pub const fn new(platform: Platform, body: Body) -> Self {
        Self { platform, body }
    }

    /// On the platform of a directory ([`Platform::open`]). The measurement is the running program's
    /// ([`Body::of_this_program`]).
    ///
    /// # Errors
    ///
    /// [`SimError`].
    pub fn open(dir: &Path) -> Result<Self, SimError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let platform = Platform::open(dir, now)?;
        let body = Body::of_this_program().map_err(|source| {
            let path = std::env::current_exe().unwrap_or_default();
            SimError::File { path, source }
        })?;
        Ok(Self::new(platform, body))
    }
}

impl Quoting for Simulated {
    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, QuotingError> {
        Ok(self.platform.quote(&self.body, report_data))
    }

    fn mrenclave(&self) -> Option<[u8; 32]> {
        Some(self.body.mrenclave)
    }

    fn simulated(&self) -> bool {
        true
    }
}
