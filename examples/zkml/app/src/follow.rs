//! From a bargain to its end, whatever fails in between: what was paid for is watched until it has come, or what is owed
//! is collected. An endpoint that is away for a while costs nothing.

use crate::{
    desk::{Bargain, Desk, Question},
    error::DigitsError,
    view::{DeliveryView, Stage, amount},
};
use std::time::Duration;
use zkpool_requester::{Publication, Stage as TaskStage, Update};

/// Between two attempts, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(120));

impl Desk {
    /// Puts a bargain on record, if it is a new one, and follows its task to its end. What may pass is tried again, for as
    /// long as it takes.
    pub(crate) async fn see_through(&self, question: &Question, bargain: Option<&Bargain>) {
        let mut failures = 0;
        loop {
            let Err(error) = self.follow(question, bargain).await else { return };
            tracing::warn!(question = %question.number, task.id = %question.task, %error, "failed");
            if !error.may_pass() {
                question.fail(error.to_string());
                return;
            }
            question.view.send_modify(|view| view.error = Some(format!("{error}; tried again soon")));
            failures += 1;
            tokio::time::sleep(pause(failures)).await;
        }
    }

    /// One attempt. Done again it goes on where it was: the records and the chain say where that is.
    async fn follow(&self, question: &Question, bargain: Option<&Bargain>) -> Result<(), DigitsError> {
        let requester = &self.inner.requester;
        if let Some(Bargain { wish, offer }) = bargain {
            requester.record(wish, offer).await?;
        }
        match requester.publish(question.task).await? {
            Publication::Accepted { .. } => question.view.send_modify(|view| {
                view.stage = Stage::Proving;
                view.error = None;
            }),
            Publication::Dishonoured { paid, .. } => {
                let (paid, token) = self.money(paid);
                question.fail(format!("the operator could not back its word: the price is back, and {paid} {token}"));
                return Ok(());
            }
        }
        // Other operators are told, so that one of them can take it over. Who cannot be reached will not.
        for (url, error) in requester.tell(question.task).await? {
            tracing::warn!(operator = url, %error, "was not told");
        }
        let mut watch = requester.watch(question.task)?;
        while let Some(update) = watch.next().await {
            match update? {
                Update::Progress(task) => question.view.send_modify(|view| view.progress(&task)),
                Update::Late => question.view.send_modify(|view| view.error = Some("it is late".into())),
                Update::Ended(TaskStage::Delivered { on_time, transaction, .. }) => {
                    let answered = question.oracle.answered(question.number, transaction).await?;
                    question.view.send_modify(|view| {
                        view.stage = Stage::Delivered;
                        view.ended = true;
                        view.error = None;
                        view.delivery = Some(DeliveryView {
                            classes: answered.classes,
                            transaction,
                            block: answered.block,
                            gas: answered.gas,
                            fee: amount(answered.fee, 18),
                            on_time,
                        });
                    });
                    return Ok(());
                }
                Update::NovationDue => {
                    if let Err(error) = requester.novate(question.task).await {
                        tracing::debug!(task.id = %question.task, %error, "cannot carry the rescue out");
                    }
                }
                Update::Ended(stage) => {
                    question.fail(stage.to_string());
                    return Ok(());
                }
                Update::Collectable => {
                    requester.collect(question.task).await.map_err(|error| DigitsError::Owed(Box::new(error)))?;
                    question.fail("it never came: price and liability are collected".into());
                    return Ok(());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// After so many failures.
fn pause(failures: u32) -> Duration {
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
