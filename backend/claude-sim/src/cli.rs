//! The command line and the environment: the only place that reads either.

use crate::faults::MAX_DELAY_MS;
use clap::{Parser, Subcommand};
use std::net::SocketAddr;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// A development server that speaks the Claude Messages API; no model is behind it
#[derive(Debug, Parser)]
#[command(name = "claude-sim", version)]
pub struct Cli {
    /// Where to listen; port 0 takes a free one
    #[arg(long, env = "CLAUDE_SIM_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8090", value_parser = address, global = true)]
    pub listen: SocketAddr,
    /// How long each answer takes to begin, in milliseconds; streams then take their time too
    #[arg(long, env = "CLAUDE_SIM_LATENCY_MS", value_name = "MS", default_value = "0", value_parser = latency)]
    pub latency_ms: Duration,
    /// What is logged on standard error
    #[arg(long, env = "CLAUDE_SIM_LOG", value_name = "FILTER", default_value = "info", value_parser = log)]
    pub log: String,
    /// What to do instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What else it does.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Command {
    /// Ask the server at --listen how it is: exit 0 if it is well
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
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_mistake_names_flag_and_variable() {
        let told = |args: &[&str]| {
            let error = Cli::try_parse_from([&["claude-sim"], args].concat()).unwrap_err();
            error.to_string().lines().next().unwrap().to_owned()
        };
        let all = [
            told(&["--listen", "8090"]),
            told(&["--latency-ms", "600001"]),
            told(&["--log", "claude_sim=loud"]),
        ];
        insta::assert_snapshot!(all.join("\n"), @r#"
        error: invalid value '8090' for '--listen <ADDRESS>': --listen (or CLAUDE_SIM_LISTEN): expected an address and a port such as 127.0.0.1:8090, found "8090"
        error: invalid value '600001' for '--latency-ms <MS>': --latency-ms (or CLAUDE_SIM_LATENCY_MS): expected 0 to 600000, found "600001"
        error: invalid value 'claude_sim=loud' for '--log <FILTER>': --log (or CLAUDE_SIM_LOG): expected error, warn, info, debug, trace or a filter such as claude_sim=debug, found "claude_sim=loud"
        "#);
    }
}
