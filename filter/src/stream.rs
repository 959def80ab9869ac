//! One HTTP stream: its callbacks, handed to the gate. Called by [`crate::plugin`].

use crate::abi::Headers;
use crate::facts::RequestFacts;
use crate::host::{self, Process};
use crate::root::Worker;
use limits::gate::{Disposition, Outcome, Release};

/// The stream's request headers are there: whether to pause it.
pub(crate) fn request(id: u32, worker: &Worker) -> bool {
    let facts = RequestFacts::new(&worker.jwt_payload);
    let now_us = host::now_us();
    let disposition = worker.gate.with(|gate| gate.request(now_us, id, &facts, &Process));
    match disposition {
        Some(Disposition::Release(Release::Pass(summary))) => {
            host::set_summary(&summary);
            false
        }
        Some(Disposition::Pause) => {
            worker.wake(now_us);
            true
        }
        Some(Disposition::Release(Release::Refuse(answer))) => {
            host::answer(&answer);
            true
        }
        None => false,
    }
}

/// The stream's response headers are there.
pub(crate) fn response(id: u32, worker: &Worker) {
    let response = worker.gate.with(|gate| gate.response(id, outcome, host::now_us));
    let response = response.unwrap_or_default();
    if response.wakes {
        worker.enqueue();
    }
    for (name, value) in response.headers {
        host::set_response_header(name, &value);
    }
}

/// What the response says of itself.
fn outcome() -> Outcome {
    let headers = host::headers(Headers::Response);
    let text = |name| headers.first(name).and_then(|bytes| str::from_utf8(bytes).ok());
    Outcome {
        status: text(":status").and_then(|status| status.parse().ok()).unwrap_or(0),
        is_cache_hit: text("x-cache").is_some_and(|cache| cache.eq_ignore_ascii_case("hit")),
    }
}
