//! Operators' records, read on whenever they are needed and kept on disk in between.

use crate::{Requester, RequesterError};
use std::collections::HashMap;
use tokio::time::Instant;
use zkpool_chain::{OperatorRecord, RecordBook};
use zkpool_protocol::Address;

impl Requester {
    /// What these operators have done, by the chain; empty records unless [`crate::Options::records_from`] is set. Reads on
    /// for at most [`crate::Options::records_bound`]: what is missing then is read next time. An endpoint that does not
    /// give events costs the ranking, not the task.
    ///
    /// # Errors
    /// [`RequesterError::State`] if what was read cannot be kept.
    pub async fn records(&self, operators: &[Address]) -> Result<HashMap<Address, OperatorRecord>, RequesterError> {
        let of = |book: &RecordBook| operators.iter().map(|operator| (*operator, book.of(*operator))).collect();
        Ok(self.read_book(of).await?.unwrap_or_default())
    }

    /// Reads on, and asks the book; `None` if there is none.
    pub(crate) async fn read_book<T>(&self, ask: impl FnOnce(&RecordBook) -> T) -> Result<Option<T>, RequesterError> {
        let Some(from) = self.inner.options.records_from else { return Ok(None) };
        let begins = (self.domain().pool, from);
        let mut kept = self.inner.book.lock().await;
        let mut book = match kept.take().filter(|book| book.begins() == begins) {
            Some(book) => book,
            None => self
                .inner
                .state
                .book()
                .filter(|book| book.begins() == begins)
                .unwrap_or_else(|| RecordBook::new(begins.0, begins.1)),
        };
        let end = Instant::now() + self.inner.options.records_bound;
        let mut follower = book.follower(self.inner.view.rpc().clone());
        // A stretch that is cut off leaves the book as it was.
        loop {
            match tokio::time::timeout_at(end, book.read(&mut follower)).await {
                Ok(Ok(true)) => break,
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "cannot read on in the operators' records");
                    break;
                }
                Err(_) => {
                    tracing::info!("the operators' records are not read to the end yet");
                    break;
                }
            }
        }
        self.inner.state.put_book(&book)?;
        let answer = ask(&book);
        *kept = Some(book);
        Ok(Some(answer))
    }
}
