//! An HTTP stream: passes its callbacks to the gate.

use crate::facts::RequestFacts;
use crate::host::{self, Process};
use crate::redirect;
use crate::response::{ResponseHeaders, ResponseTrailers};
use crate::worker::Worker;
use limits::gate::{Disposition, Release, ResponseFacts};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::rc::Rc;

/// A stream's context. Without a configured root, it passes everything.
pub(crate) struct Stream {
    pub(crate) id: u32,
    pub(crate) worker: Option<Rc<Worker>>,
}

impl Context for Stream {
    fn on_done(&mut self) -> bool {
        if let Some(worker) = &self.worker
            && worker.gate.with(|gate| gate.done(self.id.into())) == Some(true)
        {
            redirect::mark(worker.queue, self.id);
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
            response(self.id, worker, &ResponseHeaders::default());
        }
        Action::Continue
    }

    /// Reads the outcome of a gRPC response, if its headers did not have it.
    fn on_http_response_trailers(&mut self, _trailers: usize) -> Action {
        if let Some(worker) = &self.worker {
            response(self.id, worker, &ResponseTrailers);
        }
        Action::Continue
    }
}

/// Passes the request to the gate. Returns true if the stream must be paused.
fn request(id: u32, worker: &Worker) -> bool {
    let facts = RequestFacts::new(&worker.token);
    if facts.may_be_redirected()
        && let Some(mark) = redirect::found()
    {
        let before = mark.stream_of(worker.queue);
        let release = worker.gate.with(|gate| gate.redirected(id.into(), before.map(u64::from)));
        if let Some(Release::Pass(summary)) = release {
            worker.set_summary(&summary);
        }
        return false;
    }
    let now_us = host::now_us();
    let disposition = worker.gate.with(|gate| gate.request(now_us, id.into(), &facts, &Process));
    match disposition {
        Some(Disposition::Release(Release::Pass(summary))) => {
            worker.set_summary(&summary);
            false
        }
        Some(Disposition::Pause) => {
            worker.wake(now_us);
            true
        }
        Some(Disposition::Release(Release::Refuse(answer))) => {
            worker.answer(&answer, facts.is_grpc());
            true
        }
        None => false,
    }
}

/// Passes the response to the gate, and sets the headers it returns.
fn response(id: u32, worker: &Worker, response: &impl ResponseFacts) {
    let response = worker.gate.with(|gate| gate.response(id.into(), response, host::now_us));
    let response = response.unwrap_or_default();
    if response.wakes {
        worker.enqueue();
    }
    if let Some(name) = response.removed {
        host::remove_response_header(name);
    }
    for (name, value) in response.headers {
        host::set_response_header(name, &value);
    }
}
