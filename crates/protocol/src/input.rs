//! A task's input: an envelope that names the program and carries, or names, what is to be proven.

use crate::{BlobId, ProgramId};
use serde::{Deserialize, Serialize};

/// The envelope. Its bytes, exactly as the requester wrote them, are a blob; their SHA-256 is the quote's `inputHash`.
///
/// Whoever holds it can prove the task, and sees what is in it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskInput {
    /// The program that proves it.
    pub program: ProgramId,
    /// Where the witness comes from.
    #[serde(flatten)]
    pub source: WitnessSource,
}

/// Where the witness comes from.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WitnessSource {
    /// `"inputs": {…}`: named signals, as snarkjs takes them, for the program's witness generator.
    Inputs(serde_json::Map<String, serde_json::Value>),
    /// `"witness": "<blob id>"`: a ready `.wtns` file.
    Witness(BlobId),
    /// `"guest": {…}`: what a zkVM program reads.
    Guest(GuestInput),
    /// `"enclave": {…}`: what a program in an enclave reads.
    Enclave(EnclaveInput),
    /// `"legs": {…}`: the envelopes of a bundle's legs.
    Legs(LegInputs),
}

/// What a program in an SGX enclave reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnclaveInput {
    /// The bytes.
    pub input: BlobId,
}

/// The envelopes of a bundle's legs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegInputs {
    /// One for each leg, in the order of the program's legs.
    pub envelopes: Vec<BlobId>,
    /// Whether one prover may make several legs. It is cheaper and may be sooner, and worth less: a fault of one machine, or
    /// a lie of its owner, can then be in all of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared_provers: bool,
    /// Whether a target that takes legs one by one (`ILegReceiver`) is to be sent each as it comes. What the transactions
    /// cost is in the price.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub early: bool,
}

/// What a zkVM program reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestInput {
    /// The bytes on its standard input.
    pub stdin: BlobId,
    /// Receipts (bincode) that it builds on with `env::verify`: composite for a composite receipt, else succinct.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumptions: Vec<BlobId>,
}

impl TaskInput {
    /// The blobs that the envelope names, besides the program's.
    pub fn blobs(&self) -> Vec<BlobId> {
        match &self.source {
            WitnessSource::Inputs(_) => vec![],
            WitnessSource::Witness(witness) => vec![*witness],
            WitnessSource::Guest(guest) => [guest.stdin].into_iter().chain(guest.assumptions.clone()).collect(),
            WitnessSource::Enclave(enclave) => vec![enclave.input],
            WitnessSource::Legs(legs) => legs.envelopes.clone(),
        }
    }
}

/// The bytes are not an envelope.
#[derive(Debug, thiserror::Error)]
#[error(
    "the input is not a task envelope ({0}): it is JSON {{\"program\": ID, \"inputs\": {{…}}}}, \
     {{\"program\": ID, \"witness\": BLOB}}, {{\"program\": ID, \"guest\": {{\"stdin\": BLOB}}}}, \
     {{\"program\": ID, \"enclave\": {{\"input\": BLOB}}}} or {{\"program\": ID, \"legs\": {{\"envelopes\": [BLOB, …]}}}}"
)]
pub struct TaskInputError(#[from] serde_json::Error);

impl TaskInput {
    /// Reads an envelope.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TaskInputError> {
        Ok(serde_json::from_slice(bytes)?)
    }

    /// Writes the envelope; its blob id is `BlobId::of` of these bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an envelope holds only strings, numbers and maps with string keys")
    }
}

/// Never shows the input: it can be a secret.
impl std::fmt::Debug for TaskInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskInput").field("program", &self.program).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_has_exactly_one_source() {
        let id = BlobId::of(b"p");
        let parse = |text: String| TaskInput::from_bytes(text.as_bytes());
        let inputs = parse(format!(r#"{{"program":"{id}","inputs":{{"a":"1"}}}}"#)).unwrap();
        assert!(matches!(inputs.source, WitnessSource::Inputs(_)));
        assert_eq!(TaskInput::from_bytes(&inputs.to_bytes()).unwrap(), inputs);
        let witness = parse(format!(r#"{{"program":"{id}","witness":"{id}"}}"#)).unwrap();
        assert!(matches!(witness.source, WitnessSource::Witness(_)));
        let guest =
            parse(format!(r#"{{"program":"{id}","guest":{{"stdin":"{id}","assumptions":["{id}"]}}}}"#)).unwrap();
        assert_eq!(guest.blobs(), [id, id]);
        assert_eq!(TaskInput::from_bytes(&guest.to_bytes()).unwrap(), guest);
        let enclave = parse(format!(r#"{{"program":"{id}","enclave":{{"input":"{id}"}}}}"#)).unwrap();
        assert_eq!(enclave.blobs(), [id]);
        let legs = parse(format!(r#"{{"program":"{id}","legs":{{"envelopes":["{id}","{id}"]}}}}"#)).unwrap();
        assert_eq!(legs.blobs(), [id, id]);
        assert_eq!(TaskInput::from_bytes(&legs.to_bytes()).unwrap(), legs);
        for bad in [
            format!(r#"{{"program":"{id}","legs":{{"envelopes":[],"guest":1}}}}"#),
            format!(r#"{{"program":"{id}","guest":{{}}}}"#),
            format!(r#"{{"program":"{id}","guest":{{"stdin":"{id}"}},"witness":"{id}"}}"#),
            "".to_owned(),
            "{}".to_owned(),
            format!(r#"{{"program":"{id}"}}"#),
            format!(r#"{{"program":"{id}","inputs":{{}},"witness":"{id}"}}"#),
            format!(r#"{{"program":"x","witness":"{id}"}}"#),
            format!(r#"{{"program":"{id}","witness":"{id}","more":1}}"#),
        ] {
            assert!(parse(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn debug_does_not_show_the_input() {
        let id = BlobId::of(b"p");
        let input =
            TaskInput::from_bytes(format!(r#"{{"program":"{id}","inputs":{{"secret":"42424242"}}}}"#).as_bytes());
        assert!(!format!("{:?}", input.unwrap()).contains("42424242"));
    }
}
