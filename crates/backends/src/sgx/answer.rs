//! What an agent answers. It runs in an enclave, but whoever wrote the command line may have started anything.

use super::EnclaveError;
use serde_json::Value;

/// The most of an agent's words that is repeated, in characters.
const MAX_WORDS: usize = 400;

/// The result in an answer to the question with this number.
pub(super) fn result(method: &'static str, id: u64, line: &[u8]) -> Result<Value, EnclaveError> {
    let wrong = |reason| EnclaveError::Answer { method, reason };
    let mut answer: Value = serde_json::from_slice(line).map_err(|_| wrong("it is not JSON"))?;
    if answer.get("id").and_then(Value::as_u64) != Some(id) {
        return Err(wrong("it answers another question"));
    }
    if let Some(error) = answer.get("error") {
        let words = |name| error.get(name).and_then(Value::as_str).map(shown).unwrap_or_default();
        let (code, message) = (words("code"), words("message"));
        return Err(match code.as_str() {
            "program_failed" => EnclaveError::Program(message),
            _ => EnclaveError::Refused { method, code, message },
        });
    }
    match answer.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => Err(wrong("it has neither a result nor an error")),
    }
}

/// Bytes in a result, of at most `max`.
pub(super) fn bytes(
    method: &'static str,
    result: &Value,
    name: &'static str,
    max: usize,
) -> Result<Vec<u8>, EnclaveError> {
    let wrong = |reason| EnclaveError::Answer { method, reason };
    let text = result.get(name).and_then(Value::as_str).ok_or_else(|| wrong("something is missing in it"))?;
    if text.len() > 2 * max + 2 {
        return Err(wrong("it is too long"));
    }
    alloy_primitives::hex::decode(text).map_err(|_| wrong("it has something that is not hex"))
}

/// Words of a foreign process, as they can be repeated.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect()
}
