//! Following a task until it has ended: the chain decides, the operator's word is progress.

use crate::{Requester, RequesterError, Stage, TaskRecord, collect::stage_of};
use std::{collections::HashSet, fmt, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use zkpool_api::TaskView;
use zkpool_chain::{LiveTask, PoolEvent, TaskEvent, TaskHistory};
use zkpool_protocol::{Address, TaskId};

/// News of a task. Times in seconds since 1970, by the chain.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Update {
    /// It is in a slot.
    Published {
        /// Last second on time.
        proof_deadline: u64,
        /// Last second at which it can be proven.
        liability_deadline: u64,
    },
    /// What the operator says it is at. Not a fact.
    Progress(Box<TaskView>),
    /// The proof window is over, and it is not delivered.
    Late,
    /// Another operator is going to take it over.
    RescueAnnounced {
        /// Who.
        rescuer: Address,
        /// From when on.
        effective_at: u64,
    },
    /// The rescue is in effect and nobody has carried it out: [`Requester::novate`] gets half of the bond now.
    NovationDue,
    /// Another operator has taken it over.
    Novated {
        /// Who.
        rescuer: Address,
    },
    /// The verifier was asked whether it is halted.
    HaltObserved {
        /// What it said.
        halted: bool,
        /// Halted seconds that count so far.
        total: u64,
    },
    /// It is in a block that ends it, not deep enough to be final yet.
    Ending(Stage),
    /// The liability window is over: [`Requester::collect`].
    Collectable,
    /// A reorganisation took the publication out of the chain; it is being sent again as long as it is valid.
    Unpublished,
    /// Nothing new; what is waited for, and until when at the latest.
    Waiting {
        /// For what.
        what: &'static str,
        /// Chain time.
        until: u64,
    },
    /// The chain cannot be asked at the moment; asked again.
    Trouble(String),
    /// It has ended, for good.
    Ended(Stage),
}

/// How a wait for a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Delivered, defaulted, unwound or dishonoured.
    Stage(Stage),
    /// Never delivered: refund and liability can be collected.
    Collectable,
}

/// News of one task, as they come.
#[derive(Debug)]
pub struct Watch {
    requester: Requester,
    record: TaskRecord,
    history: TaskHistory,
    told: HashSet<String>,
    queue: std::collections::VecDeque<Update>,
    progress: mpsc::Receiver<TaskView>,
    listener: Option<JoinHandle<()>>,
    published: bool,
    ended: bool,
    last_news: Instant,
    waiting: (&'static str, u64),
}

impl Requester {
    /// Follows a task on record.
    ///
    /// # Errors
    /// [`RequesterError::UnknownTask`].
    pub fn watch(&self, task: TaskId) -> Result<Watch, RequesterError> {
        let record = self.task(task)?;
        let (send, progress) = mpsc::channel(16);
        // A fault there only costs the progress.
        let listener = record.operator.as_ref().and_then(|url| self.client_of(&record, url).ok()).map(|client| {
            tokio::spawn(async move {
                let mut events = client.task_events(task, None);
                loop {
                    match events.next().await {
                        Some(Ok(event)) => {
                            if send.send(event.task).await.is_err() {
                                return;
                            }
                        }
                        Some(Err(error)) if error.is_transient() => {
                            tracing::debug!(%error, "no progress from the operator");
                            tokio::time::sleep(Duration::from_secs(2)).await;
                        }
                        Some(Err(_)) | None => return,
                    }
                }
            })
        });
        Ok(Watch {
            requester: self.clone(),
            history: self.history(&record),
            record,
            told: HashSet::new(),
            queue: std::collections::VecDeque::new(),
            progress,
            listener,
            published: false,
            ended: false,
            last_news: Instant::now(),
            waiting: ("the publication", 0),
        })
    }

    /// Follows a task until it has ended or can be collected, carrying out a due novation on the way; at most `bound`.
    ///
    /// # Errors
    /// [`RequesterError::TimedOut`] naming what was waited for; [`RequesterError::UnknownTask`].
    pub async fn wait(&self, task: TaskId, bound: Duration) -> Result<Ended, RequesterError> {
        let mut watch = self.watch(task)?;
        let waited = tokio::time::timeout(bound, async {
            loop {
                match watch.next().await {
                    Some(Ok(Update::Ended(stage))) => return Ok(Ended::Stage(stage)),
                    Some(Ok(Update::Collectable)) => return Ok(Ended::Collectable),
                    Some(Ok(Update::NovationDue)) => {
                        if let Err(error) = self.novate(task).await {
                            tracing::debug!(%error, "cannot carry the rescue out");
                        }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Ok(Ended::Stage(self.task(task)?.stage)),
                }
            }
        })
        .await;
        waited.unwrap_or_else(|_| {
            let what = format!("{} of task {task}", watch.waiting.0);
            Err(RequesterError::TimedOut { what, seconds: bound.as_secs() })
        })
    }
}

impl Watch {
    /// The next piece of news; `None` after [`Update::Ended`]. Returns at the latest after [`crate::Options::quiet`], with
    /// [`Update::Waiting`] if there is nothing else to tell. Can be dropped and called again at any time.
    ///
    /// # Errors
    /// [`RequesterError::State`] if what was learned cannot be stored; calling again goes on.
    pub async fn next(&mut self) -> Option<Result<Update, RequesterError>> {
        let options = self.requester.inner.options.clone();
        loop {
            if let Some(update) = self.queue.pop_front() {
                self.last_news = Instant::now();
                self.ended |= matches!(update, Update::Ended(_));
                return Some(Ok(update));
            }
            if self.ended {
                return None;
            }
            match self.look().await {
                Ok(()) => {}
                Err(error) if error.is_transient() => {
                    let text = error.to_string();
                    if self.told.insert(format!("trouble {text}")) {
                        self.queue.push_back(Update::Trouble(text));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
            if !self.queue.is_empty() {
                continue;
            }
            if self.last_news.elapsed() >= options.quiet {
                let (what, until) = self.waiting;
                self.queue.push_back(Update::Waiting { what, until });
                continue;
            }
            tokio::select! {
                Some(view) = self.progress.recv() => {
                    let mut newest = view;
                    while let Ok(view) = self.progress.try_recv() {
                        newest = view;
                    }
                    self.queue.push_back(Update::Progress(Box::new(newest)));
                }
                () = tokio::time::sleep(options.poll) => {}
            }
        }
    }

    /// One look at the chain; queues what is new.
    async fn look(&mut self) -> Result<(), RequesterError> {
        // A publication that was reorganised out, or any other transaction on its way.
        self.requester.inner.sender.tick().await?;
        let (head, events) = self.history.read().await?;
        self.told.retain(|text| !text.starts_with("trouble "));
        let Some(stage) = stage_of(&events) else {
            return self.not_there(head.timestamp).await;
        };
        if !self.published && events.iter().any(|found| matches!(found.event, PoolEvent::Published { .. })) {
            self.published = true;
            let terms = &self.record.quote.quote.terms;
            let view = &self.requester.inner.view;
            // A live task's deadlines; of one that has ended, what they were without halts.
            let live = view.live_task(&self.record.quote.quote).await?;
            let (proof_deadline, liability_deadline) = match live {
                Some(live) => (live.proof_deadline, live.liability_deadline),
                None => {
                    let block = self.publication_block(&events);
                    let at = view.rpc().block(block).await?.map_or(head.timestamp, |block| block.timestamp);
                    (terms.proof_deadline(at), terms.liability_deadline(at))
                }
            };
            self.tell_once("published", Update::Published { proof_deadline, liability_deadline });
        }
        for found in &events {
            let place = format!("{} {}", found.block_hash, found.transaction);
            match &found.event {
                PoolEvent::RescueAnnounced { rescuer, effective_at, .. } => {
                    let update = Update::RescueAnnounced { rescuer: *rescuer, effective_at: *effective_at };
                    self.tell_once(&format!("rescue {place}"), update);
                }
                PoolEvent::Novated { rescuer, .. } => {
                    self.tell_once(&format!("novated {place}"), Update::Novated { rescuer: *rescuer });
                }
                PoolEvent::HaltObserved { halted, total, .. } => {
                    let update = Update::HaltObserved { halted: *halted, total: *total };
                    self.tell_once(&format!("halt {place}"), update);
                }
                _ => {}
            }
        }
        self.requester.note(&mut self.record, stage.clone()).await?;
        if stage.is_final() {
            let confirmations = self.requester.inner.options.sender.confirmations.max(1);
            let block = events.iter().rev().find(|found| found.event.is_end()).map_or(head.number, |found| found.block);
            if head.number + 1 >= block + confirmations {
                self.queue.push_back(Update::Ended(stage));
            } else {
                self.waiting = ("the confirmation of the end", 0);
                self.tell_once(&format!("ending {stage:?}"), Update::Ending(stage));
            }
            return Ok(());
        }
        let view = &self.requester.inner.view;
        if let Some(live) = view.live_task(&self.record.quote.quote).await? {
            self.live(&live, head.timestamp);
        }
        Ok(())
    }

    /// What the clock says about a live task.
    fn live(&mut self, live: &LiveTask, now: u64) {
        self.waiting = match (live.rescue, now > live.proof_deadline) {
            (_, false) => ("the delivery on time", live.proof_deadline),
            (Some(rescue), _) if rescue.novated => ("the delivery by the rescuer", live.liability_deadline),
            _ => ("the late delivery", live.liability_deadline),
        };
        if now > live.proof_deadline {
            self.tell_once("late", Update::Late);
        }
        if live.rescue.is_some_and(|rescue| now >= rescue.at && !rescue.novated) {
            self.tell_once("novation due", Update::NovationDue);
        }
        if now > live.liability_deadline {
            self.tell_once("collectable", Update::Collectable);
            self.waiting = ("somebody to collect", 0);
        }
    }

    /// No event of the task is in the chain.
    async fn not_there(&mut self, now: u64) -> Result<(), RequesterError> {
        let valid_until = self.record.quote.quote.terms.valid_until;
        if self.published {
            self.published = false;
            self.told.clear();
            self.requester.note(&mut self.record, Stage::Recorded).await?;
            self.queue.push_back(Update::Unpublished);
        }
        self.waiting = ("the publication", valid_until);
        if now > valid_until {
            let stage = match &self.record.stage {
                stage @ Stage::Abandoned { .. } => stage.clone(),
                _ => Stage::Abandoned { reason: "it was not published while it was valid".into() },
            };
            self.requester.note(&mut self.record, stage.clone()).await?;
            self.queue.push_back(Update::Ended(stage));
        }
        Ok(())
    }

    fn publication_block(&self, events: &[TaskEvent]) -> u64 {
        events
            .iter()
            .find(|found| matches!(found.event, PoolEvent::Published { .. }))
            .map_or(self.record.from_block, |found| found.block)
    }

    fn tell_once(&mut self, what: &str, update: Update) {
        if self.told.insert(what.to_owned()) {
            self.queue.push_back(update);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Collectable => f.write_str("not delivered: refund and liability can be collected"),
            Self::Stage(stage) => stage.fmt(f),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded => f.write_str("on record"),
            Self::Abandoned { reason } => write!(f, "not published: {reason}"),
            Self::Published { block, .. } => write!(f, "published in block {block}"),
            Self::Dishonoured { paid, .. } => write!(f, "not honoured: {paid} paid, the reward is back"),
            Self::Delivered { on_time: true, target_ok: true, .. } => f.write_str("delivered on time"),
            Self::Delivered { on_time: false, target_ok: true, .. } => f.write_str("delivered late"),
            Self::Delivered { target_ok: false, .. } => {
                f.write_str("proven, but the target's call failed: it can be replayed with the proof in the event")
            }
            Self::Defaulted { .. } => f.write_str("never delivered: refund and liability are in the balance"),
            Self::Unwound { .. } => f.write_str("ended without fault: the reward is refunded"),
        }
    }
}
