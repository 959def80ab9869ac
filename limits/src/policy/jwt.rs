//! The location of the verified token's claims, and its checks.

use super::document;
use super::mistakes::Mistakes;
use super::sources::name;

/// The most providers of tokens.
const MAX_PROVIDERS: usize = 8;

/// The location of the verified token's claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwt {
    /// jwt_authn's `payload_in_metadata` of each provider. The first one that a request has counts.
    pub payloads: Vec<String>,
    /// jwt_authn's `failed_status_in_metadata`: the reason why a token was refused.
    pub failed_status: Option<String>,
}

pub(super) fn checked(document: document::Jwt, mistakes: &mut Mistakes) -> Jwt {
    let payloads = document.payload.into_names();
    if !(1..=MAX_PROVIDERS).contains(&payloads.len()) {
        let found = payloads.len();
        mistakes.add("jwt.payload", format!("expected 1 to {MAX_PROVIDERS} names, found {found}"));
    }
    for (index, payload) in payloads.iter().enumerate() {
        let list = || format!("jwt.payload[{index}]");
        let place = if payloads.len() == 1 { "jwt.payload".to_owned() } else { list() };
        if payloads.iter().take(index).any(|before| before == payload) {
            mistakes.add(place, format!("{payload:?} is listed twice"));
        } else if payload.is_empty() {
            mistakes.add(place, "expected jwt_authn's payload_in_metadata, found \"\"");
        } else {
            name(payload, &place, mistakes);
        }
    }
    if let Some(text) = &document.failed_status {
        name(text, "jwt.failed_status", mistakes);
    }
    Jwt { payloads, failed_status: document.failed_status }
}
