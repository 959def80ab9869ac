//! `tollgate serve`: starts the ports and the ledger, and shuts them down in order.
//!
//! Called by [`crate::run`]; starts [`crate::http`], [`crate::admin`] and the [`Ledger`] behind them.

use crate::app::{App, MAX_BODIES_BYTES, MAX_CALLS};
use crate::cli::Serve;
use crate::http::fair::Fair;
use crate::http::server::{MAX_CONNECTIONS, MAX_OPERATORS};
use crate::http::{self, server};
use crate::{admin, descriptors, telemetry};
use anyhow::Context;
use ledger::Ledger;
use ledger::background;
use ledger::store::Timeouts;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch as signals;
use tracing::info;

/// The interval at which histograms are compacted. In between they grow with each observation.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// Fails if a port cannot be opened, the ledger cannot be created, or there are too few file
/// descriptors. The message is one sentence.
pub(crate) async fn serve(config: Serve) -> anyhow::Result<()> {
    let [connections, operators] = descriptors::share([MAX_CONNECTIONS, MAX_OPERATORS])?;
    let metrics = telemetry::metrics()?;
    let listener = listen(config.listen, "--listen").await?;
    let admin = match &config.admin_token {
        Some(token) => Some((listen(config.admin_listen, "--admin-listen").await?, token.clone())),
        None => None,
    };
    let timeouts = Timeouts {
        connect: Duration::from_millis(config.redis_connect_timeout_ms.into()),
        response: Duration::from_millis(config.redis_response_timeout_ms.into()),
    };
    let memory = usize::try_from(config.memory_counters).unwrap_or(usize::MAX);
    let ledger = Ledger::open(&config.ledger, timeouts, memory)
        .context("cannot get random bytes from the operating system")?;
    let app = App {
        ledger,
        metrics: metrics.clone(),
        calls: Fair::new(MAX_CALLS),
        bodies: Fair::new(MAX_BODIES_BYTES),
        deadline: Duration::from_millis(config.deadline_ms.into()),
    };
    background::spawn("metrics", async move {
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            metrics.run_upkeep();
        }
    });
    info!(listen = %config.listen, connections, ledger = %config.ledger, "serving");
    let stopped = stop_signal()?;
    let public =
        server::serve(listener, http::router(app.clone()), connections, wait(stopped.clone()));
    match admin {
        Some((listener, token)) => {
            info!(listen = %config.admin_listen, "serving the admin API");
            let router = admin::router(app, token);
            tokio::join!(public, server::serve(listener, router, operators, wait(stopped)));
        }
        None => public.await,
    }
    info!("shut down");
    Ok(())
}

async fn listen(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; stop the process on that port or set {flag}")
    })
}

/// Returns a channel that becomes `true` at SIGTERM or SIGINT.
fn stop_signal() -> anyhow::Result<signals::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let (sender, receiver) = signals::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => info!("SIGTERM: shutting down"),
            _ = interrupt.recv() => info!("SIGINT: shutting down"),
        }
        // Fails only if all receivers are gone, because serving has ended already.
        let _ = sender.send(true);
    });
    Ok(receiver)
}

async fn wait(mut stopped: signals::Receiver<bool>) {
    // Fails only if the sender is gone, which happens after it has sent `true`.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
