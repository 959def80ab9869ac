//! Marks requests that this filter has decided, so that an internal redirect does not charge them
//! again.
//!
//! Envoy ends the stream of a redirected request and starts another. Only filter state that is
//! declared to live as long as the request passes from one to the other. Clients cannot write it.
//!
//! # Source
//! Envoy's `ActiveStream::recreateStream` (`source/common/http/conn_manager_impl.cc`), and the
//! foreign function `declare_property` (`source/extensions/common/wasm/foreign.cc`).

use crate::direct;
use crate::host::log_failure;
use proxy_wasm::hostcalls;

/// The filter state of the mark.
const MARK: &str = "tollgate.decided";
/// A `DeclarePropertyArguments` of Envoy: the name in field 1, then the type (field 3: a string) and
/// the life span (field 5: the downstream request).
const DECLARATION: &[u8] = b"\x0a\x10tollgate.decided\x18\x01\x28\x01";

/// The mark of a request that has been decided: the deciding worker's queue, and its stream.
pub(crate) struct Mark {
    queue: u32,
    stream: u32,
}

impl Mark {
    /// Returns the stream if the worker with this queue decided it.
    pub(crate) fn stream_of(&self, queue: u32) -> Option<u32> {
        (self.queue == queue).then_some(self.stream)
    }
}

/// Declares the mark's life span. Without it, a redirected request is charged again.
pub(crate) fn declare() {
    let declared = hostcalls::call_foreign_function("declare_property", Some(DECLARATION));
    log_failure("declare the mark of redirected requests", declared.map(|_| ()));
}

/// Marks the request of a stream that ends.
pub(crate) fn mark(queue: u32, stream: u32) {
    let mark = format!("{queue} {stream}");
    log_failure("mark a request as decided", direct::set_property(MARK, mark.as_bytes()));
}

/// Returns the mark of the current request, if an earlier stream of it was decided.
pub(crate) fn found() -> Option<Mark> {
    let text = String::from_utf8(direct::property(MARK)?).ok()?;
    let (queue, stream) = text.split_once(' ')?;
    Some(Mark { queue: queue.parse().ok()?, stream: stream.parse().ok()? })
}
