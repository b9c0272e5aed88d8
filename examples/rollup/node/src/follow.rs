//! From a batch in the contract to its end, whatever fails in between: a batch must be proven, or no later one becomes
//! final. What was paid for is watched until it has come, or what is owed is collected and it is bought again.

use crate::{
    bundle::statement,
    contract::Contract,
    error::NodeError,
    node::Node,
    view::{BatchView, DeliveryView, OfferView, SoftView, Stage, amount},
};
use alloy::primitives::{B256, U256};
use std::time::Duration;
use zkpool_api::{Client, ClientOptions};
use zkpool_protocol::{SignedQuote, TaskId};
use zkpool_requester::{Publication, Stage as TaskStage, Update};
use zkpool_rollup::Batch;

/// Between two attempts, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(120));
/// Between two looks for legs that came early.
const LOOK: Duration = Duration::from_secs(2);
/// How long the operator is given to notice what the chain says already.
const NOTICE: Duration = Duration::from_secs(10);

/// How an attempt ended.
enum Attempt {
    /// The contract has accepted the batch.
    Proven,
    /// It was not delivered: it has to be bought anew.
    Again(String),
}

impl Node {
    /// Buys a batch's bundle and follows it, until the contract has accepted it.
    pub(crate) async fn see_through(&self, batch: &Batch) {
        let number = batch.journal.context.batch;
        let mut failures = 0;
        loop {
            let error = match self.attempt(batch).await {
                Ok(Attempt::Proven) => return,
                Ok(Attempt::Again(why)) => format!("{why}; it is bought again"),
                Err(error) if error.may_pass() => format!("{error}; tried again soon"),
                Err(error) => {
                    tracing::error!(batch = number, %error, "cannot be proven");
                    self.batch(number, |view| {
                        view.stage = Stage::Failed;
                        view.ended = true;
                        view.error = Some(error.to_string());
                    });
                    return;
                }
            };
            tracing::warn!(batch = number, error, "is not proven yet");
            self.batch(number, |view| view.error = Some(error));
            failures += 1;
            tokio::time::sleep(pause(failures)).await;
        }
    }

    /// One attempt. Done again it goes on where it was: the records and the chain say where that is.
    async fn attempt(&self, batch: &Batch) -> Result<Attempt, NodeError> {
        let (inner, number) = (&self.inner, batch.journal.context.batch);
        if inner.contract.standing(number).await?.proven {
            // Anybody can bring a proof.
            self.accepted(number, None).await?;
            return Ok(Attempt::Proven);
        }
        let task = self.task(batch).await?;
        match inner.requester.publish(task).await? {
            Publication::Accepted { .. } => self.batch(number, |view| {
                view.stage = Stage::Proving;
                view.error = None;
            }),
            Publication::Dishonoured { paid, .. } => {
                let (paid, token) = (amount(paid, inner.token.decimals), &inner.token.symbol);
                let why = format!("the operator could not back its word: the price is back, and {paid} {token}");
                return Ok(Attempt::Again(why));
            }
        }
        // Other operators are told, so that one of them can take it over. Who cannot be reached will not.
        for (url, error) in inner.requester.tell(task).await? {
            tracing::warn!(operator = url, %error, "was not told");
        }
        self.watch_task(batch, task).await
    }

    /// The batch's task: one that is on record and open, or a new one.
    async fn task(&self, batch: &Batch) -> Result<TaskId, NodeError> {
        let (inner, number) = (&self.inner, batch.journal.context.batch);
        let mut records = inner.requester.tasks()?;
        records.retain(|record| {
            let quote = &record.quote.quote;
            let is_ours = quote.terms.target == inner.contract.address() && quote.task.statement == statement(batch);
            is_ours && Contract::proven_by(&record.call) == Some(number)
        });
        if let Some(open) = records.iter().find(|record| !record.stage.is_final()) {
            self.batch(number, |view| {
                view.offer = Some(self.offer(&open.quote, None));
                view.task = Some(open.task);
                view.stage = Stage::Publishing;
            });
            return Ok(open.task);
        }
        self.batch(number, |view| view.stage = Stage::Asking);
        let attempt = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let wish = inner.programs.wish(batch, &inner.terms, &inner.contract, inner.policy.verifier, attempt);
        let offers = inner.requester.ask(&wish).await?;
        let offer = inner.requester.choose(&wish, &offers).await?;
        let expected = offer.price.as_ref().map(|price| price.expected_ms.div_ceil(1000));
        let task = inner.requester.record(&wish, &offer).await?;
        tracing::info!(batch = number, task.id = %task, "priced");
        self.batch(number, |view| {
            view.offer = Some(self.offer(&offer.quote, expected));
            view.task = Some(task);
            view.stage = Stage::Publishing;
        });
        Ok(task)
    }

    /// Watches a task until it has ended.
    async fn watch_task(&self, batch: &Batch, task: TaskId) -> Result<Attempt, NodeError> {
        let (requester, number) = (&self.inner.requester, batch.journal.context.batch);
        let mut watch = requester.watch(task)?;
        let mut look = tokio::time::interval(LOOK);
        loop {
            let update = tokio::select! {
                update = watch.next() => update,
                _ = look.tick() => {
                    self.look_for_early_legs(batch).await;
                    continue;
                }
            };
            let Some(update) = update else { return Ok(Attempt::Again("the pool has forgotten it".into())) };
            match update? {
                Update::Progress(task) => self.batch(number, |view| view.progress(&task)),
                Update::Late => self.batch(number, |view| view.error = Some("it is late".into())),
                Update::NovationDue => {
                    if let Err(error) = requester.novate(task).await {
                        tracing::debug!(task.id = %task, %error, "cannot carry the rescue out");
                    }
                }
                Update::Ended(TaskStage::Delivered { on_time, transaction, .. }) => {
                    self.delivered(batch, task, transaction, on_time).await?;
                    return Ok(Attempt::Proven);
                }
                Update::Ended(stage) => return Ok(Attempt::Again(stage.to_string())),
                Update::Collectable => {
                    requester.collect(task).await.map_err(|error| NodeError::Owed(Box::new(error)))?;
                    return Ok(Attempt::Again("it never came: price and liability are collected".into()));
                }
                _ => {}
            }
        }
    }

    async fn delivered(&self, batch: &Batch, task: TaskId, transaction: B256, on_time: bool) -> Result<(), NodeError> {
        let (contract, number) = (&self.inner.contract, batch.journal.context.batch);
        if !contract.standing(number).await?.proven {
            let reason =
                format!("transaction {transaction} delivered a proof that the contract had no gas for: call it again");
            return Err(contract.fault(reason));
        }
        let cost = contract.cost(transaction).await?;
        self.last_words(number, task).await;
        self.look_for_early_legs(batch).await;
        let delivery =
            DeliveryView { transaction, block: cost.block, gas: cost.gas, fee: amount(cost.fee, 18), on_time };
        self.accepted(number, Some(delivery)).await
    }

    /// What the operator says in the end: who did what, and when.
    async fn last_words(&self, number: u32, task: TaskId) {
        let url = self.inner.requester.task(task).ok().and_then(|record| record.operator);
        let client = url.and_then(|url| Client::anonymous(&url, ClientOptions::default()).ok());
        let Some(client) = client else { return };
        let asking = async {
            loop {
                if let Ok(view) = client.task(task).await
                    && view.timings.delivered_at_ms.is_some()
                {
                    return view;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        match tokio::time::timeout(NOTICE, asking).await {
            Ok(view) => self.batch(number, |batch| batch.progress(&view)),
            Err(_) => tracing::warn!(task.id = %task, "the operator has not noticed the delivery"),
        }
    }

    /// The contract has accepted a batch. Others that waited for it may be final with it.
    async fn accepted(&self, number: u32, delivery: Option<DeliveryView>) -> Result<(), NodeError> {
        let (root, finalised) = self.inner.contract.root().await?;
        tracing::info!(batch = number, %root, finalised, "accepted");
        self.inner.view.send_modify(|view| {
            // Two that end together may be told in either order.
            if finalised >= view.finalised {
                (view.root, view.finalised) = (root, finalised);
            }
            for batch in &mut view.batches {
                if batch.batch == number {
                    batch.stage = Stage::Proven;
                    batch.ended = true;
                    batch.error = None;
                    batch.delivery.clone_from(&delivery);
                }
                if batch.stage == Stage::Proven && batch.batch < finalised {
                    batch.stage = Stage::Final;
                }
            }
        });
        Ok(())
    }

    /// Legs that the contract has received by themselves. They are news, and nothing hangs on them.
    async fn look_for_early_legs(&self, batch: &Batch) {
        let number = batch.journal.context.batch;
        match self.inner.contract.soft(number, statement(batch)).await {
            Ok(soft) => {
                let soft: Vec<SoftView> = soft
                    .into_iter()
                    .map(|soft| SoftView { leg: soft.leg, transaction: soft.transaction, at: soft.at })
                    .collect();
                let is_news = |view: &BatchView| view.batch == number && view.soft != soft;
                if self.inner.view.borrow().batches.iter().any(is_news) {
                    self.batch(number, |view| view.soft = soft);
                }
            }
            Err(error) => tracing::debug!(batch = number, %error, "cannot look for early legs"),
        }
    }

    fn offer(&self, quote: &SignedQuote, expected_seconds: Option<u64>) -> OfferView {
        let (terms, token) = (&quote.quote.terms, &self.inner.token);
        let money = |value: u128| amount(U256::from(value), token.decimals);
        OfferView {
            price: money(terms.reward),
            reward: terms.reward.to_string(),
            token: token.symbol.clone(),
            seconds: terms.proof_window,
            expected_seconds,
            liability: money(terms.liability),
            operator: terms.operator,
        }
    }
}

/// After so many failures.
pub(crate) fn pause(failures: u32) -> Duration {
    PAUSE.0.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(PAUSE.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let seconds = [1, 2, 3, 7, 8, u32::MAX].map(|failures| pause(failures).as_secs());
        assert_eq!(seconds, [2, 4, 8, 120, 120, 120]);
    }
}
