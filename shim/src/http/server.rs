//! Accepts connections and serves a router on them: HTTP/1.1 and, by prior knowledge, HTTP/2.
//!
//! Called by [`crate::serve`], for the public port and the operator's. `axum::serve` would do the
//! same but has no setting for time-outs, and none for how many connections there may be.

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

/// Connections served at once; the next wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 4096;
/// A request's head must be complete within this time, the first after connecting included. For
/// HTTP/1.1 it is also how long a connection may idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Streams open at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 1024;
/// A silent HTTP/2 peer is pinged, and dropped if it stays silent.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of headers, and of a connection's unread input.
const MAX_HEADER_BYTES: u32 = 64 << 10;
/// Calls under way when the process is told to end have this long.
const GRACE: Duration = Duration::from_secs(5);
/// After a failure to accept (no file descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `stop` resolves, then lets the calls under way finish.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &room) => accepted,
        };
        if let Some((stream, place)) = accepted {
            let (router, watcher) = (router.clone(), graceful.watcher());
            tokio::spawn(async move {
                converse(stream, router, watcher, HEAD_TIMEOUT).await;
                drop(place);
            });
        }
    }
    drop(listener);
    if timeout(GRACE, graceful.shutdown()).await.is_err() {
        warn!("calls still under way {GRACE:?} after the order to end were cut off");
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            warn!(%error, "could not accept a connection");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Serves one connection to its end.
async fn converse(stream: TcpStream, router: Router, watcher: Watcher, head_timeout: Duration) {
    // Small replies must not wait for the acknowledgement of the last one.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "could not set TCP_NODELAY");
    }
    let asked = Arc::new(AtomicBool::new(false));
    let service = {
        let asked = Arc::clone(&asked);
        router.layer(axum::middleware::map_request(move |request: axum::extract::Request| {
            asked.store(true, Ordering::Relaxed);
            std::future::ready(request)
        }))
    };
    let connection = builder(head_timeout)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .into_owned();
    let mut connection = std::pin::pin!(watcher.watch(connection));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        // hyper's own time-out begins with the first byte that tells HTTP/1.1 from HTTP/2.
        () = sleep(head_timeout) => {
            if !asked.load(Ordering::Relaxed) {
                debug!("a connection without a request was closed");
                return;
            }
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(error, "a connection ended with an error");
    }
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
            let (stream, _) = listener.accept().await.unwrap();
            converse(stream, router, watcher, head_timeout).await;
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
