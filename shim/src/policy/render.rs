//! `tollgate policy render`: prints a policy with the operator's own values set in it.

use super::sets::Settings;
use super::{check, edit};
use crate::file;
use anyhow::Context;
use serde_json::Value;
use std::path::Path;

/// A rendered policy without mistakes.
pub(super) struct Rendered {
    /// The policy as YAML. The author's layout and comments are kept if possible.
    pub(super) text: String,
    /// The policy as JSON.
    pub(super) document: Value,
}

/// Returns the policy in `path` with `settings` as text, in YAML or JSON.
///
/// # Errors
/// Same as [`read`].
pub(super) fn render(path: &Path, settings: &Settings, is_json: bool) -> anyhow::Result<String> {
    let Rendered { text, document } = read(path, settings)?;
    if is_json { Ok(serde_json::to_string_pretty(&document)? + "\n") } else { Ok(text) }
}

/// Returns the policy in `path` with `settings`.
///
/// # Errors
/// Same as [`check::read`] and [`Settings::write`].
pub(super) fn read(path: &Path, settings: &Settings) -> anyhow::Result<Rendered> {
    let policy = check::read(path)?;
    let text = file::read(path)?;
    let document = check::yaml(&text, path)?;
    let mut rendered = document.clone();
    settings.write(&policy, &mut rendered).with_context(|| path.display().to_string())?;
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

    /// Returns `text` rendered with `sets`, or the error, with FILE as the file's name.
    fn printed(text: &str, sets: &[(&str, &str)], is_json: bool) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("policy.yaml");
        std::fs::write(&file, text).unwrap();
        let printed = render(&file, &Settings::of(sets), is_json);
        let printed = printed.unwrap_or_else(|error| format!("{error:#}"));
        printed.replace(&file.display().to_string(), "FILE")
    }

    #[test]
    fn yaml_and_json_contain_the_same_policy() {
        let sets = [("buckets.auth.limit", "7")];
        let expected: Value =
            serde_saphyr::from_str(&SHIPPED.replace("limit: 5,", "limit: 7,")).unwrap();
        let (yaml, json) = (printed(SHIPPED, &sets, false), printed(SHIPPED, &sets, true));
        assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), expected);
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), expected);
        Policy::from_json(json.as_bytes()).unwrap();
    }

    #[test]
    fn only_the_values_change_and_comments_stay() {
        let check = |sets: &[(&str, &str)], from: &str, to: &str| {
            let expected = SHIPPED.replace(from, to);
            assert_eq!(printed(SHIPPED, sets, false), expected);
            assert_ne!(expected, SHIPPED);
        };
        check(&[("buckets.auth.limit", "7")], "limit: 5,", "limit: 7,");
        check(&[("buckets.public.limit", "7")], "limit: 30,", "limit: 7,");
        check(&[("buckets.ai_daily.limit.values.pro", "7")], "pro: 999", "pro: 7");
        check(
            &[
                ("buckets.ai_daily.limit.values.free", "7"),
                ("buckets.ai_daily.limit.otherwise", "7"),
            ],
            ": 10, starter: 50, pro: 999 }, otherwise: 10 }",
            ": 7, starter: 50, pro: 999 }, otherwise: 7 }",
        );
        let off = printed(SHIPPED, &[("buckets.*.enforce", "false")], false);
        let expected = SHIPPED
            .replace("ai_daily:\n    key", "ai_daily:\n    enforce: false\n    key")
            .replace(": { key: ", ": { enforce: false, key: ");
        assert_eq!(off, expected);
    }

    /// The limit has an anchor. Editing it in place would change every alias too.
    #[test]
    fn a_policy_with_anchors_is_rewritten_without_comments() {
        let text =
            SHIPPED.replace("limit: 5,", "limit: &five 5,").replace("limit: 30,", "limit: *five,");
        let printed = printed(&text, &[("buckets.auth.limit", "7")], false);
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

    /// Plain YAML would read these strings as other types: `no`, `1e3`, `~`, a colon, a newline.
    #[test]
    fn strings_stay_strings() {
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
    fn without_settings_the_policy_is_printed_unchanged() {
        assert_eq!(printed(SHIPPED, &[], false), SHIPPED);
    }

    #[test]
    fn mistakes_in_the_file_have_a_line_and_those_in_a_setting_a_path() {
        let printed = |from: &str, to: &str, path: &str, value: &str| {
            printed(&SHIPPED.replacen(from, to, 1), &[(path, value)], true)
        };
        insta::assert_snapshot!(printed("limit: 30,", "limit: -1,", "buckets.auth.limit", "7"), @"
FILE is not a valid policy:
FILE:26:26: buckets.public.limit: invalid value: integer `-1`, expected a whole number from 0 to 9007199254740992
");
        insta::assert_snapshot!(printed("", "", "buckets.auth.limit", "9007199254740993"), @"FILE: --set: buckets.auth.limit: invalid value: integer `9007199254740993`, expected a whole number from 0 to 9007199254740992");
        insta::assert_snapshot!(printed("", "", "buckets.auht.limit", "7"), @r#"FILE: --set: buckets: unknown field "auht" (did you mean "auth"?), expected one of ai, ai_client, ai_daily, auth, authenticated, probes, public"#);
    }
}
