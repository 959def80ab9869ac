//! A request's hooks, on the worker that has it.

use crate::abi::stream::Stream;
use crate::abi::{LogLevel, log};
use crate::facts::RequestFacts;
use crate::front::{Front, Woken};
use crate::response::{ResponseHeaders, ResponseTrailers};
use limits::gate::{Answer, Disposition, Release, Response, ResponseFacts, StreamId};
use std::cell::Cell;
use std::sync::Arc;

/// The filter state that holds the decision for the access log:
/// `%FILTER_STATE(tollgate:PLAIN)%`.
const SUMMARY: &str = "tollgate";
/// The filter state that marks a request as decided, so that an internal redirect does not charge it
/// again. Clients cannot write it.
const MARK: &str = "tollgate.decided";
/// The response details of a refusal: `%RESPONSE_CODE_DETAILS%`.
const REFUSED: &str = "tollgate";
/// The response details of a request that Tollgate failed.
const FAILED: &str = "tollgate_fault";

/// A request, as Envoy knows it by a pointer.
///
/// Its hooks share it, because they can overlap: a call that resumes or answers it can call the
/// hooks of its response and its end.
pub(crate) struct Request {
    front: Arc<Front>,
    id: StreamId,
    is_paused: Cell<bool>,
    /// True once the gate knows nothing of it any more.
    has_ended: Cell<bool>,
}

/// The way on for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Continue,
    Pause,
    Answered,
}

impl Request {
    pub(crate) fn new(front: &Arc<Front>) -> Self {
        Self {
            front: Arc::clone(front),
            id: front.next_id(),
            is_paused: Cell::new(false),
            has_ended: Cell::new(false),
        }
    }

    /// Decides the request, or pauses it.
    pub(crate) fn arrives(&self, stream: &mut Stream<'_>) -> Next {
        #[cfg(feature = "planted-panic")]
        crate::planted::at(crate::planted::Place::Arrival, stream);
        let (disposition, is_grpc) = {
            let facts = RequestFacts::of(stream, self.front.jwt());
            let mark = if facts.may_be_redirected() { stream.mark(MARK) } else { None };
            let disposition = match mark {
                Some(mark) => self.front.redirected(self.id, mark).into(),
                None => self.front.arrive(self.id, stream, &facts),
            };
            let refuses = matches!(disposition, Disposition::Release(Release::Refuse(_)));
            (disposition, refuses && facts.is_grpc())
        };
        match disposition {
            Disposition::Pause => {
                self.is_paused.set(true);
                Next::Pause
            }
            Disposition::Release(Release::Pass(summary)) => {
                self.set_summary(stream, &summary);
                Next::Continue
            }
            Disposition::Release(Release::Refuse(answer)) => {
                self.refuse(stream, &answer, is_grpc);
                Next::Answered
            }
        }
    }

    /// Resumes or answers the paused request, now that it has been decided.
    pub(crate) fn is_woken(&self, stream: &mut Stream<'_>) {
        let Woken::By(release) = self.front.woken(self.id) else { return };
        self.is_paused.set(false);
        #[cfg(feature = "planted-panic")]
        crate::planted::at(crate::planted::Place::Wake, stream);
        match release {
            Release::Pass(summary) => {
                self.set_summary(stream, &summary);
                stream.resume();
            }
            Release::Refuse(answer) => {
                let is_grpc = RequestFacts::of(stream, self.front.jwt()).is_grpc();
                self.refuse(stream, &answer, is_grpc);
            }
        }
    }

    /// Sets the headers of a response.
    pub(crate) fn response_headers(&self, stream: &mut Stream<'_>) {
        if self.is_paused.replace(false) {
            // Envoy has answered a paused request itself, for example after a timeout.
            self.front.forget(self.id);
        }
        if self.has_ended.get() {
            return;
        }
        let response = self.response(&ResponseHeaders::of(stream));
        if let Some(name) = response.removed
            && !stream.remove_response_header(name)
        {
            log(LogLevel::Warn, &format!("tollgate: could not remove the header {name}"));
        }
        for (name, value) in response.headers {
            if !stream.set_response_header(name, &value) {
                log(LogLevel::Warn, &format!("tollgate: could not set the header {name}"));
            }
        }
    }

    /// Reads the outcome of a gRPC response, if its headers did not have it.
    pub(crate) fn response_trailers(&self, stream: &Stream<'_>) {
        if !self.has_ended.get() {
            let _none_is_sent_now = self.response(&ResponseTrailers(stream));
        }
    }

    fn response(&self, facts: &impl ResponseFacts) -> Response {
        self.front.response(self.id, facts)
    }

    /// Ends the request. `stream`: `None` if Envoy's side no longer exists.
    pub(crate) fn ends(&self, stream: Option<&mut Stream<'_>>) {
        if self.has_ended.replace(true) {
            return;
        }
        let may_come_back = self.front.end(self.id);
        if may_come_back && let Some(stream) = stream {
            stream.set_mark(MARK, self.front.mark_of(self.id));
        }
    }

    /// Answers a request that Tollgate failed.
    pub(crate) fn fails(&self, stream: &mut Stream<'_>) {
        self.front.forget(self.id);
        let body = b"Tollgate failed to decide this request. Its error is in Envoy's log.";
        let headers = [("content-type", "text/plain")];
        stream.respond(500, headers.into_iter(), body, FAILED);
    }

    /// Stores the decision for the access log, if the policy wants it.
    fn set_summary(&self, stream: &mut Stream<'_>, summary: &str) {
        if self.front.has_filter_state() && !stream.set_filter_state(SUMMARY, summary.as_bytes()) {
            log(LogLevel::Warn, "tollgate: could not set the filter state");
        }
    }

    /// Answers a request that the gate refused, and has forgotten.
    fn refuse(&self, stream: &mut Stream<'_>, answer: &Answer, is_grpc: bool) {
        self.has_ended.set(true);
        self.set_summary(stream, &answer.summary);
        let headers = answer.headers.iter().map(|(name, value)| (name.as_ref(), value.as_str()));
        if !is_grpc {
            return stream.respond(answer.status, headers, &answer.body, REFUSED);
        }
        // Envoy would choose the gRPC status by the HTTP status.
        let status = answer.grpc_status.to_string();
        let own = [
            (":status", "200"),
            ("content-type", "application/grpc"),
            ("grpc-status", status.as_str()),
            ("grpc-message", answer.detail.as_str()),
        ];
        let headers = headers.filter(|(name, _)| *name != "content-type");
        stream.respond_with_headers(own.into_iter().chain(headers));
    }
}
