//! Any texts as the form of a refusal: no value breaks out of a page, a document or a header.
#![no_main]

use libfuzzer_sys::fuzz_target;
use limits::gate::{Answer, Disposition, Gate, Release, Reply};
use limits::ledger::NEVER;
use limits::policy::Policy;
use limits::wire::{ChargeOutcome, DecideBody, DecideReply, Decision, MARKER_VALUE};
use serde_json::{Value, json};
use std::sync::Arc;
use tollgate_fuzz::{FuzzRequest, Process};

const NOW_US: u64 = 1_790_000_000_000_000;
/// More than the longest body, with a value of some hundred bytes for each of its placeholders.
const MAX_BYTES: usize = 1 << 20;

// The input is a body, a header's value, and the names of a bucket and a rule, separated by zero
// bytes.
fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut parts = text.splitn(4, '\0');
    let mut next = || parts.next().unwrap_or_default();
    let (text, header, bucket, rule) = (next(), next(), next(), next());
    let document: Value = serde_json::from_str(text).unwrap_or_else(|_| json!({ "a": [text] }));
    for (format, body) in [("html", json!(text)), ("text", json!(text)), ("json", document)] {
        let mut refusal = json!({ "body": { format: body } });
        if !header.is_empty() {
            refusal["headers"] = json!({ "x-header": header });
        }
        let policy = Policy::from_value(json!({
            "version": 1,
            "keys": { "client": { "client_ip": {} } },
            "buckets": { bucket: { "key": "client", "balance": 7, "refusal": refusal } },
            "rules": [{ "name": rule, "charge": [bucket] }],
        }));
        match policy {
            Ok(policy) => {
                for wait_ms in [1_500, NEVER] {
                    check(format, &body, &refused(policy.clone(), wait_ms));
                }
            }
            Err(errors) => {
                assert!(errors.0.iter().all(|error| !error.message.is_empty()), "{errors}");
            }
        }
    }
});

/// Returns the answer to a request that the ledger denies, with a wait.
fn refused(policy: Policy, wait_ms: u64) -> Answer {
    let mut gate = Gate::new(policy);
    let process = Process::default();
    let disposition = gate.request(NOW_US, 1, &FuzzRequest::known(0, 0), &process);
    assert_eq!(disposition, Disposition::Pause);
    gate.take_wake(NOW_US);
    let calls = gate.ready(NOW_US);
    let call = calls.first().expect("a call");
    let body: DecideBody = serde_json::from_slice(&call.body).expect("a valid body");
    let outcome = ChargeOutcome {
        admitted: false,
        limit: 7,
        remaining: 0,
        reset_ms: wait_ms,
        retry_after_ms: wait_ms,
        lease: None,
        blocked: false,
    };
    let charges = body.requests.first().map_or(0, |request| request.charges.len());
    let decision = Decision {
        id: "1790000000000-1".to_owned(),
        admitted: false,
        retry_after_ms: wait_ms,
        charges: vec![outcome; charges],
        error: None,
    };
    let reply = DecideReply { now_ms: NOW_US / 1_000, decisions: vec![decision] };
    let body = serde_json::to_vec(&reply).expect("a body");
    let marker = Some(MARKER_VALUE.as_bytes());
    let reply = Reply { status: Some(b"200"), marker, body: &body };
    let released = gate.reply(NOW_US, call.id, call.kind, reply, &process).pop();
    match released.expect("a release").release {
        Release::Refuse(answer) => Arc::unwrap_or_clone(answer),
        Release::Pass(summary) => panic!("expected a refusal, found {summary}"),
    }
}

fn check(format: &str, template: &Value, answer: &Answer) {
    let body = std::str::from_utf8(&answer.body).expect("a body in UTF-8");
    assert!(body.len() <= MAX_BYTES);
    match (format, template) {
        ("html", Value::String(template)) => {
            for special in ['<', '>', '"', '\''] {
                assert_eq!(
                    body.matches(special).count(),
                    template.matches(special).count(),
                    "{special} in {body}"
                );
            }
        }
        ("json", template) => {
            let rendered = serde_json::from_str(body).expect("a JSON document");
            assert!(is_alike(template, &rendered), "{template} and {rendered}");
        }
        _ => {}
    }
    for (name, value) in &answer.headers {
        assert!(
            value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '),
            "{name}: {value}"
        );
    }
}

/// Returns true if `rendered` has the form of `template`: only strings with braces differ.
fn is_alike(template: &Value, rendered: &Value) -> bool {
    match (template, rendered) {
        (Value::Object(fields), Value::Object(found)) => {
            fields.len() == found.len()
                && fields.iter().all(|(name, field)| {
                    found.get(name).is_some_and(|found| is_alike(field, found))
                })
        }
        (Value::Array(items), Value::Array(found)) => {
            items.len() == found.len()
                && items.iter().zip(found).all(|(item, found)| is_alike(item, found))
        }
        (Value::String(text), found) if text.contains('{') => {
            !found.is_object() && !found.is_array()
        }
        // `serde_json` reads the last digit of a long number in one of two ways.
        (Value::Number(_), found) => found.is_number(),
        (template, rendered) => template == rendered,
    }
}
