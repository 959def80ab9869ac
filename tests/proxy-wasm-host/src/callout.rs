//! HTTP calls that a plugin makes, and their outcomes.

use crate::headers::Headers;

/// An HTTP call that a plugin has made. Answer it with
/// [`Vm::answer_callout`](crate::vm::Vm::answer_callout).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callout {
    /// The call's number, unique within the VM.
    pub token: u32,
    /// The context that made the call. If it ends, the reply is never delivered.
    pub context: u32,
    /// The target cluster.
    pub cluster: String,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: Headers,
    /// The timeout; `None` (0 in the ABI) waits forever.
    pub timeout_ms: Option<u32>,
}

/// A reply to a callout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// Its headers, including `:status`.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: Headers,
}

/// The outcome of a callout. Most failures look like replies to the plugin, as in Envoy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The upstream replied.
    Replied(Reply),
    /// The connection failed, or broke before the reply began. The plugin sees a generated 503.
    Refused,
    /// The call timed out. The plugin sees a generated 504.
    TimedOut,
    /// The reply was cut off partway. The plugin sees no headers at all.
    Reset,
}

impl Fate {
    /// Returns the reply that the plugin sees, or `None` for a reset.
    pub(crate) fn into_reply(self) -> Option<Reply> {
        match self {
            Self::Replied(reply) => Some(reply),
            Self::Refused => Some(generated_reply(
                "503",
                "upstream connect error or disconnect/reset before headers. reset reason: \
                 connection failure",
            )),
            Self::TimedOut => Some(generated_reply("504", "upstream request timeout")),
            Self::Reset => None,
        }
    }
}

fn generated_reply(status: &str, text: &str) -> Reply {
    let length = text.len().to_string();
    let headers = Headers::of([
        (":status", status),
        ("content-length", length.as_str()),
        ("content-type", "text/plain"),
    ]);
    Reply { headers, body: text.as_bytes().to_vec(), trailers: Headers::default() }
}
