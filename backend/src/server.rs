//! From the socket to the router: connections, their limits, and graceful shutdown.

use crate::workers::Workers;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// The pause after a failed accept, which usually means that file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Limits on connections.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The most connections at once. Further ones wait in the kernel's queue.
    pub connections: usize,
    /// The time limit for a request's headers, and for idling between requests. A proxy in front
    /// should close idle connections sooner.
    pub header_read_timeout: Duration,
    /// The size of headers that is always accepted. More than twice as much is always rejected.
    pub header_bytes: usize,
    /// The time for requests in flight to finish after the stop signal.
    pub drain_timeout: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 1024,
            header_read_timeout: Duration::from_secs(30),
            header_bytes: 64 * 1024,
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// Serves on `workers` until `stop` completes, then drains requests in flight.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    workers: &Workers,
    stop: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    tokio::select! {
        () = accept(&listener, &router, bounds, workers, &graceful) => {}
        () = stop => {}
    }
    drop(listener);
    tracing::info!(connections = graceful.count(), "stopping");
    if timeout(bounds.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            timeout_s = bounds.drain_timeout.as_secs(),
            "the drain timeout passed: cut off the remaining requests"
        );
    }
}

async fn accept(
    listener: &TcpListener,
    router: &Router,
    bounds: Bounds,
    workers: &Workers,
    graceful: &GracefulShutdown,
) {
    let permits = Arc::new(Semaphore::new(bounds.connections));
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _peer)) => {
                let (router, watcher) = (router.clone(), graceful.watcher());
                let given = workers.give(stream, move |stream| async move {
                    connection(stream, router, bounds, watcher).await;
                    drop(permit);
                });
                if let Err(error) = given {
                    tracing::warn!(%error, "cannot hand a connection to a worker");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router, bounds: Bounds, watcher: Watcher) {
    // Send small replies at once. If setting this fails, they are only delayed.
    let _late = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_read_timeout)
        .max_buf_size(bounds.header_bytes)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "connection failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waiting::{Waiting, waiting};
    use axum::routing::get;
    use std::net::SocketAddr;
    use std::num::NonZeroUsize;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    async fn start(
        router: Router,
        bounds: Bounds,
    ) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async { stopped.await.unwrap_or_default() };
        let server = tokio::spawn(async move {
            let workers = Workers::start(NonZeroUsize::MIN).unwrap();
            serve(listener, router, bounds, &workers, stopped).await;
        });
        (address, stop, server)
    }

    async fn read_all(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_client_that_never_finishes_its_headers_is_disconnected() {
        let bounds = Bounds { header_read_timeout: Duration::from_millis(50), ..Bounds::default() };
        let (address, _stop, _server) = start(Router::new(), bounds).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
        // Well before hyper's default of 30 s.
        let ended = timeout(Duration::from_secs(15), read_all(&mut stream)).await;
        assert_eq!(ended.as_deref(), Ok(""));
    }

    #[tokio::test]
    async fn headers_that_are_too_large_never_reach_a_route() {
        let Waiting { router, begun, end: _end } = waiting();
        let (address, _stop, _server) = start(router, Bounds::default()).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(1 << 20));
        // The 431 may arrive while the request is still being sent. Then writing fails, or the
        // reply is lost.
        let _cut_off = stream.write_all(head.as_bytes()).await;
        let mut reply = Vec::new();
        let _lost = stream.read_to_end(&mut reply).await;
        assert!(reply.is_empty() || reply.starts_with(b"HTTP/1.1 431 "), "{reply:?}");
        assert!(timeout(Duration::ZERO, begun.notified()).await.is_err());
    }

    #[tokio::test]
    async fn a_connection_beyond_the_limit_waits() {
        let bounds = Bounds { connections: 1, ..Bounds::default() };
        let router = Router::new().route("/", get(|| async { "done" }));
        let (address, _stop, _server) = start(router, bounds).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(REQUEST).await.unwrap();
        first.read_u8().await.unwrap();

        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(REQUEST).await.unwrap();
        let early = timeout(Duration::from_millis(100), second.read_u8()).await;
        assert!(early.is_err(), "the second connection was served alongside the first");

        drop(first);
        assert_eq!(second.read_u8().await.unwrap(), b'H');
    }

    #[tokio::test]
    async fn a_request_in_flight_finishes_after_the_stop_signal() {
        let Waiting { router, begun, end } = waiting();
        let (address, stop, server) = start(router, Bounds::default()).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        begun.notified().await;
        stop.send(()).unwrap();
        end.notify_one();
        assert!(read_all(&mut stream).await.ends_with("done"));
        server.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "the server still listens");
    }

    #[tokio::test]
    async fn a_request_that_never_ends_is_cut_off_at_shutdown() {
        let Waiting { router, begun, end: _end } = waiting();
        let bounds = Bounds { drain_timeout: Duration::from_millis(50), ..Bounds::default() };
        let (address, stop, server) = start(router, bounds).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        begun.notified().await;
        stop.send(()).unwrap();
        server.await.unwrap();
    }
}
