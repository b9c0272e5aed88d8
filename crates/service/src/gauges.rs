//! How things stand, asked of the store when the metrics are read.

use crate::{Context, OpResult, metrics};
use std::time::Duration;
use zkpool_protocol::{JobState, TaskState};

/// Sets the gauges. Tasks in final states are not counted here: they have counters.
pub(crate) async fn refresh(ctx: &Context) -> OpResult<()> {
    let open: Vec<TaskState> = TaskState::ALL.iter().copied().filter(|state| !state.is_final()).collect();
    let tasks = ctx.store.tasks_in(&open).await?;
    for state in open {
        metrics::tasks(state, tasks.iter().filter(|task| task.state == state).count() as u64);
    }
    Ok(())
}
