//! `tollgate policy apply`: writes a checked policy into the filter's file, which Envoy watches.
//!
//! The file is replaced atomically. The rest of it stays as it is, including comments.

use super::render::Rendered;
use super::sets::Settings;
use super::{check, render};
use crate::file;
use anyhow::{Context, bail};
use serde_json::Value;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// A kind of file that holds a policy.
struct Form {
    /// The JSON pointer of the policy.
    policy: &'static str,
    /// The line above the policy.
    above: &'static str,
}

/// The files of the Wasm filter and of the dynamic module.
const FORMS: [Form; 2] = [
    Form { policy: "/resources/0/typed_config/config/configuration/value", above: "value:" },
    Form { policy: "/resources/0/typed_config/filter_config/value/policy", above: "policy:" },
];

/// Replaces the file `to` with a copy of `template` that has the policy in `path` with `settings`.
/// Returns the text to print.
///
/// # Errors
/// Fails if the policy or a setting has a mistake, `template` has no policy to replace, or a file
/// cannot be read or written. `to` is unchanged then.
pub(super) fn apply(
    path: &Path,
    settings: &Settings,
    template: &Path,
    to: &Path,
) -> anyhow::Result<String> {
    let policy = render::read(path, settings)?;
    let old = file::read(template)?;
    let mut wanted = check::yaml(&old, template)?;
    let Some(form) = FORMS.iter().find(|form| wanted.pointer(form.policy).is_some()) else {
        let shown = template.display();
        let [wasm, module] = FORMS.map(|form| form.policy);
        bail!("{shown} is not a filter's file: expected a policy at {wasm} or {module}");
    };
    let Rendered { text, document } = policy;
    if let Some(place) = wanted.pointer_mut(form.policy) {
        *place = document;
    }
    let text = match replaced(&old, &text, form.above) {
        Some(text) if serde_saphyr::from_str::<Value>(&text).ok().as_ref() == Some(&wanted) => text,
        // The file is laid out differently from the shipped one, so its comments are lost. JSON is
        // valid YAML.
        _ => serde_json::to_string_pretty(&wanted)? + "\n",
    };
    let shown = to.display();
    let new = to.with_extension("new");
    write(&new, &text, to).with_context(|| format!("cannot write {}", new.display()))?;
    std::fs::rename(&new, to).with_context(|| format!("cannot replace {shown}"))?;
    Ok(format!("{shown} now has the policy in {}\n", path.display()))
}

/// Creates the file `new` with `text` and the permissions of `old`, since the policy can contain a
/// secret salt.
fn write(new: &Path, text: &str, old: &Path) -> std::io::Result<()> {
    let mode = old.metadata().map_or(0o644, |old| old.permissions().mode() & 0o777);
    let _ = std::fs::remove_file(new);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(new)?;
    file.write_all(text.as_bytes())
}

/// Replaces everything after the last line `above` in `old` with `policy`, indented to fit. Returns
/// `None` if there is no such line.
fn replaced(old: &str, policy: &str, above: &str) -> Option<String> {
    let mut lines: Vec<String> = old.lines().map(str::to_owned).collect();
    let at = lines.iter().rposition(|line| line.trim() == above)?;
    let indent = lines.get(at)?.find(above)? + 2;
    lines.truncate(at + 1);
    for line in policy.lines() {
        let indent = if line.is_empty() { 0 } else { indent };
        lines.push(format!("{:indent$}{line}", ""));
    }
    Some(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = include_str!("../../../envoy/policy.yaml");
    const FILTER: &str = include_str!("../../../envoy/tollgate.yaml");
    const MODULE: &str = include_str!("../../../envoy/tollgate-module.yaml");

    /// Applies `policy` to the file `filter`; returns the outcome and the file's new text.
    fn applied(policy: &str, filter: &str) -> (anyhow::Result<String>, String) {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("policy.yaml"), dir.path().join("tollgate.yaml"));
        std::fs::write(&from, policy).unwrap();
        std::fs::write(&to, filter).unwrap();
        let outcome = apply(&from, &Settings::default(), &to, &to);
        (outcome, std::fs::read_to_string(&to).unwrap())
    }

    #[test]
    fn applying_the_shipped_policy_yields_the_shipped_file() {
        assert_eq!(applied(POLICY, FILTER).1, FILTER);
        assert_eq!(applied(POLICY, MODULE).1, MODULE);
    }

    #[test]
    fn only_the_policy_changes_and_comments_stay() {
        let policy = POLICY.replace("limit: 5,", "limit: 6,");
        let (outcome, text) = applied(&policy, FILTER);
        outcome.unwrap();
        assert_eq!(text, FILTER.replace("limit: 5,", "limit: 6,"));
        assert_eq!(applied(&policy, MODULE).1, MODULE.replace("limit: 5,", "limit: 6,"));
    }

    #[test]
    fn settings_change_only_their_values_and_comments_stay() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        std::fs::write(file("policy.yaml"), POLICY).unwrap();
        std::fs::write(file("template.yaml"), FILTER).unwrap();
        let settings = Settings::of(&[("buckets.auth.limit", "7")]);
        // `to` does not exist yet.
        let (policy, template, to) = (file("policy.yaml"), file("template.yaml"), file("to.yaml"));
        apply(&policy, &settings, &template, &to).unwrap();
        let text = std::fs::read_to_string(&to).unwrap();
        assert_eq!(text, FILTER.replace("limit: 5,", "limit: 7,"));
        assert_eq!(std::fs::read_to_string(&template).unwrap(), FILTER);
    }

    #[test]
    fn a_policy_with_a_mistake_changes_nothing() {
        let (outcome, text) = applied(&POLICY.replace("limit: 5,", "limit: -1,"), FILTER);
        assert!(outcome.unwrap_err().to_string().contains("buckets.auth.limit"));
        assert_eq!(text, FILTER);
    }

    #[test]
    fn a_file_with_another_layout_loses_only_its_comments() {
        let filter: Value = serde_saphyr::from_str(FILTER).unwrap();
        let policy = POLICY.replace("limit: 5,", "limit: 6,");
        let (outcome, text) = applied(&policy, &filter.to_string());
        outcome.unwrap();
        let mut expected = filter;
        *expected.pointer_mut(POLICY_LIMIT).unwrap() = serde_json::json!(6);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }

    #[test]
    fn a_private_file_stays_private() {
        let dir = tempfile::tempdir().unwrap();
        let (policy, to) = (dir.path().join("policy.yaml"), dir.path().join("tollgate.yaml"));
        std::fs::write(&policy, POLICY).unwrap();
        std::fs::write(&to, FILTER).unwrap();
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
        apply(&policy, &Settings::default(), &to, &to).unwrap();
        assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    const POLICY_LIMIT: &str =
        "/resources/0/typed_config/config/configuration/value/buckets/auth/limit";

    #[test]
    fn a_file_that_is_not_the_filters_is_refused() {
        let (outcome, text) = applied(POLICY, "admin: {}\n");
        insta::assert_snapshot!(outcome.unwrap_err().to_string().split_once("tollgate.yaml").unwrap().1, @" is not a filter's file: expected a policy at /resources/0/typed_config/config/configuration/value or /resources/0/typed_config/filter_config/value/policy");
        assert_eq!(text, "admin: {}\n");
    }
}
