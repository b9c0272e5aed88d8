//! Questions under way: asked, priced, bought, proven, answered.

use crate::{
    error::DigitsError,
    oracle::Oracle,
    view::{DeliveryView, OfferView, QuestionView, Stage, amount},
    wish::{Digits, Guest, Terms},
};
use alloy::primitives::U256;
use digit_core::Image;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;
use zkpool_chain::{TokenInfo, TxRequest};
use zkpool_protocol::TaskId;
use zkpool_requester::{FirmOffer, Publication, Requester, Stage as TaskStage, Update};

/// Questions that are kept; the oldest that has ended makes room.
const KEPT: usize = 256;
/// Longest that the transaction that asks is waited for.
const ASK_BOUND: Duration = Duration::from_secs(120);

/// Everything that questions need. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    inner: Arc<Inner>,
}

struct Inner {
    requester: Requester,
    oracle: Oracle,
    guest: Guest,
    terms: Terms,
    token: TokenInfo,
    next: AtomicU64,
    questions: Mutex<BTreeMap<u64, Arc<Question>>>,
}

/// One question. Its view changes; whoever watches is told.
#[derive(Debug)]
struct Question {
    number: U256,
    task: TaskId,
    bought: Mutex<bool>,
    view: watch::Sender<QuestionView>,
}

impl Desk {
    /// With a requester that pays, and what it buys on which terms. `token` is the one that it pays with.
    pub fn new(requester: Requester, oracle: Oracle, guest: Guest, terms: Terms, token: TokenInfo) -> Self {
        let questions = Mutex::default();
        Self { inner: Arc::new(Inner { requester, oracle, guest, terms, token, next: AtomicU64::new(1), questions }) }
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
        let id = inner.next.fetch_add(1, Ordering::Relaxed);
        let commitment = digits.commitment();
        // Unique across restarts: the same digits may be asked about twice.
        let purpose = format!("ask:{commitment}:{:032x}", rand::random::<u128>());
        let asking = TxRequest::call(purpose, inner.oracle.address(), inner.oracle.asking(commitment));
        let transaction = inner.requester.send(asking, ASK_BOUND).await?;
        let number = inner.oracle.question(transaction).await?;

        let (oracle, call) = (inner.oracle.address(), inner.oracle.answering(number));
        let verifier = inner.oracle.verifier().await?;
        let wish = inner.guest.wish(&digits, &inner.terms, oracle, verifier, call);
        let offers = inner.requester.ask(&wish).await?;
        let offer = inner.requester.choose(&wish, &offers).await?;
        let task = inner.requester.record(&wish, &offer).await?;
        let view = QuestionView {
            id,
            question: number.to_string(),
            task,
            stage: Stage::Quoted,
            ended: false,
            offer: self.offer(&offer),
            jobs: vec![],
            provers: vec![],
            signers: vec![],
            delivery: None,
            error: None,
        };
        let question = Question { number, task, bought: Mutex::new(false), view: watch::Sender::new(view.clone()) };
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
        if std::mem::replace(&mut *lock(&question.bought), true) {
            return Err(DigitsError::AlreadyBought);
        }
        question.view.send_modify(|view| view.stage = Stage::Publishing);
        let desk = self.clone();
        tokio::spawn(async move {
            if let Err(error) = desk.follow(&question).await {
                tracing::warn!(question.id = id, %error, "failed");
                question.fail(error.to_string());
            }
        });
        Ok(())
    }

    /// A question's view, now and whenever it changes.
    ///
    /// # Errors
    /// [`DigitsError::UnknownQuestion`].
    pub fn watch(&self, id: u64) -> Result<watch::Receiver<QuestionView>, DigitsError> {
        Ok(self.question(id)?.view.subscribe())
    }

    async fn follow(&self, question: &Question) -> Result<(), DigitsError> {
        let requester = &self.inner.requester;
        match requester.publish(question.task).await? {
            Publication::Accepted { .. } => question.view.send_modify(|view| view.stage = Stage::Proving),
            Publication::Dishonoured { paid, .. } => {
                let (paid, token) = self.money(paid);
                question.fail(format!("the operator could not back its word: the price is back, and {paid} {token}"));
                return Ok(());
            }
        }
        // Other operators are told, so that one of them can take it over. Who cannot be reached will not.
        for (url, error) in requester.tell(question.task).await? {
            tracing::warn!(operator = url, %error, "was not told");
        }
        let mut watch = requester.watch(question.task)?;
        while let Some(update) = watch.next().await {
            match update? {
                Update::Progress(task) => question.view.send_modify(|view| view.progress(&task)),
                Update::Late => question.view.send_modify(|view| view.error = Some("it is late".into())),
                Update::Ended(TaskStage::Delivered { on_time, transaction, .. }) => {
                    let answered = self.inner.oracle.answered(question.number, transaction).await?;
                    question.view.send_modify(|view| {
                        view.stage = Stage::Delivered;
                        view.ended = true;
                        view.error = None;
                        view.delivery = Some(DeliveryView {
                            classes: answered.classes,
                            transaction,
                            block: answered.block,
                            gas: answered.gas,
                            fee: amount(answered.fee, 18),
                            on_time,
                        });
                    });
                    return Ok(());
                }
                Update::NovationDue => {
                    if let Err(error) = requester.novate(question.task).await {
                        tracing::debug!(task.id = %question.task, %error, "cannot carry the rescue out");
                    }
                }
                Update::Ended(stage) => {
                    question.fail(stage.to_string());
                    return Ok(());
                }
                Update::Collectable => {
                    requester.collect(question.task).await?;
                    question.fail("it never came: price and liability are collected".into());
                    return Ok(());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// An amount of the token, for people, and the token's name.
    fn money(&self, value: U256) -> (String, &str) {
        (amount(value, self.inner.token.decimals), &self.inner.token.symbol)
    }

    fn offer(&self, offer: &FirmOffer) -> OfferView {
        let terms = &offer.quote.quote.terms;
        OfferView {
            price: self.money(U256::from(terms.reward)).0,
            token: self.inner.token.symbol.clone(),
            seconds: terms.proof_window,
            expected_seconds: offer.price.as_ref().map(|price| price.expected_ms.div_ceil(1000)),
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
        let idle = |question: &Question| question.view.borrow().ended || !*lock(&question.bought);
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
    fn fail(&self, why: String) {
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
