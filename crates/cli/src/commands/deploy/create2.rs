//! Deploying through the usual CREATE2 deployer: an address follows from code, arguments and salt alone.

use super::artifacts::Artifact;
use crate::{
    chain::{chain_error, send, sender},
    commands::Context,
    error::{CliError, CliResult},
};
use alloy::{
    consensus::TxEnvelope,
    eips::Decodable2718,
    primitives::{Address, B256, Bytes, U256, address, hex, keccak256},
    providers::Provider,
};
use std::collections::BTreeMap;
use zkpool_chain::{Rpc, Sender, TxRequest};

/// The deployer that nearly every chain has (and anvil from the start).
const DEPLOYER: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");
/// What the transaction costs that makes it: it was signed once for all chains, for a fixed gas price.
const MAKER_PAYS: u64 = 10_000_000_000_000_000;
const MAKER_SIGNED: &[u8] = &hex!(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba02222222222222222222222222222222222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222222222"
);

/// Somebody who deploys.
pub(super) struct Deployer {
    rpc: Rpc,
    sender: Sender,
    common: super::args::Common,
    libraries: BTreeMap<String, Address>,
}

impl Deployer {
    /// Connects, and makes sure that the CREATE2 deployer is there.
    pub(super) async fn open(common: &super::args::Common, context: &Context) -> CliResult<Self> {
        let section = context.settings.section::<super::args::Common>("deploy")?;
        let (chain, send) = (section.with(&common.chain)?, section.with(&common.send)?);
        let key = common.key.load(&context.settings, "deployer")?;
        let (rpc, chain_id) = chain.endpoint().await?;
        let sender = sender(rpc.clone(), chain_id, &key, &send);
        let deployer = Self { rpc, sender, common: common.clone(), libraries: BTreeMap::new() };
        deployer.ensure_deployer().await?;
        Ok(deployer)
    }

    /// Deploys a contract with ABI-encoded arguments, its libraries first; returns where it is. What is there already is
    /// left alone.
    pub(super) async fn deploy(&mut self, name: &str, arguments: &[u8]) -> CliResult<Address> {
        self.deploy_with(name, |_| Ok(arguments.to_vec())).await
    }

    /// The same, with arguments that depend on the contract's ABI.
    pub(super) async fn deploy_with(
        &mut self,
        name: &str,
        arguments: impl FnOnce(&Artifact) -> CliResult<Vec<u8>>,
    ) -> CliResult<Address> {
        let artifact = Artifact::read(&self.common.artifacts, name)?;
        for library in artifact.libraries() {
            if !self.libraries.contains_key(library) {
                let at = Box::pin(self.deploy(library, &[])).await?;
                self.libraries.insert(library.to_owned(), at);
            }
        }
        let mut code = artifact.code(&self.libraries)?;
        code.extend(arguments(&artifact)?);
        self.create(name, &code).await
    }

    /// Uses a library that is deployed already.
    pub(super) fn link(&mut self, library: &str, at: Address) {
        self.libraries.insert(library.to_owned(), at);
    }

    async fn create(&self, name: &str, code: &[u8]) -> CliResult<Address> {
        let attempt = || format!("deploy {name}");
        let salt = self.common.salt;
        let at = DEPLOYER.create2(salt, keccak256(code));
        if self.has_code(at).await? {
            tracing::info!(%at, "{name} is deployed already");
            return Ok(at);
        }
        let data: Bytes = [salt.as_slice(), code].concat().into();
        send(&self.sender, &attempt(), TxRequest::call(format!("{name} {at}"), DEPLOYER, data)).await?;
        if self.has_code(at).await? {
            Ok(at)
        } else {
            Err(CliError::coded(attempt(), "its constructor failed", zkpool_protocol::ErrorCode::TransactionFailed)
                .advise(
                    "check the constructor's arguments and that the chain has the rules that the code needs (Osaka)",
                ))
        }
    }

    async fn ensure_deployer(&self) -> CliResult {
        if self.has_code(DEPLOYER).await? {
            return Ok(());
        }
        let attempt = "put the CREATE2 deployer on this chain";
        let failed = |why: String| CliError::new(attempt, why, "internal", crate::error::Exit::Failed);
        let signed = TxEnvelope::decode_2718(&mut &MAKER_SIGNED[..]).map_err(|error| failed(error.to_string()))?;
        let maker = signed
            .signature()
            .recover_address_from_prehash(&signed.signature_hash())
            .map_err(|error| failed(error.to_string()))?;
        let fund =
            TxRequest::call("pay for the CREATE2 deployer", maker, Bytes::new()).with_value(U256::from(MAKER_PAYS));
        send(&self.sender, attempt, fund).await?;
        let advice = "the chain must accept transactions without a chain id, at least once; or use a chain that has the \
                      deployer at 0x4e59b44847b379578588920cA78FbF26c0B4956C";
        let refused =
            |why: String| CliError::coded(attempt, why, zkpool_protocol::ErrorCode::TransactionFailed).advise(advice);
        let pending =
            self.rpc.provider().send_raw_transaction(MAKER_SIGNED).await.map_err(|error| refused(error.to_string()))?;
        let hash: B256 = *pending.tx_hash();
        for _ in 0..120 {
            if self.has_code(DEPLOYER).await? {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        Err(refused(format!("transaction {hash} was not included within a minute")))
    }

    async fn has_code(&self, at: Address) -> CliResult<bool> {
        self.rpc.has_code(at).await.map_err(|e| chain_error(format!("look at {at}"), e))
    }
}
