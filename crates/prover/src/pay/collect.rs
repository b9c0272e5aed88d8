//! Claiming by itself, when it is worth its gas.

use super::Till;
use crate::agent::Shared;
use std::{sync::Arc, time::Duration};

/// How often it is looked whether something is worth claiming.
const EVERY: Duration = Duration::from_secs(60);

/// Claims for as long as the agent runs, if the owner wants it.
pub(crate) async fn collect(shared: Arc<Shared>) {
    let Some(above) = shared.config.pay.as_ref().and_then(|pay| pay.claim_above) else { return };
    loop {
        let tills: Vec<Arc<Till>> = shared.tills();
        for till in tills {
            till.claim_due(above).await;
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shared.earned.notified() => {}
        }
    }
}
