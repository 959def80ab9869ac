//! An HTTP stream: passes its callbacks to the gate.

use crate::direct;
use crate::facts::RequestFacts;
use crate::headers::Headers;
use crate::host::{self, Process};
use crate::worker::Worker;
use limits::gate::{Disposition, Outcome, Release};
use limits::grpc;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, MapType};
use std::rc::Rc;

/// A stream's context. Without a configured root, it passes everything.
pub(crate) struct Stream {
    pub(crate) id: u32,
    pub(crate) worker: Option<Rc<Worker>>,
}

impl Context for Stream {
    fn on_done(&mut self) -> bool {
        if let Some(worker) = &self.worker {
            worker.gate.with(|gate| gate.done(self.id));
        }
        true
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _headers: usize, _is_end: bool) -> Action {
        match &self.worker {
            Some(worker) if request(self.id, worker) => Action::Pause,
            _ => Action::Continue,
        }
    }

    fn on_http_response_headers(&mut self, _headers: usize, _is_end: bool) -> Action {
        if let Some(worker) = &self.worker {
            response(self.id, worker, outcome);
        }
        Action::Continue
    }

    /// Reads the outcome of a gRPC response, if its headers did not have it.
    fn on_http_response_trailers(&mut self, _trailers: usize) -> Action {
        if let Some(worker) = &self.worker {
            response(self.id, worker, outcome_in_trailers);
        }
        Action::Continue
    }
}

/// Passes the request to the gate. Returns true if the stream must be paused.
fn request(id: u32, worker: &Worker) -> bool {
    let facts = RequestFacts::new(&worker.token);
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

/// Passes the response to the gate, and adds the headers it returns.
fn response(id: u32, worker: &Worker, outcome: fn() -> Outcome) {
    let response = worker.gate.with(|gate| gate.response(id, outcome, host::now_us));
    let response = response.unwrap_or_default();
    if response.wakes {
        worker.enqueue();
    }
    for (name, value) in response.headers {
        host::set_response_header(name, &value);
    }
}

/// Reads the response's status and cache header. The status of a gRPC response can be in its
/// trailers.
fn outcome() -> Outcome {
    let headers = direct::headers(MapType::HttpResponseHeaders).unwrap_or_default();
    let status = headers.first(":status").and_then(|status| str::from_utf8(status).ok());
    let status = status.and_then(|status| status.parse().ok()).unwrap_or(Outcome::UNKNOWN);
    // A gRPC server answers 200, whatever happened. Other statuses come from a proxy on the way.
    let is_grpc = status == 200 && headers.first("content-type").is_some_and(grpc::is_grpc);
    Outcome {
        status: if is_grpc { grpc_status(&headers) } else { status },
        is_cache_hit: headers
            .first("x-cache")
            .is_some_and(|cache| cache.eq_ignore_ascii_case(b"hit")),
    }
}

/// Reads a gRPC response's status from its trailers.
fn outcome_in_trailers() -> Outcome {
    let trailers = direct::headers(MapType::HttpResponseTrailers).unwrap_or_default();
    Outcome { status: grpc_status(&trailers), is_cache_hit: false }
}

fn grpc_status(headers: &Headers) -> u16 {
    headers.first("grpc-status").map_or(Outcome::UNKNOWN, grpc::to_http)
}
