//! Operators that nobody has named: out of the registry, as far as they are worth asking.
//!
//! Whoever is asked for a quote gets the input, and this machine calls the URL that it has written down. So nobody is
//! asked whose entry is not of this kind of proof, who has no slot that could back the task (which an entry made to
//! gather inputs, or to crowd others out, has to pay for), whose URL leads into this machine's own network, or whose
//! service says that it is somebody else's.

use crate::{Requester, RequesterError};
use futures::{StreamExt, stream};
use rand::seq::SliceRandom;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
    time::Duration,
};
use zkpool_api::{Client, QuoteRequest, Reach};
use zkpool_chain::{Listed, Listing, OperatorRecord, RegistryView};
use zkpool_protocol::{Address, U256};

/// How operators are found.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// The registry's contract.
    pub registry: Address,
    /// Where entries may lead. [`Reach::Anywhere`] is for development chains: an entry is a stranger's word.
    pub reach: Reach,
    /// Entries that are read; if there are more, which of them is decided by lot.
    pub most_entries: u64,
    /// Services of the registry that one request is taken to.
    pub most_asked: usize,
    /// Of these, places for operators without a good record, drawn by lot; more if there are not enough with one.
    pub newcomers: usize,
    /// Longest that one of them may take to answer: a stranger must not hold everybody up.
    pub patience: Duration,
}

impl Discovery {
    /// The usual bounds, for this registry.
    pub const fn of(registry: Address) -> Self {
        Self {
            registry,
            reach: Reach::Public,
            most_entries: 500,
            most_asked: 12,
            newcomers: 4,
            patience: Duration::from_secs(45),
        }
    }
}

/// An operator that is worth asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) url: String,
    /// Those that say that the service is theirs; one of them at most tells the truth.
    pub(crate) claimed_by: Vec<Address>,
}

/// Slots of an operator that are looked at, from the first on.
const SLOTS: u32 = 8;
/// Operators whose slots are looked at for one request, at most.
const MOST_LOOKED_AT: usize = 96;
/// Looks at the chain at once.
const AT_ONCE: usize = 8;

impl Requester {
    /// What stands in the registry.
    ///
    /// # Errors
    /// [`RequesterError::BadRequest`] if no registry is configured; [`RequesterError::Chain`].
    pub async fn listed(&self) -> Result<Listing, RequesterError> {
        let Some(discovery) = &self.inner.options.discovery else {
            return Err(RequesterError::BadRequest("no registry of operators is configured".into()));
        };
        let registry = RegistryView::new(self.inner.view.rpc().clone(), discovery.registry);
        Ok(registry.list(discovery.most_entries, rand::random()).await?)
    }

    /// Operators of the registry that this request may be taken to, those with a good record first.
    pub(crate) async fn discover(&self, asked: &QuoteRequest) -> Result<Vec<Found>, RequesterError> {
        let Some(discovery) = &self.inner.options.discovery else { return Ok(Vec::new()) };
        let mut entries = self.listed().await?.entries;
        entries.extend(self.listed_of_old(discovery, &entries).await?);
        let named: Vec<_> =
            self.inner.operators.iter().filter_map(|url| Client::base_of(url, Reach::Anywhere).ok()).collect();
        let mut entries: Vec<_> = entries
            .into_iter()
            .filter(|entry| entry.takes(asked.kind))
            // One text for one service, however it is written.
            .filter_map(|entry| Some(Listed { url: Client::base_of(&entry.url, discovery.reach).ok()?, ..entry }))
            .filter(|entry| !named.contains(&entry.url))
            .collect();
        let operators: Vec<_> = entries.iter().map(|entry| entry.operator).collect();
        let records = self.known_records(&operators).await?;
        // By lot: nobody has a better place among the new for having been there first, or for its address.
        entries.shuffle(&mut rand::thread_rng());
        let (known, others) = by_record(entries, &records);
        let mut urls = BTreeSet::new();
        let most = discovery.most_asked.saturating_sub(discovery.newcomers);
        let known = self.with_slots(asked, known, most, &mut urls).await?;
        let others = self.with_slots(asked, others, discovery.most_asked, &mut urls).await?;
        Ok(by_url(known.into_iter().chain(others)))
    }

    /// Entries of those with the best records that are not among the ones that were read: no crowd hides them.
    async fn listed_of_old(&self, discovery: &Discovery, read: &[Listed]) -> Result<Vec<Listed>, RequesterError> {
        let best = self.with_book(|book| book.best(discovery.most_asked)).await?.unwrap_or_default();
        let registry = RegistryView::new(self.inner.view.rpc().clone(), discovery.registry);
        let mut more = Vec::new();
        for operator in best.into_iter().filter(|operator| read.iter().all(|entry| entry.operator != *operator)) {
            more.extend(registry.operator(operator).await?);
        }
        Ok(more)
    }

    /// Those of them that have something at stake, up to `most` services; whoever else has such a service comes with it.
    async fn with_slots(
        &self,
        asked: &QuoteRequest,
        entries: Vec<Listed>,
        most: usize,
        urls: &mut BTreeSet<String>,
    ) -> Result<Vec<Listed>, RequesterError> {
        let urls = Mutex::new(urls);
        let has_place = |url: &String| {
            let urls = urls.lock().unwrap_or_else(PoisonError::into_inner);
            urls.len() < most || urls.contains(url)
        };
        let looks: Vec<_> = entries
            .into_iter()
            .take(MOST_LOOKED_AT)
            .map(|entry| {
                let has_place = &has_place;
                async move {
                    let has = has_place(&entry.url) && self.has_slot(asked, entry.operator).await?;
                    Ok::<_, RequesterError>(has.then_some(entry))
                }
            })
            .collect();
        let mut looks = stream::iter(looks).buffered(AT_ONCE);
        let mut found = Vec::new();
        while let Some(entry) = looks.next().await {
            let Some(entry) = entry?.filter(|entry| has_place(&entry.url)) else { continue };
            urls.lock().unwrap_or_else(PoisonError::into_inner).insert(entry.url.clone());
            found.push(entry);
        }
        Ok(found)
    }

    /// Whether an operator has a signer, and a slot with enough in it for such a task, whether or not it is free now.
    async fn has_slot(&self, asked: &QuoteRequest, operator: Address) -> Result<bool, RequesterError> {
        let view = &self.inner.view;
        let signer = view.signer_of(operator).await?;
        if signer.frozen || signer.signer.is_none() {
            return Ok(false);
        }
        let me = asked.beneficiary();
        let need = [asked.liability, asked.bond, asked.burn].into_iter().map(U256::from).sum::<U256>();
        let now = view.rpc().head().await?.timestamp;
        for index in 0..SLOTS {
            let slot = view.slot(operator, asked.liability_token, index).await?;
            let open = slot.closes_at.is_none_or(|at| at > now);
            if open && U256::from(slot.collateral) >= need && slot.dedicated_to.is_none_or(|whom| whom == me) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Those with a better record than none at all, best first; then the others as they come, those with a bad one last.
fn by_record(entries: Vec<Listed>, records: &HashMap<Address, OperatorRecord>) -> (Vec<Listed>, Vec<Listed>) {
    let none = OperatorRecord::default().reliability();
    let of = |entry: &Listed| records.get(&entry.operator).map_or(none, OperatorRecord::reliability);
    let (mut known, mut others): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| of(entry) > none);
    known.sort_by_key(|entry| std::cmp::Reverse(of(entry)));
    others.sort_by_key(|entry| of(entry) < none);
    (known, others)
}

/// Each service once, however many entries name it. URLs are as [`Client::base_of`] has them.
fn by_url(entries: impl Iterator<Item = Listed>) -> Vec<Found> {
    let mut order = Vec::new();
    let mut claims: BTreeMap<String, Vec<Address>> = BTreeMap::new();
    for entry in entries {
        if !claims.contains_key(&entry.url) {
            order.push(entry.url.clone());
        }
        claims.entry(entry.url).or_default().push(entry.operator);
    }
    order.into_iter().filter_map(|url| claims.remove(&url).map(|claimed_by| Found { url, claimed_by })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u8, url: &str) -> Listed {
        Listed { operator: Address::repeat_byte(n), url: url.into(), kinds: vec![], updated_at: 0 }
    }

    #[test]
    fn a_service_that_many_claim_is_asked_once() {
        let entries = [entry(1, "https://a"), entry(2, "https://b"), entry(3, "https://a")];
        let found = by_url(entries.into_iter());
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].url.as_str(), found[0].claimed_by.len()), ("https://a", 2));
    }
}
