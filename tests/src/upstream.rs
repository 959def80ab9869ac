//! An upstream that returns the head of each request, byte for byte, as the response's body. It
//! shows exactly what a gateway forwards. A request can ask for another status and more headers
//! ([`ANSWER_HEADER`]). Others answer as a test says.

use anyhow::Result;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

/// More than any gateway forwards.
const MAX_HEAD_BYTES: u64 = 1 << 20;

/// The request header that asks for an answer: `{"status": 404, "headers": {"x-cache": "hit"}}`.
pub const ANSWER_HEADER: &str = "x-recipe-answer";

/// A running upstream. It stops when dropped.
#[derive(Debug)]
pub struct Upstream {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    requests: AtomicU64,
}

impl Upstream {
    /// Starts an upstream on a free loopback port.
    ///
    /// # Errors
    /// Fails if no port is free.
    pub fn start() -> Result<Self> {
        Self::answering(|head| {
            if has_no_body(head) {
                return format!("{}\r\n", answer_to(head)).into_bytes();
            }
            let start = format!("{}content-length: {}\r\n\r\n", answer_to(head), head.len());
            [start.as_bytes(), head].concat()
        })
    }

    /// Starts an upstream whose whole response is what `answer` returns for a request's head.
    ///
    /// # Errors
    /// Fails if no port is free.
    pub fn answering(answer: fn(&[u8]) -> Vec<u8>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let accepting = std::thread::spawn({
            let shared = shared.clone();
            move || accept(&listener, &shared, answer)
        });
        Ok(Self { addr, shared, accepting: Some(accepting) })
    }

    /// Returns the address it listens on.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the number of requests received.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // A connection wakes the accepting thread, which then sees `ended`.
        let woken = TcpStream::connect(self.addr);
        if let (Ok(_), Some(accepting)) = (woken, self.accepting.take()) {
            let _ = accepting.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, answer: fn(&[u8]) -> Vec<u8>) {
    for stream in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let shared = shared.clone();
        // Each thread ends when the gateway closes its connection.
        std::thread::spawn(move || stream.map(|stream| serve(stream, &shared, answer)));
    }
}

fn serve(stream: TcpStream, shared: &Shared, answer: fn(&[u8]) -> Vec<u8>) -> Option<()> {
    let mut answers = stream.try_clone().ok()?;
    let mut requests = BufReader::new(stream);
    while let Some(head) = read_head(&mut requests) {
        shared.requests.fetch_add(1, Ordering::SeqCst);
        skip_body(&mut requests, &head)?;
        answers.write_all(&answer(&head)).ok()?;
    }
    Some(())
}

/// Reads the request line and the headers, including the empty line at the end.
fn read_head(requests: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut rest = requests.by_ref().take(MAX_HEAD_BYTES);
        if rest.read_until(b'\n', &mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

/// Returns true if the answer must not have a body.
fn has_no_body(head: &[u8]) -> bool {
    let answer = answer_to(head);
    head.starts_with(b"HEAD ") || [" 204 ", " 304 "].iter().any(|code| answer.contains(code))
}

/// Returns the beginning of the answer: its status line, and the headers asked for.
fn answer_to(head: &[u8]) -> String {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines().filter_map(|line| line.split_once(": "));
    let wanted = lines.find(|(name, _)| name.eq_ignore_ascii_case(ANSWER_HEADER));
    let wanted: Value =
        wanted.and_then(|(_, json)| serde_json::from_str(json).ok()).unwrap_or_default();
    let status = wanted["status"].as_u64().unwrap_or(200);
    let mut answer = format!("HTTP/1.1 {status} x\r\n");
    for (name, value) in wanted["headers"].as_object().into_iter().flatten() {
        answer.push_str(&format!("{name}: {}\r\n", value.as_str().unwrap_or_default()));
    }
    answer
}

fn skip_body(requests: &mut BufReader<TcpStream>, head: &[u8]) -> Option<()> {
    let text = String::from_utf8_lossy(head).to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: u64 = length.map_or(Some(0), |length| length.trim().parse().ok())?;
    std::io::copy(&mut requests.by_ref().take(length), &mut std::io::sink()).ok()?;
    Some(())
}
