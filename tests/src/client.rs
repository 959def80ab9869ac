//! An HTTP/1.1 client with full control of every byte and of the local address, and an HTTP/2
//! client.

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// A request with a body.
pub type Request = hyper::Request<Full<Bytes>>;

/// The time limit for an answer.
const LIMIT: Duration = Duration::from_secs(30);
const MAX_BODY_BYTES: usize = 1 << 20;

/// A reply.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// Returns a header's value, or `""` if it is missing or not visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Parses the body as JSON.
    ///
    /// # Panics
    /// Panics if it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// Renders the status, the rate-limit headers, the content type and the body for a snapshot.
    #[must_use]
    pub fn as_text(&self) -> String {
        let mut text = format!("{}\n", self.status);
        let included = ["ratelimit", "retry-after", "content-type"];
        for (name, value) in &self.headers {
            if included.iter().any(|part| name.as_str().contains(part)) {
                text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
            }
        }
        text + "\n" + &String::from_utf8_lossy(&self.body)
    }
}

/// A client at an address of the loopback network.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// The local address of its connections.
    pub from: Ipv4Addr,
    /// The server's address.
    pub to: SocketAddr,
}

impl Client {
    /// Creates a client at 127.0.0.1.
    #[must_use]
    pub const fn of(to: SocketAddr) -> Self {
        Self { from: Ipv4Addr::LOCALHOST, to }
    }

    /// Returns the same client at 127.0.0.`last`.
    #[must_use]
    pub const fn at(self, last: u8) -> Self {
        Self { from: Ipv4Addr::new(127, 0, 0, last), ..self }
    }

    /// Sends `request` unchanged on a new connection.
    ///
    /// # Errors
    /// Fails if no answer arrives within 30 s.
    pub fn send_as_is(&self, request: Request) -> Result<Reply> {
        run(async {
            let stream = self.connect().await?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            let connection = tokio::spawn(connection);
            let reply = sender.send_request(request).await?;
            let (head, body) = reply.into_parts();
            let body = Limited::new(body, MAX_BODY_BYTES).collect().await;
            let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
            connection.abort();
            Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
        })
    }

    /// Sends `request` over HTTP/2 (prior knowledge) on a new connection.
    ///
    /// # Errors
    /// Fails if no answer arrives within 30 s.
    pub fn send_http2(&self, request: Request) -> Result<Reply> {
        run(async {
            let stream = TokioIo::new(self.connect().await?);
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
            let connection = tokio::spawn(connection);
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, MAX_BODY_BYTES).collect().await;
            let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
            connection.abort();
            Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
        })
    }

    /// Sends `request`, adding a `Host` header if it has none.
    ///
    /// # Panics
    /// Panics if no answer arrives within 30 s.
    #[must_use]
    pub fn send(&self, mut request: Request) -> Reply {
        let host = self.to.to_string().parse().expect("an address is a header value");
        request.headers_mut().entry(HOST).or_insert(host);
        self.send_as_is(request).unwrap_or_else(|error| panic!("{}: {error:#}", self.to))
    }

    /// Sends `GET path`, with a bearer token if given.
    #[must_use]
    pub fn get(&self, path: &str, token: Option<&str>) -> Reply {
        self.send(with_token(hyper::Request::get(path), token, Bytes::new()))
    }

    /// Sends `POST path` with a JSON body, and a bearer token if given.
    #[must_use]
    pub fn post(&self, path: &str, body: &Value, token: Option<&str>) -> Reply {
        let builder = hyper::Request::post(path).header(CONTENT_TYPE, "application/json");
        self.send(with_token(builder, token, body.to_string().into()))
    }

    /// Sends arbitrary bytes, then reads until the other side closes.
    ///
    /// # Errors
    /// Fails if the other side does not close within 30 s.
    pub fn send_bytes(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        run(async {
            let mut stream = self.connect().await?;
            stream.write_all(bytes).await?;
            let mut answer = Vec::new();
            stream.take(MAX_BODY_BYTES as u64).read_to_end(&mut answer).await?;
            Ok(answer)
        })
    }

    /// Opens a connection without sending anything.
    ///
    /// # Errors
    /// Fails if the connection is refused, or not accepted within 30 s.
    pub fn connect_blocking(&self) -> Result<std::net::TcpStream> {
        run(async {
            let stream = self.connect().await?.into_std()?;
            stream.set_nonblocking(false)?;
            Ok(stream)
        })
    }

    async fn connect(&self) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((IpAddr::V4(self.from), 0).into())?;
        let connected = socket.connect(self.to).await;
        connected.with_context(|| format!("cannot connect from {} to {}", self.from, self.to))
    }
}

fn with_token(builder: hyper::http::request::Builder, token: Option<&str>, body: Bytes) -> Request {
    let builder = match token {
        Some(token) => builder.header("authorization", format!("Bearer {token}")),
        None => builder,
    };
    builder.body(Full::new(body)).expect("a valid request")
}

fn run<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::time::timeout(LIMIT, work).await.context("no answer within 30 s")?
    })
}
