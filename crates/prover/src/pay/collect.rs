//! Claiming by itself, when it is worth its gas; and finding out what was claimed, for whoever graphs it.

use super::Till;
use crate::agent::Shared;
use std::{sync::Arc, time::Duration};

/// How often it is looked whether something is worth claiming.
const EVERY: Duration = Duration::from_secs(60);

/// Claims for as long as the agent runs, if the owner wants it, and keeps what was paid for its metrics.
pub(crate) async fn collect(shared: Arc<Shared>) {
    let Some(pay) = &shared.config.pay else { return };
    if !pay.desk.sees_chain() || (pay.claim_above.is_none() && shared.config.metrics.is_none()) {
        return;
    }
    loop {
        let tills: Vec<Arc<Till>> = shared.tills();
        for till in tills {
            till.claim_due(pay.claim_above, &*shared.observer).await;
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shared.earned.notified() => {}
        }
    }
}
