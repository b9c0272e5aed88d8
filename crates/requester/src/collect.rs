//! What the contract owes the requester, and the other things that anyone may trigger.

use crate::{Point, Requester, RequesterError, Stage, TaskRecord};
use alloy::sol_types::SolCall;
use std::time::Duration;
use tokio::time::Instant;
use zkpool_bindings::IZKPool;
use zkpool_chain::{LiveTask, PoolEvent, TaskEvent, TxRecord, TxRequest};
use zkpool_protocol::TaskId;

/// Longest that the event of a mined transaction is waited for: endpoints with several nodes can be of two minds.
pub(crate) const EVENT_BOUND: Duration = Duration::from_secs(30);

/// How a task ended.
pub type Settled = Stage;

impl Requester {
    /// Collects refund and liability of a task that was not delivered. If somebody else has triggered it already, that is
    /// as good. If its verifier was halted for too long, which is nobody's fault, it is unwound.
    ///
    /// # Errors
    /// [`RequesterError::TooEarly`] with the seconds that are left; [`RequesterError::NotPossible`] if the task is not
    /// live and did not default; [`RequesterError::Chain`].
    pub async fn collect(&self, task: TaskId) -> Result<Settled, RequesterError> {
        let mut record = self.task(task)?;
        if let Some(end) = self.end_of(&mut record).await? {
            return defaulted(task, end);
        }
        let live = self.live(&record, "collected").await?;
        let now = self.inner.view.rpc().head().await?.timestamp;
        if now <= live.liability_deadline {
            return Err(RequesterError::TooEarly {
                task,
                what: "collected",
                seconds: live.liability_deadline + 1 - now,
            });
        }
        let call = IZKPool::collectCall { quote: (&record.quote.quote).into() };
        let request = TxRequest::call(format!("collect:{task}"), self.domain().pool, call.abi_encode());
        self.inner.sender.retry(request.clone()).await?;
        self.inner.probe.at(Point::CollectionQueued)?;
        let collected = self.carry_out(request).await;
        self.inner.probe.at(Point::CollectionMined)?;
        if collected.is_err() && self.was_halted(task).await? {
            return self.unwind(task).await;
        }
        defaulted(task, self.end_after(&mut record, collected).await?)
    }

    /// Whether the contract refused the collection because the verifier was halted for too long.
    async fn was_halted(&self, task: TaskId) -> Result<bool, RequesterError> {
        let sent = self.inner.sender.get(&format!("collect:{task}")).await?;
        let error = sent.and_then(|sent| sent.failure).and_then(|failure| failure.error);
        Ok(error.as_deref() == Some("VerifierHalted"))
    }

    /// Carries out a rescue whose grace period is over; the requester gets half of the bond then, and not later.
    ///
    /// # Errors
    /// [`RequesterError::TooEarly`], [`RequesterError::NotPossible`], [`RequesterError::Chain`].
    pub async fn novate(&self, task: TaskId) -> Result<TxRecord, RequesterError> {
        let record = self.task(task)?;
        let live = self.live(&record, "novated").await?;
        let now = self.inner.view.rpc().head().await?.timestamp;
        let why = match live.rescue {
            None => "no rescue was announced",
            Some(rescue) if rescue.novated => "it was taken over already",
            Some(rescue) if now < rescue.at => {
                return Err(RequesterError::TooEarly { task, what: "novated", seconds: rescue.at - now });
            }
            Some(_) => {
                let call = IZKPool::novateCall { quote: (&record.quote.quote).into() };
                let request = TxRequest::call(format!("novate:{task}"), self.domain().pool, call.abi_encode());
                return self.carry_out(request).await;
            }
        };
        Err(RequesterError::NotPossible { task, what: "novated", why: why.into() })
    }

    /// Has the contract record whether the task's verifier is halted. Two such observations of a halt, at most an hour
    /// apart, extend the task's deadlines by the time between them.
    ///
    /// # Errors
    /// [`RequesterError::NotPossible`], [`RequesterError::Chain`].
    pub async fn observe_halt(&self, task: TaskId) -> Result<TxRecord, RequesterError> {
        let record = self.task(task)?;
        self.live(&record, "observed").await?;
        let call = IZKPool::observeHaltCall { quote: (&record.quote.quote).into() };
        // Every observation is one of its own: the block from which it was seen to be missing makes it unique.
        let head = self.inner.view.rpc().head().await?;
        let purpose = format!("observe-halt:{task}:{}", head.number);
        self.carry_out(TxRequest::call(purpose, self.domain().pool, call.abi_encode())).await
    }

    /// Ends a task without fault whose verifier was halted for too long: full refund.
    ///
    /// # Errors
    /// [`RequesterError::NotPossible`], [`RequesterError::Chain`] (`NotHalted` if it was not halted for long enough).
    pub async fn unwind(&self, task: TaskId) -> Result<Settled, RequesterError> {
        let mut record = self.task(task)?;
        self.live(&record, "unwound").await?;
        let call = IZKPool::unwindCall { quote: (&record.quote.quote).into() };
        let request = TxRequest::call(format!("unwind:{task}"), self.domain().pool, call.abi_encode());
        let done = self.carry_out(request).await;
        self.end_after(&mut record, done).await
    }

    /// What became of a task, from the chain, noted in the record.
    ///
    /// # Errors
    /// [`RequesterError::UnknownTask`], [`RequesterError::Chain`].
    pub async fn refresh(&self, task: TaskId) -> Result<TaskRecord, RequesterError> {
        let mut record = self.task(task)?;
        let (_, events) = self.history(&record).read().await?;
        match stage_of(&events) {
            Some(stage) => self.note(&mut record, stage).await?,
            // Nothing is known of it any more: reorganised out, until it is sent again.
            None if !matches!(record.stage, Stage::Abandoned { .. }) => self.note(&mut record, Stage::Recorded).await?,
            None => {}
        }
        Ok(record)
    }

    /// A live task's deadlines and rescue.
    async fn live(&self, record: &TaskRecord, what: &'static str) -> Result<LiveTask, RequesterError> {
        self.inner.view.live_task(&record.quote.quote).await?.ok_or_else(|| RequesterError::NotPossible {
            task: record.task,
            what,
            why: "no slot holds it: it was never published, or it has ended".into(),
        })
    }

    /// The end of a task after a transaction that was to bring it. If that failed, somebody else may have been first.
    async fn end_after(
        &self,
        record: &mut TaskRecord,
        sent: Result<TxRecord, RequesterError>,
    ) -> Result<Stage, RequesterError> {
        let end = Instant::now() + EVENT_BOUND;
        loop {
            if let Some(stage) = self.end_of(record).await? {
                return Ok(stage);
            }
            if let Err(error) = sent {
                return Err(error);
            }
            // In a block: the event is there as soon as the endpoint has caught up with itself.
            if Instant::now() > end {
                let what = format!("the event of the end of task {}", record.task);
                return Err(RequesterError::TimedOut { what, seconds: EVENT_BOUND.as_secs() });
            }
            tokio::time::sleep(self.inner.options.poll).await;
        }
    }

    async fn end_of(&self, record: &mut TaskRecord) -> Result<Option<Stage>, RequesterError> {
        let (_, events) = self.history(record).read().await?;
        let Some(stage) = stage_of(&events).filter(Stage::is_final) else { return Ok(None) };
        self.note(record, stage.clone()).await?;
        Ok(Some(stage))
    }
}

fn defaulted(task: TaskId, end: Stage) -> Result<Settled, RequesterError> {
    let why = match &end {
        Stage::Defaulted { .. } => return Ok(end),
        Stage::Delivered { .. } => "it was delivered",
        Stage::Dishonoured { .. } => "it was not honoured, and that is paid",
        Stage::Unwound { .. } => "it ended without fault, and the reward is refunded",
        _ => "it was never published",
    };
    Err(RequesterError::NotPossible { task, what: "collected", why: why.into() })
}

/// Where a task stands after its events; `None` if there are none.
pub(crate) fn stage_of(events: &[TaskEvent]) -> Option<Stage> {
    events.iter().rev().find_map(|found| {
        let transaction = found.transaction;
        Some(match found.event {
            PoolEvent::Published { .. } => Stage::Published { block: found.block, transaction },
            PoolEvent::Dishonoured { paid, burned, .. } => Stage::Dishonoured { paid, burned, transaction },
            PoolEvent::Delivered { on_time, target_ok, .. } => Stage::Delivered { on_time, target_ok, transaction },
            PoolEvent::Defaulted { .. } => Stage::Defaulted { transaction },
            PoolEvent::Unwound { .. } => Stage::Unwound { transaction },
            _ => return None,
        })
    })
}
