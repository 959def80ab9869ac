//! The command line and environment. Nothing else reads either.

use crate::faults::MAX_DELAY_MS;
use clap::{Parser, Subcommand};
use std::net::SocketAddr;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// A development server that speaks the Claude Messages API, without a model
#[derive(Debug, Parser)]
#[command(name = "claude-sim", version)]
pub struct Cli {
    /// Address to listen on; port 0 picks a free port
    #[arg(long, env = "CLAUDE_SIM_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8090", value_parser = address, global = true)]
    pub listen: SocketAddr,
    /// Delay before each answer, in milliseconds; streams also pause between events
    #[arg(long, env = "CLAUDE_SIM_LATENCY_MS", value_name = "MS", default_value = "0", value_parser = latency)]
    pub latency_ms: Duration,
    /// Filter for logs on standard error
    #[arg(long, env = "CLAUDE_SIM_LOG", value_name = "FILTER", default_value = "info", value_parser = log)]
    pub log: String,
    /// Command to run instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The subcommands.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Command {
    /// Check the server at --listen, and exit with 0 if it is healthy
    Healthcheck,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!(
            "--listen (or CLAUDE_SIM_LISTEN): expected an address and a port such as \
             127.0.0.1:8090, found {text:?}"
        )
    })
}

fn latency(text: &str) -> Result<Duration, String> {
    let latency_ms = text.parse().ok().filter(|latency_ms| *latency_ms <= MAX_DELAY_MS);
    latency_ms.map(Duration::from_millis).ok_or_else(|| {
        format!(
            "--latency-ms (or CLAUDE_SIM_LATENCY_MS): expected 0 to {MAX_DELAY_MS}, found {text:?}"
        )
    })
}

fn log(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!(
            "--log (or CLAUDE_SIM_LOG): expected error, warn, info, debug, trace or a filter such \
             as claude_sim=debug, found {text:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_valid() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_error_names_the_flag_and_the_variable() {
        let first_line = |args: &[&str]| {
            let error = Cli::try_parse_from([&["claude-sim"], args].concat()).unwrap_err();
            error.to_string().lines().next().unwrap().to_owned()
        };
        let all = [
            first_line(&["--listen", "8090"]),
            first_line(&["--latency-ms", "600001"]),
            first_line(&["--log", "claude_sim=loud"]),
        ];
        insta::assert_snapshot!(all.join("\n"), @r#"
        error: invalid value '8090' for '--listen <ADDRESS>': --listen (or CLAUDE_SIM_LISTEN): expected an address and a port such as 127.0.0.1:8090, found "8090"
        error: invalid value '600001' for '--latency-ms <MS>': --latency-ms (or CLAUDE_SIM_LATENCY_MS): expected 0 to 600000, found "600001"
        error: invalid value 'claude_sim=loud' for '--log <FILTER>': --log (or CLAUDE_SIM_LOG): expected error, warn, info, debug, trace or a filter such as claude_sim=debug, found "claude_sim=loud"
        "#);
    }
}
