//! Any text as a CEL condition: mistakes with a message, or a condition that a request evaluates in
//! bounded memory, to the same result in a plan and in its explanation.
#![no_main]

use libfuzzer_sys::fuzz_target;
use limits::facts::{Facts, Value};
use limits::policy::Policy;
use serde_json::json;
use tollgate_fuzz::memory::allocated;

/// The most items of a list.
const MAX_ITEMS: usize = 64;
/// More than the most expensive condition allocates in two plans, if lists are that short.
const MAX_BYTES: usize = 16 << 20;

/// The properties of a request, in the order of their use.
#[derive(Debug)]
struct Properties(Vec<Value>);

// The input is the condition and up to four properties, separated by zero bytes.
fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(5, |byte| *byte == 0);
    let Ok(text) = std::str::from_utf8(parts.next().unwrap_or_default()) else { return };
    let properties = Properties(parts.map(value).collect());
    let policy = |on_error: &str| {
        Policy::from_value(json!({
            "version": 1,
            "keys": { "client": { "client_ip": {} } },
            "buckets": { "a": { "key": "client", "limit": 1, "window": "1m" } },
            "rules": [{ "match": { "when": text, "on_error": on_error }, "charge": ["a"] }],
        }))
    };
    let (matching, skipping) = match (policy("match"), policy("skip")) {
        (Ok(matching), Ok(skipping)) => (matching, skipping),
        (Err(errors), _) => {
            assert!(errors.0.iter().all(|error| !error.message.is_empty()));
            return;
        }
        (Ok(_), Err(errors)) => panic!("only on_error differs: {errors}"),
    };
    let ((on_match, on_skip), bytes) = allocated(|| {
        (matching.plan(&properties).expect("a path"), skipping.plan(&properties).expect("a path"))
    });
    assert!(bytes < MAX_BYTES, "{bytes} bytes");
    let failed = on_match.failed.is_some();
    assert_eq!(failed, on_skip.failed.is_some());
    assert!(if failed {
        (on_match.charges.len(), on_skip.charges.len()) == (1, 0)
    } else {
        on_match.charges == on_skip.charges
    });
    let explained = matching.explain(&properties).expect("a path");
    assert_eq!(explained.matched, on_match.matched);
});

/// Reads a property: a Boolean, a number, a text, or a list separated by one bytes.
fn value(bytes: &[u8]) -> Value {
    if bytes.contains(&1) {
        return Value::List(bytes.split(|byte| *byte == 1).take(MAX_ITEMS).map(value).collect());
    }
    match std::str::from_utf8(bytes).map(|text| (text.parse(), text.parse())) {
        Ok((Ok(is), _)) => Value::Bool(is),
        Ok((_, Ok(number))) => Value::Number(number),
        _ => Value::Text(bytes.to_vec()),
    }
}

impl Properties {
    /// Returns the property that a name's length chooses.
    fn named(&self, name: &str) -> Option<Value> {
        self.0.get(name.len() % 5).cloned()
    }

    fn text(&self, at: usize) -> Option<Vec<u8>> {
        match self.0.get(at)? {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl Facts for Properties {
    fn method(&self) -> Option<Vec<u8>> {
        self.text(0)
    }
    fn path(&self) -> Option<Vec<u8>> {
        Some(b"/a?q=1".to_vec())
    }
    fn host(&self) -> Option<Vec<u8>> {
        self.text(1)
    }
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.text(name.len() % 5)
    }
    fn claim(&self, names: &[String]) -> Option<Value> {
        self.named(names.last()?)
    }
    fn is_authenticated(&self) -> bool {
        true
    }
    fn client_address(&self) -> Option<Vec<u8>> {
        Some(b"192.0.2.1:1000".to_vec())
    }
    fn route_name(&self) -> Option<Vec<u8>> {
        self.text(2)
    }
    fn route_metadata(&self, names: &[String]) -> Option<Value> {
        self.named(names.last()?)
    }
    fn metadata(&self, names: &[String]) -> Option<Value> {
        self.named(names.last()?)
    }
}
