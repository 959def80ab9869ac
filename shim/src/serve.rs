//! `tollgate serve`: puts the parts together, and takes them down in order.
//!
//! Called by [`crate::run`]; starts [`crate::http`], [`crate::admin`] and what runs behind them.

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

/// How often histograms are condensed; between, they grow with every reading.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// If a port cannot be opened; the message is one sentence.
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
        .context("the operating system gives no random bytes")?;
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
            info!(listen = %config.admin_listen, "serving the operator's commands");
            let router = admin::router(app, token);
            tokio::join!(public, server::serve(listener, router, operators, wait(stopped)));
        }
        None => public.await,
    }
    info!("ended");
    Ok(())
}

async fn listen(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; end what uses that port, or choose another by {flag}")
    })
}

/// Becomes `true` at SIGTERM or SIGINT.
fn stop_signal() -> anyhow::Result<signals::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let (tell, told) = signals::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => info!("SIGTERM: ending"),
            _ = interrupt.recv() => info!("SIGINT: ending"),
        }
        // Nobody listening any more means that serving has ended already.
        let _ = tell.send(true);
    });
    Ok(told)
}

async fn wait(mut stopped: signals::Receiver<bool>) {
    // An error means that the sender is gone, which it is only after having told.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
