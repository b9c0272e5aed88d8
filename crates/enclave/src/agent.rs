//! One request, one answer.

use crate::{
    AgentError, InstanceKey, Program, Quoting,
    lines::{self, Line, MAX_LINE},
    signing::report_data,
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use sha2::{Digest, Sha256};
use std::{
    error::Error,
    io::{BufRead, Write},
    panic::{AssertUnwindSafe, catch_unwind},
};

/// The most that an input may be, in bytes.
pub const MAX_INPUT: usize = 8 << 20;
/// The most that a program may make public, in bytes.
pub const MAX_JOURNAL: usize = 1 << 20;
/// The most of a message that is passed on, in characters.
const MAX_MESSAGE: usize = 1000;

/// A program, its key, and who vouches for them.
#[derive(Debug)]
pub struct Agent<P, Q> {
    program: P,
    quoting: Q,
    key: InstanceKey,
}

#[derive(Deserialize)]
struct Request<'a> {
    id: Option<u64>,
    method: String,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct QuoteParams {
    chain_id: u64,
    verifier: Hex<20>,
    program: Hex<32>,
    block_hash: Hex<32>,
}

#[derive(Deserialize)]
struct ProveParams {
    chain_id: u64,
    verifier: Hex<20>,
    program: Hex<32>,
    payee: Hex<20>,
    input: String,
}

/// Why a request is not carried out. No message holds a part of it.
struct Refusal {
    code: &'static str,
    message: String,
}

impl Refusal {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl<P: Program, Q: Quoting> Agent<P, Q> {
    /// Of a program, a platform and a key.
    pub const fn new(program: P, quoting: Q, key: InstanceKey) -> Self {
        Self { program, quoting, key }
    }

    /// Answers requests until there are no more.
    ///
    /// # Errors
    ///
    /// [`AgentError::Pipe`].
    pub fn answer_all(&self, mut requests: impl BufRead, mut answers: impl Write) -> Result<(), AgentError> {
        loop {
            let answer = match lines::next(&mut requests, MAX_LINE)? {
                Line::End => return Ok(()),
                Line::Whole(line) if line.trim_ascii().is_empty() => continue,
                Line::Whole(line) => self.answer(&line),
                Line::TooLong => {
                    let message = format!("a request is at most {MAX_LINE} bytes long");
                    rendered(None, Err(Refusal::new("too_large", message)))
                }
            };
            answers.write_all(answer.as_bytes())?;
            answers.write_all(b"\n")?;
            answers.flush()?;
        }
    }

    /// The answer to one line: always one line of JSON, whatever was asked.
    pub fn answer(&self, line: &[u8]) -> String {
        match serde_json::from_slice::<Request<'_>>(line) {
            Ok(request) => rendered(request.id, self.carry_out(&request)),
            Err(error) => {
                // Its own words could repeat what was sent.
                let message = format!("the request is not one (JSON, near byte {})", error.column());
                rendered(None, Err(Refusal::new("bad_request", message)))
            }
        }
    }

    fn carry_out(&self, request: &Request<'_>) -> Result<Value, Refusal> {
        match request.method.as_str() {
            "instance" => Ok(json!({
                "address": prefixed(&self.key.address()),
                "mrenclave": self.quoting.mrenclave().map(|measurement| prefixed(&measurement)),
                "simulated": self.quoting.simulated(),
            })),
            "quote" => self.quote(&params(request)?),
            "prove" => self.prove(params(request)?),
            _ => Err(Refusal::new("unknown_method", "there are the methods instance, quote and prove")),
        }
    }

    fn quote(&self, params: &QuoteParams) -> Result<Value, Refusal> {
        let QuoteParams { chain_id, verifier, program, block_hash } = params;
        let data = report_data(*chain_id, &verifier.0, &program.0, &self.key.address(), &block_hash.0);
        let quote = self.quoting.quote(&data).map_err(|error| {
            let cause = error.source().map(|source| format!(" ({source})")).unwrap_or_default();
            Refusal::new("quoting_failed", format!("{error}{cause}"))
        })?;
        Ok(json!({ "quote": prefixed(&quote) }))
    }

    fn prove(&self, params: ProveParams) -> Result<Value, Refusal> {
        let ProveParams { chain_id, verifier, program, payee, input } = params;
        let input = unhex(input)?;
        let journal = self.run(&input)?;
        let output: [u8; 32] = Sha256::digest(&journal).into();
        let proof = self.key.prove(chain_id, &verifier.0, &program.0, &output, &payee.0);
        let proof = proof.ok_or_else(|| Refusal::new("internal", "no signature was made"))?;
        Ok(json!({ "journal": prefixed(&journal), "proof": prefixed(&proof) }))
    }

    fn run(&self, input: &[u8]) -> Result<Vec<u8>, Refusal> {
        // A program that panics is asked again with other inputs: it keeps nothing between them.
        let run = catch_unwind(AssertUnwindSafe(|| self.program.run(input)));
        let journal = match run {
            Ok(Ok(journal)) => journal,
            Ok(Err(reason)) => {
                let message = reason.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect::<String>();
                return Err(Refusal::new("program_failed", message));
            }
            Err(_) => return Err(Refusal::new("program_failed", "the program panicked")),
        };
        if journal.len() > MAX_JOURNAL {
            let message = format!("the program makes {} bytes public, more than {MAX_JOURNAL}", journal.len());
            return Err(Refusal::new("too_large", message));
        }
        Ok(journal)
    }
}

fn params<'a, T: Deserialize<'a>>(request: &Request<'a>) -> Result<T, Refusal> {
    let raw = request.params.map_or("{}", RawValue::get);
    serde_json::from_str(raw).map_err(|_| {
        let takes = match request.method.as_str() {
            "quote" => "chain_id, verifier, program and block_hash",
            _ => "chain_id, verifier, program, payee and input",
        };
        Refusal::new("bad_request", format!("`{}` takes {takes}: a number, and bytes in hex", request.method))
    })
}

fn unhex(text: String) -> Result<Vec<u8>, Refusal> {
    let digits = text.strip_prefix("0x").unwrap_or(&text);
    if digits.len() > 2 * MAX_INPUT {
        return Err(Refusal::new("too_large", format!("an input is at most {MAX_INPUT} bytes long")));
    }
    hex::decode(digits).map_err(|_| Refusal::new("bad_request", "the input is not hex"))
}

fn prefixed(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn rendered(id: Option<u64>, outcome: Result<Value, Refusal>) -> String {
    let mut answer = match outcome {
        Ok(result) => json!({ "result": result }),
        Err(Refusal { code, message }) => json!({ "error": { "code": code, "message": message } }),
    };
    if let Some(id) = id {
        answer["id"] = id.into();
    }
    answer.to_string()
}

/// Exactly so many bytes, in hex.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Hex<const N: usize>([u8; N]);

impl<const N: usize> TryFrom<String> for Hex<N> {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; N];
        hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(&text), &mut bytes)?;
        Ok(Self(bytes))
    }
}
