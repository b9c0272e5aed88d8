//! Asking one operator for receipts to sign, for as long as the node runs.

use crate::{
    AttesterError, Config, Event, Observer, Refusal,
    desk::{Desk, Fault},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zkpool_api::{
    AttestationsQuery, Client, ClientError, ClientOptions, Identity, MAX_OPEN_ATTESTATIONS, OpenAttestation,
};
use zkpool_protocol::{BlobId, TaskId};

/// An operator that does not wait, or that lists only what is set aside, is not asked again before this.
const PAUSE: Duration = Duration::from_secs(2);

/// So many lists of an operator are read, one behind the other, before the first one is read again.
const MAX_LISTS: u32 = 64;

/// What was not signed, and for how long it is left alone.
struct Aside {
    until: Option<Instant>,
    failures: u32,
}

/// One operator.
pub(crate) struct Operator {
    pub(crate) url: String,
    client: Client,
    config: Config,
    desk: Arc<Desk>,
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
    aside: HashMap<(TaskId, BlobId), Aside>,
    /// What stood in the lists since the first one was read.
    listed: HashSet<(TaskId, BlobId)>,
    failures: u32,
}

impl Operator {
    pub(crate) fn new(
        url: &str,
        identity: Identity,
        config: &Config,
        desk: &Arc<Desk>,
        observer: &Arc<dyn Observer>,
        stop: &CancellationToken,
    ) -> Result<Self, AttesterError> {
        let options = ClientOptions {
            chain_id: Some(config.chain_id),
            request_timeout: Duration::from_secs(15),
            // What fails is tried again here, where the owner hears of it.
            retries: 0,
            ..ClientOptions::default()
        };
        let client = Client::new(url, identity, options).map_err(AttesterError::Url)?;
        Ok(Self {
            url: client.url().to_owned(),
            client,
            config: config.clone(),
            desk: Arc::clone(desk),
            observer: Arc::clone(observer),
            stop: stop.clone(),
            aside: HashMap::new(),
            listed: HashSet::new(),
            failures: 0,
        })
    }

    /// Works until told to stop.
    ///
    /// # Errors
    ///
    /// [`AttesterError::Slashed`].
    pub(crate) async fn run(mut self) -> Result<(), AttesterError> {
        let first = AttestationsQuery { verifier: self.desk.view.address(), wait: self.config.wait, after: None };
        let (mut query, mut lists) = (first, 0);
        while !self.stop.is_cancelled() {
            let asked_at = Instant::now();
            let answer = tokio::select! {
                answer = self.client.attestations(&query) => answer,
                () = self.stop.cancelled() => break,
            };
            let wait = match answer {
                Ok(reply) => {
                    // Behind a full list there may be more: what is refused must not hide it.
                    let full = reply.open.get(MAX_OPEN_ATTESTATIONS - 1).map(|open| open.task);
                    lists += 1;
                    let next = full.filter(|_| lists < MAX_LISTS);
                    query = next.map_or(first, |_| AttestationsQuery { wait: 0, after: next, ..first });
                    let worked = self.work(reply.open).await?;
                    if next.is_none() {
                        lists = 0;
                        let listed = std::mem::take(&mut self.listed);
                        self.aside.retain(|key, _| listed.contains(key));
                    }
                    match worked {
                        Some(wait) => wait,
                        None => {
                            self.failures = 0;
                            PAUSE.min(self.config.backoff.max).saturating_sub(asked_at.elapsed())
                        }
                    }
                }
                Err(error) => self.trouble(&error),
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.cancelled() => break,
            }
        }
        Ok(())
    }

    /// Signs what can be signed. Returns how long to wait if nothing at all can be at present.
    async fn work(&mut self, mut open: Vec<OpenAttestation>) -> Result<Option<Duration>, AttesterError> {
        // Foreign: as many as are promised.
        open.truncate(MAX_OPEN_ATTESTATIONS);
        self.listed.extend(open.iter().map(|open| (open.task, open.receipt)));
        for open in open {
            let key = (open.task, open.receipt);
            let left_alone = |aside: &Aside| aside.until.is_none_or(|until| until > Instant::now());
            if self.aside.get(&key).is_some_and(left_alone) {
                continue;
            }
            if self.stop.is_cancelled() {
                break;
            }
            let fault = match self.desk.attest(&self.client, &open).await {
                Ok(reply) => {
                    self.aside.remove(&key);
                    self.observer.on(&Event::Signed {
                        operator: self.url.clone(),
                        task: open.task,
                        receipt: open.receipt,
                        signatures: reply.signatures,
                        threshold: reply.threshold,
                    });
                    continue;
                }
                Err(fault) => fault,
            };
            let retry_in = self.config.backoff.wait(self.failures.saturating_add(1));
            let event = match fault {
                Fault::Refused(refusal) => {
                    self.refused(&open, refusal);
                    continue;
                }
                Fault::Operator(error) => {
                    self.set_aside(&open, &error);
                    continue;
                }
                Fault::TooMany(wait) => {
                    self.put_off(&open, wait);
                    continue;
                }
                Fault::Slashed => {
                    let (account, committee) = (self.desk.key.address(), self.desk.view.address());
                    return Err(AttesterError::Slashed { account, committee });
                }
                // What stands in the way of all of them.
                Fault::NotLive => Event::NotLive { retry_in },
                Fault::Chain(error) => Event::ChainTrouble { error: error.to_string(), retry_in },
                Fault::Local(error) => Event::LocalTrouble { error, retry_in },
            };
            self.failures = self.failures.saturating_add(1);
            self.observer.on(&event);
            return Ok(Some(retry_in));
        }
        Ok(None)
    }

    /// Never again, for as long as the operator lists it.
    fn refused(&mut self, open: &OpenAttestation, refusal: Refusal) {
        self.aside.insert((open.task, open.receipt), Aside { until: None, failures: 0 });
        let (operator, task, receipt) = (self.url.clone(), open.task, open.receipt);
        self.observer.on(&Event::Refused { operator, task, receipt, refusal });
    }

    /// When it is this operator's turn again; what it needs signed once more is not held up by it.
    fn put_off(&mut self, open: &OpenAttestation, retry_in: Duration) {
        let aside = Aside { until: Some(Instant::now() + retry_in), failures: 0 };
        self.aside.insert((open.task, open.receipt), aside);
        let (operator, task, receipt) = (self.url.clone(), open.task, open.receipt);
        let per_hour = self.config.per_hour;
        self.observer.on(&Event::TooMany { operator, task, receipt, per_hour, retry_in });
    }

    /// Again after a while; others are not held up by it.
    fn set_aside(&mut self, open: &OpenAttestation, error: &ClientError) {
        let failures = self.aside.get(&(open.task, open.receipt)).map_or(0, |aside| aside.failures).saturating_add(1);
        let wait = self.config.backoff.wait(failures).max(error.retry_after().unwrap_or_default());
        let aside = Aside { until: Some(Instant::now() + wait), failures };
        self.aside.insert((open.task, open.receipt), aside);
        self.tell(error, wait);
    }

    fn trouble(&mut self, error: &ClientError) -> Duration {
        let wait = self.failed().max(error.retry_after().unwrap_or_default());
        self.tell(error, wait);
        wait
    }

    fn tell(&self, error: &ClientError, retry_in: Duration) {
        self.observer.on(&Event::OperatorTrouble {
            operator: self.url.clone(),
            error: error.to_string(),
            code: error.code(),
            retry_in,
        });
    }

    fn failed(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.config.backoff.wait(self.failures)
    }
}
