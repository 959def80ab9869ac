//! Readiness checks: one HTTP GET or one Redis PING, blocking, with a timeout.

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The timeout of each step of a GET. It allows for a busy machine.
const GET_LIMIT: Duration = Duration::from_secs(10);
/// The timeout of each step of a PING.
const PING_LIMIT: Duration = Duration::from_secs(2);
/// The most bytes of a response that are read.
const ANSWER_BYTES: u64 = 1 << 20;

/// A response to [`get`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Everything after the headers, not decoded.
    pub body: String,
}

/// Sends a GET of `path` on a new connection.
///
/// # Errors
/// Fails if there is no response in time, or if it is not HTTP.
pub fn get(addr: SocketAddr, path: &str) -> Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n");
    parse(&ask(addr, &request, GET_LIMIT)?)
}

/// Returns true if the Redis at `addr` answers a PING.
#[must_use]
pub fn ping(addr: SocketAddr) -> bool {
    // QUIT makes Redis close the connection, which marks the end of the response.
    ask(addr, "PING\r\nQUIT\r\n", PING_LIMIT).is_ok_and(|answer| answer.starts_with("+PONG"))
}

/// Returns true if a GET of `path` answers 200.
#[must_use]
pub fn is_ok(addr: SocketAddr, path: &str) -> bool {
    get(addr, path).is_ok_and(|answer| answer.status == 200)
}

/// Sends `text` and reads until the server closes the connection.
fn ask(addr: SocketAddr, text: &str, limit: Duration) -> Result<String> {
    let no_answer = || format!("no response from {addr}");
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
    fn a_response_that_is_not_http_is_an_error() {
        assert_eq!(
            get(answering("-ERR\r\n"), "/").unwrap_err().to_string(),
            "the answer is not HTTP"
        );
        assert!(ping(answering("+PONG\r\n+OK\r\n")));
        assert!(!ping(answering("-LOADING\r\n")));
    }
}
