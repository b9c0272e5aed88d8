//! `zkpool quote`: looking at signed quotes.

use super::Context;
use crate::{
    chain::{ChainArgs, chain_error},
    error::{CliError, CliResult},
};
use clap::{Args, Subcommand};
use serde_json::json;
use std::{
    io::Read,
    path::{Path, PathBuf},
};
use zkpool_protocol::{Domain, SignedQuote};

/// `zkpool quote …`
#[derive(Debug, Subcommand)]
pub enum QuoteCommand {
    /// Decode a signed quote, compute its id and recover who signed it
    Show(ShowArgs),
}

/// Which quote.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// File with the quote as JSON (a signed quote, or an operator's reply that holds one); - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where its contract is. With an endpoint, the operator's signer and the backing are checked, too.
    #[command(flatten)]
    pub chain: ChainArgs,
}

/// Carries the command out.
pub async fn run(command: QuoteCommand, context: &Context) -> CliResult {
    let QuoteCommand::Show(args) = command;
    let quote = read_quote(&args.file)?;
    let section = context.settings.section::<ChainArgs>("quote")?;
    let chain = section.with(&args.chain)?;
    show(&quote, &chain, context).await
}

async fn show(quote: &SignedQuote, chain: &ChainArgs, context: &Context) -> CliResult {
    let view = match chain.rpc {
        Some(_) => Some(chain.view().await?),
        None => None,
    };
    let domain = match (&view, chain.chain_id) {
        (Some(view), _) => *view.domain(),
        (None, Some(chain_id)) => Domain { chain_id, pool: chain.pool()? },
        (None, None) => {
            return Err(CliError::usage("compute the quote's id", "the id depends on chain and contract")
                .advise("set --chain-id and --pool, or --rpc and --pool"));
        }
    };
    let attempt = "read the quote's signature";
    let signer = quote.signer(&domain).map_err(|error| {
        CliError::coded(attempt, error, zkpool_protocol::ErrorCode::QuoteAltered)
            .advise("ask the operator for the quote again; this one was damaged or altered")
    })?;
    let id = quote.quote.id(&domain);
    let terms = quote.quote.terms.check();
    let mut value = json!({ "id": id, "signer": signer, "well_formed": terms.is_ok(), "quote": quote.quote });
    let mut notes = vec![match &terms {
        Ok(()) => "terms:     well-formed".to_owned(),
        Err(error) => format!("terms:     REFUSED by the contract: {error}"),
    }];
    if let Some(view) = view {
        let failed = |e| chain_error("check the quote on chain", e);
        let operator = quote.quote.terms.operator;
        let current = view.signer_of(operator).await.map_err(failed)?;
        let authentic = current.signer == Some(signer) && !current.frozen;
        let backed = view.is_backed(quote).await.map_err(failed)?;
        value["authentic"] = authentic.into();
        value["backed"] = backed.into();
        notes.push(format!(
            "signature: {}",
            if authentic { "of the operator's signer" } else { "NOT of the operator's current signer" }
        ));
        notes.push(format!(
            "backed:    {}",
            if backed { "yes, on chain, now" } else { "NO: publishing it now would not be honoured" }
        ));
    }
    let terms = serde_json::to_string_pretty(&quote.quote)
        .map_err(|error| CliError::new("show the quote", error, "internal", crate::error::Exit::Failed))?;
    context.output.result(&value, format!("id:        {id}\nsigned by: {signer}\n{}\n{terms}", notes.join("\n")))
}

/// Reads a signed quote, or a reply that holds one.
pub fn read_quote(file: &Path) -> CliResult<SignedQuote> {
    let attempt = || format!("read the quote {}", file.display());
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().take(1 << 20).read_to_string(&mut text).map_err(|error| CliError::file(attempt(), error))?;
    } else {
        text = std::fs::read_to_string(file).map_err(|error| CliError::file(attempt(), error))?;
    }
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| CliError::file(attempt(), error))?;
    let quote = if value.get("signature").is_some() { value } else { value.get("quote").cloned().unwrap_or(value) };
    serde_json::from_value(quote).map_err(|error| {
        CliError::file(attempt(), format!("it is no signed quote: {error}")).advise(
            "give what an operator answered, or {\"quote\": {\"terms\": …, \"task\": …}, \"signature\": \"0x…\"}",
        )
    })
}
