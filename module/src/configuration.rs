//! Parses the filter's configuration. Called by [`crate::front`].

use crate::runtime::Place;
use limits::policy::Policy;
use serde::Deserialize;
use serde_json::Value;

/// The variable that names the ledger if the configuration does not, so that its password need not
/// be in Envoy's configuration.
const LEDGER_VARIABLE: &str = "TOLLGATE_LEDGER";

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
        let text = document.ledger.or_else(ledger_variable).ok_or_else(|| {
            format!(
                "expected a URL as `ledger`, or in the variable {LEDGER_VARIABLE}; found neither"
            )
        })?;
        let url = text.parse().map_err(|error| format!("ledger: {error}"))?;
        let policy = Policy::from_value(document.policy).map_err(|errors| errors.to_string())?;
        Ok(Self { ledger: Place { url, text }, policy })
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the file that reads the environment")]
fn ledger_variable() -> Option<String> {
    std::env::var(LEDGER_VARIABLE).ok().filter(|url| !url.is_empty())
}
