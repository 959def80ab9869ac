//! Parses the filter's configuration. Called by [`crate::front`].

use crate::runtime::Place;
use ledger::store::Timeouts;
use limits::policy::Policy;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// The variable that names the ledger if the configuration does not, so that its password need not
/// be in Envoy's configuration.
const LEDGER_VARIABLE: &str = "TOLLGATE_LEDGER";
/// The variables with Redis's timeouts, the shim's too, each with its default in ms.
const CONNECT_TIMEOUT: (&str, u64) = ("TOLLGATE_REDIS_CONNECT_TIMEOUT_MS", 1_000);
const RESPONSE_TIMEOUT: (&str, u64) = ("TOLLGATE_REDIS_RESPONSE_TIMEOUT_MS", 500);
/// The longest timeout, in ms.
const LONGEST_TIMEOUT_MS: u64 = 60_000;

/// The configuration of a filter.
pub(crate) struct Settings {
    pub(crate) ledger: Place,
    pub(crate) policy: Policy,
}

/// The document that people write as Envoy's `filter_config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    ledger: Option<String>,
    policy: Value,
}

impl Settings {
    /// Parses the JSON document in `text`.
    ///
    /// # Errors
    /// Fails with a sentence about what is wrong. For a policy, with all mistakes and their places.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let mut json = serde_json::Deserializer::from_slice(text);
        let document: Document = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| format!("expected `policy` and, optionally, `ledger`: {error}"))?;
        let text = document.ledger.or_else(|| variable(LEDGER_VARIABLE)).ok_or_else(|| {
            format!(
                "expected a URL as `ledger`, or in the variable {LEDGER_VARIABLE}; found neither"
            )
        })?;
        let address = text.parse().map_err(|error| format!("ledger: {error}"))?;
        let policy = Policy::from_value(document.policy).map_err(|errors| errors.to_string())?;
        let timeouts =
            Timeouts { connect: timeout(CONNECT_TIMEOUT)?, response: timeout(RESPONSE_TIMEOUT)? };
        Ok(Self { ledger: Place { address, text, timeouts }, policy })
    }
}

/// Reads a timeout.
fn timeout((name, default_ms): (&str, u64)) -> Result<Duration, String> {
    let Some(text) = variable(name) else { return Ok(Duration::from_millis(default_ms)) };
    let ms = text.parse().ok().filter(|ms| (1..=LONGEST_TIMEOUT_MS).contains(ms));
    ms.map(Duration::from_millis).ok_or_else(|| {
        format!(
            "{name}: expected a whole number of milliseconds from 1 to {LONGEST_TIMEOUT_MS}, \
             found {text:?}"
        )
    })
}

/// Returns the value of a variable, if it is not empty.
#[expect(clippy::disallowed_methods, reason = "this is the file that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
