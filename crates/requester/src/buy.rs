//! The best offer, or the next one: a quote that cannot be had does not end the search.

use crate::{Answer, FirmOffer, Offer, Payment, ProofRequest, Publication, Ranked, Requester, RequesterError, Stage};
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
    /// Asks, and takes the best offer that can be had: [`Requester::ask`], then [`Requester::buy_from`].
    ///
    /// # Errors
    /// As both.
    pub async fn buy(&self, request: &ProofRequest, payment: Payment) -> Result<Bought, RequesterError> {
        let offers = self.ask(request).await?;
        self.buy_from(request, &offers, payment).await
    }

    /// Takes the best of these offers; if it is not what was asked for, not backed, expired or dishonoured, the next.
    /// Never two: an offer is passed over only when nothing of it can be published any more.
    ///
    /// # Errors
    /// [`RequesterError::NoOffer`] with a reason per operator; what is wrong with the requester's own purse, chain or
    /// directory as [`Requester::publish`]. After an error of the latter kind the task is on record: go on with it
    /// ([`Requester::publish`]), or something could be paid twice.
    pub async fn buy_from(
        &self,
        request: &ProofRequest,
        offers: &[Offer],
        payment: Payment,
    ) -> Result<Bought, RequesterError> {
        let mut passed = Vec::new();
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

    /// The firm offers, best first, as [`crate::Options::ranking`] has it. Not checked.
    ///
    /// # Errors
    /// As [`Requester::records`].
    pub async fn ranked(&self, offers: &[Offer]) -> Result<Vec<Ranked>, RequesterError> {
        let firm = offers.iter().filter_map(Offer::firm);
        let operators: Vec<_> = firm.map(|offer| offer.quote.quote.terms.operator).collect();
        let records = self.records(&operators).await?;
        Ok(self.inner.options.ranking.rank(offers, &records, self.address()))
    }

    /// Checks one offer, puts it on record, publishes it and pays.
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
        let task = self.record_paid_by(request, offer, payment).await?;
        let error = match self.publish(task).await {
            Ok(Publication::Accepted { transaction }) => return Ok(Taken::Live { task, transaction }),
            Ok(Publication::Dishonoured { paid, .. }) => {
                let over = PassedOver::unpaid(offer, &RequesterError::NotBacked { operator: offer.quoted_by() });
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
            true => Ok(Taken::Passed(PassedOver::unpaid(offer, &error))),
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
        let (url, operator) = (offer.url.clone(), offer.quoted_by());
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
