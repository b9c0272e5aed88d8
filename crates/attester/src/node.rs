//! The node: from its start to its stop.

use crate::{AttesterError, Check, Config, Event, Observer, desk::Desk, operator::Operator};
use std::{path::Path, sync::Arc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zkpool_api::Identity;
use zkpool_chain::{ChainError, CommitteeView, Key, MemberState, Rpc};

/// A node that is ready to run.
pub struct Node {
    config: Config,
    desk: Arc<Desk>,
    operators: Vec<Operator>,
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
}

impl Node {
    /// Checks the settings and opens the directory. Talks to nobody yet. `stop` ends it politely: it finishes, within the
    /// grace, what it is signing.
    ///
    /// # Errors
    ///
    /// What no time can heal.
    pub fn open(
        config: Config,
        rpc: Rpc,
        key: Key,
        check: Arc<dyn Check>,
        observer: Arc<dyn Observer>,
        stop: CancellationToken,
    ) -> Result<Self, AttesterError> {
        if config.operators.is_empty() {
            return Err(AttesterError::NoOperator);
        }
        let view = CommitteeView::new(rpc, config.chain_id, config.committee);
        let desk = Arc::new(Desk::open(&config, view, key.clone(), check)?);
        if config.new_state && desk.is_begun() {
            tracing::warn!(dir = %desk.dir().display(), "this is no first run: do not tell the node that it is");
        }
        let mut operators: Vec<Operator> = Vec::new();
        for url in &config.operators {
            let operator = Operator::new(url, identity(&key), &config, &desk, &observer, &stop)?;
            if operators.iter().all(|other| other.url != operator.url) {
                operators.push(operator);
            }
        }
        Ok(Self { config, desk, operators, observer, stop })
    }

    /// Where it keeps what it has signed.
    pub fn dir(&self) -> &Path {
        self.desk.dir()
    }

    /// Works until told to stop.
    ///
    /// # Errors
    ///
    /// Only what no time can heal: no such committee, no member of it, at work without its memory, slashed.
    pub async fn run(self) -> Result<(), AttesterError> {
        if !self.ready().await? {
            return Ok(());
        }
        let mut working = JoinSet::new();
        for operator in self.operators {
            working.spawn(operator.run());
        }
        let ended = async {
            let mut outcome = Ok(());
            while let Some(ended) = working.join_next().await {
                match ended {
                    Ok(Ok(())) => {}
                    // Of the member, not of the operator: the others end with it.
                    Ok(Err(error)) => {
                        self.stop.cancel();
                        outcome = Err(error);
                    }
                    Err(error) => tracing::error!(%error, "a part of the node has failed"),
                }
            }
            outcome
        };
        let too_long = async {
            self.stop.cancelled().await;
            tokio::time::sleep(self.config.grace).await;
        };
        tokio::select! {
            outcome = ended => outcome,
            // What is pledged is signed by the next run.
            () = too_long => Ok(()),
        }
    }

    /// Waits for the chain, and finds the committee and the member there; false if told to stop.
    async fn ready(&self) -> Result<bool, AttesterError> {
        let (view, account) = (&self.desk.view, self.desk.key.address());
        let mut failures = 0u32;
        let look =
            async || -> Result<_, ChainError> { Ok((view.committee().await?, view.member(account).await?.state)) };
        let (committee, state) = loop {
            let error: ChainError = tokio::select! {
                found = look() => match found {
                    Ok(found) => break found,
                    Err(error) => error,
                },
                () = self.stop.cancelled() => return Ok(false),
            };
            if matches!(error, ChainError::WrongChain { .. } | ChainError::NoContract { .. }) {
                return Err(AttesterError::Committee(error));
            }
            failures = failures.saturating_add(1);
            let wait = self.config.backoff.wait(failures);
            self.observer.on(&Event::ChainTrouble { error: error.to_string(), retry_in: wait });
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.cancelled() => return Ok(false),
            }
        };
        if !committee.members.contains(&account) {
            return Err(AttesterError::NotAMember { account, committee: view.address() });
        }
        if !self.desk.is_begun() {
            // It may have signed already, from another directory or machine.
            if state == MemberState::Staked && !self.config.new_state {
                let dir = self.desk.dir().to_owned();
                return Err(AttesterError::NoMemory { member: account, committee: view.address(), dir });
            }
            self.desk.begin()?;
        }
        self.observer.on(&Event::Ready {
            committee: view.address(),
            member: account,
            members: committee.members.len(),
            threshold: committee.threshold,
            pledges: self.desk.pledges(),
        });
        Ok(true)
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The member's key signs in, too.
fn identity(key: &Key) -> Identity {
    let key = key.clone();
    Identity::new(key.address(), move |message: String| {
        let signature = key.sign_message(message.as_bytes());
        async move { signature }
    })
}
