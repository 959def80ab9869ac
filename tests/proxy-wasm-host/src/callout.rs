//! A plugin's own HTTP calls, and what can become of them.

use crate::headers::Headers;

/// A call that a plugin has made. Answer it with [`Vm::answer_callout`](crate::vm::Vm::answer_callout).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callout {
    /// Its number, unique within the VM.
    pub token: u32,
    /// The context that it belongs to: if that ends, the answer never comes.
    pub context: u32,
    /// Where it goes.
    pub cluster: String,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: Headers,
    /// How long it may take; `None` (0 in the ABI) is for ever.
    pub timeout_ms: Option<u32>,
}

/// A reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// Its headers, `:status` among them.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: Headers,
}

/// What becomes of a callout. Failures look like replies to the plugin, as they do in Envoy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It was answered.
    Replied(Reply),
    /// No connection could be had, or it broke before the reply began: a made-up 503.
    Refused,
    /// It took too long: a made-up 504.
    TimedOut,
    /// The reply broke off in the middle: no headers at all.
    Reset,
}

impl Fate {
    /// What the plugin is shown; nothing for a reset.
    pub(crate) fn shown(self) -> Option<Reply> {
        match self {
            Self::Replied(reply) => Some(reply),
            Self::Refused => Some(made_up(
                "503",
                "upstream connect error or disconnect/reset before headers. reset reason: \
                 connection failure",
            )),
            Self::TimedOut => Some(made_up("504", "upstream request timeout")),
            Self::Reset => None,
        }
    }
}

fn made_up(status: &str, text: &str) -> Reply {
    let length = text.len().to_string();
    let headers = Headers::of([
        (":status", status),
        ("content-length", length.as_str()),
        ("content-type", "text/plain"),
    ]);
    Reply { headers, body: text.as_bytes().to_vec(), trailers: Headers::default() }
}
