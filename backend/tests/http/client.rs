//! A minimal HTTP/1.1 client that sends exactly the bytes a test wants, well-formed or not.

use super::backend::TIMEOUT;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Headers that every reply has or that differ from run to run. They are checked here instead of in
/// snapshots.
const COMMON_HEADERS: [&str; 4] = ["connection", "content-length", "date", "x-request-id"];

/// A request being built.
pub(crate) struct Request {
    address: SocketAddr,
    head: String,
    body: Vec<u8>,
}

/// A complete reply.
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: u16,
    reason: String,
    headers: Vec<(String, String)>,
    /// The body's bytes.
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Builds a request without a body, for a new connection.
    pub(crate) fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
        Self { address, head, body: Vec::new() }
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        write!(self.head, "{name}: {value}\r\n").unwrap();
        self
    }

    /// Adds an access token.
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Adds a body declared as JSON, valid or not.
    pub(crate) fn json(self, body: impl AsRef<[u8]>) -> Self {
        self.header("Content-Type", "application/json").body(body.as_ref())
    }

    /// Adds a body.
    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self.header("Content-Length", &body.len().to_string())
    }

    /// Adds a chunked body of unknown length.
    pub(crate) fn chunked_body(mut self, body: &[u8], chunk_bytes: usize) -> Self {
        for chunk in body.chunks(chunk_bytes) {
            write!(self.body, "{:x}\r\n", chunk.len()).unwrap();
            self.body.extend_from_slice(chunk);
            self.body.extend_from_slice(b"\r\n");
        }
        self.body.extend_from_slice(b"0\r\n\r\n");
        self.header("Transfer-Encoding", "chunked")
    }

    /// Sends the request and reads the whole reply.
    pub(crate) fn send(self) -> Reply {
        Reply::read(&mut self.begin())
    }

    /// Sends the request and returns the connection, to read the reply from or to drop.
    pub(crate) fn begin(self) -> TcpStream {
        let mut bytes = self.head.into_bytes();
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        let mut stream = connect(self.address);
        stream.write_all(&bytes).unwrap();
        stream
    }
}

/// Connects, with timeouts for reads and writes.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, TIMEOUT).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.set_write_timeout(Some(TIMEOUT)).unwrap();
    stream
}

impl Reply {
    /// Reads a reply until the connection closes.
    pub(crate) fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("the head should be complete");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let mut status_line = lines.next().unwrap().splitn(3, ' ').skip(1);
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut reply = Self {
            status: status_line.next().unwrap().parse().unwrap(),
            reason: status_line.next().unwrap().to_owned(),
            headers,
            body: bytes[end + 4..].to_vec(),
        };
        if reply.header("transfer-encoding") == Some("chunked") {
            reply.body = dechunked(&reply.body);
        }
        reply
    }

    /// Returns the name and data of each event, without comments.
    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        let text = std::str::from_utf8(&self.body).unwrap();
        let blocks = text.split("\n\n").filter(|block| block.starts_with("event: "));
        let events = blocks.map(|block| {
            let (name, data) = block.split_once("\ndata: ").unwrap();
            let name = name.strip_prefix("event: ").unwrap();
            (name.to_owned(), serde_json::from_str(data).unwrap())
        });
        events.collect()
    }

    /// Returns a header's value if the header occurs exactly once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value);
        values.next().filter(|_| values.next().is_none()).map(String::as_str)
    }

    /// Parses the body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Formats the reply with its status, headers and JSON body. Values at the pointers in
    /// `volatile` are replaced.
    pub(crate) fn show(&self, volatile: &[&str]) -> String {
        let mut text = self.head();
        if !self.body.is_empty() {
            let mut body = self.json();
            for pointer in volatile {
                *body.pointer_mut(pointer).expect("the volatile member should exist") = "…".into();
            }
            write!(text, "\n{:#}", sorted(&body)).unwrap();
        }
        text
    }

    /// Formats the reply with its status, headers and text body.
    pub(crate) fn show_text(&self) -> String {
        format!("{}\n{}", self.head(), std::str::from_utf8(&self.body).unwrap())
    }

    /// Formats the status and the headers.
    pub(crate) fn head(&self) -> String {
        self.check_common_headers();
        let mut text = format!("{} {}\n", self.status, self.reason);
        for (name, value) in &self.headers {
            if !COMMON_HEADERS.contains(&name.as_str()) {
                writeln!(text, "{name}: {value}").unwrap();
            }
        }
        text
    }

    fn check_common_headers(&self) {
        assert!(self.header("date").is_some());
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()));
    }
}

/// Decodes a chunked body (RFC 9112 §7.1). Panics if the last chunk is missing.
fn dechunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end =
            bytes.windows(2).position(|two| two == b"\r\n").expect("a chunk should have a length");
        let length =
            usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        let chunk = &bytes[end + 2..];
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&chunk[..length]);
        bytes = &chunk[length + 2..];
    }
}

/// Sorts all members by name, whatever order `serde_json` keeps.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<_, _> =
                members.iter().map(|(name, value)| (name, sorted(value))).collect();
            members.into_iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
