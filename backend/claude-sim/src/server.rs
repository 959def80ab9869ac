//! From the socket to the router, and an orderly end.

use crate::router::router;
use crate::sim::{Settings, Sim};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How long requests may go on after the signal to stop.
const DRAIN: Duration = Duration::from_secs(2);

/// Serves until `stop` is ready, then lets the requests in flight finish, for two seconds.
///
/// # Errors
/// Where the listener is no good.
pub async fn serve(
    listener: TcpListener,
    sim: Arc<Sim>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let stopping = Arc::new(Notify::new());
    let told = Arc::clone(&stopping);
    let stop = async move {
        stop.await;
        tracing::info!("stopping");
        told.notify_one();
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

/// A server within this process, on a free port of loopback; it ends when this is dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    sim: Arc<Sim>,
    task: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Starts it. Needs a tokio runtime.
    ///
    /// # Errors
    /// Where there is no port.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let sim = Arc::new(Sim::new(settings));
        let served = serve(listener, Arc::clone(&sim), std::future::pending());
        Ok(Self { address, sim, task: tokio::spawn(served) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it keeps: faults can be put in, and requests looked at, without HTTP.
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
