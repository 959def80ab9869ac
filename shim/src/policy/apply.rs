//! `tollgate policy apply`: puts a policy without mistakes into the file that Envoy watches for the
//! filter, in one step. The rest of that file stays as it is, its comments too.

use super::render::Rendered;
use super::sets::Settings;
use super::{check, render};
use crate::file;
use anyhow::{Context, bail};
use serde_json::Value;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Where the policy is in the filter's file.
const POLICY: &str = "/resources/0/typed_config/config/configuration/value";
/// What stands before it, on a line of its own.
const VALUE: &str = "value:";

/// Puts the policy in `path`, with `settings`, into what is in `template`, and that into the place of
/// `to`; what to print.
pub(super) fn apply(
    path: &Path,
    settings: &Settings,
    template: &Path,
    to: &Path,
) -> anyhow::Result<String> {
    let policy = render::read(path, settings)?;
    let old = file::read(template)?;
    let mut wanted = check::yaml(&old, template)?;
    let Some(place) = wanted.pointer_mut(POLICY) else {
        let shown = template.display();
        bail!("{shown} is no file of the filter: expected a policy at {POLICY}");
    };
    let Rendered { text, document } = policy;
    *place = document;
    let text = match replaced(&old, &text) {
        Some(text) if serde_saphyr::from_str::<Value>(&text).ok().as_ref() == Some(&wanted) => text,
        // Not written as the shipped file is: without its comments, then. JSON is YAML.
        _ => serde_json::to_string_pretty(&wanted)? + "\n",
    };
    let shown = to.display();
    let new = to.with_extension("new");
    write(&new, &text, to).with_context(|| format!("cannot write {}", new.display()))?;
    std::fs::rename(&new, to).with_context(|| format!("cannot replace {shown}"))?;
    Ok(format!("{shown} has the policy of {}\n", path.display()))
}

/// Writes `text` into the new file `new`, for those who may read `old`: a salt can be in it.
fn write(new: &Path, text: &str, old: &Path) -> std::io::Result<()> {
    let mode = old.metadata().map_or(0o644, |old| old.permissions().mode() & 0o777);
    let _ = std::fs::remove_file(new);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(new)?;
    file.write_all(text.as_bytes())
}

/// `old` with `policy` behind its last line that says `value:`, indented as that asks for.
fn replaced(old: &str, policy: &str) -> Option<String> {
    let mut lines: Vec<String> = old.lines().map(str::to_owned).collect();
    let at = lines.iter().rposition(|line| line.trim() == VALUE)?;
    let indent = lines.get(at)?.find(VALUE)? + 2;
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

    /// What becomes of the file `filter` when `policy` is applied to it.
    fn applied(policy: &str, filter: &str) -> (anyhow::Result<String>, String) {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("policy.yaml"), dir.path().join("tollgate.yaml"));
        std::fs::write(&from, policy).unwrap();
        std::fs::write(&to, filter).unwrap();
        let told = apply(&from, &Settings::default(), &to, &to);
        (told, std::fs::read_to_string(&to).unwrap())
    }

    #[test]
    fn the_shipped_file_is_what_applying_the_shipped_policy_makes() {
        assert_eq!(applied(POLICY, FILTER).1, FILTER);
    }

    #[test]
    fn only_the_policy_changes_and_comments_stay() {
        let policy = POLICY.replace("limit: 5,", "limit: 6,");
        let (told, text) = applied(&policy, FILTER);
        told.unwrap();
        assert_eq!(text, FILTER.replace("limit: 5,", "limit: 6,"));
    }

    #[test]
    fn values_are_written_in_and_comments_stay() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        std::fs::write(file("policy.yaml"), POLICY).unwrap();
        std::fs::write(file("template.yaml"), FILTER).unwrap();
        let settings = Settings::of(&[("buckets.auth.limit", "7")]);
        // There is no such file yet.
        let (policy, template, to) = (file("policy.yaml"), file("template.yaml"), file("to.yaml"));
        apply(&policy, &settings, &template, &to).unwrap();
        let text = std::fs::read_to_string(&to).unwrap();
        assert_eq!(text, FILTER.replace("limit: 5,", "limit: 7,"));
        assert_eq!(std::fs::read_to_string(&template).unwrap(), FILTER);
    }

    #[test]
    fn a_policy_with_a_mistake_changes_nothing() {
        let (told, text) = applied(&POLICY.replace("limit: 5,", "limit: 0,"), FILTER);
        assert!(told.unwrap_err().to_string().contains("buckets.auth.limit"));
        assert_eq!(text, FILTER);
    }

    #[test]
    fn a_file_written_otherwise_loses_its_comments_only() {
        let filter: Value = serde_saphyr::from_str(FILTER).unwrap();
        let policy = POLICY.replace("limit: 5,", "limit: 6,");
        let (told, text) = applied(&policy, &filter.to_string());
        told.unwrap();
        let mut expected = filter;
        *expected.pointer_mut(POLICY_LIMIT).unwrap() = serde_json::json!(6);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }

    #[test]
    fn a_file_that_only_its_owner_may_read_stays_one() {
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
    fn a_file_that_is_not_the_filter_s_is_refused() {
        let (told, text) = applied(POLICY, "admin: {}\n");
        insta::assert_snapshot!(told.unwrap_err().to_string().split_once("tollgate.yaml").unwrap().1, @" is no file of the filter: expected a policy at /resources/0/typed_config/config/configuration/value");
        assert_eq!(text, "admin: {}\n");
    }
}
