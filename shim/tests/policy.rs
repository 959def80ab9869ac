//! `tollgate policy render` and `apply` with `--set` and `--set-env`, as programs: the environment is
//! theirs.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const POLICY: &str = include_str!("../../envoy/policy.yaml");
const VARIABLES: &str = include_str!("../../envoy/policy.variables");
const FILTER: &str = include_str!("../../envoy/tollgate.yaml");
const IN_FILTER: &str = "/resources/0/typed_config/config/configuration/value";

/// A folder with the shipped files.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("policy.yaml"), POLICY).unwrap();
        std::fs::write(dir.path().join("tollgate.yaml"), FILTER).unwrap();
        std::fs::write(dir.path().join("policy.variables"), VARIABLES).unwrap();
        Self(dir)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Code, output and complaint of `tollgate policy` with `words`, in an environment of `vars`.
    fn tollgate(&self, words: &str, vars: &[(&str, &str)]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.arg("policy").args(words.split(' ')).current_dir(self.0.path());
        let output = command.env_clear().envs(vars.iter().copied()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn done(&self, words: &str, vars: &[(&str, &str)]) -> String {
        let (code, output, complaint) = self.tollgate(words, vars);
        assert_eq!((code, &*complaint), (0, ""), "{words}");
        output
    }

    fn refused(&self, words: &str, vars: &[(&str, &str)]) -> String {
        let (code, output, complaint) = self.tollgate(words, vars);
        assert_eq!((code, &*output), (1, ""), "{words}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        complaint
    }
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

fn yaml_file(path: &Path) -> Value {
    yaml(&std::fs::read_to_string(path).unwrap())
}

/// `render policy.yaml` with the shipped list of variables.
const RENDER: &str = "render --set-env @policy.variables policy.yaml";
/// The same of `apply`.
const APPLY: &str = "apply --set-env @policy.variables policy.yaml tollgate.yaml";

/// A value for each variable, and what it makes of the shipped policy.
fn all() -> (Vec<(&'static str, &'static str)>, Value) {
    let values = [
        ("RATE_LIMIT_PER_MINUTE", "11"),
        ("AUTH_RATE_LIMIT_PER_MINUTE", "12"),
        ("AI_RATE_LIMIT_PER_MINUTE", "13"),
        ("PUBLIC_RATE_LIMIT_PER_MINUTE", "14"),
        ("FREE_AI_ASSIST_LIMIT", "15"),
        ("STARTER_AI_ASSIST_LIMIT", "16"),
        ("PRO_AI_ASSIST_LIMIT", "17"),
        ("RATE_LIMIT_ENABLED", "false"),
        ("TOLLGATE_SALT", "our-own"),
        ("ENVIRONMENT", "production"),
    ];
    let mut policy = yaml(POLICY);
    policy["salt"] = json!("our-own");
    for (bucket, limit) in [("authenticated", 11), ("auth", 12), ("ai", 13), ("public", 14)] {
        policy["buckets"][bucket]["limit"] = json!(limit);
    }
    let daily = &mut policy["buckets"]["ai_daily"]["limit"];
    daily["values"] = json!({ "free": 15, "starter": 16, "pro": 17 });
    daily["otherwise"] = json!(15);
    for bucket in policy["buckets"].as_object_mut().unwrap().values_mut() {
        bucket["enforce"] = json!(false);
    }
    (values.to_vec(), policy)
}

#[test]
fn render_prints_the_policy_with_the_environments_limits() {
    let folder = Folder::new();
    let (vars, expected) = all();
    assert_eq!(yaml(&folder.done(RENDER, &vars)), expected);
    let json = folder.done(&format!("{RENDER} --json"), &vars);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), expected);
    assert_eq!(std::fs::read_to_string(folder.file("policy.yaml")).unwrap(), POLICY);
}

#[test]
fn what_is_rendered_is_a_policy_to_check_and_to_render_again() {
    let folder = Folder::new();
    let (vars, expected) = all();
    std::fs::write(folder.file("rendered.yaml"), folder.done(RENDER, &vars)).unwrap();
    let told = folder.done("check rendered.yaml", &[]);
    assert_eq!(told, "rendered.yaml: 2 keys, 7 buckets, 5 rules; no mistakes\n");
    assert_eq!(yaml(&folder.done("render rendered.yaml", &[])), expected);
}

#[test]
fn without_variables_the_policy_is_printed_as_it_is_written() {
    let folder = Folder::new();
    let empty: Vec<_> = all().0.into_iter().map(|(name, _)| (name, "")).collect();
    assert_eq!(folder.done(RENDER, &[]), POLICY);
    assert_eq!(folder.done(RENDER, &empty), POLICY);
}

#[test]
fn apply_takes_limits_from_the_environment_only_if_told_to() {
    let folder = Folder::new();
    let (vars, expected) = all();
    let told = folder.done("apply policy.yaml tollgate.yaml", &vars);
    assert_eq!(told, "tollgate.yaml has the policy of policy.yaml\n");
    assert_eq!(std::fs::read_to_string(folder.file("tollgate.yaml")).unwrap(), FILTER);
    folder.done(APPLY, &vars);
    let mut filter = yaml(FILTER);
    *filter.pointer_mut(IN_FILTER).unwrap() = expected;
    assert_eq!(yaml_file(&folder.file("tollgate.yaml")), filter);
    // And back: nothing of them is left.
    folder.done(APPLY, &[]);
    assert_eq!(std::fs::read_to_string(folder.file("tollgate.yaml")).unwrap(), FILTER);
}

#[test]
fn a_template_makes_a_file_that_was_not_there_and_replaces_one_that_was() {
    let folder = Folder::new();
    let words = "apply --set-env @policy.variables --template tollgate.yaml policy.yaml new.yaml";
    for limit in [3, 4] {
        folder.done(words, &[("AUTH_RATE_LIMIT_PER_MINUTE", &limit.to_string())]);
        let filter = yaml_file(&folder.file("new.yaml"));
        assert_eq!(filter.pointer(IN_FILTER).unwrap()["buckets"]["auth"]["limit"], limit);
        // Whatever stood there before.
        std::fs::write(folder.file("new.yaml"), "no filter's file").unwrap();
    }
    assert_eq!(std::fs::read_to_string(folder.file("tollgate.yaml")).unwrap(), FILTER);
}

#[test]
fn a_bad_value_is_one_sentence_and_changes_nothing() {
    let folder = Folder::new();
    let bad = [("AUTH_RATE_LIMIT_PER_MINUTE", "many"), ("RATE_LIMIT_ENABLED", "maybe")];
    let start = "tollgate: policy.yaml: ";
    let expected = "AUTH_RATE_LIMIT_PER_MINUTE: buckets.auth.limit: ";
    for words in [RENDER, APPLY] {
        let refused = folder.refused(words, &bad[..1]);
        assert!(refused.starts_with(&format!("{start}{expected}")), "{refused}");
        let refused = folder.refused(words, &bad[1..]);
        let expected = "RATE_LIMIT_ENABLED: buckets.ai.enforce: ";
        assert!(refused.starts_with(&format!("{start}{expected}")), "{refused}");
        folder.refused(words, &bad);
    }
    let refused = folder.refused("apply --set buckets.auth.limit=0 policy.yaml tollgate.yaml", &[]);
    let expected = format!("{start}--set: buckets.auth.limit: invalid value");
    assert!(refused.starts_with(&expected), "{refused}");
    assert_eq!(std::fs::read_to_string(folder.file("tollgate.yaml")).unwrap(), FILTER);
    // A command that does not ask for the environment does not read it.
    folder.done("apply policy.yaml tollgate.yaml", &bad);
    folder.done("render policy.yaml", &bad);
    assert_eq!(folder.tollgate("check policy.yaml", &bad).0, 0);
}

#[test]
fn a_value_that_is_set_is_put_in_force() {
    let folder = Folder::new();
    let words = "apply --set buckets.auth.limit=6 --set-env buckets.public.limit=ANY policy.yaml tollgate.yaml";
    folder.done(words, &[("ANY", "31")]);
    let expected = FILTER.replace("limit: 5,", "limit: 6,").replace("limit: 30,", "limit: 31,");
    assert_eq!(std::fs::read_to_string(folder.file("tollgate.yaml")).unwrap(), expected);
}

#[test]
fn a_flag_that_is_malformed_is_refused_with_what_was_expected() {
    let folder = Folder::new();
    std::fs::write(folder.file("bad"), "salt=A\n\nsalt: B\n").unwrap();
    let told = |flag: &str| folder.tollgate(&format!("render {flag} policy.yaml"), &[]).2;
    insta::assert_snapshot!(told("--set buckets.auth.limit"), @r#"tollgate: --set: expected PATH=VALUE such as buckets.auth.limit=5, found "buckets.auth.limit""#);
    insta::assert_snapshot!(told("--set-env =A"), @r#"tollgate: --set-env: expected PATH=VARIABLE or @FILE, found "=A""#);
    insta::assert_snapshot!(told("--set-env @none"), @"tollgate: --set-env: cannot read none: No such file or directory (os error 2)");
    insta::assert_snapshot!(told("--set-env @bad"), @r#"tollgate: --set-env: bad: expected PATH=VARIABLE or @FILE, found "salt: B""#);
}

#[test]
fn a_policy_without_the_bucket_is_told_which_there_are() {
    let folder = Folder::new();
    let policy = POLICY.replace("auth: {", "logins: {").replace("[auth]", "[logins]");
    std::fs::write(folder.file("policy.yaml"), policy).unwrap();
    let refused = folder.refused(RENDER, &[("AUTH_RATE_LIMIT_PER_MINUTE", "3")]);
    insta::assert_snapshot!(refused, @r#"tollgate: policy.yaml: AUTH_RATE_LIMIT_PER_MINUTE: buckets: there is no field "auth", only ai, ai_client, ai_daily, authenticated, logins, probes, public"#);
}

#[test]
fn a_salt_that_everyone_knows_is_warned_of_and_refused_outside_development() {
    let folder = Folder::new();
    let (code, output, warning) = folder.tollgate("check policy.yaml", &[]);
    assert_eq!((code, &*output), (0, "policy.yaml: 2 keys, 7 buckets, 5 rules; no mistakes\n"));
    let start = "tollgate: warning: policy.yaml:4:1: salt: everyone knows the policy's salt: ";
    assert!(warning.starts_with(start) && warning.lines().count() == 1, "{warning}");

    let production = [("ENVIRONMENT", "production"), ("TOLLGATE_SALT", "our-own")];
    for words in [RENDER, APPLY] {
        let refused = folder.refused(words, &production[..1]);
        assert!(refused.contains(": ENVIRONMENT is \"production\": expected "), "{refused}");
        folder.done(words, &[("ENVIRONMENT", "development")]);
    }
    assert_eq!(std::fs::read_to_string(folder.file("tollgate.yaml")).unwrap(), FILTER);
    // With one of its own it is put in force, comments and all, and there is nothing to warn of.
    let expected = POLICY.replace("salt: tollgate-development", "salt: \"our-own\"");
    let rendered = folder.done(RENDER, &production);
    assert_eq!(rendered, expected);
    folder.done(APPLY, &production);
    std::fs::write(folder.file("policy.yaml"), rendered).unwrap();
    folder.done("check policy.yaml", &[]);
}

#[test]
fn help_says_how_values_are_set() {
    let folder = Folder::new();
    for words in ["render --help", "apply --help"] {
        let help = folder.done(words, &[]);
        for said in
            ["--set <PATH=VALUE>", "--set-env <PATH=VARIABLE>", "buckets.*.enforce", "ENVIRONMENT"]
        {
            assert!(help.contains(said), "{words}: {said}\n{help}");
        }
    }
}
