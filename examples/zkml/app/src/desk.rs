//! Questions under way: asked, priced, bought, proven, answered.

use crate::{
    error::DigitsError,
    oracle::Oracle,
    view::{OfferView, QuestionView, Stage, amount},
    wish::{Digits, Guest, Terms},
};
use alloy::primitives::U256;
use digit_core::Image;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;
use zkpool_chain::{TokenInfo, TxRequest};
use zkpool_protocol::{SignedQuote, TaskId};
use zkpool_requester::{FirmOffer, ProofRequest, Requester, Stage as TaskStage, TaskRecord};

/// Questions that are kept; the oldest that has ended makes room.
const KEPT: usize = 256;
/// Longest that the transaction that asks is waited for.
const ASK_BOUND: Duration = Duration::from_secs(120);

/// Everything that questions need. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) requester: Requester,
    oracle: Oracle,
    guest: Guest,
    terms: Terms,
    token: TokenInfo,
    /// By their number in the contract: a page finds its question again after a restart.
    questions: Mutex<BTreeMap<u64, Arc<Question>>>,
}

/// One question. Its view changes; whoever watches is told.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) number: U256,
    /// The contract that asked: after a restart, perhaps another one than is asked now.
    pub(crate) oracle: Oracle,
    pub(crate) task: TaskId,
    /// What can be bought, until it is.
    offer: Mutex<Option<Box<Bargain>>>,
    pub(crate) view: watch::Sender<QuestionView>,
}

/// What is bought. It is put on record when it is: what is on record goes on after a restart.
#[derive(Debug)]
pub(crate) struct Bargain {
    pub(crate) wish: ProofRequest,
    pub(crate) offer: FirmOffer,
}

impl Desk {
    /// With a requester that pays, and what it buys on which terms. `token` is the one that it pays with.
    pub fn new(requester: Requester, oracle: Oracle, guest: Guest, terms: Terms, token: TokenInfo) -> Self {
        let questions = Mutex::default();
        Self { inner: Arc::new(Inner { requester, oracle, guest, terms, token, questions }) }
    }

    /// Goes on with everything that was bought and has not ended: to be called once, at the start. Returns how many.
    ///
    /// # Errors
    /// The requester's records cannot be read.
    pub fn resume(&self) -> Result<usize, DigitsError> {
        let records = self.inner.requester.tasks()?;
        let open: Vec<_> = records.into_iter().filter(|record| !record.stage.is_final()).collect();
        for record in &open {
            let Some(number) = Oracle::asked_by(&record.call) else {
                tracing::warn!(task.id = %record.task, "is on record, and no question of this application");
                continue;
            };
            let oracle = self.inner.oracle.at(record.quote.quote.terms.target);
            let id = u64::try_from(number).unwrap_or(u64::MAX);
            let ours = oracle.address() == self.inner.oracle.address();
            let view = watch::Sender::new(self.resumed(id, number, record));
            let question = Arc::new(Question { number, oracle, task: record.task, offer: Mutex::new(None), view });
            if ours {
                self.questions().insert(id, question.clone());
            }
            tracing::info!(question.id = id, task.id = %record.task, "goes on");
            let desk = self.clone();
            tokio::spawn(async move { desk.see_through(&question, None).await });
        }
        Ok(open.len())
    }

    fn resumed(&self, id: u64, number: U256, record: &TaskRecord) -> QuestionView {
        let stage = match record.stage {
            TaskStage::Published { .. } => Stage::Proving,
            _ => Stage::Publishing,
        };
        QuestionView::new(id, number, record.task, stage, self.offer(&record.quote, None))
    }

    /// The contract.
    pub fn oracle(&self) -> &Oracle {
        &self.inner.oracle
    }

    /// Asks the contract which digits these are, and operators what the proof costs.
    ///
    /// # Errors
    /// [`DigitsError::BadImages`], [`DigitsError::Busy`], no offer, the chain's faults.
    pub async fn ask(&self, images: &[Image]) -> Result<QuestionView, DigitsError> {
        self.make_room()?;
        let inner = &self.inner;
        let digits = Digits::of(images)?;
        let commitment = digits.commitment();
        // Unique across restarts: the same digits may be asked about twice.
        let purpose = format!("ask:{commitment}:{:032x}", rand::random::<u128>());
        let asking = TxRequest::call(purpose, inner.oracle.address(), inner.oracle.asking(commitment));
        let transaction = inner.requester.send(asking, ASK_BOUND).await?;
        let number = inner.oracle.question(transaction).await?;
        let id =
            u64::try_from(number).map_err(|_| inner.oracle.fault(format!("question {number} has no such number")))?;

        let (oracle, call) = (inner.oracle.address(), inner.oracle.answering(number));
        let verifier = inner.oracle.verifier().await?;
        let wish = inner.guest.wish(&digits, &inner.terms, oracle, verifier, call);
        let offers = inner.requester.ask(&wish).await?;
        let offer = inner.requester.choose(&wish, &offers).await?;
        let task = offer.quote.quote.id(inner.requester.domain());
        let expected = offer.price.as_ref().map(|price| price.expected_ms.div_ceil(1000));
        let view = QuestionView::new(id, number, task, Stage::Quoted, self.offer(&offer.quote, expected));
        let question = Question {
            number,
            oracle: inner.oracle.clone(),
            task,
            offer: Mutex::new(Some(Box::new(Bargain { wish, offer }))),
            view: watch::Sender::new(view.clone()),
        };
        self.questions().insert(id, Arc::new(question));
        tracing::info!(question.id = id, task.id = %task, digits = images.len(), "priced");
        Ok(view)
    }

    /// Buys the proof. Returns at once; the view tells how it goes on.
    ///
    /// # Errors
    /// [`DigitsError::UnknownQuestion`], [`DigitsError::AlreadyBought`].
    pub fn prove(&self, id: u64) -> Result<(), DigitsError> {
        let question = self.question(id)?;
        let Some(bargain) = lock(&question.offer).take() else { return Err(DigitsError::AlreadyBought) };
        question.view.send_modify(|view| view.stage = Stage::Publishing);
        let desk = self.clone();
        tokio::spawn(async move { desk.see_through(&question, Some(&bargain)).await });
        Ok(())
    }

    /// A question's view, now and whenever it changes.
    ///
    /// # Errors
    /// [`DigitsError::UnknownQuestion`].
    pub fn watch(&self, id: u64) -> Result<watch::Receiver<QuestionView>, DigitsError> {
        Ok(self.question(id)?.view.subscribe())
    }

    /// An amount of the token, for people, and the token's name.
    pub(crate) fn money(&self, value: U256) -> (String, &str) {
        (amount(value, self.inner.token.decimals), &self.inner.token.symbol)
    }

    fn offer(&self, quote: &SignedQuote, expected_seconds: Option<u64>) -> OfferView {
        let terms = &quote.quote.terms;
        OfferView {
            price: self.money(U256::from(terms.reward)).0,
            token: self.inner.token.symbol.clone(),
            seconds: terms.proof_window,
            expected_seconds,
            liability: self.money(U256::from(terms.liability)).0,
            operator: terms.operator,
            valid_until: terms.valid_until,
        }
    }

    fn question(&self, id: u64) -> Result<Arc<Question>, DigitsError> {
        self.questions().get(&id).cloned().ok_or(DigitsError::UnknownQuestion(id))
    }

    /// Forgets what has ended, or was never bought, if there is too much.
    fn make_room(&self) -> Result<(), DigitsError> {
        let mut questions = self.questions();
        if questions.len() < KEPT {
            return Ok(());
        }
        let idle = |question: &Question| question.view.borrow().ended || lock(&question.offer).is_some();
        let oldest = questions.iter().find(|(_, question)| idle(question)).map(|(id, _)| *id);
        match oldest.and_then(|id| questions.remove(&id)) {
            Some(_) => Ok(()),
            None => Err(DigitsError::Busy(KEPT)),
        }
    }

    fn questions(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Question>>> {
        lock(&self.inner.questions)
    }
}

impl Question {
    pub(crate) fn fail(&self, why: String) {
        self.view.send_modify(|view| {
            view.stage = Stage::Failed;
            view.ended = true;
            view.error = Some(why);
        });
    }
}

/// What is locked is never left half-changed, so a panic elsewhere does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
