//! One HTTP stream: its callbacks, handed to the gate.

use crate::SharedGate;
use crate::facts::RequestFacts;
use crate::host::{self, Process};
use limits::gate::{Disposition, Outcome};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::rc::Rc;

pub(crate) struct Stream {
    id: u32,
    gate: SharedGate,
    queue: u32,
    jwt_payload: Rc<str>,
}

impl Stream {
    pub(crate) fn new(id: u32, gate: SharedGate, queue: u32, jwt_payload: Rc<str>) -> Self {
        Self { id, gate, queue, jwt_payload }
    }

    /// Has the root context called in this turn of the event loop, if the gate has work for it.
    fn wake(&self, now_us: u64) {
        if self.gate.with(|gate| gate.take_wake(now_us)).unwrap_or(false) {
            host::tell("wake the worker", hostcalls::enqueue_shared_queue(self.queue, Some(b"w")));
        }
    }
}

impl Context for Stream {
    fn on_done(&mut self) -> bool {
        self.gate.with(|gate| gate.done(self.id));
        true
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _headers: usize, _end_of_stream: bool) -> Action {
        let facts = RequestFacts { jwt_payload: &self.jwt_payload };
        let now_us = host::now_us();
        let disposition = self.gate.with(|gate| gate.request(now_us, self.id, &facts, &Process));
        match disposition {
            Some(Disposition::Pass(summary)) => {
                host::set_summary(&summary);
                Action::Continue
            }
            Some(Disposition::Pause) => {
                self.wake(now_us);
                Action::Pause
            }
            Some(Disposition::Answer(answer)) => {
                host::answer(&answer);
                Action::Pause
            }
            None => Action::Continue,
        }
    }

    fn on_http_response_headers(&mut self, _headers: usize, _end_of_stream: bool) -> Action {
        let headers = if self.gate.with(|gate| gate.awaits_outcome(self.id)).unwrap_or(false) {
            let (now_us, outcome) = (host::now_us(), outcome());
            let headers = self.gate.with(|gate| gate.response(now_us, self.id, outcome));
            self.wake(now_us);
            headers
        } else {
            self.gate.with(|gate| gate.response_headers(self.id))
        };
        for (name, value) in headers.unwrap_or_default() {
            host::set_response_header(name, &value);
        }
        Action::Continue
    }
}

/// What the response says of itself.
fn outcome() -> Outcome {
    let text = |name| host::response_header(name).and_then(|bytes| String::from_utf8(bytes).ok());
    Outcome {
        status: text(":status").and_then(|status| status.parse().ok()).unwrap_or(0),
        is_cache_hit: text("x-cache").is_some_and(|cache| cache.eq_ignore_ascii_case("hit")),
    }
}
