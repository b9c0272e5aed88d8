//! Asking many operators at once.

use crate::{Expected, ProgramFiles, ProofRequest, Requester, RequesterError};
use futures::{StreamExt, stream};
use std::time::Duration;
use tokio::time::Instant;
use zkpool_api::{Client, ClientError, Price, QuoteReply, QuoteRequest, QuoteStatus};
use zkpool_protocol::{Address, Bytes, Call, ErrorCode, ProgramManifest, ProofKind, SignedQuote, TaskId, U256};

/// What one operator answered.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The operator's service.
    pub url: String,
    /// Its answer.
    pub answer: Answer,
}

/// An answer to a request for a quote.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A signed quote: a firm price.
    Firm(Box<FirmOffer>),
    /// A price without a signature.
    Indicative {
        /// How it was made.
        price: Option<Price>,
        /// What is missing for a firm quote.
        code: ErrorCode,
        /// In words.
        reason: String,
    },
    /// No offer.
    Refused {
        /// Why.
        code: ErrorCode,
        /// In words.
        reason: String,
    },
}

/// A signed quote with what belongs to it. Not checked yet: see [`Requester::check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmOffer {
    /// The operator's service, if it came from one.
    pub url: Option<String>,
    /// Its address, as its service says; the quote must name it.
    pub operator: Option<Address>,
    /// Quote and signature.
    pub quote: SignedQuote,
    /// The call that was asked for.
    pub call: Call,
    /// How the price was made.
    pub price: Option<Price>,
    /// The public inputs that the operator found.
    pub public_inputs: Option<Vec<U256>>,
    /// What a zkVM program made public when the operator ran it.
    pub journal: Option<Bytes>,
    /// The program as the operator knows it, where the request names it by its id alone. Counts only if it has this id.
    pub manifest: Option<ProgramManifest>,
}

impl FirmOffer {
    /// A quote that was received in some other way.
    pub const fn of(quote: SignedQuote, call: Call) -> Self {
        Self { url: None, operator: None, quote, call, price: None, public_inputs: None, journal: None, manifest: None }
    }

    /// Whose quote it is: that the signature is of this operator is part of the check.
    pub const fn quoted_by(&self) -> Address {
        self.quote.quote.terms.operator
    }

    /// What is paid, in the reward token's smallest unit.
    pub const fn reward(&self) -> u128 {
        self.quote.quote.terms.reward
    }
}

impl Offer {
    /// The firm offer, if it is one.
    pub fn firm(&self) -> Option<&FirmOffer> {
        match &self.answer {
            Answer::Firm(offer) => Some(offer),
            _ => None,
        }
    }
}

impl Requester {
    /// Asks all operators that are named, and those that are found ([`crate::Options::discovery`]), at once, each for at
    /// most [`crate::Options::ask_bound`]: uploads the input, and the program where an operator lacks it, and waits for the
    /// preflight. One answer per operator; one that fails is [`Answer::Refused`]. Once there is an offer that could be
    /// taken, the others have a third of its validity to answer: quotes do not last, and nobody may let them expire by
    /// being slow. A registry that cannot be read is no fault as long as somebody is named.
    ///
    /// # Errors
    /// [`RequesterError::BadRequest`] if the request contradicts itself or there is nobody to ask; the registry's fault if
    /// nobody is named.
    pub async fn ask(&self, request: &ProofRequest) -> Result<Vec<Offer>, RequesterError> {
        let wire = request.wire(self.address())?;
        // Now, because there is no time for it when there are quotes.
        if let Err(error) = self.read_on().await {
            tracing::warn!(%error, "cannot keep the operators' records");
        }
        let bound = self.inner.options.ask_bound;
        let named = self.inner.operators.iter().map(|url| Asked { url: url.clone(), claimed_by: None, bound });
        let mut asked: Vec<_> = named.collect();
        match self.discover(&wire).await {
            Ok(found) => {
                let patience = self.inner.options.discovery.as_ref().map_or(bound, |discovery| discovery.patience);
                asked.extend(found.into_iter().map(|found| Asked {
                    url: found.url,
                    claimed_by: Some(found.claimed_by),
                    bound: patience.min(bound),
                }));
            }
            Err(error) if asked.is_empty() => return Err(error),
            Err(error) => tracing::warn!(%error, "cannot look for more operators"),
        }
        if asked.is_empty() {
            let why = match &self.inner.options.discovery {
                None => "no operator's address is configured",
                Some(_) => {
                    "the registry holds no operator for such a task: none with this kind and a slot that could back it"
                }
            };
            return Err(RequesterError::BadRequest(why.into()));
        }
        let answers: Vec<_> = asked
            .iter()
            .enumerate()
            .map(|(n, asked)| {
                let wire = &wire;
                async move {
                    let bound = asked.bound;
                    let answer = match tokio::time::timeout(bound, self.ask_one(asked, request, wire)).await {
                        Ok(Ok(answer)) => answer,
                        Ok(Err(error)) => Answer::Refused { code: error.code(), reason: error.to_string() },
                        Err(_) => Answer::Refused {
                            code: ErrorCode::TimedOut,
                            reason: format!("it gave no answer within {} s", bound.as_secs()),
                        },
                    };
                    let patience = self.patience(request, &answer).await;
                    (n, answer, patience)
                }
            })
            .collect();
        let mut answers = stream::iter(answers).buffer_unordered(self.inner.options.asked_at_once.max(1));
        let mut offers: Vec<_> = asked
            .iter()
            .map(|asked| {
                let reason = "it gave no answer while the others' quotes were fresh".into();
                Offer { url: asked.url.clone(), answer: Answer::Refused { code: ErrorCode::TimedOut, reason } }
            })
            .collect();
        let mut end: Option<Instant> = None;
        loop {
            let next = match end {
                None => answers.next().await,
                Some(end) => tokio::time::timeout_at(end, answers.next()).await.unwrap_or_default(),
            };
            let Some((n, answer, patience)) = next else { break };
            offers[n].answer = answer;
            end = end.into_iter().chain(patience).min();
        }
        drop(answers);
        // They hold the input now, and one of them may have to take the task over.
        let holds = |answer: &Answer| matches!(answer, Answer::Firm(_) | Answer::Indicative { .. });
        let found =
            asked.iter().zip(&offers).filter(|(asked, offer)| asked.claimed_by.is_some() && holds(&offer.answer));
        let found: Vec<_> = found.map(|(asked, _)| asked.url.clone()).collect();
        if !found.is_empty() {
            self.inner.state.note_holders(wire.input.into(), &found)?;
        }
        Ok(offers)
    }

    /// Until when the others may take if there is this offer. One that could not be taken leaves them their time, and so
    /// does one that is gone too soon to wait at all.
    async fn patience(&self, request: &ProofRequest, answer: &Answer) -> Option<Instant> {
        let Answer::Firm(offer) = answer else { return None };
        self.check(request, offer).await.ok()?;
        let now = self.inner.view.rpc().head().await.ok()?.timestamp;
        let left = offer.quote.quote.terms.valid_until.saturating_sub(now);
        let wait = left / 3;
        (left - wait >= request.limits.min_validity).then(|| Instant::now() + Duration::from_secs(wait))
    }

    async fn ask_one(
        &self,
        asked: &Asked,
        request: &ProofRequest,
        wire: &QuoteRequest,
    ) -> Result<Answer, RequesterError> {
        let url = asked.url.as_str();
        let client = self.client(url, asked.claimed_by.is_some())?;
        let fault = |source| RequesterError::Operator { url: url.to_owned(), source };
        let info = client.info().await.map_err(fault)?;
        if asked.claimed_by.as_ref().is_some_and(|claims| !claims.contains(&info.operator)) {
            return Ok(Answer::Refused {
                code: ErrorCode::Forbidden,
                reason: format!("it is the service of {}, and the registry says otherwise", info.operator),
            });
        }
        if (info.chain_id, info.pool) != (self.domain().chain_id, self.domain().pool) {
            return Ok(Answer::Refused {
                code: ErrorCode::WrongChain,
                reason: format!("it works for pool {} on chain {}", info.pool, info.chain_id),
            });
        }
        for leg in &request.legs {
            bring_program(&client, leg).await.map_err(fault)?;
        }
        let manifest = match &request.program {
            Some(program) => {
                bring_program(&client, program).await.map_err(fault)?;
                None
            }
            // Whoever takes the operator's statement must know which program it is about; the id is the manifest's hash.
            None if request.expected == Expected::OfOperator && wire.kind != ProofKind::Groth16Bn254 => {
                client.program(wire.program).await.map_err(fault).map(|program| Some(program.manifest))?
            }
            None => None,
        };
        if let Some(witness) = &request.witness {
            client.upload_file(witness).await.map_err(fault)?;
        }
        for blob in &request.blobs {
            client.upload(blob.clone()).await.map_err(fault)?;
        }
        client.upload(request.input.clone()).await.map_err(fault)?;
        let reply = client.quote_within(wire, asked.bound).await.map_err(fault)?;
        Ok(read(url, info.operator, reply, &wire.call, manifest))
    }
}

/// Whom to ask.
struct Asked {
    url: String,
    /// If it was found: those that say that the service is theirs.
    claimed_by: Option<Vec<Address>>,
    bound: Duration,
}

/// Registers the program, uploading what the operator lacks.
pub(crate) async fn bring_program(client: &Client, program: &ProgramFiles) -> Result<(), ClientError> {
    match client.program(program.manifest.id()).await {
        Ok(_) => return Ok(()),
        Err(error) if matches!(error.code(), ErrorCode::UnknownProgram | ErrorCode::NotFound) => {}
        Err(error) => return Err(error),
    }
    for file in &program.files {
        client.upload_file(file).await?;
    }
    client.register_program(&program.manifest).await.map(drop)
}

fn read(url: &str, operator: Address, reply: QuoteReply, call: &Call, manifest: Option<ProgramManifest>) -> Answer {
    let (code, reason) = match &reply.error {
        Some(error) => (error.code, error.message.clone()),
        None => (ErrorCode::Internal, "it gave no reason".into()),
    };
    match (reply.status, reply.quote) {
        (QuoteStatus::Quoted, Some(quote)) => Answer::Firm(Box::new(FirmOffer {
            url: Some(url.to_owned()),
            operator: Some(operator),
            quote,
            // The requester's own: the quote must commit to it.
            call: call.clone(),
            price: reply.price,
            public_inputs: reply.public_inputs,
            journal: reply.run.map(|run| run.journal),
            manifest,
        })),
        (QuoteStatus::Indicative, _) => Answer::Indicative { price: reply.price, code, reason },
        (QuoteStatus::Preflight, _) => {
            Answer::Refused { code: ErrorCode::TimedOut, reason: "its preflight is not over".into() }
        }
        _ => Answer::Refused { code, reason },
    }
}

/// The id that a quote has for this pool.
pub(crate) fn id_of(requester: &Requester, quote: &SignedQuote) -> TaskId {
    quote.quote.id(requester.domain())
}
