//! What a VM's plugin does to the world outside, in the order in which it does it.

use crate::callout::Callout;
use crate::headers::Headers;

/// A stream, as its VM numbers it: the context's number.
pub type StreamNumber = u32;

/// Something left the plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A request's headers go on to the upstream.
    Request {
        /// Which stream.
        stream: StreamNumber,
        /// As the plugin left them.
        headers: Headers,
        /// Whether nothing follows.
        is_end: bool,
    },
    /// A part of a request's body goes on.
    RequestBody {
        /// Which stream.
        stream: StreamNumber,
        /// As the plugin left it.
        bytes: Vec<u8>,
        /// Whether nothing follows.
        is_end: bool,
    },
    /// A request's trailers go on.
    RequestTrailers {
        /// Which stream.
        stream: StreamNumber,
        /// As the plugin left them.
        trailers: Headers,
    },
    /// A response's headers go on to the client.
    Response {
        /// Which stream.
        stream: StreamNumber,
        /// As the plugin left them, `:status` among them.
        headers: Headers,
        /// Whether the plugin answers by itself.
        is_local: bool,
        /// Whether nothing follows.
        is_end: bool,
    },
    /// A part of a response's body goes on.
    ResponseBody {
        /// Which stream.
        stream: StreamNumber,
        /// As the plugin left it.
        bytes: Vec<u8>,
        /// Whether nothing follows.
        is_end: bool,
    },
    /// A response's trailers go on.
    ResponseTrailers {
        /// Which stream.
        stream: StreamNumber,
        /// As the plugin left them.
        trailers: Headers,
    },
    /// The plugin has cut a stream.
    Reset {
        /// Which stream.
        stream: StreamNumber,
    },
    /// The plugin calls somebody.
    Callout(Callout),
    /// The VM has crashed: every stream in it that is paused hangs.
    Crashed(Crash),
}

/// How a VM crashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crash {
    /// The callback that was running.
    pub callback: &'static str,
    /// The trap.
    pub trap: String,
    /// What the plugin logged last, which for a Rust plugin is the panic's message.
    pub last_words: String,
}
