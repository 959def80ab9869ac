//! `claude-sim`: see the library.

use anyhow::Context;
use clap::Parser;
use claude_sim::cli::{Cli, Command};
use claude_sim::server;
use claude_sim::sim::{Settings, Sim};
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => serve(&cli),
        Some(Command::Healthcheck) => process::health::check(cli.listen, "/sim/health"),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(cli: &Cli) -> anyhow::Result<()> {
    // Logs go to standard error, in color only on a terminal.
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_env_filter(EnvFilter::new(&cli.log))
        .init();
    let listen = cli.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("--listen: cannot listen on {listen}, choose another address"))?;
    let stop = process::stop_signal().context("cannot listen for signals")?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let sim = Arc::new(Sim::new(Settings { latency: cli.latency_ms }));
    server::serve(listener, sim, stop).await.context("cannot serve")
}
