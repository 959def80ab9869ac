//! Serves the router on a socket, with graceful shutdown.

use crate::router::router;
use crate::sim::{Settings, Sim};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The time that requests in flight have to finish after the stop signal.
const DRAIN: Duration = Duration::from_secs(2);

/// Serves until `stop` is ready, then gives requests in flight two seconds to finish.
///
/// # Errors
/// Fails if the listener fails.
pub async fn serve(
    listener: TcpListener,
    sim: Arc<Sim>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let stopping = Arc::new(Notify::new());
    let notifier = Arc::clone(&stopping);
    let stop = async move {
        stop.await;
        tracing::info!("stopping");
        notifier.notify_one();
    };
    let served = axum::serve(listener, router(sim)).with_graceful_shutdown(stop);
    let drained = async move {
        stopping.notified().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = served.into_future() => served,
        () = drained => {
            tracing::warn!(timeout_s = DRAIN.as_secs(), "requests were cut off");
            Ok(())
        }
    }
}

/// A server within this process, on a free loopback port. It stops when dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    sim: Arc<Sim>,
    task: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Starts a server. Needs a tokio runtime.
    ///
    /// # Errors
    /// Fails if no port is free.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let sim = Arc::new(Sim::new(settings));
        let served = serve(listener, Arc::clone(&sim), std::future::pending());
        Ok(Self { address, sim, task: tokio::spawn(served) })
    }

    /// Returns the address it listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns `http://127.0.0.1:PORT`, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the server's state, to add faults and read requests without HTTP.
    #[must_use]
    pub const fn sim(&self) -> &Arc<Sim> {
        &self.sim
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
