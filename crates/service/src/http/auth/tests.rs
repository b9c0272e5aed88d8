use super::*;
use alloy::signers::{SignerSync, local::PrivateKeySigner};
use zkpool_api::sign_in_message;
use zkpool_protocol::Bytes;

const NOW: u64 = 1_800_000_000;
const CHAIN: u64 = 31_337;

fn auth() -> Auth {
    Auth::new(vec!["127.0.0.1:8700".into(), "pool.example".into()], CHAIN, 3_600)
}

fn key() -> PrivateKeySigner {
    PrivateKeySigner::from_slice(&[7; 32]).unwrap()
}

fn signed(message: String, key: &PrivateKeySigner) -> LoginRequest {
    let signature = key.sign_message_sync(message.as_bytes()).unwrap();
    LoginRequest { message, signature: Bytes::from(signature.as_bytes().to_vec()) }
}

fn message(auth: &Auth) -> String {
    sign_in_message("http://127.0.0.1:8700/", key().address(), &auth.nonce(NOW)).unwrap()
}

/// The refusal of a message that was changed before it was signed.
#[track_caller]
fn refusal(auth: &Auth, now: u64, change: impl Fn(String) -> String) -> ApiError {
    auth.login(now, &signed(change(message(auth)), &key())).expect_err("the message is refused")
}

#[test]
fn whoever_signs_is_signed_in_until_the_token_expires() {
    let auth = auth();
    let reply = auth.login(NOW, &signed(message(&auth), &key())).unwrap();
    assert_eq!((reply.address, reply.expires_at, reply.expires_in), (key().address(), NOW + 3_600, 3_600));
    assert_eq!(auth.who(NOW, &reply.token), Some(key().address()));
    assert_eq!(auth.who(NOW + 3_599, &reply.token), Some(key().address()));
    assert_eq!(auth.who(NOW + 3_600, &reply.token), None);
    assert_eq!(auth.who(NOW, &reply.token.to_uppercase()), None);
    assert_eq!(auth.who(NOW, ""), None);
    assert_eq!(super::super::auth::Auth::new(vec![], CHAIN, 3_600).who(NOW, &reply.token), None, "not after a restart");
}

#[test]
fn a_nonce_is_good_once() {
    let auth = auth();
    let request = signed(message(&auth), &key());
    assert!(auth.login(NOW, &request).is_ok());
    let again = auth.login(NOW, &request).err().unwrap();
    assert_eq!(again.code, ErrorCode::Unauthorized);
    assert!(again.message.contains("used before"), "{again}");
    // Another spelling of the same nonce is no other nonce.
    let upper = |text: String| {
        let (head, tail) = text.split_once("Nonce: ").unwrap();
        let (nonce, rest) = tail.split_once('\n').unwrap();
        format!("{head}Nonce: {}\n{rest}", nonce.to_uppercase())
    };
    assert_eq!(refusal(&auth, NOW, upper).code, ErrorCode::Unauthorized);
}

#[test]
fn a_failed_sign_in_does_not_use_the_nonce_up() {
    let auth = auth();
    let request = signed(message(&auth), &key());
    let forged = LoginRequest { signature: vec![1; 65].into(), ..request.clone() };
    assert!(auth.login(NOW, &forged).is_err());
    assert!(auth.login(NOW, &request).is_ok());
}

#[test]
fn messages_for_others_are_refused() {
    let auth = auth();
    let elsewhere = refusal(&auth, NOW, |text| text.replace("127.0.0.1:8700", "evil.example"));
    assert_eq!(elsewhere.code, ErrorCode::Unauthorized);
    assert!(elsewhere.message.contains("evil.example") && elsewhere.message.contains("http.hosts"), "{elsewhere}");
    let uri = refusal(&auth, NOW, |text| text.replace("http://127.0.0.1:8700", "http://evil.example"));
    assert!(uri.message.contains("URI"), "{uri}");
    let scheme = refusal(&auth, NOW, |text| text.replace("URI: http:", "URI: ftp:"));
    assert!(scheme.message.contains("URI"), "{scheme}");
    let chain = refusal(&auth, NOW, |text| text.replace("Chain ID: 31337", "Chain ID: 1"));
    assert_eq!(chain.code, ErrorCode::WrongChain);
    let other_nonce = Auth::new(vec![], CHAIN, 1).nonce(NOW).nonce;
    let nonce = refusal(&auth, NOW, |text| {
        let (head, tail) = text.split_once("Nonce: ").unwrap();
        format!("{head}Nonce: {other_nonce}\n{}", tail.split_once('\n').unwrap().1)
    });
    assert!(nonce.message.contains("not of this service"), "{nonce}");
}

#[test]
fn only_the_key_of_the_address_signs_for_it() {
    let auth = auth();
    let other = PrivateKeySigner::from_slice(&[8; 32]).unwrap();
    assert_eq!(auth.login(NOW, &signed(message(&auth), &other)).err().unwrap().code, ErrorCode::Unauthorized);
    let request = signed(message(&auth), &key());
    for signature in [vec![], vec![0; 65], request.signature[..64].to_vec(), [&request.signature[..], &[0]].concat()] {
        let forged = LoginRequest { signature: signature.into(), ..request.clone() };
        assert_eq!(auth.login(NOW, &forged).err().unwrap().code, ErrorCode::Unauthorized);
    }
    let altered = LoginRequest { message: request.message.replace("moves no money", "moves all money"), ..request };
    assert_eq!(auth.login(NOW, &altered).err().unwrap().code, ErrorCode::Unauthorized);
}

#[test]
fn times_bind() {
    let auth = auth();
    let line = |name: &'static str, value: Option<&'static str>| {
        move |text: String| {
            let lines = text.lines().filter_map(|line| match (line.starts_with(name), value) {
                (true, None) => None,
                (true, Some(value)) => Some(format!("{name}: {value}")),
                (false, _) => Some(line.to_owned()),
            });
            lines.collect::<Vec<_>>().join("\n")
        }
    };
    let same = |text: String| text;
    assert!(refusal(&auth, NOW + NONCE_LIFE + 1, same).message.contains("nonce has expired"));
    assert!(auth.login(NOW + NONCE_LIFE, &signed(message(&auth), &key())).is_ok(), "the last second counts");
    let cases = [
        (line("Expiration Time", None), "must have an expiration time"),
        (line("Expiration Time", Some("2020-01-01T00:00:00Z")), "message has expired"),
        (line("Issued At", Some("2100-01-01T00:00:00Z")), "in the future"),
        (line("Issued At", Some("2020-01-01T00:00:00Z")), "too long ago"),
    ];
    for (change, expected) in cases {
        let error = refusal(&auth, NOW, change);
        assert_eq!(error.code, ErrorCode::Unauthorized);
        assert!(error.message.contains(expected), "{error}");
    }
    let not_yet = refusal(&auth, NOW, |text| text + "\nNot Before: 2100-01-01T00:00:00Z");
    assert!(not_yet.message.contains("not valid yet"), "{not_yet}");
}

#[test]
fn what_is_no_message_is_named() {
    let auth = auth();
    for bad in ["", "hello", &message(&auth).replace("Version: 1", "Version: 2"), &(message(&auth) + "\n")] {
        let error = auth.login(NOW, &signed(bad.to_owned(), &key())).err().unwrap();
        assert_eq!(error.code, ErrorCode::BadRequest, "{bad}");
    }
    let long = auth.login(NOW, &signed(message(&auth) + &"x".repeat(MAX_MESSAGE), &key())).err().unwrap();
    assert_eq!(long.code, ErrorCode::TooLarge);
}

#[test]
fn the_oldest_sign_in_of_an_address_gives_way_and_expired_ones_are_forgotten() {
    let auth = auth();
    let sign_in = |now| {
        auth.login(
            now,
            &signed(sign_in_message("http://pool.example", key().address(), &auth.nonce(now)).unwrap(), &key()),
        )
    };
    let first = sign_in(NOW).unwrap();
    let tokens: Vec<_> = (0..MAX_PER_ADDRESS).map(|_| sign_in(NOW).unwrap().token).collect();
    assert_eq!(auth.who(NOW, &first.token), None);
    assert!(tokens.iter().all(|token| auth.who(NOW, token).is_some()));
    assert_eq!(auth.state().used.len(), MAX_PER_ADDRESS + 1);
    let later = NOW + 4_000;
    auth.state().sweep_at = 0;
    sign_in(later).unwrap();
    let state = auth.state();
    assert_eq!((state.sessions.len(), state.used.len(), state.by_address.len()), (1, 1, 1));
}
