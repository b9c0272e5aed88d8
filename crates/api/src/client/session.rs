//! Signing in and staying signed in.

use super::{Call, Client, ClientError};
use crate::{LoginReply, LoginRequest, NonceReply, sign_in_message};
use futures::future::BoxFuture;
use std::{fmt, future::Future, sync::Arc, time::Duration};
use tokio::time::Instant;
use zkpool_protocol::{Address, Bytes};

type SignFn = dyn Fn(String) -> BoxFuture<'static, Result<Bytes, String>> + Send + Sync;

/// Who the client is: an address, and a way to have a message signed (EIP-191) with its key.
#[derive(Clone)]
pub struct Identity {
    address: Address,
    sign: Arc<SignFn>,
}

impl Identity {
    /// An identity whose key is behind `sign`, which returns the 65 bytes r ‖ s ‖ v over the message (EIP-191).
    pub fn new<F, Fut, E>(address: Address, sign: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Bytes, E>> + Send + 'static,
        E: fmt::Display,
    {
        let sign = move |message| {
            let signature = sign(message);
            Box::pin(async move { signature.await.map_err(|error| error.to_string()) }) as BoxFuture<'static, _>
        };
        Self { address, sign: Arc::new(sign) }
    }

    /// The address that signs.
    pub const fn address(&self) -> Address {
        self.address
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A bearer token that is still good. Never shown.
#[derive(Clone)]
pub(super) struct Token {
    text: Arc<str>,
    renew_at: Instant,
}

impl Token {
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl Client {
    /// Signs in now, so that a wrong key or host shows before work begins. Calls sign in by themselves when they need to.
    pub async fn sign_in(&self) -> Result<(), ClientError> {
        self.repeat(true, || self.token(None)).await.map(drop)
    }

    /// A token that is good now; `stale` is one that the service has just refused.
    pub(super) async fn token(&self, stale: Option<&Token>) -> Result<Token, ClientError> {
        let mut slot = self.inner.token.lock().await;
        if let Some(token) = slot.as_ref() {
            let refused = stale.is_some_and(|stale| Arc::ptr_eq(&stale.text, &token.text));
            if !refused && Instant::now() < token.renew_at {
                return Ok(token.clone());
            }
        }
        *slot = None;
        let token = self.new_token().await?;
        Ok(slot.insert(token).clone())
    }

    /// Nothing in here is repeated: the call that needs the token is.
    async fn new_token(&self) -> Result<Token, ClientError> {
        let error = |reason: String| ClientError::SignIn { host: self.host(), reason };
        let Some(identity) = &self.inner.identity else {
            return Err(error("this call needs a key and the client was made without one".into()));
        };
        let nonce: NonceReply = self.send(&Call::post("/v1/auth/nonce").anonymous().once()).await?;
        if let Some(ours) = self.inner.options.chain_id
            && ours != nonce.chain_id
        {
            return Err(ClientError::WrongChain { host: self.host(), theirs: nonce.chain_id, ours });
        }
        let uri = self.inner.base.as_str();
        let message = sign_in_message(uri, identity.address, &nonce).map_err(|e| error(e.to_string()))?;
        let bound = self.inner.options.sign_timeout;
        let signature = tokio::time::timeout(bound, (identity.sign)(message.clone()))
            .await
            .map_err(|_| error(format!("the key gave no signature within {} s", bound.as_secs())))?
            .map_err(|e| error(format!("the key refused to sign: {e}")))?;
        let login = Call::post("/v1/auth/login").anonymous().once().json(&LoginRequest { message, signature });
        let reply: LoginReply = self.send(&login).await?;
        if reply.address != identity.address {
            return Err(error(format!("the service took the key for {}", reply.address)));
        }
        // A tenth of its life early, so that no call starts with a token that ends while it is on its way.
        let life = Duration::from_secs(reply.expires_in.min(30 * 24 * 3600));
        Ok(Token { text: reply.token.into(), renew_at: Instant::now() + life.mul_f64(0.9) })
    }
}
