//! How a server is asked whether it is ready: one HTTP GET, or one PING. Blocking, and bounded.

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The most that a GET may take, at each step of it; on a busy machine a server takes long.
const GET_LIMIT: Duration = Duration::from_secs(10);
/// The most that a PING may take.
const PING_LIMIT: Duration = Duration::from_secs(2);
/// The most of an answer that is read.
const ANSWER_BYTES: u64 = 1 << 20;

/// An answer to [`get`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// What followed the headers, as it came.
    pub body: String,
}

/// One GET of `path`, on a connection of its own.
///
/// # Errors
/// Where there is no answer in time, or it is not HTTP.
pub fn get(addr: SocketAddr, path: &str) -> Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n");
    parse(&ask(addr, &request, GET_LIMIT)?)
}

/// Whether the Redis at `addr` answers a PING.
#[must_use]
pub fn ping(addr: SocketAddr) -> bool {
    // QUIT has it close the connection, so that the answer has an end.
    ask(addr, "PING\r\nQUIT\r\n", PING_LIMIT).is_ok_and(|answer| answer.starts_with("+PONG"))
}

/// Whether a GET of `path` answers 200.
#[must_use]
pub fn is_ok(addr: SocketAddr, path: &str) -> bool {
    get(addr, path).is_ok_and(|answer| answer.status == 200)
}

/// Sends `text` and reads until the other end closes.
fn ask(addr: SocketAddr, text: &str, limit: Duration) -> Result<String> {
    let no_answer = || format!("no answer from {addr}");
    let mut stream = TcpStream::connect_timeout(&addr, limit).with_context(no_answer)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    stream.write_all(text.as_bytes()).with_context(no_answer)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES).read_to_end(&mut answer).with_context(no_answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn parse(answer: &str) -> Result<Answer> {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("the answer is not HTTP") };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.context("the answer is not HTTP")?;
    Ok(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Answers one connection with `text`.
    fn answering(text: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
        });
        addr
    }

    #[test]
    fn a_status_and_a_body_are_read() {
        let addr = answering("HTTP/1.1 503 Away\r\ncontent-length: 4\r\n\r\nsick");
        assert_eq!(get(addr, "/").unwrap(), Answer { status: 503, body: "sick".to_owned() });
        assert!(!is_ok(answering("HTTP/1.1 503 Away\r\n\r\n"), "/"));
        assert!(is_ok(answering("HTTP/1.1 200 OK\r\n\r\n"), "/"));
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        assert_eq!(
            get(answering("-ERR\r\n"), "/").unwrap_err().to_string(),
            "the answer is not HTTP"
        );
        assert!(ping(answering("+PONG\r\n+OK\r\n")));
        assert!(!ping(answering("-LOADING\r\n")));
    }
}
