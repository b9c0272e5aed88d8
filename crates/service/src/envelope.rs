//! Envelopes, as far as the service reads them: which program, and which blobs. What is to be proven stays unread.

use crate::{Context, OpError, OpResult};
use serde::{Deserialize, de::IgnoredAny};
use zkpool_protocol::{BlobId, EnclaveInput, ErrorCode, GuestInput, LegInputs, ProgramId, ProofKind, bundle::MAX_LEGS};

/// An envelope without its signals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EnvelopeHead {
    /// The program that it names.
    pub(crate) program: ProgramId,
    /// The blobs that it names besides, in order: a witness, standard input and assumptions, an enclave's input, or the
    /// envelopes of a bundle's legs.
    pub(crate) attached: Vec<BlobId>,
    /// For what sort of program it is.
    pub(crate) form: Form,
}

/// For what sort of program an envelope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Circuit,
    Guest,
    Enclave,
    Legs {
        /// Whether one prover may make several legs.
        shared_provers: bool,
        /// Whether the target is to be sent each leg as it comes.
        early: bool,
    },
}

impl Form {
    /// Whether this kind of proof is made of it.
    pub(crate) const fn fits(self, kind: ProofKind) -> bool {
        match kind {
            ProofKind::Groth16Bn254 => matches!(self, Self::Circuit),
            ProofKind::Risc0Composite | ProofKind::Risc0Succinct | ProofKind::Risc0Groth16 => {
                matches!(self, Self::Guest)
            }
            ProofKind::Sgx => matches!(self, Self::Enclave),
            ProofKind::Bundle => matches!(self, Self::Legs { .. }),
        }
    }
}

/// The most receipts that a program builds on.
const MAX_ASSUMPTIONS: usize = 16;

/// As [`zkpool_protocol::TaskInput`] is written; the signals are skipped over.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    program: ProgramId,
    witness: Option<BlobId>,
    inputs: Option<IgnoredAny>,
    guest: Option<GuestInput>,
    enclave: Option<EnclaveInput>,
    legs: Option<LegInputs>,
}

/// Reads an envelope that is here. Fails with `UnknownInput`, `TooLarge`, `BadInput`.
pub(crate) async fn head(ctx: &Context, input: BlobId) -> OpResult<EnvelopeHead> {
    let bytes = ctx.blobs.read(input, ctx.config.limits.input).await?;
    let missing = || OpError::new(ErrorCode::UnknownInput, format!("input {input} is not here: upload it first"));
    read(&bytes.ok_or_else(missing)?)
}

fn read(bytes: &[u8]) -> OpResult<EnvelopeHead> {
    // The parser's words can quote the input: they stay here.
    let bad = |place: String| {
        let message = format!(
            "the input is not a task envelope{place}: it is JSON {{\"program\": ID, \"inputs\": {{…}}}}, \
             {{\"program\": ID, \"witness\": BLOB}}, {{\"program\": ID, \"guest\": {{\"stdin\": BLOB}}}}, \
             {{\"program\": ID, \"enclave\": {{\"input\": BLOB}}}} or \
             {{\"program\": ID, \"legs\": {{\"envelopes\": [BLOB, …]}}}}"
        );
        OpError::new(ErrorCode::BadInput, message)
    };
    let wire: Wire = serde_json::from_slice(bytes)
        .map_err(|error| bad(format!(" (line {}, column {})", error.line(), error.column())))?;
    let (form, attached) = match (wire.inputs, wire.witness, wire.guest, wire.enclave, wire.legs) {
        (Some(_), None, None, None, None) => (Form::Circuit, vec![]),
        (None, Some(witness), None, None, None) => (Form::Circuit, vec![witness]),
        (None, None, Some(guest), None, None) if guest.assumptions.len() > MAX_ASSUMPTIONS => {
            let message = format!("a program builds on at most {MAX_ASSUMPTIONS} receipts");
            return Err(OpError::new(ErrorCode::TooLarge, message));
        }
        (None, None, Some(guest), None, None) => {
            (Form::Guest, [guest.stdin].into_iter().chain(guest.assumptions).collect())
        }
        (None, None, None, Some(enclave), None) => (Form::Enclave, vec![enclave.input]),
        (None, None, None, None, Some(legs)) if legs.envelopes.len() > MAX_LEGS => {
            return Err(OpError::new(ErrorCode::TooLarge, format!("a bundle has at most {MAX_LEGS} legs")));
        }
        (None, None, None, None, Some(legs)) => {
            (Form::Legs { shared_provers: legs.shared_provers, early: legs.early }, legs.envelopes)
        }
        _ => return Err(bad(String::new())),
    };
    Ok(EnvelopeHead { program: wire.program, attached, form })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_read_and_nothing_else() {
        let id = BlobId::of(b"p");
        let head = read(format!(r#"{{"program":"{id}","inputs":{{"secret":["1",2]}}}}"#).as_bytes()).unwrap();
        assert_eq!(head, EnvelopeHead { program: id, attached: vec![], form: Form::Circuit });
        let head = read(format!(r#"{{"witness":"{id}","program":"{id}"}}"#).as_bytes()).unwrap();
        assert_eq!(head, EnvelopeHead { program: id, attached: vec![id], form: Form::Circuit });
        let other = BlobId::of(b"o");
        let guest = format!(r#"{{"program":"{id}","guest":{{"stdin":"{other}","assumptions":["{id}"]}}}}"#);
        let head = read(guest.as_bytes()).unwrap();
        assert_eq!(head, EnvelopeHead { program: id, attached: vec![other, id], form: Form::Guest });
        let enclave = read(format!(r#"{{"program":"{id}","enclave":{{"input":"{other}"}}}}"#).as_bytes()).unwrap();
        assert_eq!(enclave, EnvelopeHead { program: id, attached: vec![other], form: Form::Enclave });
        let legs = format!(
            r#"{{"program":"{id}","legs":{{"envelopes":["{other}","{id}"],"shared_provers":true,"early":true}}}}"#
        );
        let form = Form::Legs { shared_provers: true, early: true };
        assert_eq!(read(legs.as_bytes()).unwrap(), EnvelopeHead { program: id, attached: vec![other, id], form });
        let nine = vec![id.to_string(); MAX_LEGS + 1];
        let nine = serde_json::json!({ "program": id, "legs": { "envelopes": nine } });
        assert_eq!(read(nine.to_string().as_bytes()).unwrap_err().code, ErrorCode::TooLarge);
        let many = vec![id.to_string(); MAX_ASSUMPTIONS + 1];
        let many = serde_json::json!({ "program": id, "guest": { "stdin": id, "assumptions": many } });
        assert_eq!(read(many.to_string().as_bytes()).unwrap_err().code, ErrorCode::TooLarge);
        for bad in [
            String::new(),
            format!(r#"{{"program":"{id}"}}"#),
            format!(r#"{{"program":"{id}","witness":"{id}","inputs":{{}}}}"#),
            format!(r#"{{"program":"{id}","guest":{{"stdin":"{id}"}},"inputs":{{}}}}"#),
            format!(r#"{{"program":"{id}","enclave":{{"input":"{id}"}},"legs":{{"envelopes":[]}}}}"#),
            format!(r#"{{"program":"{id}","inputs":{{"secret":424242"#),
            r#"{"program":"424242","inputs":{}}"#.to_owned(),
        ] {
            let error = read(bad.as_bytes()).unwrap_err();
            assert_eq!(error.code, ErrorCode::BadInput);
            assert!(!error.chain().contains("424242"), "{}", error.chain());
        }
    }
}
