//! Who operates, by its own word: typed reads of an operators' registry.

use crate::{ChainError, Rpc};
use alloy::{
    eips::BlockId,
    primitives::{Address, B256, U256},
    providers::DynProvider,
};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use zkpool_bindings::IOperatorRegistry::{self, OperatorView};
use zkpool_protocol::ProofKind;

/// Reads of one registry. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RegistryView {
    rpc: Rpc,
    address: Address,
}

/// An entry. A stranger's word: nothing of it has been checked, but that its text is printable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Whose word it is.
    pub operator: Address,
    /// Where it says that its service answers. It can lead anywhere.
    pub url: String,
    /// Names of the kinds of proof that it says it takes.
    pub kinds: Vec<String>,
    /// When it last said so; seconds since 1970.
    pub updated_at: u64,
}

impl Listed {
    /// Whether it says that it takes this kind.
    pub fn takes(&self, kind: ProofKind) -> bool {
        self.kinds.iter().any(|name| name == kind.as_str())
    }
}

/// What was read of a registry, all of it in one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Entries, in the order of the list.
    pub entries: Vec<Listed>,
    /// How many there were to be read.
    pub total: u64,
    /// The block.
    pub block: u64,
}

/// Entries asked for at once: a page of the largest ones stays below what endpoints compute and answer.
const PAGE: u64 = 50;

impl RegistryView {
    /// Of the registry at `address`. Does not talk to the endpoint yet.
    pub const fn new(rpc: Rpc, address: Address) -> Self {
        Self { rpc, address }
    }

    /// The contract.
    pub const fn address(&self) -> Address {
        self.address
    }

    fn contract(&self) -> IOperatorRegistry::IOperatorRegistryInstance<DynProvider> {
        IOperatorRegistry::new(self.address, self.rpc.provider().clone())
    }

    /// The entries; if there are more than `most`, so many in a row, and `lot` says from where on: a random number gives
    /// each the same chance, and nobody is out of sight for having come late. All pages are read in one block, so that nobody who comes or goes meanwhile makes an
    /// entry be missed. Entries that no honest registry would hold are left out.
    ///
    /// # Errors
    /// The endpoint cannot be used now, or has lost the block; [`ChainError::Reverted`] or [`ChainError::BadAnswer`] if
    /// this is no registry.
    pub async fn list(&self, most: u64, lot: u64) -> Result<Listing, ChainError> {
        let block = self.rpc.head().await?.number;
        let contract = self.contract();
        let total = contract.count().block(BlockId::number(block)).call().await.map_err(|e| self.failed(e))?;
        let total: u64 = total.saturating_to();
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        let mut left = total.min(most);
        let mut offset = if total > most { lot % total } else { 0 };
        while left > 0 {
            let limit = PAGE.min(left).min(total - offset);
            let page = contract.page(U256::from(offset), U256::from(limit)).block(BlockId::number(block));
            let page = page.call().await.map_err(|e| self.failed(e))?;
            if page.len() as u64 != limit {
                let reason = format!("{} entries from {offset} on where {limit} were to be", page.len());
                return Err(ChainError::BadAnswer { what: self.what(), reason });
            }
            entries.extend(page.into_iter().filter_map(read).filter(|entry| seen.insert(entry.operator)));
            left -= limit;
            offset = (offset + limit) % total;
        }
        Ok(Listing { entries, total, block })
    }

    /// The entry of one operator, if it is on the list.
    ///
    /// # Errors
    /// As [`RegistryView::list`].
    pub async fn operator(&self, operator: Address) -> Result<Option<Listed>, ChainError> {
        Ok(read(self.contract().operatorOf(operator).call().await.map_err(|e| self.failed(e))?))
    }

    fn what(&self) -> String {
        format!("read the registry {}", self.address)
    }

    fn failed(&self, error: alloy::contract::Error) -> ChainError {
        ChainError::contract(self.what(), error)
    }
}

/// The name of a kind as the registry takes it; `None` if it is too long for that or no text.
fn name_of(kind: &str) -> Option<B256> {
    let fits = (1..=32).contains(&kind.len()) && kind.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| B256::right_padding_from(kind.as_bytes()))
}

/// The call that puts an operator on the list, or replaces what it has said. Kinds in any order, each once or more.
///
/// # Errors
/// What is wrong with URL or kinds, in words: the contract would refuse them.
pub fn registration(url: &str, kinds: &[String]) -> Result<IOperatorRegistry::registerCall, String> {
    if !(1..=256).contains(&url.len()) || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the URL must have 1 to 256 characters, printable ASCII without spaces".into());
    }
    let mut names = Vec::new();
    for kind in kinds {
        names
            .push(name_of(kind).ok_or_else(|| format!("{kind:?} is no name of a kind: 1 to 32 printable characters"))?);
    }
    names.sort_unstable();
    names.dedup();
    if !(1..=16).contains(&names.len()) {
        return Err("there must be 1 to 16 kinds".into());
    }
    Ok(IOperatorRegistry::registerCall { url: url.to_owned(), kinds: names })
}

fn read(entry: OperatorView) -> Option<Listed> {
    let printable = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let kinds = entry.kinds.iter().map(|name| {
        let end = name.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        std::str::from_utf8(&name[..end]).ok().filter(|name| printable(name)).map(str::to_owned)
    });
    Some(Listed {
        kinds: kinds.collect::<Option<_>>()?,
        url: Some(entry.url).filter(|url| printable(url) && url.len() <= 256)?,
        operator: Some(entry.operator).filter(|operator| !operator.is_zero())?,
        updated_at: entry.updatedAt.to(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        for kind in ProofKind::ALL {
            let call = registration("https://pool.example", &[kind.as_str().into()]).unwrap();
            let entry = OperatorView {
                operator: Address::repeat_byte(1),
                updatedAt: alloy::primitives::Uint::from(7),
                url: call.url,
                kinds: call.kinds,
            };
            let listed = read(entry).unwrap();
            assert!(listed.takes(kind), "{listed:?}");
            assert_eq!((listed.kinds.len(), listed.updated_at), (1, 7));
        }
    }

    #[test]
    fn what_the_contract_would_refuse_is_refused_here() {
        let kinds = |n: usize| (0..n).map(|i| format!("kind-{i}")).collect::<Vec<_>>();
        registration("u", &kinds(16)).unwrap();
        for (url, kinds) in [("", kinds(1)), ("a b", kinds(1)), (&"u".repeat(257), kinds(1)), ("u", kinds(0))] {
            assert!(registration(url, &kinds).is_err());
        }
        assert!(registration("u", &kinds(17)).is_err());
        assert!(registration("u", &["k".repeat(33)]).is_err());
        let call = registration("u", &["b".into(), "a".into(), "b".into()]).unwrap();
        assert_eq!(call.kinds, [name_of("a").unwrap(), name_of("b").unwrap()], "ascending, each once");
    }

    #[test]
    fn what_is_no_text_is_left_out() {
        let entry = |url: &str, kind: B256| OperatorView {
            operator: Address::repeat_byte(1),
            updatedAt: alloy::primitives::Uint::ZERO,
            url: url.into(),
            kinds: vec![kind],
        };
        let kind = name_of("sgx").unwrap();
        assert!(read(entry("u", kind)).is_some());
        for bad in
            [entry("u\u{1b}[2J", kind), entry("", kind), entry("u", B256::ZERO), entry("u", B256::repeat_byte(7))]
        {
            assert_eq!(read(bad), None);
        }
        assert_eq!(read(OperatorView { operator: Address::ZERO, ..entry("u", kind) }), None);
    }
}
