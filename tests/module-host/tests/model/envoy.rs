//! What these tests send as Envoy.

use super::ledger::Ledger;
use module_host::stream::{Headers, Request};
use module_host::{Filter, Stream};
use module_under_test::simulated;
use serde_json::json;
use std::sync::{Mutex, PoisonError};

pub(crate) const NOW_US: u64 = 1_790_000_000_000_000;
/// Envoy's number of the attribute `source.address`.
const SOURCE_ADDRESS: u32 = 24;

/// Runs a test while no other one runs, since there is one Envoy in a process. The module's locks
/// need the scheduler.
pub(crate) fn alone(test: impl Fn() + Send + Sync + 'static) {
    let _alone = lock();
    shuttle::check_random(test, 1);
}

/// Keeps other tests from running.
pub(crate) fn lock() -> impl Drop {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    simulated::set_now_us(NOW_US);
    simulated::forget_local();
    drop(simulated::drivers());
    module_host::forget_all();
    guard
}

/// Configures a filter that charges each user up to 5 times.
pub(crate) fn filter() -> (Filter, Ledger) {
    let document = json!({
        "ledger": "memory:",
        "policy": {
            "version": 1,
            "salt": "a test's",
            "shim": { "cluster": "none", "timeout": "50ms" },
            "keys": {
                "user": { "header": "x-user", "otherwise": "all" },
                "all": { "constant": "all" },
            },
            "buckets": { "all": { "key": "user", "limit": 5, "window": "1m" } },
            "rules": [{ "charge": ["all"] }],
        },
    });
    let filter = Filter::configure(document.to_string().as_bytes());
    let filter = filter.unwrap_or_else(|| panic!("{:?}", module_host::take_log()));
    (filter, Ledger::take().expect("a configuration that waits for its ledger"))
}

pub(crate) fn headers(headers: &[(&str, &str)]) -> Headers {
    headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

pub(crate) fn request() -> Request {
    request_to("/", "a")
}

pub(crate) fn request_to(path: &str, user: &str) -> Request {
    Request {
        headers: headers(&[
            (":method", "GET"),
            (":path", path),
            (":authority", "example.org"),
            ("x-user", user),
        ]),
        attributes: [(SOURCE_ADDRESS, b"192.0.2.1:1000".to_vec())].into(),
        ..Request::default()
    }
}

/// Returns the status with which the module answered.
pub(crate) fn answer_to(stream: &Stream) -> u32 {
    stream.answer().expect("an answer").status
}
