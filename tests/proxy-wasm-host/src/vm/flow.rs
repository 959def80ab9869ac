//! Moves streams through the plugin, and runs its deferred actions once each callback returns.

use super::{Request, Vm};
use crate::abi::Side;
use crate::event::{Event, StreamNumber};
use crate::headers::Headers;
use crate::state::{Deferred, LocalReply};
use crate::stream::{Part, Stream, event};

/// The return value of a callback that lets a part continue; any other value pauses it.
const CONTINUE: u32 = 0;
/// The status that clients get after the plugin has crashed.
const CRASHED_STATUS: &str = "503";

impl Vm {
    /// Opens a stream for a request, under the newest configuration.
    pub fn open(&mut self, request: Request) -> StreamNumber {
        let root = self.newest_root;
        let host = self.host_mut();
        let stream = host.next_context();
        host.streams.insert(stream, Stream::new(root, request.properties));
        let create = self.exports.create.clone();
        self.invoke("proxy_on_context_create", create, stream, (stream, root));
        let part = Part::Headers { headers: request.headers, is_end: request.is_end };
        self.arrive(stream, Side::Request, part);
        stream
    }

    /// Passes a part of the request's body to the plugin.
    pub fn request_body(&mut self, stream: StreamNumber, bytes: &[u8], is_end: bool) {
        self.arrive(stream, Side::Request, Part::Body { bytes: bytes.to_vec(), is_end });
    }

    /// Passes the request's trailers to the plugin.
    pub fn request_trailers(&mut self, stream: StreamNumber, trailers: Headers) {
        self.arrive(stream, Side::Request, Part::Trailers(trailers));
    }

    /// Passes the upstream's response headers to the plugin.
    pub fn response(&mut self, stream: StreamNumber, headers: Headers, is_end: bool) {
        self.arrive(stream, Side::Response, Part::Headers { headers, is_end });
    }

    /// Passes a part of the response's body to the plugin.
    pub fn response_body(&mut self, stream: StreamNumber, bytes: &[u8], is_end: bool) {
        self.arrive(stream, Side::Response, Part::Body { bytes: bytes.to_vec(), is_end });
    }

    /// Passes the response's trailers to the plugin.
    pub fn response_trailers(&mut self, stream: StreamNumber, trailers: Headers) {
        self.arrive(stream, Side::Response, Part::Trailers(trailers));
    }

    /// Ends a stream: its response is complete, or its client or upstream has disconnected. Replies
    /// to its callouts are never delivered.
    pub fn end(&mut self, stream: StreamNumber) {
        let Some(ending) = self.host_mut().streams.get_mut(&stream) else { return };
        ending.is_logging = true;
        ending.request.drop_rest();
        ending.response.drop_rest();
        let log = self.exports.log.clone();
        self.invoke("proxy_on_log", log, stream, (stream,));
        self.run_deferred();
        let done = self.exports.done.clone();
        self.invoke("proxy_on_done", done, stream, (stream,));
        self.run_deferred();
        self.delete(stream);
        self.run_deferred();
        self.end_idle_roots();
    }

    /// Runs the actions that the plugin requested during its callback, and those requested
    /// meanwhile.
    pub(super) fn run_deferred(&mut self) {
        while let Some(deferred) = self.host_mut().deferred.pop_front() {
            match deferred {
                Deferred::Continue(stream, side) => self.resume(stream, side),
                Deferred::Answer(stream, reply) => self.answer(stream, reply),
                Deferred::Reset(stream) => self.reset(stream),
                Deferred::Delete(root) => self.delete(root),
            }
        }
    }

    /// Deletes a context and forgets its callouts.
    pub(super) fn delete(&mut self, context: u32) {
        let callback = self.exports.delete.clone();
        self.invoke("proxy_on_delete", callback, context, (context,));
        let host = self.host_mut();
        host.roots.remove(&context);
        host.streams.remove(&context);
        host.callouts.retain(|_, owner| *owner != context);
    }

    fn arrive(&mut self, stream: StreamNumber, side: Side, part: Part) {
        let is_crashed = self.crash.is_some();
        let Some(receiving) = self.host_mut().streams.get_mut(&stream) else { return };
        if receiving.is_answered_locally {
            return; // the client and the upstream are ignored once the stream has its response
        }
        receiving.half(side).arrive(part);
        if is_crashed {
            self.fail(stream);
        } else {
            self.pump(stream, side);
            self.run_deferred();
        }
    }

    /// Shows the plugin the parts that have arrived, until it pauses.
    fn pump(&mut self, stream: StreamNumber, side: Side) {
        while let Some(action) = self.show_next(stream, side) {
            let has_answered = self.host().has_answered;
            if self.crash.is_some() {
                return self.fail(stream);
            }
            let Some(shown) = self.host_mut().streams.get_mut(&stream) else { return };
            if action == CONTINUE && !has_answered {
                self.release(stream, side);
            } else {
                shown.half(side).is_paused = true;
            }
        }
    }

    /// Shows the plugin the next part and returns its answer, or `None` if there is no next part.
    fn show_next(&mut self, stream: StreamNumber, side: Side) -> Option<u32> {
        let host = self.host_mut();
        host.has_answered = false;
        let shown = host.streams.get_mut(&stream)?;
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let answer = match *shown.half(side).next()? {
            Part::Headers { ref headers, is_end } => {
                let params = (stream, count(headers.len()), u32::from(is_end));
                let (name, callback) = match side {
                    Side::Request => ("proxy_on_request_headers", &self.exports.request_headers),
                    Side::Response => ("proxy_on_response_headers", &self.exports.response_headers),
                };
                self.invoke(name, callback.clone(), stream, params)
            }
            Part::Body { ref bytes, is_end } => {
                let params = (stream, count(bytes.len()), u32::from(is_end));
                let (name, callback) = match side {
                    Side::Request => ("proxy_on_request_body", &self.exports.request_body),
                    Side::Response => ("proxy_on_response_body", &self.exports.response_body),
                };
                self.invoke(name, callback.clone(), stream, params)
            }
            Part::Trailers(ref trailers) => {
                let params = (stream, count(trailers.len()));
                let (name, callback) = match side {
                    Side::Request => ("proxy_on_request_trailers", &self.exports.request_trailers),
                    Side::Response => {
                        ("proxy_on_response_trailers", &self.exports.response_trailers)
                    }
                };
                self.invoke(name, callback.clone(), stream, params)
            }
        };
        Some(answer.unwrap_or(CONTINUE))
    }

    fn release(&mut self, stream: StreamNumber, side: Side) {
        let host = self.host_mut();
        let Some(released) = host.streams.get_mut(&stream) else { return };
        let is_local = released.is_answered_locally;
        let parts = released.half(side).release();
        host.events.extend(parts.into_iter().map(|part| event(side, stream, part, is_local)));
    }

    fn resume(&mut self, stream: StreamNumber, side: Side) {
        let Some(paused) = self.host_mut().streams.get_mut(&stream) else { return };
        if paused.half(side).is_paused {
            self.release(stream, side);
            self.pump(stream, side);
        }
    }

    /// Sends a local response, which passes through the plugin's response callbacks.
    fn answer(&mut self, stream: StreamNumber, reply: LocalReply) {
        let Some(answered) = self.host_mut().streams.get_mut(&stream) else { return };
        answered.request.drop_rest();
        let mut headers = Headers::default();
        headers.add(b":status", reply.status.to_string().as_bytes());
        reply.headers.iter().for_each(|(name, value)| headers.add(name, value));
        if !reply.body.is_empty() {
            headers.set(b"content-length", reply.body.len().to_string().as_bytes());
            if headers.get(b"content-type").is_none() {
                headers.add(b"content-type", b"text/plain");
            }
        }
        let is_end = reply.body.is_empty();
        answered.response.arrive(Part::Headers { headers, is_end });
        if !is_end {
            answered.response.arrive(Part::Body { bytes: reply.body, is_end: true });
        }
        self.pump(stream, Side::Response);
    }

    fn reset(&mut self, stream: StreamNumber) {
        let Some(cut) = self.host_mut().streams.get_mut(&stream) else { return };
        cut.request.drop_rest();
        cut.response.drop_rest();
        cut.is_answered_locally = true;
        self.host_mut().events.push(Event::Reset { stream });
    }

    /// Answers a stream whose plugin has crashed.
    fn fail(&mut self, stream: StreamNumber) {
        let host = self.host_mut();
        let Some(failed) = host.streams.get_mut(&stream) else { return };
        if failed.is_answered_locally {
            return;
        }
        failed.is_answered_locally = true;
        failed.request.drop_rest();
        failed.response.drop_rest();
        let headers = Headers::of([(":status", CRASHED_STATUS)]);
        host.events.push(Event::Response { stream, headers, is_local: true, is_end: true });
    }
}
