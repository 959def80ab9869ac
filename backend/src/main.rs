//! `tollgate-backend`: the companion API, configured by environment variables
//! ([`backend::config`]).

use anyhow::Context;
use backend::app::App;
use backend::config::Config;
use backend::server::Bounds;
use backend::store::Store;
use backend::workers::Workers;
use backend::{clock, descriptors, key_watch, router, server, telemetry};
use mimalloc::MiMalloc;
use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;
use tokio::net::TcpListener;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

const USAGE: &str = "\
tollgate-backend: the companion API behind Tollgate

Usage: tollgate-backend              serve, configured by environment variables
                                     (docs/reference/variables.md lists them)
       tollgate-backend rotate-key   add a signing key, which starts to sign in ten minutes;
                                     with --now, replace all keys at once
       tollgate-backend openapi      print the API's OpenAPI 3.1 description
       tollgate-backend healthcheck  check the service on LISTEN_ADDR; exit 0 if it is healthy
       tollgate-backend --version
       tollgate-backend --help";

/// Faster than the system's allocator, which takes over a quarter of a cached answer's
/// instructions. This one takes a seventh (`BENCHMARKS.md`).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The exit code for an invalid environment or command line.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => configured(serve),
        ["healthcheck"] => configured(|config| process::health::check(config.listen, "/health")),
        ["rotate-key"] => configured(|config| rotate_key(&config, false)),
        ["rotate-key", "--now"] => configured(|config| rotate_key(&config, true)),
        ["openapi"] => print(router::openapi()),
        ["--version" | "-V"] => print(concat!("tollgate-backend ", env!("CARGO_PKG_VERSION"))),
        ["--help" | "-h" | "help"] => print(USAGE),
        [argument, ..] => misused(&format!(
            "tollgate-backend: expected no argument, rotate-key, openapi, healthcheck, --version or --help, found {argument:?}"
        )),
    }
}

/// Runs `command` with the configuration from the environment.
fn configured(command: impl FnOnce(Config) -> anyhow::Result<()>) -> ExitCode {
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(error) => return misused(&error.to_string()),
    };
    match command(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> ExitCode {
    println!("{text}");
    ExitCode::SUCCESS
}

fn misused(sentence: &str) -> ExitCode {
    eprintln!("{sentence}");
    ExitCode::from(MISUSED)
}

/// Accepts connections and runs shared background tasks. Requests are served on separate threads.
#[tokio::main]
async fn serve(config: Config) -> anyhow::Result<()> {
    start_log(config.log.clone());
    let listen = config.listen;
    let connections = descriptors::share(Bounds::default().connections)?;
    // Listen first: a port in use is reported before a database is created.
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("LISTEN_ADDR: cannot listen on {listen}, choose another"))?;
    let stop = process::stop_signal().context("cannot listen for signals")?;
    let threads = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let workers =
        Workers::start(threads).context("cannot start the threads that serve connections")?;
    let metrics = telemetry::install()?;
    tokio::spawn(telemetry::upkeep(metrics.clone()));
    let app = Arc::new(App::open(config, metrics).await?);
    tracing::info!(address = %listener.local_addr()?, "listening");
    let router = router::router(Arc::clone(&app));
    let bounds = Bounds { connections, ..Bounds::default() };
    server::serve(listener, router, bounds, &workers, stop).await;
    // Close shared resources while the worker threads that opened them still run.
    app.accounts.close().await;
    Ok(())
}

/// Adds or replaces signing keys. Running services pick them up without a restart.
#[tokio::main(flavor = "current_thread")]
async fn rotate_key(config: &Config, at_once: bool) -> anyhow::Result<()> {
    let store = Store::open(&config.database).await.context("DATABASE_URL")?;
    let now = clock::now();
    let rotated = if at_once {
        key_watch::replace_all(&store, now).await
    } else {
        key_watch::rotate(&store, now).await
    };
    store.close().await;
    Ok(rotated?)
}

/// Logs to standard error, in color if it is a terminal.
fn start_log(targets: Targets) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_filter(targets);
    tracing_subscriber::registry().with(lines).init();
}
