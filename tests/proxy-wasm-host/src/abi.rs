//! The constants and encodings of proxy-wasm 0.2.1, used by every import.
//!
//! Source: the ABI specification (proxy-wasm/spec, abi-versions/v0.2.1) and, where it is silent,
//! the status that Envoy returns.

use crate::headers::Headers;

/// The status that an import returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// Success.
    Ok = 0,
    /// The requested item does not exist.
    NotFound = 1,
    /// An argument is invalid, or the call is not allowed now.
    BadArgument = 2,
    /// A value cannot be encoded.
    SerializationFailure = 3,
    /// An encoded argument could not be decoded.
    ParseFailure = 4,
    /// A pointer lies outside the plugin's memory.
    InvalidMemoryAccess = 6,
    /// The queue is empty.
    Empty = 7,
    /// Shared data changed since it was read.
    CasMismatch = 8,
    /// The host failed to do it.
    InternalFailure = 10,
    /// The host doesn't implement the function.
    Unimplemented = 12,
}

/// A kind of header map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapKind {
    /// The request's headers.
    RequestHeaders,
    /// The request's trailers.
    RequestTrailers,
    /// The response's headers.
    ResponseHeaders,
    /// The response's trailers.
    ResponseTrailers,
    /// The metadata of a gRPC reply; this host makes no gRPC calls.
    Grpc,
    /// The headers of a callout's reply.
    CalloutHeaders,
    /// The trailers of a callout's reply.
    CalloutTrailers,
}

impl MapKind {
    /// Returns the map with this ABI number.
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

/// A kind of buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BufferKind {
    /// The buffered part of the request body.
    RequestBody,
    /// The buffered part of the response body.
    ResponseBody,
    /// The body of a callout's reply.
    CalloutBody,
    /// The VM's configuration.
    VmConfiguration,
    /// The plugin's configuration.
    PluginConfiguration,
    /// A buffer of a stream or call type that this host does not support.
    Other,
}

impl BufferKind {
    /// Returns the buffer with this ABI number.
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

/// The severity of a log line.
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
    /// 5. The Rust SDK logs panics at this level.
    Critical,
}

impl LogLevel {
    /// Returns the level with this ABI number.
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

/// Encodes a map: the number of pairs, the lengths of each name and value, then the texts, each
/// followed by a zero byte.
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

/// Decodes the output of [`encode_pairs`], or returns `None` if it is malformed. Empty input is an
/// empty map.
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
    fn encoded_pairs_decode_to_the_same_pairs() {
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
    fn a_truncated_map_does_not_decode() {
        let mut headers = Headers::default();
        headers.add(b"name", b"value");
        let encoded = encode_pairs(&headers);
        for length in 1..encoded.len() {
            assert_eq!(decode_pairs(&encoded[..length]), None, "{length}");
        }
        assert_eq!(decode_pairs(&[255, 255, 255, 255, 0]), None);
    }
}
