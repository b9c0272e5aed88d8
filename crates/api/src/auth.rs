//! Sign-in with Ethereum (EIP-4361): a nonce, a signed message, a short-lived bearer token.

use crate::schema;
use serde::{Deserialize, Serialize};
use siwe::{Message, TimeStamp, Version};
use time::OffsetDateTime;
use utoipa::ToSchema;
use zkpool_protocol::{Address, Bytes};

/// The sentence that a wallet shows.
pub const SIGN_IN_STATEMENT: &str = "Sign in to this ZKPool operator. This moves no money.";

/// `POST /v1/auth/nonce`: what goes into the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NonceReply {
    /// Valid once.
    pub nonce: String,
    /// The chain to name.
    pub chain_id: u64,
    /// The service's time, unix seconds; the message's `Issued At`, so that a wrong clock of the client does no harm.
    pub issued_at: u64,
    /// When the nonce expires, unix seconds; the message's `Expiration Time`.
    pub expires_at: u64,
}

/// `POST /v1/auth/login`: the signed message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The EIP-4361 message, exactly as it was signed.
    pub message: String,
    /// 65 bytes r ‖ s ‖ v over the message (EIP-191).
    #[schema(value_type = schema::Hex)]
    pub signature: Bytes,
}

/// Signed in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginReply {
    /// The bearer token: `Authorization: Bearer …`.
    pub token: String,
    /// Whose it is.
    #[schema(value_type = schema::Address)]
    pub address: Address,
    /// When it expires, unix seconds.
    pub expires_at: u64,
    /// How long it lasts from now, in seconds.
    pub expires_in: u64,
}

/// Never shows the signature, which is a credential until the nonce is used.
impl std::fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginRequest").finish_non_exhaustive()
    }
}

/// Never shows the token.
impl std::fmt::Debug for LoginReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginReply").field("address", &self.address).finish_non_exhaustive()
    }
}

/// No message can be made of these parts.
#[derive(Debug, thiserror::Error)]
#[error("no sign-in message can be made for {uri}: {reason}")]
pub struct SignInMessageError {
    uri: String,
    reason: String,
}

/// The message to sign for the service at `uri` (scheme and authority are taken from it), answering `nonce`.
///
/// The domain is that of the address which the client has connected to, never one that the service names: an operator
/// cannot have a message signed that another operator would accept.
pub fn sign_in_message(uri: &str, address: Address, nonce: &NonceReply) -> Result<String, SignInMessageError> {
    let error = |reason: String| SignInMessageError { uri: uri.chars().take(200).collect(), reason };
    let authority = uri
        .split_once("://")
        .map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default())
        .ok_or_else(|| error("it has no scheme".into()))?;
    if authority.contains('@') {
        return Err(error("it must not contain credentials".into()));
    }
    if nonce.nonce.len() < 8 || !nonce.nonce.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(error("the service sent a malformed nonce".into()));
    }
    let timestamp = |seconds: u64| {
        let seconds = i64::try_from(seconds).map_err(|e| error(e.to_string()))?;
        Ok(TimeStamp::from(OffsetDateTime::from_unix_timestamp(seconds).map_err(|e| error(e.to_string()))?))
    };
    let message = Message {
        domain: authority.parse().map_err(|e| error(format!("{e}")))?,
        address: address.into_array(),
        statement: Some(SIGN_IN_STATEMENT.to_owned()),
        uri: uri.parse().map_err(|e| error(format!("{e}")))?,
        version: Version::V1,
        chain_id: nonce.chain_id,
        nonce: nonce.nonce.clone(),
        issued_at: timestamp(nonce.issued_at)?,
        expiration_time: Some(timestamp(nonce.expires_at)?),
        not_before: None,
        request_id: None,
        resources: Vec::new(),
    };
    Ok(message.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce() -> NonceReply {
        NonceReply {
            nonce: "abcdefgh12345678".into(),
            chain_id: 31337,
            issued_at: 1_700_000_000,
            expires_at: 1_700_000_300,
        }
    }

    #[test]
    fn the_message_names_the_host_that_was_connected_to() {
        let text = sign_in_message("http://127.0.0.1:8080", Address::repeat_byte(0xab), &nonce()).unwrap();
        assert!(text.starts_with("127.0.0.1:8080 wants you to sign in with your Ethereum account:\n0x"), "{text}");
        let message: Message = text.parse().unwrap();
        assert_eq!(message.to_string(), text);
        assert_eq!((message.chain_id, message.nonce.as_str()), (31337, "abcdefgh12345678"));
    }

    #[test]
    fn a_hostile_nonce_cannot_write_its_own_message() {
        let evil = NonceReply { nonce: "abcdefgh\nExpiration Time: 2100".into(), ..nonce() };
        assert!(sign_in_message("http://h", Address::ZERO, &evil).is_err());
        for uri in ["h", "http://user:pass@h", "http://"] {
            assert!(sign_in_message(uri, Address::ZERO, &nonce()).is_err(), "{uri}");
        }
    }
}
