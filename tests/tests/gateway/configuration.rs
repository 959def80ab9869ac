//! The shipped configuration runs as it is; a bad policy is refused at start-up, by name.

use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use tests::gateway::{envoy_with, filter, shipped_policy};
use xtask::{envoy_config, paths, setup};

/// What the filter has to say against the shipped policy with one thing changed.
fn refusal(change: impl FnOnce(&mut Value)) -> String {
    let mut policy = shipped_policy();
    change(&mut policy);
    let (valid, said) = validate(&envoy_with(policy).unwrap());
    let refusal = said.lines().find_map(|line| line.split_once("the policy is refused: "));
    match refusal {
        Some((_, why)) if !valid => why.to_owned(),
        _ => format!("valid: {valid}"),
    }
}

/// Whether Envoy takes `config`, and what it says.
fn validate(config: &Value) -> (bool, String) {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("envoy.json");
    std::fs::write(&file, config.to_string()).unwrap();
    validate_file(&file)
}

fn validate_file(file: &Path) -> (bool, String) {
    let mut envoy = Command::new(setup::envoy().unwrap());
    envoy.args(["--mode", "validate", "--disable-hot-restart", "-c"]).arg(file);
    let done = envoy.current_dir(paths::root()).output().unwrap();
    (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
}

#[test]
fn the_shipped_configuration_is_valid() {
    assert_eq!(refusal(|_| {}), "valid: true");
}

#[test]
fn a_policy_with_a_mistake_is_refused_with_its_place() {
    insta::assert_snapshot!(refusal(|p| p["buckets"]["auth"]["limt"] = json!(5)), @"buckets.auth.limt: unknown field `limt`, expected one of `key`, `limit`, `window`, `per`, `time_zone`, `rate`, `every`, `burst`, `on_failure`, `refund`, `enforce`");
    insta::assert_snapshot!(refusal(|p| p["buckets"]["auth"]["limit"] = json!(0)), @"buckets.auth.limit: invalid value: integer `0`, expected a whole number from 1 to 9007199254740992");
    insta::assert_snapshot!(refusal(|p| { p["rules"][1].as_object_mut().unwrap().remove("charge"); }), @"rules[1]: missing field `charge`");
    insta::assert_snapshot!(refusal(|p| p["rules"][1]["charge"] = json!(["login"])), @r#"rules[1].charge[0]: there is no bucket "login"; there are: ai, ai_daily, auth, authenticated, public"#);
    insta::assert_snapshot!(refusal(|p| p["buckets"]["auth"]["window"] = json!("1 minute")), @r#"buckets.auth.window: expected a duration from 1ms to 366d, such as 500ms, 30s, 1m, 24h or 7d, found "1 minute""#);
}

#[test]
fn the_policy_may_be_text_as_istio_sends_it() {
    let mut config = envoy_with(shipped_policy()).unwrap();
    let text = shipped_policy().to_string();
    let plugin = envoy_config::policy(&mut config).unwrap();
    *plugin = json!(text);
    let configuration = find(&mut config, "google.protobuf.Struct");
    *configuration = json!("type.googleapis.com/google.protobuf.StringValue");
    let (valid, said) = validate(&config);
    assert!(valid, "{said}");
}

/// The string that ends with `end`, wherever it is.
fn find<'a>(value: &'a mut Value, end: &str) -> &'a mut Value {
    fn search<'a>(value: &'a mut Value, end: &str) -> Option<&'a mut Value> {
        if value.as_str().is_some_and(|text| text.ends_with(end)) {
            return Some(value);
        }
        match value {
            Value::Array(items) => items.iter_mut().find_map(|item| search(item, end)),
            Value::Object(fields) => fields.values_mut().find_map(|field| search(field, end)),
            _ => None,
        }
    }
    search(value, end).expect("the configuration has it")
}

#[test]
fn envoy_yaml_carries_policy_yaml_and_runs_as_it_is() {
    filter();
    let file = paths::root().join("envoy/envoy.yaml");
    let mut config = envoy_config::read_yaml(&file).unwrap();
    assert_eq!(*envoy_config::policy(&mut config).unwrap(), shipped_policy());
    let (valid, said) = validate_file(&file);
    assert!(valid, "{said}");
}
