//! Calls to the shim and their replies, as the filter makes and hands them.

/// Which of the shim's routes a call goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// `POST` [`DECIDE_PATH`](crate::wire::DECIDE_PATH).
    Decide,
    /// `POST` [`SETTLE_PATH`](crate::wire::SETTLE_PATH).
    Settle,
    /// `GET` [`HEALTH_PATH`](crate::wire::HEALTH_PATH).
    Probe,
}

/// A call to make to the shim. At most [`MAX_CALLS`](super::MAX_CALLS) that decide are under way, and
/// one of each other kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its number, for [`Gate::reply`](super::Gate::reply).
    pub id: u32,
    /// The route.
    pub kind: CallKind,
    /// Headers beside those of any call to the shim.
    pub headers: Vec<(&'static str, String)>,
    /// The JSON body; empty for a probe.
    pub body: Vec<u8>,
    /// How long to wait for the reply, in ms.
    pub timeout_ms: u64,
}

/// The reply to a call, as far as there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reply<'a> {
    /// The `:status`; Envoy makes one up for a call that failed.
    pub status: Option<&'a [u8]>,
    /// The value of [`MARKER_HEADER`](crate::wire::MARKER_HEADER), which only the shim sets.
    pub marker: Option<&'a [u8]>,
    /// The body.
    pub body: &'a [u8],
}

/// The times of an answered call, by the worker's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallTimes {
    pub(super) asked_ms: u64,
    pub(super) answered_ms: u64,
}
