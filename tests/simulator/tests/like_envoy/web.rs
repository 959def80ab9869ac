//! A minimal HTTP/1.1 server and client for the script.

use proxy_wasm_host::headers::Headers;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// The read timeout after which the test fails.
const LIMIT: Duration = Duration::from_secs(30);

/// A request or response.
pub(crate) struct Message {
    pub(crate) first: String,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Returns the second word of the first line: a request's path or a response's status.
    pub(crate) fn second(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }
}

/// A header that makes the server cut its answer off.
pub(crate) const CUT: &str = ":cut";

/// Starts a server that answers requests with `answer`, until the process ends.
pub(crate) fn serve(
    answer: impl Fn(&Message) -> (Headers, Vec<u8>) + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while let Some(request) = read(&mut reader) {
                    let (headers, body) = answer(&request);
                    if write(&stream, &headers, &body).is_err() {
                        return;
                    }
                }
            });
        }
    });
    addr
}

/// Sends a request. Read the response with [`read`].
pub(crate) fn get(to: SocketAddr, path: &str, headers: &[(&str, &str)]) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut text = format!("GET {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n");
    headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
    stream.write_all((text + "\r\n").as_bytes()).unwrap();
    BufReader::new(stream)
}

/// Reads a message. Returns `None` if the connection was closed.
pub(crate) fn read(from: &mut BufReader<TcpStream>) -> Option<Message> {
    let mut line = || {
        let mut text = String::new();
        from.read_line(&mut text).ok().filter(|length| *length > 0)?;
        Some(text.trim_end().to_owned())
    };
    let first = line()?;
    let mut headers = Headers::default();
    while let Some((name, value)) = line()?.split_once(':') {
        headers.add(name.as_bytes(), value.trim().as_bytes());
    }
    let length: usize = headers.text("content-length").parse().unwrap_or(0);
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    Some(Message { first, headers, body })
}

fn write(mut to: &TcpStream, headers: &Headers, body: &[u8]) -> std::io::Result<()> {
    let mut text =
        format!("HTTP/1.1 {} X\r\ncontent-length: {}\r\n", headers.text(":status"), body.len());
    for (name, value) in headers.iter().filter(|(name, _)| !name.starts_with(b":")) {
        let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    to.write_all((text + "\r\n").as_bytes())?;
    if headers.get(CUT.as_bytes()).is_none() {
        return to.write_all(body);
    }
    to.write_all(body.split_at(body.len() / 2).0)?;
    to.shutdown(std::net::Shutdown::Both)
}
