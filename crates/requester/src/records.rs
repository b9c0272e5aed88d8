//! Operators' records, read on before operators are asked and kept on disk in between.

use crate::{Requester, RequesterError, state::StateDir};
use std::{collections::HashMap, io};
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
        self.read_on().await?;
        self.known_records(operators).await
    }

    /// The same as far as it was read already: for when time matters.
    pub(crate) async fn known_records(
        &self,
        operators: &[Address],
    ) -> Result<HashMap<Address, OperatorRecord>, RequesterError> {
        let of = |book: &RecordBook| operators.iter().map(|operator| (*operator, book.of(*operator))).collect();
        Ok(self.with_book(of).await?.unwrap_or_default())
    }

    /// Asks the book, reading only if that was never done; `None` if there is none.
    pub(crate) async fn with_book<T>(&self, ask: impl FnOnce(&RecordBook) -> T) -> Result<Option<T>, RequesterError> {
        if self.inner.book.lock().await.is_none() {
            self.read_on().await?;
        }
        Ok(self.inner.book.lock().await.as_ref().map(ask))
    }

    /// Reads on, once per purchase, and keeps what can no longer change.
    pub(crate) async fn read_on(&self) -> Result<(), RequesterError> {
        let Some(from) = self.inner.options.records_from else { return Ok(()) };
        let begins = (self.domain().pool, from);
        let mut kept = self.inner.book.lock().await;
        let read = kept.take();
        let mut book = self
            .blocking(move |state| {
                let ours = |book: &RecordBook| book.begins() == begins;
                let book = read.filter(ours).or_else(|| state.book().filter(ours));
                let mut book = book.unwrap_or_else(|| RecordBook::new(begins.0, begins.1));
                book.count_as_own(state.own()?);
                Ok(book)
            })
            .await?;
        let stored = book.next();
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
        let mut written = Ok(());
        if book.next() != stored {
            (book, written) = self
                .blocking(move |state| {
                    let written = state.put_book(&book);
                    Ok((book, written))
                })
                .await?;
        }
        *kept = Some(book);
        written
    }

    /// Work on the directory that takes a while.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&StateDir) -> Result<T, RequesterError> + Send + 'static,
    ) -> Result<T, RequesterError> {
        let this = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&this.inner.state)).await;
        done.unwrap_or_else(|error| Err(self.inner.state.book_error(io::Error::other(error))))
    }
}
