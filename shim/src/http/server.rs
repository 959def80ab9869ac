//! Accepts connections and serves a router on them: HTTP/1.1, and HTTP/2 by prior knowledge.
//!
//! Called by [`crate::serve`] for the public port and the admin port. `axum::serve` would do, but it
//! cannot set timeouts or limit the number of connections.
//!
//! No peer can keep another waiting: `guests` shares the connections fairly, and `answer` the memory
//! of unread responses.

use super::answer::{self, MAX_UNREAD_BYTES};
use super::fair::Fair;
use super::guests::{Guest, Guests};
use crate::telemetry;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use ledger::clock;
use ledger::log_throttle::LogThrottle;
use metrics::counter;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};

/// The most connections to the public port, if [`crate::descriptors`] can provide as many.
pub(crate) const MAX_CONNECTIONS: usize = 4096;
/// The most connections to the admin port.
pub(crate) const MAX_OPERATORS: usize = 64;
/// The timeout for a request's head, including the first one after connecting. For HTTP/1.1 it is
/// also the idle timeout of a connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The timeout for a client to read a response. After it, the connection is closed.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The most concurrent streams on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// The time after which a silent HTTP/2 peer is pinged.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// The time after which a peer that does not answer a ping is dropped.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of headers, and of buffered input per connection.
const MAX_HEADER_BYTES: u32 = 64 << 10;
/// The time that calls in progress have to finish at shutdown.
const GRACE: Duration = Duration::from_secs(5);
/// The pause after a failed accept, for instance if file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `stop` resolves, then gives the calls in progress up to 5 s
/// to finish. At most `connections` are open at once.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    connections: usize,
    stop: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    let guests = Guests::new(connections);
    let unread = Fair::new(MAX_UNREAD_BYTES);
    let complaints = LogThrottle::new(Duration::from_secs(5));
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &complaints) => accepted,
        };
        let Some((stream, peer)) = accepted else { continue };
        let Some(place) = guests.admit(peer, now()).await else {
            counter!(telemetry::TURNED_AWAY).increment(1);
            continue;
        };
        let (router, watcher) = (router.clone(), graceful.watcher());
        let unread = unread.clone();
        tokio::spawn(async move {
            let guest = Arc::clone(place.guest());
            serve_connection(stream, router, watcher, (guest, unread), HEAD_TIMEOUT).await;
            drop(place);
        });
    }
    drop(listener);
    if timeout(GRACE, graceful.shutdown()).await.is_err() {
        warn!("aborted calls still in progress {GRACE:?} after shutdown began");
    }
}

async fn accept(listener: &TcpListener, complaints: &LogThrottle) -> Option<(TcpStream, IpAddr)> {
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer.ip())),
        Err(error) => {
            if let Some(held_back) = complaints.permit(clock::instant()) {
                warn!(%error, held_back, "cannot accept a connection");
            }
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Serves one connection until it closes.
async fn serve_connection(
    stream: TcpStream,
    router: Router,
    watcher: Watcher,
    (guest, unread): (Arc<Guest>, Fair),
    head_timeout: Duration,
) {
    // A small response must not wait until the one before is acknowledged.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "cannot set TCP_NODELAY");
    }
    let asked = Arc::new(AtomicBool::new(false));
    let service = {
        let (asked, guest) = (Arc::clone(&asked), Arc::clone(&guest));
        router.layer(from_fn(move |mut request: Request, next: Next| {
            asked.store(true, Ordering::Relaxed);
            let (guest, unread) = (Arc::clone(&guest), unread.clone());
            async move {
                let active = guest.ask(now());
                request.extensions_mut().insert(Arc::clone(&guest));
                let response = next.run(request).await;
                answer::bound(response, active, &guest, &unread, now()).await
            }
        }))
    };
    let connection = builder(head_timeout)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .into_owned();
    let mut connection = std::pin::pin!(watcher.watch(connection));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        why = must_close(&guest, &asked, head_timeout) => {
            debug!(peer = %guest.peer(), why, "closed a connection");
            return;
        }
    };
    if let Err(error) = ended {
        debug!(error, "a connection ended with an error");
    }
}

/// Resolves when the connection must be closed, and returns the reason.
async fn must_close(guest: &Guest, asked: &AtomicBool, head_timeout: Duration) -> &'static str {
    // hyper's own timeout starts only once the bytes tell HTTP/1.1 from HTTP/2.
    let silent = async {
        sleep(head_timeout).await;
        if asked.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    let unread = async {
        loop {
            sleep(ANSWER_TIMEOUT / 4).await;
            let since = guest.unread_since();
            if since.is_some_and(|since| since.elapsed() >= ANSWER_TIMEOUT) {
                return;
            }
        }
    };
    tokio::select! {
        () = silent => "the client sent no request",
        () = unread => "the client did not read a response",
        () = guest.asked_to_leave() => "this peer has too many connections",
    }
}

fn now() -> Instant {
    Instant::from_std(clock::instant())
}

fn builder(head_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(MAX_HEADER_BYTES as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const TIMEOUT: Duration = Duration::from_secs(30);

    /// Sends `bytes` and returns everything received until the server closes the connection.
    async fn send(bytes: &[u8], head_timeout: Duration) -> Vec<u8> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let graceful = GracefulShutdown::new();
        let router = Router::new().route("/", get(async || "hello"));
        let watcher = graceful.watcher();
        tokio::spawn(async move {
            let (stream, peer) = listener.accept().await.unwrap();
            let place = Guests::new(1).admit(peer.ip(), now()).await.unwrap();
            let guest = (Arc::clone(place.guest()), Fair::new(1 << 20));
            serve_connection(stream, router, watcher, guest, head_timeout).await;
        });
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let closed = timeout(TIMEOUT, stream.read_to_end(&mut answer)).await;
        closed.expect("the server closes the connection").unwrap();
        answer
    }

    #[tokio::test]
    async fn a_client_that_does_not_finish_a_head_is_disconnected() {
        for beginning in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nhost: x\r\nx-slow: "] {
            let answer = send(beginning.as_bytes(), Duration::from_millis(50)).await;
            assert!(!answer.starts_with(b"HTTP/1.1 200"), "{beginning:?}");
        }
    }

    #[tokio::test]
    async fn an_idle_connection_is_served_before_it_is_closed() {
        let answer = send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", Duration::from_millis(200)).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"), "{answer}");
    }
}
