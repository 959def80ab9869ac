//! The `tollgate` binary: `serve` puts HTTP in front of the ledger; the other commands are for
//! operators.
//!
//! Read the modules in the order of a call: `cli`, `serve`, `http`, then the [`ledger`] crate,
//! which decides. Only `cli` reads the environment; only `http` and `admin` answer HTTP.

mod admin;
mod app;
mod cli;
mod client;
mod descriptors;
mod file;
mod http;
mod operator;
mod policy;
mod secret;
mod serve;
mod telemetry;
mod terminal;

use clap::CommandFactory;
use cli::{Cli, Command};
use std::ffi::OsString;
use std::process::ExitCode;
use terminal::{print, print_error};
use tokio::runtime::{Builder, Runtime};

/// Runs the command given by `args` and the environment.
///
/// Exit codes: 0 for success, 1 for failure, 2 for a usage error.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::read(args) {
        Ok(cli) => cli,
        Err(stop) if stop.code == 0 => {
            print(&stop.text);
            return ExitCode::SUCCESS;
        }
        Err(stop) => {
            print_error(&stop.text);
            return ExitCode::from(stop.code);
        }
    };
    match block_on(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&format!("tollgate: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Returns the definition of the command line, for the reference in the docs.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Describes the metrics of `tollgate serve` to the recorder in use.
pub fn describe_metrics() {
    telemetry::describe();
}

fn block_on(command: Command) -> anyhow::Result<()> {
    let runtime = runtime(&command)?;
    let done = runtime.block_on(async {
        match command {
            Command::Serve(config) => {
                telemetry::logs(config.log.filter());
                serve::serve(config).await
            }
            Command::Healthcheck(config) => client::healthcheck(&config.url).await,
            Command::Counters(command) => {
                operator::counters(command).await.map(|text| print(&text))
            }
            Command::Overrides(command) => {
                operator::overrides(command).await.map(|text| print(&text))
            }
            Command::Policy(command) => {
                policy::policy(command, cli::variable).map(|text| print(&text))
            }
        }
    });
    runtime.shutdown_background();
    done
}

fn runtime(command: &Command) -> std::io::Result<Runtime> {
    let mut builder = match command {
        Command::Serve(config) if config.threads > 1 => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(usize::try_from(config.threads).unwrap_or(usize::MAX));
            builder
        }
        _ => Builder::new_current_thread(),
    };
    builder.enable_all().build()
}
