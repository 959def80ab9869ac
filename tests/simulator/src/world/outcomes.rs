//! The effects of VMs: requests reach the upstream, responses reach clients, calls go out.

use super::state::{Place, World, WorldEvent};
use crate::record::Refusal;
use proxy_wasm_host::event::{Event, StreamNumber};
use proxy_wasm_host::headers::Headers;
use proxy_wasm_host::vm::Vm;

/// The filter-state key of the filter's decision.
const FILTER_STATE: &str = "tollgate";

impl World {
    pub(super) fn handle_vm_event(&mut self, place: Place, event: Event) {
        match event {
            Event::Request { stream, .. } => self.reach_upstream(place, stream),
            Event::Response { stream, headers, .. } => self.reach_client(place, stream, &headers),
            Event::Callout(callout) => self.calls(place, callout),
            Event::Crashed(crash) => {
                let what = format!("crashed in {}: {}", crash.callback, crash.last_words);
                self.trace.note(self.now_us, format_args!("{place:?} {what}"));
                self.record.misbehavior.push(what);
            }
            Event::Reset { stream } => {
                self.record.misbehavior.push(format!("stream {stream} was reset"));
            }
            Event::RequestBody { .. }
            | Event::RequestTrailers { .. }
            | Event::ResponseBody { .. }
            | Event::ResponseTrailers { .. } => {}
        }
    }

    /// Records that a request reached the upstream, and schedules the response.
    fn reach_upstream(&mut self, place: Place, stream: StreamNumber) {
        let Some(request) = self.clients_request(place, stream) else { return };
        let state = self.filter_state(place, stream);
        let now_us = self.now_us;
        self.trace.note(now_us, format_args!("request {request} passes: {state}"));
        self.release(request);
        if let Some(record) = self.record.requests.get_mut(request) {
            record.upstream_us = Some(now_us);
            record.is_degraded = state.starts_with("degraded");
            record.state = state;
        }
        let at_us = now_us + self.dice.delay_us(60_000);
        self.push(at_us, WorldEvent::UpstreamAnswers(request));
    }

    /// Sends a random response from the upstream, or from Envoy if the upstream failed.
    pub(super) fn upstream_answers(&mut self, request: usize) {
        let Some((place, stream)) = self.clients.place(request) else { return };
        let status = self.dice.pick(200, &[200, 200, 204, 302, 404, 500, 503]);
        let is_cache_hit = self.dice.chance(150);
        let mut headers = Headers::of([(":status", status.to_string().as_str())]);
        if is_cache_hit {
            headers.add(b"x-cache", b"HIT");
        }
        if let Some(record) = self.record.requests.get_mut(request) {
            record.outcome = Some((status, is_cache_hit));
        }
        self.run_vm(place, |vm: &mut Vm| vm.response(stream, headers, true));
    }

    /// Records that a response reached its client, and schedules the end of the stream.
    fn reach_client(&mut self, place: Place, stream: StreamNumber, headers: &Headers) {
        let Some(request) = self.clients_request(place, stream) else { return };
        let state = self.filter_state(place, stream);
        let status: u16 = headers.text(":status").parse().unwrap_or(0);
        self.trace.note(self.now_us, format_args!("request {request} gets {status}: {state}"));
        self.release(request);
        if let Some(record) = self.record.requests.get_mut(request) {
            record.status = Some(status);
            record.refusal = Refusal::read(self.now_us, &state);
            record.is_degraded |= state.starts_with("degraded");
            let is_hopeless = state.starts_with("denied") && state.contains(" limit=");
            self.record.work.hopeless += u64::from(is_hopeless);
        }
        self.client_gets_answer(request, headers.text("retry-after").parse().ok());
        let at_us = self.now_us + self.dice.delay_us(2_000);
        self.push(at_us, WorldEvent::Ends(request));
    }

    fn filter_state(&mut self, place: Place, stream: StreamNumber) -> String {
        let state = self.vm(place).and_then(|vm| vm.filter_state(stream, FILTER_STATE));
        state.map(|state| String::from_utf8_lossy(state).into_owned()).unwrap_or_default()
    }

    fn clients_request(&self, place: Place, stream: StreamNumber) -> Option<usize> {
        self.clients.request(place, stream)
    }
}
