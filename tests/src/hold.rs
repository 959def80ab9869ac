//! Clients that hoard a server's resources: idle connections, and HTTP/2 streams whose responses
//! they never read.

use crate::client::Client;
use anyhow::Result;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The timeout for writing to a server that has stopped reading.
const WRITE_LIMIT: Duration = Duration::from_millis(500);

/// A connection held open by its client.
#[derive(Debug)]
pub struct HeldConnection(TcpStream);

impl HeldConnection {
    /// Opens a connection that sends nothing.
    ///
    /// # Errors
    /// Fails if the server refuses the connection.
    pub fn idle(client: &Client) -> Result<Self> {
        let stream = client.connect_blocking()?;
        stream.set_write_timeout(Some(WRITE_LIMIT))?;
        stream.set_nonblocking(true)?;
        Ok(Self(stream))
    }

    /// Opens an HTTP/2 connection that requests `path` in `streams` streams with a window of 0, so
    /// the server cannot send any response body.
    ///
    /// # Errors
    /// Fails if the server refuses the connection.
    pub fn unread(client: &Client, path: &str, streams: u32) -> Result<Self> {
        let held = Self::idle(client)?;
        held.0.set_nonblocking(false)?;
        let window_of_0 = [0, 4, 0, 0, 0, 0];
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(SETTINGS, 0, 0, &window_of_0));
        bytes.extend(frame(SETTINGS, ACK, 0, &[]));
        let fields =
            [(":method", "GET"), (":path", path), (":scheme", "http"), (":authority", "gateway")];
        let block: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
        for number in 0..streams {
            bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, &block));
        }
        // The server may close the connection during the write, which some tests expect.
        let _closed = (&held.0).write_all(&bytes);
        held.0.set_nonblocking(true)?;
        Ok(held)
    }

    /// Sends `bytes`, ignoring errors if the server has closed the connection.
    pub fn send(&self, bytes: &[u8]) {
        let _closed = (&self.0).write_all(bytes);
    }

    /// Returns true if the server has closed the connection.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match (&self.0).read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
        }
    }
}

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Encodes an HTTP/2 frame (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Encodes a header as an HPACK literal without indexing (RFC 7541 §6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 127);
        [&[length.expect("a short text")], text.as_bytes()].concat()
    };
    [vec![0], text(name), text(value)].concat()
}
