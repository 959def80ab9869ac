//! Calls to the shim and their replies, as exchanged with the filter.

/// The shim endpoint that a call goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// `POST` [`DECIDE_PATH`](crate::wire::DECIDE_PATH).
    Decide,
    /// `POST` [`SETTLE_PATH`](crate::wire::SETTLE_PATH).
    Settle,
    /// `GET` [`HEALTH_PATH`](crate::wire::HEALTH_PATH).
    Probe,
}

/// A call to make to the shim. At most [`MAX_CALLS`](super::MAX_CALLS) decide calls are under way
/// at once, and one of each other kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The call's id, to be passed to [`Gate::reply`](super::Gate::reply).
    pub id: u32,
    /// The endpoint.
    pub kind: CallKind,
    /// Headers to add to those that every call to the shim has.
    pub headers: Vec<(&'static str, String)>,
    /// The JSON body; empty for a probe.
    pub body: Vec<u8>,
    /// The timeout of the reply, in ms.
    pub timeout_ms: u64,
}

/// The reply to a call. Empty if the call failed without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reply<'a> {
    /// The `:status`. Envoy makes one up for a failed call.
    pub status: Option<&'a [u8]>,
    /// The value of [`MARKER_HEADER`](crate::wire::MARKER_HEADER), which only the shim sets.
    pub marker: Option<&'a [u8]>,
    /// The body.
    pub body: &'a [u8],
}

/// The times at which a call was made and answered, on the worker's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallTimes {
    pub(super) asked_ms: u64,
    pub(super) answered_ms: u64,
}
