//! `tollgate policy render`: a policy with the limits of the environment written in.

use super::{check, edit};
use crate::file;
use anyhow::Context;
use limits::variables::Limits;
use serde_json::Value;
use std::path::Path;

/// A policy without mistakes.
pub(super) struct Rendered {
    /// As YAML: as its author wrote it but for the limits, or else without comments.
    pub(super) text: String,
    /// As JSON.
    pub(super) document: Value,
}

/// The policy in `path` with `limits`, as YAML or as JSON; what to print.
pub(super) fn render(path: &Path, limits: &Limits, is_json: bool) -> anyhow::Result<String> {
    let Rendered { text, document } = read(path, limits)?;
    if is_json { Ok(serde_json::to_string_pretty(&document)? + "\n") } else { Ok(text) }
}

/// The policy in `path` with `limits`.
///
/// # Errors
/// Where it has mistakes, as [`check::read`]; or no place for a limit.
pub(super) fn read(path: &Path, limits: &Limits) -> anyhow::Result<Rendered> {
    check::read(path)?;
    let text = file::read(path)?;
    let document = check::yaml(&text, path)?;
    let rendered = limits.render(document.clone()).with_context(|| path.display().to_string())?;
    let text = match edit::edited(&text, &document, &rendered) {
        Some(text) => text,
        None => serde_saphyr::to_string(&rendered).context("cannot write the policy")?,
    };
    Ok(Rendered { text, document: rendered })
}

#[cfg(test)]
mod tests {
    use super::*;
    use limits::policy::Policy;

    const SHIPPED: &str = include_str!("../../../envoy/policy.yaml");

    fn limits(variable: &str, value: &str) -> Limits {
        Limits::from_vars(|name| (name == variable).then(|| value.to_owned())).unwrap()
    }

    /// What is printed of `text` with `limits`, whose file is called FILE.
    fn told(text: &str, limits: &Limits, is_json: bool) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("policy.yaml");
        std::fs::write(&file, text).unwrap();
        let told = render(&file, limits, is_json).unwrap_or_else(|error| format!("{error:#}"));
        told.replace(&file.display().to_string(), "FILE")
    }

    #[test]
    fn both_forms_say_the_same() {
        let limits = limits("AUTH_RATE_LIMIT_PER_MINUTE", "7");
        let expected: Value =
            serde_saphyr::from_str(&SHIPPED.replace("limit: 5,", "limit: 7,")).unwrap();
        let (yaml, json) = (told(SHIPPED, &limits, false), told(SHIPPED, &limits, true));
        assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), expected);
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), expected);
        Policy::from_json(json.as_bytes()).unwrap();
    }

    #[test]
    fn only_limits_change_and_comments_stay() {
        let check = |variable: &str, value: &str, from: &str, to: &str| {
            let expected = SHIPPED.replace(from, to);
            assert_eq!(told(SHIPPED, &limits(variable, value), false), expected, "{variable}");
            assert_ne!(expected, SHIPPED);
        };
        check("AUTH_RATE_LIMIT_PER_MINUTE", "7", "limit: 5,", "limit: 7,");
        check("PUBLIC_RATE_LIMIT_PER_MINUTE", "7", "limit: 30,", "limit: 7,");
        check("PRO_AI_ASSIST_LIMIT", "7", "pro: 999", "pro: 7");
        check(
            "FREE_AI_ASSIST_LIMIT",
            "7",
            ": 10, starter: 50, pro: 999 }, otherwise: 10 }",
            ": 7, starter: 50, pro: 999 }, otherwise: 7 }",
        );
        let off = told(SHIPPED, &limits("RATE_LIMIT_ENABLED", "false"), false);
        let expected = SHIPPED
            .replace("ai_daily:\n    key", "ai_daily:\n    enforce: false\n    key")
            .replace(": { key: ", ": { enforce: false, key: ");
        assert_eq!(off, expected);
    }

    /// An anchor that stands for a limit: what is written in is not so for all who name it.
    #[test]
    fn what_is_not_written_plainly_is_printed_anew_without_comments() {
        let text =
            SHIPPED.replace("limit: 5,", "limit: &five 5,").replace("limit: 30,", "limit: *five,");
        let printed = told(&text, &limits("AUTH_RATE_LIMIT_PER_MINUTE", "7"), false);
        let policy: Value = serde_saphyr::from_str(&printed).unwrap();
        assert_eq!(
            (&policy["buckets"]["auth"]["limit"], &policy["buckets"]["public"]["limit"]),
            (&7.into(), &5.into())
        );
        assert!(
            printed.starts_with("buckets:\n  ai:\n    key: user\n    limit: 10\n"),
            "{printed}"
        );
    }

    /// What YAML could take for something else: `no`, `1e3`, `~`, a colon, a line's end.
    #[test]
    fn texts_stay_texts() {
        let mut policy: Value = serde_saphyr::from_str(SHIPPED).unwrap();
        for text in [
            "no",
            "1e3",
            "~",
            "null",
            "0x1f",
            "a: b",
            "# x",
            "'",
            "two\nlines",
            " ",
            "2026-01-01",
            "*x",
            "é",
        ] {
            policy["salt"] = text.into();
            policy["rules"][0]["match"]["headers"] = serde_json::json!({ "x": text });
            let yaml = serde_saphyr::to_string(&policy).unwrap();
            assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), policy, "{text:?}: {yaml}");
        }
    }

    #[test]
    fn without_a_limit_it_is_printed_as_it_is_written() {
        assert_eq!(told(SHIPPED, &Limits::default(), false), SHIPPED);
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_a_missing_place_with_the_variable() {
        let limits = limits("AUTH_RATE_LIMIT_PER_MINUTE", "7");
        insta::assert_snapshot!(told(&SHIPPED.replace("limit: 30,", "limit: 0,"), &limits, false), @"
FILE is no policy:
FILE:26:26: buckets.public.limit: invalid value: integer `0`, expected a whole number from 1 to 9007199254740992
");
        insta::assert_snapshot!(told(&SHIPPED.replacen("window: 1m", "window: 2m", 1), &limits, true), @"FILE: AUTH_RATE_LIMIT_PER_MINUTE: expected the policy's bucket auth to have `limit: NUMBER` and `window: 1m`, found a window of 120000 ms with one limit for all: change the policy, or leave the variable out");
    }
}
