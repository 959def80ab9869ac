//! The requests to send, and the results to compare.

use limits::wire::{DECIDE_PATH, MARKER_HEADER, SETTLE_PATH};
use proxy_wasm_host::callout::Reply;
use proxy_wasm_host::headers::Headers;
use serde_json::{Value, json};
use simulator::envoy::START_MS;
use simulator::shim::Shim;

/// One request and its conditions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// The request path.
    pub(crate) path: &'static str,
    /// The client's name, sent in the header that the policy uses as the key.
    pub(crate) client: &'static str,
    /// The upstream's answer: a status, or `hit` for a cache hit.
    pub(crate) answer: &'static str,
    /// True if the shim is broken.
    pub(crate) is_away: bool,
    /// True if the shim's reply is cut off.
    pub(crate) is_cut: bool,
    /// True if the client disconnects while its request is paused.
    pub(crate) leaves: bool,
}

/// The result of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The status, or 0 if the client disconnected first.
    pub(crate) status: u16,
    /// The headers that the filter added, sorted.
    pub(crate) headers: Vec<String>,
    /// The response body.
    pub(crate) body: String,
    /// The path and body of each call to the shim.
    pub(crate) callouts: Vec<(String, Value)>,
}

pub(crate) fn script() -> Vec<Step> {
    let ask = |path, client, answer| Step {
        path,
        client,
        answer,
        is_away: false,
        is_cut: false,
        leaves: false,
    };
    let away = |path, client| Step { is_away: true, ..ask(path, client, "200") };
    vec![
        ask("/once", "a", "200"),
        ask("/once", "a", "200"),
        ask("/health", "a", "200"),
        ask("/%zz", "a", "200"),
        ask("/two", "b", "200"),
        ask("/free", "c", "500"),
        ask("/free", "d", "hit"),
        ask("/two", "b", "200"),
        Step { leaves: true, ..ask("/once", "e", "200") },
        Step { is_cut: true, ..ask("/once", "i", "200") },
        away("/once", "f"),
        away("/here", "g"),
        away("/here", "g"),
        away("/free", "h"),
    ]
}

pub(crate) fn policy() -> Value {
    json!({
        "version": 1,
        "salt": "script",
        "shim": { "cluster": "tollgate", "timeout": "10s" },
        "keys": {
            "client": { "header": "x-client", "otherwise": "address" },
            "address": { "client_ip": {} },
        },
        "buckets": {
            "once": { "key": "client", "limit": 1, "window": "10m", "on_failure": "deny" },
            "many": { "key": "client", "limit": 9, "window": "10m", "on_failure": "deny" },
            "here": { "key": "client", "limit": 1, "window": "10m", "on_failure": "local" },
            "free": {
                "key": "client", "limit": 3, "window": "10m", "on_failure": "allow",
                "refund": ["server_error", "cache_hit"],
            },
        },
        "rules": [
            { "match": { "paths": ["/health"] }, "charge": [] },
            { "match": { "paths": ["/once"] }, "charge": ["once"] },
            { "match": { "paths": ["/two"] }, "charge": ["many", "once"] },
            { "match": { "paths": ["/free"] }, "charge": ["free"] },
            { "match": { "paths": ["/here"] }, "charge": ["here"] },
        ],
    })
}

/// Returns the shim's reply. The clock stands still, so both runs get the same reply. A broken
/// shim's reply has no marker header.
pub(crate) fn shim_reply(shim: &mut Shim, is_away: bool, path: &str, body: &[u8]) -> Reply {
    if is_away {
        return Reply { headers: Headers::of([(":status", "500")]), ..Reply::default() };
    }
    let reply = shim.call(START_MS, path, body).reply;
    assert!(!reply.headers.text(MARKER_HEADER).is_empty());
    reply
}

/// Returns the status and headers of the upstream's answer.
pub(crate) fn upstream(answer: &str) -> Headers {
    match answer {
        "hit" => Headers::of([(":status", "200"), ("x-cache", "HIT")]),
        status => Headers::of([(":status", status)]),
    }
}

/// Returns the comparable part of a call to the shim, or `None` for other calls. Health probes
/// depend on timers, and on a busy machine other processes may connect to the port.
pub(crate) fn callout(path: &str, body: &[u8]) -> Option<(String, Value)> {
    let body = serde_json::from_slice(body).unwrap_or(Value::Null);
    [DECIDE_PATH, SETTLE_PATH].contains(&path).then(|| (path.to_owned(), body))
}

/// Returns the comparable part of an answer. Decisions without the ledger depend on Envoy's clock,
/// which may have advanced by a second, so their three-digit numbers are masked.
pub(crate) fn seen(status: u16, headers: &Headers, body: &[u8]) -> Seen {
    let names = ["x-ratelimit", "ratelimit", "retry-after", "tollgate-verdict"];
    let is_compared = |name: &str| names.iter().any(|start| name.starts_with(start));
    let is_degraded = !headers.text("tollgate-verdict").is_empty();
    let shown = |text: String| if is_degraded { without_times(&text) } else { text };
    let lines = headers.iter().map(|(name, value)| {
        (String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned())
    });
    let lines = lines.filter(|(name, _)| is_compared(name));
    let mut headers: Vec<String> =
        lines.map(|(name, value)| shown(format!("{name}: {value}"))).collect();
    headers.sort();
    let body = shown(String::from_utf8_lossy(body).into_owned());
    Seen { status, headers, body, callouts: Vec::new() }
}

fn without_times(text: &str) -> String {
    let words = text.split_inclusive(|c: char| !c.is_ascii_digit());
    words
        .map(|word| {
            if word.trim_end_matches(|c: char| !c.is_ascii_digit()).len() == 3 {
                format!("#{}", word.trim_start_matches(|c: char| c.is_ascii_digit()))
            } else {
                word.to_owned()
            }
        })
        .collect()
}
