//! The application's own transactions, with the requester's key.

use crate::{Requester, RequesterError};
use std::time::Duration;
use zkpool_chain::TxRequest;
use zkpool_protocol::B256;

impl Requester {
    /// Sends a transaction of the application's own, such as the one that asks its contract, in turn with the requester's:
    /// a key must have one writer. The purpose names it: the same purpose is the same transaction, also after a crash.
    /// Returns its hash when it is in a block; at most `bound`.
    ///
    /// # Errors
    /// [`RequesterError::Chain`] with a decoded revert, or if it is not in a block in time.
    pub async fn send(&self, request: TxRequest, bound: Duration) -> Result<B256, RequesterError> {
        let purpose = request.purpose.clone();
        self.inner.sender.enqueue(request).await?;
        let mined = self.inner.sender.wait_mined(&purpose, bound).await?;
        mined.receipt.map(|receipt| receipt.hash).ok_or_else(|| RequesterError::TimedOut {
            what: format!("the receipt of the transaction for {purpose}"),
            seconds: bound.as_secs(),
        })
    }
}
