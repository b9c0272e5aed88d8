//! The contracts that forge has built, deployed with their libraries.

use super::{Anvil, Result, TestChainError};
use alloy::primitives::{Address, Bytes, U256};
use serde::Deserialize;
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// forge's `out` directory.
#[derive(Clone, Debug)]
pub struct Artifacts {
    out: PathBuf,
}

/// Deploys contracts from one of anvil's accounts; every library once.
#[derive(Debug)]
pub struct Deployer<'a> {
    chain: &'a Anvil,
    from: Address,
    artifacts: Artifacts,
    libraries: HashMap<String, Address>,
}

#[derive(Deserialize)]
struct Artifact {
    bytecode: Bytecode,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bytecode {
    /// Hex, with `__$…$__` where a library's address belongs.
    object: String,
    /// Source file, library, places.
    #[serde(default)]
    link_references: HashMap<String, HashMap<String, Vec<Place>>>,
}

#[derive(Deserialize)]
struct Place {
    /// In bytes.
    start: usize,
}

impl Artifacts {
    /// Of the repository's contracts.
    pub fn of_repository() -> Self {
        Self::at(super::contracts_dir().join("out"))
    }

    /// In another directory.
    pub fn at(out: impl Into<PathBuf>) -> Self {
        Self { out: out.into() }
    }

    /// Reads a contract by name (`"ZKPool"`), or by file and name (`"Tokens.sol:PlainToken"`) where the name is not
    /// unique or the file is called otherwise.
    fn read(&self, name: &str) -> Result<Artifact> {
        let what = format!("read the artifact of {name}");
        let path = match name.split_once(':') {
            Some((file, contract)) => self.out.join(file).join(format!("{contract}.json")),
            None => self.find(name).ok_or_else(|| {
                let hint = format!("there is none in {}: build the contracts first (forge build)", self.out.display());
                TestChainError::new(&what, hint)
            })?,
        };
        let bytes = fs::read(&path).map_err(|error| TestChainError::new(&what, error))?;
        serde_json::from_slice(&bytes).map_err(|error| TestChainError::new(&what, error))
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        let file = format!("{name}.json");
        let own = self.out.join(format!("{name}.sol")).join(&file);
        if own.is_file() {
            return Some(own);
        }
        let mut dirs: Vec<_> = fs::read_dir(&self.out).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        dirs.sort();
        dirs.into_iter().map(|dir| dir.join(&file)).find(|path| Path::is_file(path))
    }
}

impl<'a> Deployer<'a> {
    /// Deploys the repository's contracts from `from`, one of anvil's accounts.
    pub fn new(chain: &'a Anvil, from: Address) -> Self {
        Self::with_artifacts(chain, from, Artifacts::of_repository())
    }

    /// Deploys the contracts of another directory.
    pub fn with_artifacts(chain: &'a Anvil, from: Address, artifacts: Artifacts) -> Self {
        Self { chain, from, artifacts, libraries: HashMap::new() }
    }

    /// Deploys a contract without constructor arguments.
    pub async fn deploy(&mut self, name: &str) -> Result<Address> {
        self.deploy_with(name, &[]).await
    }

    /// Deploys a pool, and before it the revenue ledger that it names.
    pub async fn deploy_pool(&mut self) -> Result<Address> {
        let ledger = self.deploy("RevenueLedger").await?;
        self.deploy_with("ZKPool", ledger.into_word().as_slice()).await
    }

    /// Deploys a contract with ABI-encoded constructor arguments (`(a, b).abi_encode_params()`), its libraries first.
    pub async fn deploy_with(&mut self, name: &str, arguments: &[u8]) -> Result<Address> {
        let artifact = self.artifacts.read(name)?;
        let mut object = artifact.bytecode.object.trim_start_matches("0x").to_owned();
        for libraries in artifact.bytecode.link_references.values() {
            for (library, places) in libraries {
                let address = match self.libraries.get(library) {
                    Some(address) => *address,
                    None => {
                        let address = Box::pin(self.deploy(library)).await?;
                        self.libraries.insert(library.clone(), address);
                        address
                    }
                };
                for place in places {
                    let digits = place.start * 2..place.start * 2 + 40;
                    if object.get(digits.clone()).is_none() {
                        return Err(TestChainError::new(format!("link {name}"), "a place is outside the bytecode"));
                    }
                    object.replace_range(digits, &hex::encode(address));
                }
            }
        }
        let mut code =
            hex::decode(&object).map_err(|e| TestChainError::new(format!("read the bytecode of {name}"), e))?;
        if code.is_empty() {
            return Err(TestChainError::new(format!("deploy {name}"), "it is abstract or an interface"));
        }
        code.extend_from_slice(arguments);
        let receipt = self
            .chain
            .send(self.from, None, Bytes::from(code), U256::ZERO)
            .await
            .map_err(|error| TestChainError::new(format!("deploy {name}"), error))?;
        receipt.contract_address.ok_or_else(|| TestChainError::new(format!("deploy {name}"), "no address"))
    }
}
