//! The best offer, or the next one: a quote that cannot be had does not end the search.

use crate::{
    Answer, FirmOffer, Offer, Payment, ProofRequest, Publication, Ranked, Requester, RequesterError, Stage, TaskRecord,
    ask::id_of,
};
use alloy::primitives::U256;
use zkpool_chain::{ChainError, TxState};
use zkpool_protocol::{Address, B256, ErrorCode, TaskId};

/// A proof that is paid for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bought {
    /// The live task.
    pub task: TaskId,
    /// Transaction of its publication.
    pub transaction: B256,
    /// Better offers that came to nothing.
    pub passed: Vec<PassedOver>,
}

/// An offer that came to nothing. Nothing was paid for it; if its operator broke its word, the requester was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// The operator's service, if it came from one.
    pub url: Option<String>,
    /// Whose offer.
    pub operator: Address,
    /// Why.
    pub reason: String,
    /// The same as a stable code.
    pub code: ErrorCode,
    /// Honour that was paid for a broken word, to the requester's balance, in the liability token's smallest unit.
    pub paid: U256,
}

/// What came of taking an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The task is live.
    Live {
        /// Its id.
        task: TaskId,
        /// Transaction.
        transaction: B256,
    },
    /// It came to nothing, and nothing of it can come later: the next may be taken.
    Passed(PassedOver),
}

impl Requester {
    /// Goes on with what is on record of this wish and open ([`Requester::open_task`]), whether or not its operator still
    /// answers. If there is nothing, asks, and takes the best offer that can be had: [`Requester::ask`], then
    /// [`Requester::buy_from`].
    ///
    /// # Errors
    /// As these.
    pub async fn buy(&self, request: &ProofRequest, payment: Payment) -> Result<Bought, RequesterError> {
        let mut passed = Vec::new();
        if let Some(bought) = self.buy_open(request, &[], &mut passed).await? {
            return Ok(bought);
        }
        let offers = self.ask(request).await?;
        self.buy_best(request, &offers, payment, passed).await
    }

    /// Goes on with what is on record of this wish and open. If there is nothing, takes the best of these offers; if it is
    /// not what was asked for, not backed, expired or dishonoured, the next. Never two: an offer is passed over only when
    /// nothing of it can be published any more.
    ///
    /// # Errors
    /// [`RequesterError::NoOffer`] with a reason per operator; what is wrong with the requester's own purse, chain or
    /// directory as [`Requester::publish`]. After an error of the latter kind the task is on record: buying again goes on
    /// with it.
    pub async fn buy_from(
        &self,
        request: &ProofRequest,
        offers: &[Offer],
        payment: Payment,
    ) -> Result<Bought, RequesterError> {
        self.buy_best(request, offers, payment, Vec::new()).await
    }

    async fn buy_best(
        &self,
        request: &ProofRequest,
        offers: &[Offer],
        payment: Payment,
        mut passed: Vec<PassedOver>,
    ) -> Result<Bought, RequesterError> {
        if let Some(bought) = self.buy_open(request, offers, &mut passed).await? {
            return Ok(bought);
        }
        for ranked in self.ranked(offers).await? {
            match self.take(request, &ranked.offer, payment).await? {
                Taken::Live { task, transaction } => return Ok(Bought { task, transaction, passed }),
                Taken::Passed(over) => {
                    tracing::info!(operator = %over.operator, code = %over.code, "passed over: {}", over.reason);
                    passed.push(over);
                }
            }
        }
        Err(RequesterError::no_offer(offers, &passed))
    }

    async fn buy_open(
        &self,
        request: &ProofRequest,
        offers: &[Offer],
        passed: &mut Vec<PassedOver>,
    ) -> Result<Option<Bought>, RequesterError> {
        while let Some(task) = self.open_task(request, offers).await? {
            match self.go_on(task).await? {
                Taken::Live { task, transaction } => {
                    return Ok(Some(Bought { task, transaction, passed: std::mem::take(passed) }));
                }
                Taken::Passed(over) => passed.push(over),
            }
        }
        Ok(None)
    }

    /// The task on record that is this wish, or one of these offers, and has not ended, as the chain has it: to be gone on
    /// with ([`Requester::go_on`]) before anything else is bought. The same wish is what the same target is called with,
    /// about the same input and statement, whatever it costs; who wants it twice says so by another
    /// [`zkpool_api::QuoteRequest::reference`].
    ///
    /// # Errors
    /// [`RequesterError::State`], [`RequesterError::Chain`]; [`RequesterError::BadRequest`] if the request contradicts itself.
    pub async fn open_task(&self, request: &ProofRequest, offers: &[Offer]) -> Result<Option<TaskId>, RequesterError> {
        let wish = request.wire(self.address())?;
        let offered: Vec<_> = offers.iter().filter_map(Offer::firm).map(|offer| id_of(self, &offer.quote)).collect();
        let mut open = Vec::new();
        for record in self.tasks()? {
            let is_it = record.is_for(&wish) || offered.contains(&record.task);
            if !is_it || record.stage.is_final() {
                continue;
            }
            let stage = self.refresh(record.task).await?.stage;
            if stage.is_final() {
                continue;
            }
            let sent = self.inner.sender.get(&format!("publish:{}", record.task)).await?;
            open.push((!matches!(stage, Stage::Published { .. }), sent.is_none(), record.task));
        }
        // What is paid for, or may be, before what only could be.
        open.sort_by_key(|(unpublished, unsent, _)| (*unpublished, *unsent));
        Ok(open.first().map(|(.., task)| *task))
    }

    /// The firm offers, best first, as [`crate::Options::ranking`] has it, by what is known of their operators since
    /// [`Requester::ask`]: quotes do not last. Not checked.
    ///
    /// # Errors
    /// As [`Requester::records`].
    pub async fn ranked(&self, offers: &[Offer]) -> Result<Vec<Ranked>, RequesterError> {
        let firm = offers.iter().filter_map(Offer::firm);
        let operators: Vec<_> = firm.map(|offer| offer.quote.quote.terms.operator).collect();
        let records = self.known_records(&operators).await?;
        Ok(self.inner.options.ranking.rank(offers, &records))
    }

    /// Checks one offer, puts it on record, publishes it and pays; unless the same wish is on record and open, which is
    /// gone on with.
    ///
    /// # Errors
    /// What is not the operator's fault, or leaves it open whether the task will be live: see [`Requester::buy_from`].
    pub async fn take(
        &self,
        request: &ProofRequest,
        offer: &FirmOffer,
        payment: Payment,
    ) -> Result<Taken, RequesterError> {
        if let Err(error) = self.check(request, offer).await {
            return self.pass_over(offer, error).map(Taken::Passed);
        }
        loop {
            let task = {
                let _one_at_a_time = self.inner.taking.lock().await;
                match self.open_task(request, &[]).await? {
                    Some(open) => open,
                    None => self.record_paid_by(request, offer, payment).await?,
                }
            };
            match self.go_on(task).await? {
                Taken::Passed(_) if task != id_of(self, &offer.quote) => {}
                taken => return Ok(taken),
            }
        }
    }

    /// Publishes a task on record and pays, or goes on where that was interrupted: [`Requester::publish`].
    ///
    /// # Errors
    /// What is not the operator's fault, or leaves it open whether the task will be live: see [`Requester::buy_from`].
    pub async fn go_on(&self, task: TaskId) -> Result<Taken, RequesterError> {
        let error = match self.publish(task).await {
            Ok(Publication::Accepted { transaction }) => return Ok(Taken::Live { task, transaction }),
            Ok(Publication::Dishonoured { paid, .. }) => {
                let record = self.task(task)?;
                let operator = record.quote.quote.terms.operator;
                let over = PassedOver::of(&record, &RequesterError::NotBacked { operator });
                let reason = format!("it was not honoured, and {paid} was paid for that");
                return Ok(Taken::Passed(PassedOver { reason, paid, ..over }));
            }
            Err(error) => error,
        };
        // Whatever is the operator's; and what the contract has refused, for good.
        let lost = match &error {
            RequesterError::Expired { .. }
            | RequesterError::NotBacked { .. }
            | RequesterError::BadSignature { .. }
            | RequesterError::Altered { .. } => true,
            RequesterError::Chain(ChainError::Transaction { code, .. }) => *code == ErrorCode::TransactionFailed,
            RequesterError::Chain(ChainError::Reverted { .. }) => true,
            _ => false,
        };
        match lost && self.forgo(task, &error).await? {
            true => Ok(Taken::Passed(PassedOver::of(&self.task(task)?, &error))),
            false => Err(error),
        }
    }

    /// What a failed [`Requester::check`] means for an offer of which nothing was sent.
    ///
    /// # Errors
    /// The same error, if it is not about the offer: another one would fail, too.
    pub fn pass_over(&self, offer: &FirmOffer, error: RequesterError) -> Result<PassedOver, RequesterError> {
        match error {
            RequesterError::Chain(_) | RequesterError::BadRequest(_) => Err(error),
            error => Ok(PassedOver::unpaid(offer, &error)),
        }
    }

    /// Gives a task up that is not live and of which no transaction is on its way; false if that cannot be said of it.
    async fn forgo(&self, task: TaskId, why: &RequesterError) -> Result<bool, RequesterError> {
        let sent = self.inner.sender.get(&format!("publish:{task}")).await?;
        if sent.is_some_and(|sent| sent.state != TxState::Failed) {
            return Ok(false);
        }
        let mut record = self.task(task)?;
        match record.stage {
            Stage::Abandoned { .. } => Ok(true),
            Stage::Recorded => {
                self.note(&mut record, Stage::Abandoned { reason: why.to_string() }).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

impl PassedOver {
    pub(crate) fn unpaid(offer: &FirmOffer, error: &RequesterError) -> Self {
        Self::because(error, offer.url.clone(), offer.quoted_by())
    }

    fn of(record: &TaskRecord, error: &RequesterError) -> Self {
        Self::because(error, record.operator.clone(), record.quote.quote.terms.operator)
    }

    fn because(error: &RequesterError, url: Option<String>, operator: Address) -> Self {
        Self { url, operator, reason: error.to_string(), code: error.code(), paid: U256::ZERO }
    }
}

impl RequesterError {
    /// Why nobody's offer was taken.
    pub fn no_offer(offers: &[Offer], passed: &[PassedOver]) -> Self {
        let mut code = None;
        let mut reasons = Vec::new();
        let refused = offers.iter().filter_map(|offer| match &offer.answer {
            Answer::Firm(_) => None,
            Answer::Indicative { code, reason, .. } | Answer::Refused { code, reason } => {
                Some((&offer.url, code, reason))
            }
        });
        for (url, why, reason) in refused {
            code.get_or_insert(*why);
            reasons.push(format!("{url}: {reason} [{why}]"));
        }
        for over in passed {
            code.get_or_insert(over.code);
            let who = over.url.clone().unwrap_or_else(|| over.operator.to_string());
            reasons.push(format!("{who}: {} [{}]", over.reason, over.code));
        }
        Self::NoOffer { reasons, code: code.unwrap_or(ErrorCode::NoCapacity) }
    }
}
