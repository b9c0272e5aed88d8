//! Envelopes, as far as the service reads them: which program, and which blobs. What is to be proven stays unread.

use crate::{Context, OpError, OpResult};
use serde::{Deserialize, de::IgnoredAny};
use zkpool_protocol::{BlobId, ErrorCode, GuestInput, ProgramId};

/// An envelope without its signals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EnvelopeHead {
    /// The program that it names.
    pub(crate) program: ProgramId,
    /// The blobs that it names besides, in order: a witness, or standard input and assumptions.
    pub(crate) attached: Vec<BlobId>,
    /// Whether it is for a zkVM program.
    pub(crate) is_guest: bool,
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
             {{\"program\": ID, \"witness\": BLOB}} or {{\"program\": ID, \"guest\": {{\"stdin\": BLOB}}}}"
        );
        OpError::new(ErrorCode::BadInput, message)
    };
    let wire: Wire = serde_json::from_slice(bytes)
        .map_err(|error| bad(format!(" (line {}, column {})", error.line(), error.column())))?;
    let is_guest = wire.guest.is_some();
    let attached = match (wire.inputs, wire.witness, wire.guest) {
        (Some(_), None, None) => vec![],
        (None, Some(witness), None) => vec![witness],
        (None, None, Some(guest)) if guest.assumptions.len() > MAX_ASSUMPTIONS => {
            let message = format!("a program builds on at most {MAX_ASSUMPTIONS} receipts");
            return Err(OpError::new(ErrorCode::TooLarge, message));
        }
        (None, None, Some(guest)) => [guest.stdin].into_iter().chain(guest.assumptions).collect(),
        _ => return Err(bad(String::new())),
    };
    Ok(EnvelopeHead { program: wire.program, attached, is_guest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_read_and_nothing_else() {
        let id = BlobId::of(b"p");
        let head = read(format!(r#"{{"program":"{id}","inputs":{{"secret":["1",2]}}}}"#).as_bytes()).unwrap();
        assert_eq!(head, EnvelopeHead { program: id, attached: vec![], is_guest: false });
        let head = read(format!(r#"{{"witness":"{id}","program":"{id}"}}"#).as_bytes()).unwrap();
        assert_eq!(head, EnvelopeHead { program: id, attached: vec![id], is_guest: false });
        let other = BlobId::of(b"o");
        let guest = format!(r#"{{"program":"{id}","guest":{{"stdin":"{other}","assumptions":["{id}"]}}}}"#);
        let head = read(guest.as_bytes()).unwrap();
        assert_eq!(head, EnvelopeHead { program: id, attached: vec![other, id], is_guest: true });
        let many = vec![id.to_string(); MAX_ASSUMPTIONS + 1];
        let many = serde_json::json!({ "program": id, "guest": { "stdin": id, "assumptions": many } });
        assert_eq!(read(many.to_string().as_bytes()).unwrap_err().code, ErrorCode::TooLarge);
        for bad in [
            String::new(),
            format!(r#"{{"program":"{id}"}}"#),
            format!(r#"{{"program":"{id}","witness":"{id}","inputs":{{}}}}"#),
            format!(r#"{{"program":"{id}","guest":{{"stdin":"{id}"}},"inputs":{{}}}}"#),
            format!(r#"{{"program":"{id}","inputs":{{"secret":424242"#),
            r#"{"program":"424242","inputs":{}}"#.to_owned(),
        ] {
            let error = read(bad.as_bytes()).unwrap_err();
            assert_eq!(error.code, ErrorCode::BadInput);
            assert!(!error.chain().contains("424242"), "{}", error.chain());
        }
    }
}
