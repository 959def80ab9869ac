//! Accepts connections and serves a router on them: HTTP/1.1 and, by prior knowledge, HTTP/2.
//!
//! Called by [`crate::serve`], for the public port and the operator's. `axum::serve` would do the
//! same but has no setting for time-outs, and none for how many connections there may be.
//!
//! No peer may keep another waiting: connections are shared by `guests`,
//! and what clients do not read by `answer`.

use super::answer::{self, MAX_UNTAKEN_BYTES};
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
use ledger::quiet::Quiet;
use metrics::counter;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};

/// The most connections to the public port and to the operator's; what else may be open is decided
/// by [`crate::descriptors`].
pub(crate) const MAX_CONNECTIONS: usize = 4096;
pub(crate) const MAX_OPERATORS: usize = 64;
/// A request's head must be complete within this time, the first after connecting included. For
/// HTTP/1.1 it is also how long a connection may idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A client must take an answer within this time, or its connection is closed.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams open at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// A silent HTTP/2 peer is pinged, and dropped if it stays silent.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of headers, and of a connection's unread input.
const MAX_HEADER_BYTES: u32 = 64 << 10;
/// Calls under way when the process is told to end have this long.
const GRACE: Duration = Duration::from_secs(5);
/// After a failure to accept (no file descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `stop` resolves, then lets the calls under way finish. At
/// most `connections` are open at once.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    connections: usize,
    stop: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    let guests = Guests::new(connections);
    let untaken = Fair::new(MAX_UNTAKEN_BYTES);
    let complaints = Quiet::new(Duration::from_secs(5));
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
        let untaken = untaken.clone();
        tokio::spawn(async move {
            let guest = Arc::clone(place.guest());
            converse(stream, router, watcher, (guest, untaken), HEAD_TIMEOUT).await;
            drop(place);
        });
    }
    drop(listener);
    if timeout(GRACE, graceful.shutdown()).await.is_err() {
        warn!("calls still under way {GRACE:?} after the order to end were cut off");
    }
}

async fn accept(listener: &TcpListener, complaints: &Quiet) -> Option<(TcpStream, IpAddr)> {
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer.ip())),
        Err(error) => {
            if let Some(held_back) = complaints.speak(clock::instant()) {
                warn!(%error, held_back, "could not accept a connection");
            }
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Serves one connection to its end.
async fn converse(
    stream: TcpStream,
    router: Router,
    watcher: Watcher,
    (guest, untaken): (Arc<Guest>, Fair),
    head_timeout: Duration,
) {
    // Small replies must not wait for the acknowledgement of the last one.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "could not set TCP_NODELAY");
    }
    let asked = Arc::new(AtomicBool::new(false));
    let service = {
        let (asked, guest) = (Arc::clone(&asked), Arc::clone(&guest));
        router.layer(from_fn(move |mut request: Request, next: Next| {
            asked.store(true, Ordering::Relaxed);
            let (guest, untaken) = (Arc::clone(&guest), untaken.clone());
            async move {
                let asking = guest.ask(now());
                request.extensions_mut().insert(Arc::clone(&guest));
                let response = next.run(request).await;
                answer::bound(response, asking, &guest, &untaken, now()).await
            }
        }))
    };
    let connection = builder(head_timeout)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .into_owned();
    let mut connection = std::pin::pin!(watcher.watch(connection));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        why = has_to_end(&guest, &asked, head_timeout) => {
            debug!(peer = %guest.peer(), why, "a connection was closed");
            return;
        }
    };
    if let Err(error) = ended {
        debug!(error, "a connection ended with an error");
    }
}

/// Resolves when the connection is to be closed, with the reason.
async fn has_to_end(guest: &Guest, asked: &AtomicBool, head_timeout: Duration) -> &'static str {
    // hyper's own time-out begins with the first byte that tells HTTP/1.1 from HTTP/2.
    let silent = async {
        sleep(head_timeout).await;
        if asked.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    let left_lying = async {
        loop {
            sleep(ANSWER_TIMEOUT / 4).await;
            let since = guest.untaken_since();
            if since.is_some_and(|since| since.elapsed() >= ANSWER_TIMEOUT) {
                return;
            }
        }
    };
    tokio::select! {
        () = silent => "no request came",
        () = left_lying => "an answer was not read",
        () = guest.is_to_leave() => "there are too many connections of this peer",
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

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Sends `bytes` and nothing more; what comes back until the server closes.
    async fn say(bytes: &[u8], head_timeout: Duration) -> Vec<u8> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let graceful = GracefulShutdown::new();
        let router = Router::new().route("/", get(async || "here"));
        let watcher = graceful.watcher();
        tokio::spawn(async move {
            let (stream, peer) = listener.accept().await.unwrap();
            let place = Guests::new(1).admit(peer.ip(), now()).await.unwrap();
            let guest = (Arc::clone(place.guest()), Fair::new(1 << 20));
            converse(stream, router, watcher, guest, head_timeout).await;
        });
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it closes").unwrap();
        answer
    }

    #[tokio::test]
    async fn whoever_does_not_finish_a_head_is_shown_out() {
        for beginning in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nhost: x\r\nx-slow: "] {
            let answer = say(beginning.as_bytes(), Duration::from_millis(50)).await;
            assert!(!answer.starts_with(b"HTTP/1.1 200"), "{beginning:?}");
        }
    }

    #[tokio::test]
    async fn an_idle_connection_was_served_first() {
        let answer = say(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", Duration::from_millis(200)).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("here"), "{answer}");
    }
}
