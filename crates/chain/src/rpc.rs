//! A handle on a JSON-RPC endpoint.

pub use crate::transport::RpcOptions;

use crate::{ChainError, transport::BoundedHttp};
use alloy::{
    consensus::BlockHeader,
    eips::{BlockId, BlockNumberOrTag},
    network::primitives::HeaderResponse,
    primitives::{Address, B256, U256},
    providers::{DynProvider, Provider, RootProvider},
    rpc::client::RpcClient,
};
use std::{fmt, sync::Arc};
use zkpool_protocol::Domain;

/// A thin, cheap to clone handle on an Ethereum node over HTTP(S).
///
/// Every request is bounded in time and retried with growing pauses when the endpoint does not answer or limits
/// requests; sending a raw transaction is as safe to repeat as a read. Errors never hold the URL.
#[derive(Clone)]
pub struct Rpc {
    provider: DynProvider,
    host: Arc<str>,
}

/// A block's header, as far as anyone here needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hash of the block before.
    pub parent: B256,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// Wei per gas (EIP-1559); zero on chains without.
    pub base_fee: u128,
    /// The most gas that a block takes.
    pub gas_limit: u64,
}

impl Rpc {
    /// A handle on the node at `url`, with the default bounds. Does not talk to it yet.
    pub fn new(url: &str) -> Result<Self, ChainError> {
        Self::with_options(url, RpcOptions::default())
    }

    /// A handle on the node at `url`. Does not talk to it yet.
    ///
    /// # Errors
    /// [`ChainError::BadUrl`].
    pub fn with_options(url: &str, options: RpcOptions) -> Result<Self, ChainError> {
        let transport = BoundedHttp::new(url, options).map_err(ChainError::BadUrl)?;
        let host = transport.host().into();
        // Not "local", whatever the address: alloy's pollers, which that would speed up, are not used.
        let provider = RootProvider::new(RpcClient::new(transport, false)).erased();
        Ok(Self { provider, host })
    }

    /// A handle that has been checked against the pool's domain: right chain, and a contract at the pool's address.
    ///
    /// # Errors
    /// As [`Rpc::check`].
    pub async fn connect(url: &str, domain: &Domain) -> Result<Self, ChainError> {
        let rpc = Self::new(url)?;
        rpc.check(domain).await?;
        Ok(rpc)
    }

    /// alloy's provider, for contract bindings and rare requests.
    pub fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// The endpoint's host and port, for logs.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Fails unless the endpoint serves the domain's chain and has a contract at the pool's address.
    ///
    /// # Errors
    /// [`ChainError::WrongChain`], [`ChainError::NoContract`], [`ChainError::Unreachable`].
    pub async fn check(&self, domain: &Domain) -> Result<(), ChainError> {
        let actual = self.chain_id().await?;
        if actual != domain.chain_id {
            return Err(ChainError::WrongChain { expected: domain.chain_id, actual });
        }
        if self.has_code(domain.pool).await? {
            Ok(())
        } else {
            Err(ChainError::NoContract { address: domain.pool, chain_id: actual })
        }
    }

    /// The chain's EIP-155 id.
    pub async fn chain_id(&self) -> Result<u64, ChainError> {
        self.provider.get_chain_id().await.map_err(|e| ChainError::rpc("read the chain id", e))
    }

    /// Whether there is a contract at `address`. An EIP-7702 delegation is no contract.
    pub async fn has_code(&self, address: Address) -> Result<bool, ChainError> {
        let code = self
            .provider
            .get_code_at(address)
            .await
            .map_err(|e| ChainError::rpc(format!("read the code at {address}"), e))?;
        Ok(!code.is_empty() && !code.starts_with(&[0xef, 0x01, 0x00]))
    }

    /// The newest block.
    pub async fn head(&self) -> Result<Head, ChainError> {
        self.header(BlockNumberOrTag::Latest.into(), "read the newest block").await?.ok_or_else(|| {
            ChainError::BadAnswer { what: "read the newest block".into(), reason: "there is none".into() }
        })
    }

    /// The block at `number`, if the endpoint has one.
    pub async fn block(&self, number: u64) -> Result<Option<Head>, ChainError> {
        let found = self.header(number.into(), &format!("read block {number}")).await?;
        match found {
            Some(head) if head.number != number => Err(ChainError::BadAnswer {
                what: format!("read block {number}"),
                reason: format!("it is block {}", head.number),
            }),
            found => Ok(found),
        }
    }

    async fn header(&self, id: BlockId, what: &str) -> Result<Option<Head>, ChainError> {
        let block = self.provider.get_block(id).await.map_err(|e| ChainError::rpc(what, e))?;
        Ok(block.map(|block| {
            let header = &block.header;
            Head {
                number: header.number(),
                hash: header.hash(),
                parent: header.parent_hash(),
                timestamp: header.timestamp(),
                base_fee: header.base_fee_per_gas().unwrap_or_default().into(),
                gas_limit: header.gas_limit(),
            }
        }))
    }

    /// An account's ether at the head, in wei.
    pub async fn ether(&self, account: Address) -> Result<U256, ChainError> {
        let what = format!("read the ether of {account}");
        self.provider.get_balance(account).await.map_err(|e| ChainError::rpc(what, e))
    }
}

impl fmt::Debug for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rpc").field("host", &self.host).finish_non_exhaustive()
    }
}
