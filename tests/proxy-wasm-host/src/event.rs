//! The effects of a plugin on the world outside its VM, in order.

use crate::callout::Callout;
use crate::headers::Headers;

/// A stream's number within its VM: the number of its context.
pub type StreamNumber = u32;

/// An effect of the plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A request's headers continue to the upstream.
    Request {
        /// The stream.
        stream: StreamNumber,
        /// The pairs, as the plugin left them.
        headers: Headers,
        /// True if nothing follows.
        is_end: bool,
    },
    /// A part of a request's body continues.
    RequestBody {
        /// The stream.
        stream: StreamNumber,
        /// The bytes, as the plugin left them.
        bytes: Vec<u8>,
        /// True if nothing follows.
        is_end: bool,
    },
    /// A request's trailers continue.
    RequestTrailers {
        /// The stream.
        stream: StreamNumber,
        /// The pairs, as the plugin left them.
        trailers: Headers,
    },
    /// A response's headers continue to the client.
    Response {
        /// The stream.
        stream: StreamNumber,
        /// The pairs, as the plugin left them, including `:status`.
        headers: Headers,
        /// True if the plugin, not the upstream, responded.
        is_local: bool,
        /// True if nothing follows.
        is_end: bool,
    },
    /// A part of a response's body continues.
    ResponseBody {
        /// The stream.
        stream: StreamNumber,
        /// The bytes, as the plugin left them.
        bytes: Vec<u8>,
        /// True if nothing follows.
        is_end: bool,
    },
    /// A response's trailers continue.
    ResponseTrailers {
        /// The stream.
        stream: StreamNumber,
        /// The pairs, as the plugin left them.
        trailers: Headers,
    },
    /// The plugin reset a stream.
    Reset {
        /// The stream.
        stream: StreamNumber,
    },
    /// The plugin makes an HTTP call.
    Callout(Callout),
    /// The VM crashed. Its paused streams hang.
    Crashed(Crash),
}

/// The details of a VM's crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crash {
    /// The callback that was running.
    pub callback: &'static str,
    /// The trap.
    pub trap: String,
    /// The plugin's last log line. For a Rust plugin that is the panic message.
    pub last_words: String,
}
