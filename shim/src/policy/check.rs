//! `tollgate policy check`: reports every mistake in a document with its line, its place, and what
//! was expected.

use super::places::Places;
use crate::file;
use anyhow::{anyhow, bail};
use limits::policy::{KNOWN_SALT, Policy, PolicyErrors};
use std::path::Path;

/// The report on a document without mistakes.
pub(super) struct Checked {
    /// The numbers of keys, buckets and rules.
    pub(super) summary: String,
    /// A warning about a setting that is valid but dangerous.
    pub(super) warning: Option<String>,
}

/// Checks the document `path`.
///
/// # Errors
/// Same as [`read`].
pub(super) fn check(path: &Path) -> anyhow::Result<Checked> {
    let policy = read(path)?;
    let count = |number: usize, noun: &str| {
        format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
    };
    let keys = count(policy.keys.len(), "key");
    let buckets = count(policy.buckets.len(), "bucket");
    let rules = count(policy.rules.len(), "rule");
    let summary = format!("{}: {keys}, {buckets}, {rules}; no mistakes\n", path.display());
    let warning = policy.has_known_salt().then(|| warning(path)).transpose()?;
    Ok(Checked { summary, warning })
}

/// Warns of the publicly known salt, with its line if the document sets it.
fn warning(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let place = match Places::of(&file::read(path)?).find("salt") {
        Some((line, column)) => format!("{shown}:{line}:{column}"),
        None => shown.to_string(),
    };
    Ok(format!("tollgate: warning: {place}: salt: {KNOWN_SALT}\n"))
}

/// Reads the policy in the YAML document `path`.
///
/// # Errors
/// Fails if the file cannot be read or is not a valid policy. The error lists every mistake on a
/// separate line: `FILE:LINE:COLUMN: PLACE: …`.
pub(crate) fn read(path: &Path) -> anyhow::Result<Policy> {
    let text = file::read(path)?;
    let document = yaml(&text, path)?;
    Policy::from_value(document).map_err(|PolicyErrors(mistakes)| {
        let places = Places::of(&text);
        let placed = mistakes.iter().map(|mistake| (places.find(&mistake.place), mistake));
        let mut placed: Vec<_> = placed.collect();
        placed.sort_by_key(|(place, _)| *place);
        let shown = path.display();
        let lines = placed.into_iter().map(|(place, mistake)| match place {
            Some((line, column)) => format!("\n{shown}:{line}:{column}: {mistake}"),
            None => format!("\n{shown}: {mistake}"),
        });
        anyhow!("{shown} is not a valid policy:{}", lines.collect::<String>())
    })
}

/// Parses a YAML document from `path` into a JSON value.
pub(super) fn yaml(text: &str, path: &Path) -> anyhow::Result<serde_json::Value> {
    match serde_saphyr::from_str(text) {
        Ok(document) => Ok(document),
        Err(error) => {
            // The first line has the message and the position. The others quote the source.
            let message = error.to_string();
            let line = message.lines().next().unwrap_or_default();
            bail!("{} is not valid YAML: {}", path.display(), line.trim_start_matches("error: "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../envoy/policy.yaml");

    /// Returns the warning, summary or error for `text`, with FILE as the file's name.
    fn report(text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("policy.yaml");
        std::fs::write(&file, text).unwrap();
        let report = check(&file).map(|checked| checked.warning.unwrap_or(checked.summary));
        let report = report.unwrap_or_else(|error| format!("{error:#}"));
        report.replace(&file.display().to_string(), "FILE")
    }

    #[test]
    fn the_shipped_policy_has_no_mistakes() {
        let own = SHIPPED.replace("tollgate-development", "our-own");
        insta::assert_snapshot!(report(&own), @"FILE: 2 keys, 7 buckets, 5 rules; no mistakes");
    }

    #[test]
    fn a_publicly_known_salt_causes_a_warning_with_its_line() {
        insta::assert_snapshot!(report(SHIPPED), @"tollgate: warning: FILE:4:1: salt: the policy's salt is publicly known: anyone can link counter names in Redis to clients, and clients can choose addresses that fill another client's page of the local table; outside development, set your own salt (TOLLGATE_SALT)");
        let without: String = SHIPPED
            .lines()
            .filter(|line| !line.starts_with("salt:"))
            .map(|line| format!("{line}\n"))
            .collect();
        insta::assert_snapshot!(report(&without), @"tollgate: warning: FILE: salt: the policy's salt is publicly known: anyone can link counter names in Redis to clients, and clients can choose addresses that fill another client's page of the local table; outside development, set your own salt (TOLLGATE_SALT)");
    }

    #[test]
    fn all_mistakes_are_reported_at_once_with_their_lines() {
        let mut text = SHIPPED.to_owned();
        for (right, wrong) in [
            ("limit: 5,", "limt: 5,"),
            ("sub, otherwise: client", "sub"),
            ("pro: 999", "pro: 0"),
            ("client, limit: 30", "cleint, limit: 30"),
            ("[401, server_error, cache_hit]", "[401, server_error, 600]"),
            ("paths: [/health, /health/live, /health/ready, /metrics]", "path: /health"),
            ("[ai, ai_daily, ", "[ai, ai_dayly, "),
            ("{ authenticated: true }", "{ authenticated: yes please, hosts: ['a:1'] }"),
        ] {
            assert!(text.contains(right), "{right}");
            text = text.replacen(right, wrong, 1);
        }
        insta::assert_snapshot!(report(&text), @r#"
FILE is not a valid policy:
FILE:9:3: keys.user: can be absent from a request: add `otherwise: <key>`, the key that pays in that case
FILE:13:24: buckets.auth.limt: unknown field `limt` (did you mean "limit"?), expected one of `key`, `limit`, `window`, `per`, `time_zone`, `anchor`, `rate`, `every`, `burst`, `balance`, `tiers`, `on_failure`, `refund`, `enforce`, `block`, `visible`, `jitter`, `refusal`
FILE:21:33: buckets.ai_daily.refund[2]: expected success, client_error, server_error, cache_hit or a status from 100 to 599, found 600
FILE:26:13: buckets.public.key: unknown key "cleint" (did you mean "client"?), expected one of client, user
FILE:31:16: rules[0].match.path: unknown field `path` (did you mean "paths"?), expected one of `paths`, `methods`, `hosts`, `client`, `headers`, `query`, `cookies`, `claims`, `keys`, `has_key`, `authenticated`, `when`, `on_error`, `any`, `not`
FILE:33:53: rules[2].charge[1]: unknown bucket "ai_dayly" (did you mean "ai_daily"?), expected one of ai, ai_client, ai_daily, auth, authenticated, probes, public
FILE:34:16: rules[3].match.authenticated: invalid type: string "yes please", expected a boolean
"#);
    }

    #[test]
    fn a_missing_field_is_reported_at_its_parent() {
        insta::assert_snapshot!(report("version: 1\nkeys: {}\nrules:\n  - match: {}\n"), @r"
FILE is not a valid policy:
FILE: policy: missing field `buckets`
FILE:4:5: rules[0]: missing field `charge`
");
        insta::assert_snapshot!(report("- 1\n"), @r"
FILE is not a valid policy:
FILE: policy: invalid type: list, expected a mapping, `{ field: value }`
");
    }

    #[test]
    fn invalid_yaml_is_reported_with_its_line() {
        insta::assert_snapshot!(report("version: 1\nrules: [\n"), @"FILE is not valid YAML: line 2 column 8: unclosed bracket '['");
        insta::assert_snapshot!(report("version: 1\nversion: 1\n"), @"FILE is not valid YAML: line 2 column 1: duplicate mapping key: version, set DuplicateKeyPolicy in Options if acceptable");
    }
}
