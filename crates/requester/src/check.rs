//! Whether an offer is what was asked for, and worth anything.

use crate::{Expected, FirmOffer, Offer, ProofRequest, Ranked, Requester, RequesterError, groth16_statement};
use alloy::primitives::Address;
use std::fmt::Display;
use zkpool_protocol::{B256, BlobId, Domain, MAX_VALIDITY, ProgramManifest, ProofKind, SignedQuote, zkvm};

impl Requester {
    /// Checks one offer, off chain and on chain: that its terms are those that were asked for and within the limits, that
    /// the statement is the requester's, that the signature is the operator's, and that the contract says that it is
    /// backed (open, idle and funded slot; current signer; honour reserve).
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn check(&self, request: &ProofRequest, offer: &FirmOffer) -> Result<(), RequesterError> {
        compare(request, offer, self.address())?;
        let terms = &offer.quote.quote.terms;
        let head = self.inner.view.rpc().head().await?;
        check_time(&offer.quote, head.timestamp, request.limits.min_validity)?;
        signer_of(&offer.quote, self.domain())?;
        for (what, address) in
            [("the reward token", terms.reward_token), ("the liability token", terms.liability_token)]
                .into_iter()
                .chain((!terms.verifier.is_zero()).then_some(("the verifier", terms.verifier)))
                .chain((!terms.encoder.is_zero()).then_some(("the encoder", terms.encoder)))
                .chain([("the target", terms.target)])
        {
            if !self.inner.view.rpc().has_code(address).await? {
                return Err(RequesterError::NoCode { what, address });
            }
        }
        self.check_backed(&offer.quote).await
    }

    /// Fails unless the contract says that the quote could be published now and until its validity ends.
    pub(crate) async fn check_backed(&self, quote: &SignedQuote) -> Result<(), RequesterError> {
        if self.inner.view.is_backed(quote).await? {
            return Ok(());
        }
        let operator = quote.quote.terms.operator;
        // Say which of the two it is, if it can be said.
        let signer = self.inner.view.signer_of(operator).await?.signer;
        if signer.is_none() || signer != Some(signer_of(quote, self.domain())?) {
            return Err(RequesterError::BadSignature { operator });
        }
        Err(RequesterError::NotBacked { operator })
    }

    /// The best offer ([`Requester::ranked`]) that passes [`Requester::check`].
    ///
    /// # Errors
    /// [`RequesterError::NoOffer`] with a reason per operator; the chain's faults.
    pub async fn choose(&self, request: &ProofRequest, offers: &[Offer]) -> Result<FirmOffer, RequesterError> {
        let mut passed = Vec::new();
        for Ranked { offer, .. } in self.ranked(offers).await? {
            match self.check(request, &offer).await {
                Ok(()) => return Ok(offer),
                Err(error) => passed.push(self.pass_over(&offer, error)?),
            }
        }
        Err(RequesterError::no_offer(offers, &passed))
    }
}

/// Whoever signed the quote, whether or not it is the operator's signer.
pub(crate) fn signer_of(quote: &SignedQuote, domain: &Domain) -> Result<Address, RequesterError> {
    let operator = quote.quote.terms.operator;
    if quote.signature.len() != 65 {
        return Err(RequesterError::BadSignature { operator });
    }
    quote.signer(domain).map_err(|_| RequesterError::BadSignature { operator })
}

/// Whether it can still be published, with `spare` seconds left.
pub(crate) fn check_time(quote: &SignedQuote, now: u64, spare: u64) -> Result<(), RequesterError> {
    let valid_until = quote.quote.terms.valid_until;
    if now.saturating_add(spare) > valid_until {
        return Err(RequesterError::Expired { valid_until, now });
    }
    if valid_until > now + MAX_VALIDITY {
        return Err(RequesterError::Altered {
            operator: quote.quote.terms.operator,
            what: "the validity",
            asked: format!("at most {MAX_VALIDITY} s"),
            got: format!("{} s", valid_until - now),
        });
    }
    Ok(())
}

/// Compares what was offered with what was asked for, term by term. Pure.
pub(crate) fn compare(request: &ProofRequest, offer: &FirmOffer, payer: Address) -> Result<(), RequesterError> {
    let asked = request.wire(payer)?;
    let (terms, task) = (&offer.quote.quote.terms, &offer.quote.quote.task);
    let operator = terms.operator;
    terms.check().map_err(|source| RequesterError::Malformed { operator, source })?;

    let same = Comparison { operator };
    if let Some(expected) = offer.operator {
        same.equal("the operator", expected, operator)?;
    }
    same.equal("the requester", asked.beneficiary(), terms.requester)?;
    same.equal("the target", asked.target, terms.target)?;
    same.equal("the encoder", asked.encoder.unwrap_or_default(), terms.encoder)?;
    same.equal("the verifier", asked.verifier.unwrap_or_default(), terms.verifier)?;
    same.equal("the gas for the call", asked.call_gas, terms.call_gas)?;
    same.equal("the proof window", asked.proof_window, terms.proof_window)?;
    same.equal("the liability window", asked.liability_window, terms.liability_window)?;
    same.equal("the reward token", asked.reward_token, terms.reward_token)?;
    same.equal("the liability token", asked.liability_token, terms.liability_token)?;
    same.at_least("the liability", asked.liability, terms.liability)?;
    same.at_least("the bond", asked.bond, terms.bond)?;
    same.equal("the burn", asked.burn, terms.burn)?;
    same.at_least("the honour", request.limits.min_honour, terms.honour)?;
    if let Some(most) = asked.max_reward {
        same.at_most("the reward", most, terms.reward)?;
    }
    if let Some(most) = request.limits.max_advance {
        same.at_most("the advance", most, terms.advance)?;
    }
    // Not in the quote: the operator's word, but one that it must give.
    if let (Some(strategy), Some(price)) = (asked.strategy, &offer.price) {
        same.equal("the strategy", strategy, price.strategy)?;
    }
    same.equal("the call", asked.call.hash(), task.call_hash)?;
    same.equal("the input", B256::from(BlobId::of(&request.input)), task.input_hash)?;
    if let Some(statement) = asked.statement {
        return same.equal("the statement", statement, task.statement);
    }
    // In target mode the target judges; in verifier mode the statement is what is paid for.
    if terms.verifier.is_zero() {
        return Ok(());
    }
    // What was found is the caller's to look at; it must at least be what the quote is about.
    match found(request, offer) {
        Some((what, statement)) if request.expected == Expected::OfOperator => {
            same.equal(what, statement, task.statement)
        }
        _ => Err(RequesterError::UnknownStatement(task.statement)),
    }
}

/// The statement of what the operator says the program makes public.
fn found(request: &ProofRequest, offer: &FirmOffer) -> Option<(&'static str, B256)> {
    let known = request.program.as_ref().map(|program| &program.manifest).or(offer.manifest.as_ref());
    match known.filter(|manifest| manifest.id() == request.quote.program) {
        Some(ProgramManifest::Risc0 { image_id, .. }) => {
            let journal = offer.journal.as_ref()?;
            Some(("the statement of the journal", zkvm::statement(*image_id, journal)))
        }
        // A Groth16 statement says all by itself.
        _ if request.quote.kind == ProofKind::Groth16Bn254 => {
            let inputs = offer.public_inputs.as_ref()?;
            Some(("the statement of the public inputs", groth16_statement(inputs)))
        }
        _ => None,
    }
}

struct Comparison {
    operator: Address,
}

impl Comparison {
    fn equal<T: PartialEq + Display>(&self, what: &'static str, asked: T, got: T) -> Result<(), RequesterError> {
        if asked == got { Ok(()) } else { Err(self.altered(what, asked.to_string(), got)) }
    }

    fn at_least(&self, what: &'static str, asked: u128, got: u128) -> Result<(), RequesterError> {
        if got >= asked { Ok(()) } else { Err(self.altered(what, format!("at least {asked}"), got)) }
    }

    fn at_most(&self, what: &'static str, asked: u128, got: u128) -> Result<(), RequesterError> {
        if got <= asked { Ok(()) } else { Err(self.altered(what, format!("at most {asked}"), got)) }
    }

    fn altered(&self, what: &'static str, asked: String, got: impl Display) -> RequesterError {
        RequesterError::Altered { operator: self.operator, what, asked, got: got.to_string() }
    }
}
