//! Envelopes, as far as the service reads them: which program, and which witness. What is to be proven stays unread.

use crate::{Context, OpError, OpResult};
use serde::{Deserialize, de::IgnoredAny};
use zkpool_protocol::{BlobId, ErrorCode, ProgramId};

/// An envelope without its signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EnvelopeHead {
    /// The program that it names.
    pub(crate) program: ProgramId,
    /// The witness that it names, if it does.
    pub(crate) witness: Option<BlobId>,
}

/// As [`zkpool_protocol::TaskInput`] is written; the signals are skipped over.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    program: ProgramId,
    witness: Option<BlobId>,
    inputs: Option<IgnoredAny>,
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
            "the input is not a task envelope{place}: it is JSON {{\"program\": ID, \"inputs\": {{…}}}} or \
             {{\"program\": ID, \"witness\": BLOB}}"
        );
        OpError::new(ErrorCode::BadInput, message)
    };
    let wire: Wire = serde_json::from_slice(bytes)
        .map_err(|error| bad(format!(" (line {}, column {})", error.line(), error.column())))?;
    if wire.inputs.is_some() == wire.witness.is_some() {
        return Err(bad(String::new()));
    }
    Ok(EnvelopeHead { program: wire.program, witness: wire.witness })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_read_and_nothing_else() {
        let id = BlobId::of(b"p");
        let head = read(format!(r#"{{"program":"{id}","inputs":{{"secret":["1",2]}}}}"#).as_bytes()).unwrap();
        assert_eq!(head, EnvelopeHead { program: id, witness: None });
        let head = read(format!(r#"{{"witness":"{id}","program":"{id}"}}"#).as_bytes()).unwrap();
        assert_eq!(head, EnvelopeHead { program: id, witness: Some(id) });
        for bad in [
            String::new(),
            format!(r#"{{"program":"{id}"}}"#),
            format!(r#"{{"program":"{id}","witness":"{id}","inputs":{{}}}}"#),
            format!(r#"{{"program":"{id}","inputs":{{"secret":424242"#),
            r#"{"program":"424242","inputs":{}}"#.to_owned(),
        ] {
            let error = read(bad.as_bytes()).unwrap_err();
            assert_eq!(error.code, ErrorCode::BadInput);
            assert!(!error.chain().contains("424242"), "{}", error.chain());
        }
    }
}
