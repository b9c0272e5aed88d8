//! Following tasks to their end, with a line for whoever watches.

use super::failed;
use crate::{
    error::{CliError, CliResult, Exit},
    progress::Step,
};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zkpool_api::TaskView;
use zkpool_protocol::{ErrorCode, TaskId};
use zkpool_requester::{Requester, Stage, Update};

/// How long after the liability window a watch goes on, for transactions to be included.
const AFTERWARDS: Duration = Duration::from_secs(600);

/// What to do with a task that was not delivered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Collect what is owed as soon as it can be.
    pub(super) collect: bool,
    /// Give up after this time.
    pub(super) timeout: Option<Duration>,
}

/// A task's end, for people and as data.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) task: TaskId,
    pub(super) stage: Stage,
    /// The liability window is over, and nothing was collected.
    pub(super) collectable: bool,
}

impl Outcome {
    pub(super) fn delivered(&self) -> bool {
        matches!(self.stage, Stage::Delivered { .. })
    }

    pub(super) fn json(&self) -> Value {
        json!({ "task": self.task, "outcome": self.name(), "stage": self.stage })
    }

    fn name(&self) -> &'static str {
        match &self.stage {
            _ if self.collectable => "collectable",
            Stage::Delivered { .. } => "delivered",
            Stage::Defaulted { .. } => "defaulted",
            Stage::Dishonoured { .. } => "dishonoured",
            Stage::Unwound { .. } => "unwound",
            Stage::Abandoned { .. } => "abandoned",
            Stage::Published { .. } => "published",
            Stage::Recorded => "recorded",
        }
    }

    pub(super) fn text(&self) -> String {
        let what = match &self.stage {
            _ if self.collectable => {
                "not delivered in time: refund and liability can be collected (`zkpool request collect`)".into()
            }
            Stage::Delivered { on_time, target_ok, transaction } => {
                let time = if *on_time { "on time" } else { "late; its bond was paid" };
                let target = if *target_ok {
                    ""
                } else {
                    "; the target's call failed, the proof is in the event and can be replayed"
                };
                format!("delivered {time}{target}: transaction {transaction}")
            }
            Stage::Defaulted { transaction } => {
                format!("never delivered; refund and liability are in the pool balance: transaction {transaction}")
            }
            Stage::Dishonoured { paid, transaction, .. } => format!(
                "not honoured by the operator; the reward came back and {paid} with it: transaction {transaction}"
            ),
            Stage::Unwound { transaction } => {
                format!("ended without fault, the verifier was halted; refunded: transaction {transaction}")
            }
            Stage::Abandoned { reason } => format!("never published, nothing was paid: {reason}"),
            Stage::Published { .. } => "published".into(),
            Stage::Recorded => "on record, not published yet".into(),
        };
        format!("task {}\n{what}", self.task)
    }

    /// Success only for what was delivered.
    pub(super) fn verdict(&self) -> CliResult {
        if self.delivered() {
            return Ok(());
        }
        let error = CliError::new("have the proof delivered", self.text(), self.name(), Exit::NotDelivered);
        Err(match (self.collectable, &self.stage) {
            (true, _) => error.advise(format!("collect it: zkpool request collect {}", self.task)),
            (false, Stage::Dishonoured { .. } | Stage::Abandoned { .. }) => {
                error.advise("ask again, or ask another operator")
            }
            _ => error,
        })
    }
}

/// Follows a task until it has ended.
pub(super) async fn follow(requester: &Requester, task: TaskId, plan: Plan) -> CliResult<Outcome> {
    let record = requester.task(task).map_err(|e| failed("find the task", e))?;
    let terms = &record.quote.quote.terms;
    let bound = plan.timeout.unwrap_or_else(|| {
        let window = Duration::from_secs(terms.valid_until.saturating_sub(now()) + u64::from(terms.liability_window));
        window + AFTERWARDS
    });
    let step = Step::begin(&format!("watching task {task}"));
    let followed = tokio::time::timeout(bound, watch(requester, task, plan, &step)).await;
    step.end();
    followed.unwrap_or_else(|_| {
        let why = format!("it had not ended after {} s", bound.as_secs());
        Err(CliError::coded(format!("follow task {task}"), why, ErrorCode::TimedOut)
            .advise("it goes on without this command: `zkpool request watch` or `resume` look again"))
    })
}

async fn watch(requester: &Requester, task: TaskId, plan: Plan, step: &Step) -> CliResult<Outcome> {
    let attempt = "follow the task";
    let mut watch = requester.watch(task).map_err(|e| failed(attempt, e))?;
    while let Some(update) = watch.next().await {
        match update.map_err(|e| failed(attempt, e))? {
            Update::Published { proof_deadline, liability_deadline } => step.leave(&format!(
                "published; on time within {} s, collectable in {} s",
                proof_deadline.saturating_sub(now()),
                (liability_deadline + 1).saturating_sub(now())
            )),
            Update::Progress(view) => step.say(&progress(&view)),
            Update::Late => step.leave("late: the operator pays its bond if it still delivers, another may take over"),
            Update::RescueAnnounced { rescuer, .. } => step.leave(&format!("operator {rescuer} is taking it over")),
            Update::Novated { rescuer } => step.leave(&format!("operator {rescuer} has taken it over")),
            Update::NovationDue => {
                step.leave("the takeover is due: carrying it out");
                if let Err(error) = requester.novate(task).await {
                    step.leave(&format!("cannot carry it out: {error}"));
                }
            }
            Update::HaltObserved { halted, total } => {
                step.leave(&format!("the verifier {} halted; {total} s count", if halted { "is" } else { "is not" }));
            }
            Update::Ending(_) => step.say("ended; waiting for confirmations"),
            Update::Collectable if plan.collect => {
                step.say("collecting refund and liability");
                let stage = requester.collect(task).await.map_err(|e| failed("collect", e))?;
                return Ok(Outcome { task, stage, collectable: false });
            }
            Update::Collectable => {
                let stage = requester.task(task).map_err(|e| failed(attempt, e))?.stage;
                return Ok(Outcome { task, stage, collectable: true });
            }
            Update::Unpublished => {
                step.leave("a reorganisation took the publication out of the chain; it is sent again")
            }
            Update::Waiting { what, until } if until > now() => {
                step.say(&format!("waiting for {what} (at most {} s)", until - now()));
            }
            Update::Waiting { what, .. } => step.say(&format!("waiting for {what}")),
            Update::Trouble(text) => step.leave(&text),
            Update::Ended(stage) => return Ok(Outcome { task, stage, collectable: false }),
            _ => {}
        }
    }
    let stage = requester.task(task).map_err(|e| failed(attempt, e))?.stage;
    Ok(Outcome { task, stage, collectable: false })
}

fn progress(view: &TaskView) -> String {
    let jobs: Vec<_> = view
        .jobs
        .iter()
        .filter_map(|job| {
            let percent = job.progress.map(|progress| (progress * 100.0).round());
            let stage = job.stage.as_deref().unwrap_or("proving");
            // An operator's text, on this terminal.
            let stage: String = stage.chars().filter(|c| !c.is_control()).take(32).collect();
            percent.map(|percent| format!("{stage} {percent}%"))
        })
        .collect();
    match jobs.is_empty() {
        true => format!("the operator says: {}", view.state),
        false => format!("the operator says: {} ({})", view.state, jobs.join(", ")),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
