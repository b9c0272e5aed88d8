//! What a registrar, or whoever rechecks one, lets through.

use crate::error::{CliError, CliResult};
use clap::Args;
use figment::{
    Figment,
    providers::{Format, Toml},
};
use serde::{Deserialize, Serialize};
use std::{
    io::Read,
    path::{Path, PathBuf},
};
use zkpool_protocol::ErrorCode;
use zkpool_verifiers::sgx::{Policy, Root, may_simulate};

/// The most that a file here may be, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Which platforms and enclaves are let through, and by whose word.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct Trust {
    /// The policy (TOML): which TCB statuses, evaluation number and builds are let through; docs/sgx.md has one
    #[arg(long, value_name = "FILE", help_heading = "Trust")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PathBuf>,
    /// Root certificate (DER) of a simulated platform, in place of Intel's: on development chains only
    #[arg(long, value_name = "FILE", help_heading = "Trust")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulated_root: Option<PathBuf>,
}

impl Trust {
    /// Reads both. A simulated root is refused wherever there may be value.
    pub(super) fn read(&self, chain_id: u64) -> CliResult<(Policy, Root)> {
        let attempt = "read the policy";
        let path = self.policy.as_ref().ok_or_else(|| {
            CliError::config(attempt, "no policy is set: nothing is let through by default")
                .advise("write one (docs/sgx.md), and name it with --policy FILE or `policy` in [sgx]")
        })?;
        let attempt = format!("{attempt} {}", path.display());
        let text = String::from_utf8(read(&attempt, path)?).map_err(|error| CliError::config(&attempt, error))?;
        let policy: Policy =
            Figment::from(Toml::string(&text)).extract().map_err(|error| CliError::config(&attempt, error))?;
        let root = match &self.simulated_root {
            None => Root::Intel,
            Some(_) if !may_simulate(chain_id) => {
                let why = format!("chain {chain_id} is not a development chain, and a simulation proves nothing");
                return Err(CliError::coded("trust a simulated platform", why, ErrorCode::Forbidden)
                    .advise("run the enclave on SGX hardware, and leave --simulated-root away"));
            }
            Some(path) => Root::Simulated(read("read the simulated root", path)?),
        };
        Ok((policy, root))
    }
}

/// A file, of a bounded size.
pub(super) fn read(attempt: &str, path: &Path) -> CliResult<Vec<u8>> {
    let failed = |error: std::io::Error| CliError::file(format!("{attempt} ({})", path.display()), error);
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(CliError::file(attempt, format!("{} is larger than {MAX_FILE} bytes", path.display())));
    }
    Ok(bytes)
}
