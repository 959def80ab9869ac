//! Tests of `tollgate policy render` and `apply` with `--set` and `--set-env`.
//!
//! They run the binary, so that each test has its own environment variables.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers")]

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

    /// Runs `tollgate policy` with the arguments `words` and the variables `vars`. Returns the exit
    /// code, standard output and standard error.
    fn tollgate(&self, words: &str, vars: &[(&str, &str)]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.arg("policy").args(words.split(' ')).current_dir(self.0.path());
        let output = command.env_clear().envs(vars.iter().copied()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Runs a command that must succeed and returns its output.
    fn succeed(&self, words: &str, vars: &[(&str, &str)]) -> String {
        let (code, output, error) = self.tollgate(words, vars);
        assert_eq!((code, &*error), (0, ""), "{words}");
        output
    }

    /// Runs a command that must fail and returns its error, which is one line.
    fn fail(&self, words: &str, vars: &[(&str, &str)]) -> String {
        let (code, output, error) = self.tollgate(words, vars);
        assert_eq!((code, &*output), (1, ""), "{words}");
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    }
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

fn yaml_file(path: &Path) -> Value {
    yaml(&std::fs::read_to_string(path).unwrap())
}

/// Renders the shipped policy with the shipped list of variables.
const RENDER: &str = "render --set-env @policy.variables policy.yaml";
/// Applies the shipped policy with the shipped list of variables.
const APPLY: &str = "apply --set-env @policy.variables policy.yaml tollgate.yaml";

/// Returns a value for each variable, and the shipped policy with these values.
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
    assert_eq!(yaml(&folder.succeed(RENDER, &vars)), expected);
    let json = folder.succeed(&format!("{RENDER} --json"), &vars);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), expected);
    assert_eq!(std::fs::read_to_string(folder.file("policy.yaml")).unwrap(), POLICY);
}

#[test]
fn a_rendered_policy_can_be_checked_and_rendered_again() {
    let folder = Folder::new();
    let (vars, expected) = all();
    std::fs::write(folder.file("rendered.yaml"), folder.succeed(RENDER, &vars)).unwrap();
    let output = folder.succeed("check rendered.yaml", &[]);
    assert_eq!(output, "rendered.yaml: 2 keys, 7 buckets, 5 rules; no mistakes\n");
    assert_eq!(yaml(&folder.succeed("render rendered.yaml", &[])), expected);
}

#[test]
fn without_variables_the_policy_is_printed_unchanged() {
    let folder = Folder::new();
    let empty: Vec<_> = all().0.into_iter().map(|(name, _)| (name, "")).collect();
    assert_eq!(folder.succeed(RENDER, &[]), POLICY);
    assert_eq!(folder.succeed(RENDER, &empty), POLICY);
}

#[test]
fn apply_reads_the_environment_only_with_set_env() {
    let folder = Folder::new();
    let (vars, expected) = all();
    let output = folder.succeed("apply policy.yaml tollgate.yaml", &vars);
    assert_eq!(output, "tollgate.yaml now has the policy in policy.yaml\n");
    assert_eq!(std::fs::read_to_string(folder.file("tollgate.yaml")).unwrap(), FILTER);
    folder.succeed(APPLY, &vars);
    let mut filter = yaml(FILTER);
    *filter.pointer_mut(IN_FILTER).unwrap() = expected;
    assert_eq!(yaml_file(&folder.file("tollgate.yaml")), filter);
    // Applying without the variables restores the shipped file.
    folder.succeed(APPLY, &[]);
    assert_eq!(std::fs::read_to_string(folder.file("tollgate.yaml")).unwrap(), FILTER);
}

#[test]
fn a_template_creates_a_missing_file_and_replaces_an_existing_one() {
    let folder = Folder::new();
    let words = "apply --set-env @policy.variables --template tollgate.yaml policy.yaml new.yaml";
    for limit in [3, 4] {
        folder.succeed(words, &[("AUTH_RATE_LIMIT_PER_MINUTE", &limit.to_string())]);
        let filter = yaml_file(&folder.file("new.yaml"));
        assert_eq!(filter.pointer(IN_FILTER).unwrap()["buckets"]["auth"]["limit"], limit);
        // The previous content does not matter.
        std::fs::write(folder.file("new.yaml"), "not a filter's file").unwrap();
    }
    assert_eq!(std::fs::read_to_string(folder.file("tollgate.yaml")).unwrap(), FILTER);
}

#[test]
fn an_invalid_value_is_one_sentence_and_changes_nothing() {
    let folder = Folder::new();
    let bad = [("AUTH_RATE_LIMIT_PER_MINUTE", "many"), ("RATE_LIMIT_ENABLED", "maybe")];
    let start = "tollgate: policy.yaml: ";
    let expected = "AUTH_RATE_LIMIT_PER_MINUTE: buckets.auth.limit: ";
    for words in [RENDER, APPLY] {
        let refused = folder.fail(words, &bad[..1]);
        assert!(refused.starts_with(&format!("{start}{expected}")), "{refused}");
        let refused = folder.fail(words, &bad[1..]);
        let expected = "RATE_LIMIT_ENABLED: buckets.ai.enforce: ";
        assert!(refused.starts_with(&format!("{start}{expected}")), "{refused}");
        folder.fail(words, &bad);
    }
    let refused = folder.fail("apply --set buckets.auth.limit=-1 policy.yaml tollgate.yaml", &[]);
    let expected = format!("{start}--set: buckets.auth.limit: invalid value");
    assert!(refused.starts_with(&expected), "{refused}");
    assert_eq!(std::fs::read_to_string(folder.file("tollgate.yaml")).unwrap(), FILTER);
    // Commands without --set-env ignore the environment.
    folder.succeed("apply policy.yaml tollgate.yaml", &bad);
    folder.succeed("render policy.yaml", &bad);
    assert_eq!(folder.tollgate("check policy.yaml", &bad).0, 0);
}

#[test]
fn apply_writes_the_values_that_are_set() {
    let folder = Folder::new();
    let words = "apply --set buckets.auth.limit=6 --set-env buckets.public.limit=ANY policy.yaml tollgate.yaml";
    folder.succeed(words, &[("ANY", "31")]);
    let expected = FILTER.replace("limit: 5,", "limit: 6,").replace("limit: 30,", "limit: 31,");
    assert_eq!(std::fs::read_to_string(folder.file("tollgate.yaml")).unwrap(), expected);
}

#[test]
fn a_malformed_flag_is_refused_with_the_expected_form() {
    let folder = Folder::new();
    std::fs::write(folder.file("bad"), "salt=A\n\nsalt: B\n").unwrap();
    let error = |flag: &str| folder.tollgate(&format!("render {flag} policy.yaml"), &[]).2;
    insta::assert_snapshot!(error("--set buckets.auth.limit"), @r#"tollgate: --set: expected PATH=VALUE such as buckets.auth.limit=5, found "buckets.auth.limit""#);
    insta::assert_snapshot!(error("--set-env =A"), @r#"tollgate: --set-env: expected PATH=VARIABLE or @FILE, found "=A""#);
    insta::assert_snapshot!(error("--set-env @none"), @"tollgate: --set-env: cannot read none: No such file or directory (os error 2)");
    insta::assert_snapshot!(error("--set-env @bad"), @r#"tollgate: --set-env: bad: expected PATH=VARIABLE or @FILE, found "salt: B""#);
}

#[test]
fn a_setting_for_a_missing_bucket_is_refused_with_the_existing_ones() {
    let folder = Folder::new();
    let policy = POLICY.replace("auth: {", "logins: {").replace("[auth]", "[logins]");
    std::fs::write(folder.file("policy.yaml"), policy).unwrap();
    let refused = folder.fail(RENDER, &[("AUTH_RATE_LIMIT_PER_MINUTE", "3")]);
    insta::assert_snapshot!(refused, @r#"tollgate: policy.yaml: AUTH_RATE_LIMIT_PER_MINUTE: buckets: unknown field "auth", expected one of ai, ai_client, ai_daily, authenticated, logins, probes, public"#);
}

#[test]
fn a_publicly_known_salt_causes_a_warning_and_is_refused_outside_development() {
    let folder = Folder::new();
    let (code, output, warning) = folder.tollgate("check policy.yaml", &[]);
    assert_eq!((code, &*output), (0, "policy.yaml: 2 keys, 7 buckets, 5 rules; no mistakes\n"));
    let start = "tollgate: warning: policy.yaml:4:1: salt: the policy's salt is publicly known: ";
    assert!(warning.starts_with(start) && warning.lines().count() == 1, "{warning}");

    let production = [("ENVIRONMENT", "production"), ("TOLLGATE_SALT", "our-own")];
    for words in [RENDER, APPLY] {
        let refused = folder.fail(words, &production[..1]);
        assert!(refused.contains(": ENVIRONMENT is \"production\": expected "), "{refused}");
        folder.succeed(words, &[("ENVIRONMENT", "development")]);
    }
    assert_eq!(std::fs::read_to_string(folder.file("tollgate.yaml")).unwrap(), FILTER);
    // With a private salt the policy is applied with its comments, and there is no warning.
    let expected = POLICY.replace("salt: tollgate-development", "salt: \"our-own\"");
    let rendered = folder.succeed(RENDER, &production);
    assert_eq!(rendered, expected);
    folder.succeed(APPLY, &production);
    std::fs::write(folder.file("policy.yaml"), rendered).unwrap();
    folder.succeed("check policy.yaml", &[]);
}

#[test]
fn help_explains_how_values_are_set() {
    let folder = Folder::new();
    for words in ["render --help", "apply --help"] {
        let help = folder.succeed(words, &[]);
        for expected in
            ["--set <PATH=VALUE>", "--set-env <PATH=VARIABLE>", "buckets.*.enforce", "ENVIRONMENT"]
        {
            assert!(help.contains(expected), "{words}: {expected}\n{help}");
        }
    }
}
