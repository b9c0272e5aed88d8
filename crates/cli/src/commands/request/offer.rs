//! Quotes: asked for, shown, kept in a file.

use super::failed;
use crate::{
    chain::{chain_error, shown},
    error::{CliError, CliResult},
    output::table,
    progress::Step,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{fs, io::Write, path::Path};
use zkpool_protocol::{Bytes, Call, ErrorCode, SignedQuote};
use zkpool_requester::{Answer, FirmOffer, Offer, ProofRequest, Requester};

/// A quote in a file, with what is needed to publish it. Holds the input: for its owner only.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) quote: SignedQuote,
    pub(super) call: Call,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) operator: Option<String>,
}

/// Asks all operators.
pub(super) async fn ask(requester: &Requester, request: &ProofRequest) -> CliResult<Vec<Offer>> {
    let step = Step::begin("asking operators");
    let offers = requester.ask(request).await;
    step.end();
    offers.map_err(|e| failed("ask for quotes", e))
}

/// The highest price of those that would sign if the payer's balance covered it, if nobody signs otherwise.
pub(super) fn lacks_funds(offers: &[Offer]) -> Option<u128> {
    if offers.iter().any(|offer| offer.firm().is_some()) {
        return None;
    }
    let prices = offers.iter().filter_map(|offer| match &offer.answer {
        Answer::Indicative { price: Some(price), code: ErrorCode::Unfunded, .. } => Some(price.reward),
        _ => None,
    });
    prices.max()
}

/// Writes a quote to a file that only its owner may read.
pub(super) fn save(path: &Path, offer: &FirmOffer, input: &Bytes) -> CliResult {
    let attempt = || format!("write the quote to {}", path.display());
    let saved = Saved {
        quote: offer.quote.clone(),
        call: offer.call.clone(),
        input: Some(input.clone()),
        operator: offer.url.clone(),
    };
    let text = serde_json::to_string_pretty(&saved).map_err(|error| CliError::file(attempt(), error))?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| writeln!(file, "{text}"));
    written.map_err(|error| CliError::file(attempt(), error))
}

/// Reads what [`save`] wrote, or an operator's reply.
pub(super) fn load(path: &Path) -> CliResult<Saved> {
    let attempt = || format!("read the quote {}", path.display());
    let text = fs::read(path).map_err(|error| CliError::file(attempt(), error))?;
    serde_json::from_slice(&text).map_err(|error| {
        CliError::file(attempt(), error).advise("give a file that `zkpool request quote --out FILE` wrote")
    })
}

/// The quote that was taken, on one line.
pub(super) async fn line(requester: &Requester, offer: &FirmOffer) -> CliResult<String> {
    let terms = &offer.quote.quote.terms;
    let view = requester.view();
    let reward = view.token(terms.reward_token).await.map_err(|e| chain_error("read the reward token", e))?;
    let liability = view.token(terms.liability_token).await.map_err(|e| chain_error("read the liability token", e))?;
    let expected = offer.price.as_ref().map_or(String::new(), |price| {
        format!(", {}, expected in {:.1} s", price.strategy, price.expected_ms as f64 / 1000.0)
    });
    Ok(format!(
        "taking the quote of {}: {} for the proof, {} if it never comes{expected}",
        terms.operator,
        shown(terms.reward, &reward),
        shown(terms.liability, &liability)
    ))
}

/// All answers, for people and as data.
pub(super) async fn show(
    requester: &Requester,
    offers: &[Offer],
    best: Option<&FirmOffer>,
) -> CliResult<(Value, String)> {
    let mut rows = vec![["operator", "quote", "reward", "advance", "expected", "remark"].map(str::to_owned).to_vec()];
    let mut values = Vec::new();
    for offer in offers {
        let (row, value) = match &offer.answer {
            Answer::Firm(firm) => {
                let terms = &firm.quote.quote.terms;
                let token = requester.view().token(terms.reward_token).await;
                let token = token.map_err(|e| chain_error("read the reward token", e))?;
                let is_best = best.is_some_and(|best| best.quote == firm.quote);
                let expected = firm.price.as_ref().map(|price| price.expected_ms);
                let row = vec![
                    offer.url.clone(),
                    "firm".into(),
                    shown(terms.reward, &token),
                    shown(terms.advance, &token),
                    expected.map_or(String::new(), |ms| format!("{:.1} s", ms as f64 / 1000.0)),
                    if is_best { "best".into() } else { String::new() },
                ];
                let value = json!({
                    "operator": offer.url, "status": "firm", "best": is_best,
                    "task": firm.quote.quote.id(requester.domain()), "quote": firm.quote,
                    "price": firm.price, "journal": firm.journal, "public_inputs": firm.public_inputs.as_ref().map(|inputs| inputs.iter().map(ToString::to_string).collect::<Vec<_>>()),
                });
                (row, value)
            }
            Answer::Indicative { price, code, reason } => {
                let reward = price.as_ref().map_or(String::new(), |price| price.reward.to_string());
                let remark = format!("{reason} [{code}]");
                let row = vec![offer.url.clone(), "indicative".into(), reward, String::new(), String::new(), remark];
                (
                    row,
                    json!({ "operator": offer.url, "status": "indicative", "price": price, "code": code, "reason": reason }),
                )
            }
            Answer::Refused { code, reason } => {
                let remark = format!("{reason} [{code}]");
                let row =
                    vec![offer.url.clone(), "refused".into(), String::new(), String::new(), String::new(), remark];
                (row, json!({ "operator": offer.url, "status": "refused", "code": code, "reason": reason }))
            }
        };
        rows.push(row);
        values.push(value);
    }
    Ok((json!({ "offers": values }), table(&rows)))
}
