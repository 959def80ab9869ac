//! The shipped configuration runs unchanged, and a bad policy is rejected with the name of the bad
//! field.

use harness::envoy_config::{Front, Options, Rendered};
use harness::{envoy_config, paths, setup};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use tests::gateway::{envoy_with, filter, front, module, shipped_policy};

/// Applies `change` to the shipped policy and returns the filter's error.
fn refusal(change: impl FnOnce(&mut Value)) -> String {
    let mut policy = shipped_policy();
    change(&mut policy);
    let (valid, log) = validate(&inlined(envoy_with(policy).unwrap()), &[]);
    // The dynamic module's configuration has the ledger too.
    let what = match front() {
        Front::Wasm => "the policy",
        Front::Module => "the configuration",
    };
    let mark = format!("tollgate: {what} is refused: ");
    let refusal = log.lines().find_map(|line| line.split_once(&mark));
    match refusal {
        Some((_, why)) if !valid => why.to_owned(),
        _ => format!("valid: {valid}"),
    }
}

/// Merges both files into one configuration. Envoy's validation ignores files that it would watch.
pub(super) fn inlined(mut config: Rendered) -> Value {
    let http = envoy_config::http_connection_manager(&mut config.envoy).unwrap();
    let filters = envoy_config::at(http, "/http_filters").unwrap();
    let filter = envoy_config::named(filters, "tollgate").unwrap();
    let file = config.filter.as_mut().unwrap();
    let plugin = envoy_config::at(file, "/resources/0/typed_config").unwrap();
    *filter = json!({ "name": "tollgate", "typed_config": plugin });
    config.envoy
}

/// Returns true if Envoy accepts `config` with the variables `env`, and its log.
pub(super) fn validate(config: &Value, env: &[(&str, &str)]) -> (bool, String) {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("envoy.json");
    std::fs::write(&file, config.to_string()).unwrap();
    validate_file(&file, env)
}

fn validate_file(file: &Path, env: &[(&str, &str)]) -> (bool, String) {
    let mut envoy = Command::new(setup::envoy().unwrap());
    envoy.args(["--mode", "validate", "--disable-hot-restart", "-c"]).arg(file);
    let done = envoy.envs(env.iter().copied()).current_dir(paths::root()).output().unwrap();
    (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
}

#[test]
fn the_shipped_configuration_is_valid() {
    assert_eq!(refusal(|_| {}), "valid: true");
}

#[test]
fn a_policy_error_names_its_place() {
    insta::assert_snapshot!(refusal(|p| p["buckets"]["auth"]["limt"] = json!(5)), @r#"buckets.auth.limt: unknown field `limt` (did you mean "limit"?), expected one of `key`, `limit`, `window`, `per`, `time_zone`, `anchor`, `rate`, `every`, `burst`, `balance`, `tiers`, `on_failure`, `refund`, `enforce`, `block`, `visible`, `jitter`, `refusal`"#);
    insta::assert_snapshot!(refusal(|p| p["buckets"]["auth"]["limit"] = json!(-1)), @"buckets.auth.limit: invalid value: integer `-1`, expected a whole number from 0 to 9007199254740992");
    insta::assert_snapshot!(refusal(|p| { p["rules"][1].as_object_mut().unwrap().remove("charge"); }), @"rules[1]: missing field `charge`");
    insta::assert_snapshot!(refusal(|p| p["rules"][1]["charge"] = json!(["login"])), @r#"rules[1].charge[0]: unknown bucket "login", expected one of ai, ai_client, ai_daily, auth, authenticated, probes, public"#);
    insta::assert_snapshot!(refusal(|p| { p["buckets"]["auth"]["limit"] = json!("5"); p["rules"][1]["match"] = json!({}); p["rules"][0]["chrage"] = json!([]); }), @r#"buckets.auth.limit: invalid value: string "5", expected a whole number from 0 to 2^53, unlimited, { by, values, otherwise } or { from, max, otherwise }; rules[0].chrage: unknown field `chrage` (did you mean "charge"?), expected one of `name`, `match`, `charge`, `continue`, `encoded_slash`, `undecodable`"#);
    insta::assert_snapshot!(refusal(|p| p["buckets"]["auth"]["window"] = json!("1 minute")), @r#"buckets.auth.window: expected a duration from 1ms to 366d, such as 500ms, 30s, 1m, 24h or 7d, found "1 minute""#);
}

#[test]
fn the_policy_can_be_text_as_istio_sends_it() {
    let mut config = inlined(envoy_with(shipped_policy()).unwrap());
    let http = envoy_config::http_connection_manager(&mut config).unwrap();
    let configuration = find(http, "google.protobuf.Struct");
    let text = configuration["value"].to_string();
    *configuration =
        json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": text });
    let (valid, log) = validate(&config, &[]);
    assert!(valid, "{log}");
}

/// Finds the message whose type ends with `end`, anywhere in `value`.
fn find<'a>(value: &'a mut Value, end: &str) -> &'a mut Value {
    fn search<'a>(value: &'a mut Value, end: &str) -> Option<&'a mut Value> {
        if value["@type"].as_str().is_some_and(|kind| kind.ends_with(end)) {
            return Some(value);
        }
        match value {
            Value::Array(items) => items.iter_mut().find_map(|item| search(item, end)),
            Value::Object(fields) => fields.values_mut().find_map(|field| search(field, end)),
            _ => None,
        }
    }
    search(value, end).expect("the configuration contains the message")
}

#[test]
fn the_filters_files_contain_policy_yaml() {
    let text = |name| std::fs::read_to_string(paths::root().join(name)).unwrap();
    let policy = text("envoy/policy.yaml");
    for (file, above) in
        [("envoy/tollgate.yaml", "value:\n"), ("envoy/tollgate-module.yaml", "policy:\n")]
    {
        let tollgate = text(file);
        let written = tollgate.split_once(&format!("          {above}")).unwrap().1;
        let unindented =
            written.lines().map(|line| line.strip_prefix("            ").unwrap_or(line));
        let unindented: String = unindented.map(|line| format!("{line}\n")).collect();
        assert_eq!(unindented, policy, "run `tollgate policy apply envoy/policy.yaml {file}`");
    }
}

#[test]
fn envoys_files_are_valid_unchanged() {
    let front = front();
    filter();
    if front == Front::Module {
        module();
    }
    let (valid, log) = validate_file(&paths::root().join(front.config()), &[]);
    assert!(valid, "{log}");
    let options = Options { front, ..Options::default() };
    let (valid, log) = validate(&inlined(envoy_config::render(&options).unwrap()), &[]);
    assert!(valid, "{log}");
}
