//! One HTTP stream as the plugin sees it: two directions, each a sequence of parts that pass
//! through in order unless the plugin pauses them.

use crate::abi::Side;
use crate::event::{Event, StreamNumber};
use crate::headers::Headers;
use crate::properties::{Found, Properties};
use std::collections::{BTreeMap, VecDeque};

/// A part of a request or response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Headers { headers: Headers, is_end: bool },
    Body { bytes: Vec<u8>, is_end: bool },
    Trailers(Headers),
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Half {
    /// Parts that the plugin has not seen yet.
    waiting: VecDeque<Part>,
    /// Parts that the plugin is looking at or has paused.
    held: Vec<Part>,
    /// True if the plugin has paused the held parts.
    pub(crate) is_paused: bool,
    /// The headers as they continued, for the access log.
    pub(crate) logged: Headers,
    pub(crate) has_begun: bool,
}

/// A stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) root: u32,
    pub(crate) properties: Properties,
    /// Properties that the plugin set. Envoy's access log names them `wasm.<path>`.
    pub(crate) filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) request: Half,
    pub(crate) response: Half,
    pub(crate) is_answered_locally: bool,
    /// True during the access-log callback, when all maps are readable.
    pub(crate) is_logging: bool,
}

impl Stream {
    pub(crate) fn new(root: u32, properties: Properties) -> Self {
        Self {
            root,
            properties,
            filter_state: BTreeMap::new(),
            request: Half::default(),
            response: Half::default(),
            is_answered_locally: false,
            is_logging: false,
        }
    }

    pub(crate) fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Request => &mut self.request,
            Side::Response => &mut self.response,
        }
    }

    /// Returns the property at `path`: given with the request, derived from headers, or set by the
    /// plugin.
    pub(crate) fn property(&self, path: &[u8]) -> Option<Found> {
        let set = |key: &[u8]| self.filter_state.get(key).cloned().map(Found::Value);
        let by_headers = || {
            let headers = self.request.headers().unwrap_or(&self.request.logged);
            crate::properties::of_request(path, headers).map(Found::Value)
        };
        let by_response = || {
            let headers = self.response.headers().unwrap_or(&self.response.logged);
            let code: i64 = headers.text(":status").parse().ok()?;
            (path == b"response\0code").then(|| Found::Value(code.to_le_bytes().to_vec()))
        };
        self.properties
            .get(path)
            .cloned()
            .or_else(by_headers)
            .or_else(by_response)
            .or_else(|| set(path.strip_prefix(b"filter_state\0wasm.").unwrap_or(path)))
    }
}

impl Half {
    pub(crate) fn arrive(&mut self, part: Part) {
        self.has_begun = true;
        self.waiting.push_back(part);
    }

    /// Moves the next part to the plugin and returns it. Held headers or trailers block everything
    /// behind them; a held body grows by each further part.
    pub(crate) fn next(&mut self) -> Option<&mut Part> {
        let may_follow = match self.held.last() {
            None => true,
            Some(Part::Body { .. }) => !matches!(self.waiting.front(), Some(Part::Headers { .. })),
            Some(Part::Headers { .. } | Part::Trailers(_)) => false,
        };
        let part = self.waiting.pop_front_if(|_| may_follow)?;
        match (self.held.last_mut(), part) {
            (Some(Part::Body { bytes, is_end }), Part::Body { bytes: more, is_end: ends }) => {
                bytes.extend(more);
                *is_end |= ends;
            }
            (_, part) => self.held.push(part),
        }
        self.held.last_mut()
    }

    /// Releases and returns the held parts.
    pub(crate) fn release(&mut self) -> Vec<Part> {
        self.is_paused = false;
        let released = std::mem::take(&mut self.held);
        if let Some(Part::Headers { headers, .. }) = released.first() {
            self.logged = headers.clone();
        }
        released
    }

    /// Discards all held and waiting parts.
    pub(crate) fn drop_rest(&mut self) {
        if let Some(headers) = self.headers() {
            self.logged = headers.clone();
        }
        self.is_paused = false;
        self.waiting.clear();
        self.held.clear();
    }

    pub(crate) fn headers(&self) -> Option<&Headers> {
        self.held.iter().find_map(|part| match part {
            Part::Headers { headers, .. } => Some(headers),
            _ => None,
        })
    }

    pub(crate) fn headers_mut(&mut self) -> Option<&mut Headers> {
        self.held.iter_mut().find_map(|part| match part {
            Part::Headers { headers, .. } => Some(headers),
            _ => None,
        })
    }

    pub(crate) fn trailers(&self) -> Option<&Headers> {
        self.held.iter().find_map(|part| match part {
            Part::Trailers(trailers) => Some(trailers),
            _ => None,
        })
    }

    pub(crate) fn trailers_mut(&mut self) -> Option<&mut Headers> {
        self.held.iter_mut().find_map(|part| match part {
            Part::Trailers(trailers) => Some(trailers),
            _ => None,
        })
    }

    pub(crate) fn body(&self) -> Option<&Vec<u8>> {
        self.held.iter().find_map(|part| match part {
            Part::Body { bytes, .. } => Some(bytes),
            _ => None,
        })
    }

    pub(crate) fn body_mut(&mut self) -> Option<&mut Vec<u8>> {
        self.held.iter_mut().find_map(|part| match part {
            Part::Body { bytes, .. } => Some(bytes),
            _ => None,
        })
    }
}

/// Builds the event for a part that leaves the plugin.
pub(crate) fn event(side: Side, stream: StreamNumber, part: Part, is_local: bool) -> Event {
    match (side, part) {
        (Side::Request, Part::Headers { headers, is_end }) => {
            Event::Request { stream, headers, is_end }
        }
        (Side::Request, Part::Body { bytes, is_end }) => {
            Event::RequestBody { stream, bytes, is_end }
        }
        (Side::Request, Part::Trailers(trailers)) => Event::RequestTrailers { stream, trailers },
        (Side::Response, Part::Headers { headers, is_end }) => {
            Event::Response { stream, headers, is_local, is_end }
        }
        (Side::Response, Part::Body { bytes, is_end }) => {
            Event::ResponseBody { stream, bytes, is_end }
        }
        (Side::Response, Part::Trailers(trailers)) => Event::ResponseTrailers { stream, trailers },
    }
}
