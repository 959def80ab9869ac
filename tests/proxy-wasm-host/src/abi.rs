//! The numbers and encodings of proxy-wasm 0.2.1, as both sides of the boundary know them.
//!
//! Used by every import. Source: the ABI's specification (proxy-wasm/spec, abi-versions/v0.2.1), and
//! where that is silent, the status that Envoy returns.

use crate::headers::Headers;

/// What an import returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// There is no such thing.
    NotFound = 1,
    /// The arguments make no sense here.
    BadArgument = 2,
    /// A value has no encoding.
    SerializationFailure = 3,
    /// An encoded argument could not be read.
    ParseFailure = 4,
    /// A pointer leads out of the plugin's memory.
    InvalidMemoryAccess = 6,
    /// A queue holds nothing.
    Empty = 7,
    /// Shared data was changed by another since it was read.
    CasMismatch = 8,
    /// The host could not.
    InternalFailure = 10,
    /// This host has no such function.
    Unimplemented = 12,
}

/// Which of the header maps is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapKind {
    /// Of the request.
    RequestHeaders,
    /// Of the request.
    RequestTrailers,
    /// Of the response.
    ResponseHeaders,
    /// Of the response.
    ResponseTrailers,
    /// Of a gRPC reply; this host makes no gRPC calls.
    Grpc,
    /// Of a callout's reply.
    CalloutHeaders,
    /// Of a callout's reply.
    CalloutTrailers,
}

impl MapKind {
    /// The map that the ABI numbers `number`.
    #[must_use]
    pub const fn of(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::RequestHeaders,
            1 => Self::RequestTrailers,
            2 => Self::ResponseHeaders,
            3 => Self::ResponseTrailers,
            4 | 5 => Self::Grpc,
            6 => Self::CalloutHeaders,
            7 => Self::CalloutTrailers,
            _ => return None,
        })
    }
}

/// Which of the buffers is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BufferKind {
    /// The part of the request's body at hand.
    RequestBody,
    /// The part of the response's body at hand.
    ResponseBody,
    /// A callout's reply.
    CalloutBody,
    /// The VM's configuration.
    VmConfiguration,
    /// The plugin's configuration.
    PluginConfiguration,
    /// Of a kind of stream or call that this host does not have.
    Other,
}

impl BufferKind {
    /// The buffer that the ABI numbers `number`.
    #[must_use]
    pub const fn of(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::RequestBody,
            1 => Self::ResponseBody,
            4 => Self::CalloutBody,
            6 => Self::VmConfiguration,
            7 => Self::PluginConfiguration,
            2 | 3 | 5 | 8 => Self::Other,
            _ => return None,
        })
    }
}

/// One direction of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// From the client to the upstream.
    Request,
    /// From the upstream, or from the plugin, to the client.
    Response,
}

/// How grave a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// 0.
    Trace,
    /// 1.
    Debug,
    /// 2.
    Info,
    /// 3.
    Warn,
    /// 4.
    Error,
    /// 5: the Rust SDK logs a panic with it.
    Critical,
}

impl LogLevel {
    /// The level that the ABI numbers `number`.
    #[must_use]
    pub const fn of(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Trace,
            1 => Self::Debug,
            2 => Self::Info,
            3 => Self::Warn,
            4 => Self::Error,
            5 => Self::Critical,
            _ => return None,
        })
    }
}

/// Encodes a map: the number of pairs, the lengths of each, then the texts, each with a zero.
#[must_use]
pub fn encode_pairs(headers: &Headers) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut encoded = u32::try_from(headers.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    for (name, value) in headers.iter() {
        encoded.extend(length(name));
        encoded.extend(length(value));
    }
    for (name, value) in headers.iter() {
        encoded.extend_from_slice(name);
        encoded.push(0);
        encoded.extend_from_slice(value);
        encoded.push(0);
    }
    encoded
}

/// Decodes what [`encode_pairs`] encodes; `None` if it is anything else. No bytes are no pairs.
#[must_use]
pub fn decode_pairs(encoded: &[u8]) -> Option<Headers> {
    if encoded.is_empty() {
        return Some(Headers::default());
    }
    let word = |at: usize| {
        let bytes = encoded.get(at..at.checked_add(4)?)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    let count = word(0)?;
    let mut texts_at = count.checked_mul(8)?.checked_add(4)?;
    let mut text = |length: usize| {
        let end = texts_at.checked_add(length)?;
        let bytes = encoded.get(texts_at..end)?;
        texts_at = (encoded.get(end) == Some(&0)).then_some(end + 1)?;
        Some(bytes)
    };
    let mut headers = Headers::default();
    for at in 0..count {
        let (name, value) = (text(word(4 + at * 8)?)?, text(word(8 + at * 8)?)?);
        headers.add(name, value);
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_back_as_they_were() {
        let mut headers = Headers::default();
        headers.add(b":path", b"/a");
        headers.add(b"x", b"\xff\0\r");
        headers.add(b"x", b"");
        let encoded = encode_pairs(&headers);
        assert_eq!(decode_pairs(&encoded), Some(headers));
        assert_eq!(decode_pairs(b""), Some(Headers::default()));
        assert_eq!(decode_pairs(&[0, 0, 0, 0]), Some(Headers::default()));
    }

    #[test]
    fn what_is_cut_short_is_no_map() {
        let mut headers = Headers::default();
        headers.add(b"name", b"value");
        let encoded = encode_pairs(&headers);
        for length in 1..encoded.len() {
            assert_eq!(decode_pairs(&encoded[..length]), None, "{length}");
        }
        assert_eq!(decode_pairs(&[255, 255, 255, 255, 0]), None);
    }
}
