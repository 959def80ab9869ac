//! The trace headers and request id of a call's first request, for the shim's logs. Called by
//! `arrive`.

use crate::facts::Facts;
use sha2::{Digest, Sha256};

/// W3C Trace Context, version 00.
pub(super) const TRACEPARENT: &str = "traceparent";
pub(super) const REQUEST_ID: &str = "x-request-id";
/// The longest request id that is forwarded, in bytes.
const MAX_ID_BYTES: usize = 128;

/// Returns the headers that a call carries for its first request: its request id, and its
/// `traceparent` or a new one derived from the id.
///
/// # Source
/// W3C Trace Context, §3.2: `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`, no id all zeros.
pub(super) fn of(now_us: u64, facts: &impl Facts) -> Vec<(&'static str, String)> {
    let id = facts.header(REQUEST_ID).and_then(text).filter(|id| is_id(id));
    let given = facts.header(TRACEPARENT).and_then(text).filter(|text| is_traceparent(text));
    let traceparent =
        given.unwrap_or_else(|| new_traceparent(now_us, id.as_deref().unwrap_or_default()));
    let id = id.map(|id| (REQUEST_ID, id));
    [(TRACEPARENT, traceparent)].into_iter().chain(id).collect()
}

fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}

fn is_id(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_traceparent(text: &str) -> bool {
    let is_hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_named = |part: &str| part.bytes().any(|byte| byte != b'0');
    let parts: Vec<&str> = text.split('-').collect();
    match parts.as_slice() {
        ["00", trace, span, flags] => {
            is_hex(trace, 32)
                && is_named(trace)
                && is_hex(span, 16)
                && is_named(span)
                && is_hex(flags, 2)
        }
        _ => false,
    }
}

/// Starts a new trace. It is not sampled, because nobody asked for it.
fn new_traceparent(now_us: u64, id: &str) -> String {
    let digest = Sha256::new().chain_update(now_us.to_be_bytes()).chain_update(id).finalize();
    let hex: String = digest.iter().take(24).map(|byte| format!("{byte:02x}")).collect();
    let (trace, span) = hex.split_at_checked(32).unwrap_or_default();
    format!("00-{trace}-{span}-00")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::FakeRequest;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn check(headers: &[(&'static str, &'static str)], expected: Option<&str>) {
        let request = headers
            .iter()
            .fold(FakeRequest::get("/"), |request, (name, value)| request.with(name, value));
        let sent = of(1_790_000_000_000_000, &request);
        let traceparent = &sent.first().unwrap().1;
        assert!(is_traceparent(traceparent), "{traceparent}");
        match expected {
            Some(expected) => assert_eq!(traceparent, expected),
            None => assert_ne!(traceparent, GIVEN),
        }
    }

    #[test]
    fn a_trace_is_continued_or_started() {
        check(&[(TRACEPARENT, GIVEN)], Some(GIVEN));
        check(&[], None);
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nx: y",
        ] {
            check(&[(TRACEPARENT, bad)], None);
        }
    }

    #[test]
    fn a_valid_request_id_is_forwarded() {
        let id = |value: &'static str| {
            of(1, &FakeRequest::get("/").with(REQUEST_ID, value)).get(1).cloned()
        };
        assert_eq!(id("5f1c"), Some((REQUEST_ID, "5f1c".to_owned())));
        assert_eq!(id("a b"), None);
        assert_eq!(id("a".repeat(129).leak()), None);
    }
}
