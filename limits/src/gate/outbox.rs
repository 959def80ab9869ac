//! The requests that are gathering for the next call. Called by the gate's events.

use crate::matched::Matched;
use crate::origin::Origin;
use crate::plan::PlannedCharge;
use crate::wire;
use std::collections::VecDeque;

/// A stream's id, unique in its gate. In Wasm it is Envoy's, of 32 bits.
pub type StreamId = u64;

/// The most requests that gather at once. Any others are decided without the ledger.
pub const MAX_WAITING: usize = 10_000;
/// The most bytes of requests in one call, well under the shim's maximum.
const MAX_CALL_BYTES: usize = wire::MAX_BODY_BYTES / 2;

/// A request's rules and the charges to decide.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) matched: Matched,
    pub(super) charges: Vec<PlannedCharge>,
    /// The network that the request comes from. Known only if it may be decided without the ledger.
    pub(super) origin: Origin,
}

/// A paused request.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) stream: StreamId,
    pub(super) asked: Asked,
    pub(super) arrived_us: u64,
    /// The request as serialized for the shim; empty if the gate writes no bodies.
    pub(super) json: String,
}

/// The gathering requests, oldest first.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    gathered: VecDeque<Waiting>,
    /// The trace headers of the first request, for the call that will carry it.
    pub(super) trace: Vec<(&'static str, String)>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.gathered.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.gathered.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.gathered.len() >= MAX_WAITING
    }

    pub(super) fn push(&mut self, waiting: Waiting) {
        self.gathered.push_back(waiting);
    }

    /// Removes and returns the oldest requests that fit into one call.
    pub(super) fn take_batch(&mut self) -> Vec<Waiting> {
        let mut bytes = 0;
        let fitting = self.gathered.iter().take(wire::MAX_BATCH).take_while(|waiting| {
            bytes += waiting.json.len();
            bytes <= MAX_CALL_BYTES
        });
        let count = fitting.count().max(1).min(self.gathered.len());
        self.gathered.drain(..count).collect()
    }

    /// Removes and returns the requests that arrived at or before `until_us`.
    pub(super) fn take_overdue(&mut self, until_us: u64) -> Vec<Waiting> {
        let count = self.gathered.iter().take_while(|one| one.arrived_us <= until_us).count();
        self.gathered.drain(..count).collect()
    }

    pub(super) fn take_all(&mut self) -> Vec<Waiting> {
        std::mem::take(&mut self.gathered).into()
    }

    pub(super) fn remove(&mut self, stream: StreamId) {
        self.gathered.retain(|waiting| waiting.stream != stream);
    }
}

/// Joins the requests of a call into its body.
pub(super) fn body(batch: &[Waiting]) -> Vec<u8> {
    let bytes: usize = batch.iter().map(|waiting| waiting.json.len() + 1).sum();
    let mut body = Vec::with_capacity(bytes + 16);
    body.extend_from_slice(b"{\"requests\":[");
    for (at, waiting) in batch.iter().enumerate() {
        body.extend_from_slice(if at == 0 { b"" } else { b"," });
        body.extend_from_slice(waiting.json.as_bytes());
    }
    body.extend_from_slice(b"]}");
    body
}
