//! What handlers take: JSON, ids in paths, and who is asking. All refuse with the API's own errors.

use super::{App, error::Fault};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;
use std::{fmt::Display, str::FromStr};
use zkpool_protocol::{Address, ErrorCode};

/// A JSON body; where `AT_LEAST` is given, the bound on it is no less.
pub(crate) struct Json<T, const AT_LEAST: usize = 0>(pub(crate) T);

impl<T: DeserializeOwned, const AT_LEAST: usize> FromRequest<App> for Json<T, AT_LEAST> {
    type Rejection = Fault;

    async fn from_request(request: Request, app: &App) -> Result<Self, Fault> {
        if !is_json(request.headers()) {
            return Err(Fault::new(ErrorCode::BadRequest, "send JSON, with `content-type: application/json`")
                .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let limit = usize::try_from(app.ctx().config.limits.json).unwrap_or(usize::MAX);
        let bytes = read(request, limit.max(AT_LEAST)).await?;
        // The message can quote what was sent: it goes to the sender and nowhere else.
        let value = serde_json::from_slice(&bytes).map_err(|error| {
            let text: String = error.to_string().chars().take(300).collect();
            Fault::new(ErrorCode::BadRequest, format!("the body is not what this route takes: {text}"))
        })?;
        Ok(Self(value))
    }
}

async fn read(request: Request, limit: usize) -> Result<Bytes, Fault> {
    let too_large = || Fault::new(ErrorCode::TooLarge, format!("the body is larger than the limit of {limit} bytes"));
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    axum::body::to_bytes(request.into_body(), limit).await.map_err(|error| {
        // `LengthLimitError` is all that is said to lie beneath when the limit was met.
        let mut source: Option<&dyn std::error::Error> = std::error::Error::source(&error);
        while let Some(cause) = source {
            if cause.is::<http_body_util::LengthLimitError>() {
                return too_large();
            }
            source = cause.source();
        }
        Fault::new(ErrorCode::BadRequest, "the body broke off: send it again")
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// The one id in the path.
pub(crate) struct Id<T>(pub(crate) T);

impl<T: FromStr<Err: Display>> FromRequestParts<App> for Id<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Fault> {
        let wrong = |reason: String| Fault::new(ErrorCode::BadRequest, format!("the path is wrong: {reason}"));
        let params = RawPathParams::from_request_parts(parts, app).await.map_err(|e| wrong(e.to_string()))?;
        let (_, text) = params.iter().next().ok_or_else(|| wrong("it has no id".into()))?;
        text.parse().map(Self).map_err(|e: T::Err| wrong(e.to_string()))
    }
}

/// What stands behind the `?`.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Fault> {
        let query = axum::extract::Query::try_from_uri(&parts.uri);
        let axum::extract::Query(query) = query
            .map_err(|error| Fault::new(ErrorCode::BadRequest, format!("the query is wrong: {}", error.body_text())))?;
        Ok(Self(query))
    }
}

/// Who is signed in, if anybody is.
pub(crate) struct MaybeSignedIn(pub(crate) Option<Address>);

impl FromRequestParts<App> for MaybeSignedIn {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Fault> {
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return Ok(Self(None));
        }
        Ok(Self(Some(SignedIn::from_request_parts(parts, app).await?.0)))
    }
}

/// Who is signed in. Counts against the address's rate.
pub(crate) struct SignedIn(pub(crate) Address);

impl FromRequestParts<App> for SignedIn {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Fault> {
        let unauthorized = |message: &str| Fault::new(ErrorCode::Unauthorized, message);
        let header = parts.headers.get(header::AUTHORIZATION).ok_or_else(|| {
            unauthorized("sign in first (POST /v1/auth/nonce, then /v1/auth/login) and send the token as `Authorization: Bearer`")
        })?;
        let token = header
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| unauthorized("the Authorization header is not `Bearer <token>`"))?;
        let who = app
            .auth()
            .who(app.now(), token)
            .ok_or_else(|| unauthorized("the token is unknown or has expired: sign in again"))?;
        app.rates().check_address(who)?;
        Ok(Self(who))
    }
}

/// `Last-Event-ID`, if a stream is resumed.
pub(crate) struct LastEventId(pub(crate) Option<u64>);

impl FromRequestParts<App> for LastEventId {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Fault> {
        let Some(value) = parts.headers.get("last-event-id") else { return Ok(Self(None)) };
        let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
        let number =
            number.ok_or_else(|| Fault::new(ErrorCode::BadRequest, "Last-Event-ID is not the number of an event"))?;
        Ok(Self(Some(number)))
    }
}
