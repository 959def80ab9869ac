use super::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const VARIABLES: &str = include_str!("../../../../envoy/policy.variables");

fn shipped() -> Value {
    serde_saphyr::from_str(include_str!("../../../../envoy/policy.yaml")).unwrap()
}

/// Returns the pairs of `envoy/policy.variables`.
fn list() -> Vec<Pair> {
    let lines = VARIABLES.lines().filter_map(|line| line.split_once('='));
    let lines = lines.filter(|(path, _)| !path.starts_with('#'));
    lines.map(|(path, name)| Pair { name: path.to_owned(), value: name.to_owned() }).collect()
}

/// Returns the settings of `--set-env @envoy/policy.variables` with `vars` as the environment.
fn from_env(vars: &[(&str, &str)]) -> Settings {
    let vars: BTreeMap<_, _> = vars.iter().copied().collect();
    let sets = Sets { set: Vec::new(), set_env: vec![list()] };
    Settings::new(sets, |name| vars.get(name).map(|value| (*value).to_owned()))
}

fn written(settings: &Settings, mut document: Value) -> Result<Value, String> {
    let policy = Policy::from_value(document.clone()).unwrap();
    settings.write(&policy, &mut document).map_err(|error| format!("{error:#}"))?;
    Ok(document)
}

/// Returns the differences that `settings` make to the shipped policy, one per place.
fn changes(settings: &Settings) -> Vec<String> {
    let (before, after) = (leaves(&shipped()), leaves(&written(settings, shipped()).unwrap()));
    assert!(before.keys().all(|place| after.contains_key(place)), "nothing is lost");
    let changed = after.iter().filter(|(place, value)| before.get(*place) != Some(value));
    changed.map(|(place, value)| format!("{place}={value}")).collect()
}

fn leaves(value: &Value) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    let mut rest = vec![(String::new(), value)];
    while let Some((place, value)) = rest.pop() {
        match value {
            Value::Object(fields) => {
                rest.extend(fields.iter().map(|(name, value)| (format!("{place}/{name}"), value)));
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                rest.extend(items.map(|(index, value)| (format!("{place}/{index}"), value)));
            }
            leaf => drop(leaves.insert(place, leaf.to_string())),
        }
    }
    leaves
}

fn refusal(path: &str, value: &str) -> String {
    written(&Settings::of(&[(path, value)]), shipped()).unwrap_err()
}

#[test]
fn each_variable_sets_its_own_limit_and_nothing_else() {
    let check = |variable: &str, value: &str, expected: &[&str]| {
        assert_eq!(changes(&from_env(&[(variable, value)])), expected, "{variable}={value}");
    };
    check("RATE_LIMIT_PER_MINUTE", "7", &["/buckets/authenticated/limit=7"]);
    check("AUTH_RATE_LIMIT_PER_MINUTE", "1", &["/buckets/auth/limit=1"]);
    check("AI_RATE_LIMIT_PER_MINUTE", "1000000", &["/buckets/ai/limit=1000000"]);
    check("PUBLIC_RATE_LIMIT_PER_MINUTE", "9", &["/buckets/public/limit=9"]);
    let daily = "/buckets/ai_daily/limit";
    let (free, otherwise) = (format!("{daily}/values/free=3"), format!("{daily}/otherwise=3"));
    check("FREE_AI_ASSIST_LIMIT", "3", &[&otherwise, &free]);
    check("STARTER_AI_ASSIST_LIMIT", "4", &[&format!("{daily}/values/starter=4")]);
    check("PRO_AI_ASSIST_LIMIT", "5", &[&format!("{daily}/values/pro=5")]);
    check("TOLLGATE_SALT", "our-own", &["/salt=\"our-own\""]);
    check("TOLLGATE_SALT", "12345", &["/salt=\"12345\""]);
}

#[test]
fn disabling_the_limits_turns_every_bucket_into_a_shadow() {
    let shadows: Vec<_> =
        ["ai", "ai_client", "ai_daily", "auth", "authenticated", "probes", "public"]
            .map(|bucket| format!("/buckets/{bucket}/enforce=false"))
            .into();
    for off in ["false", "FALSE", "0", "no", "off"] {
        assert_eq!(changes(&from_env(&[("RATE_LIMIT_ENABLED", off)])), shadows, "{off}");
    }
    for on in ["true", "1", "Yes", "on"] {
        assert_eq!(changes(&from_env(&[("RATE_LIMIT_ENABLED", on)])), [""; 0], "{on}");
    }
    let mut policy = shipped();
    policy["buckets"]["auth"]["enforce"] = json!(false);
    let on = from_env(&[("RATE_LIMIT_ENABLED", "true")]);
    assert_eq!(written(&on, policy.clone()).unwrap(), policy, "a shadow bucket stays one");
    // An explicit flag does enforce it.
    let on = Settings::of(&[("buckets.*.enforce", "true")]);
    assert_eq!(written(&on, policy).unwrap()["buckets"]["auth"]["enforce"], true);
}

#[test]
fn unset_and_empty_variables_change_nothing() {
    let names: BTreeSet<_> = list().into_iter().map(|pair| pair.value).collect();
    assert_eq!(names.len(), 9, "{names:?}");
    let empty: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    for vars in [&[], &*empty] {
        assert_eq!(written(&from_env(vars), shipped()).unwrap(), shipped());
    }
}

#[test]
fn all_variables_can_be_set_together() {
    let names: BTreeSet<_> = list().into_iter().map(|pair| pair.value).collect();
    let value = |name| if name == "RATE_LIMIT_ENABLED" { "false" } else { "2" };
    let all: Vec<_> = names.iter().map(|name| (name.as_str(), value(name.as_str()))).collect();
    let changes = changes(&from_env(&all));
    assert_eq!(changes.len(), 8 + 7 + 1, "{changes:?}");
}

#[test]
fn flags_override_variables_and_later_flags_override_earlier_ones() {
    let pair = |name: &str, value: &str| Pair { name: name.to_owned(), value: value.to_owned() };
    let limit = "buckets.auth.limit";
    let sets = Sets {
        set: vec![pair(limit, "1"), pair(limit, "2")],
        set_env: vec![vec![pair(limit, "X")]],
    };
    let settings = Settings::new(sets, |name| (name == "X").then(|| "3".to_owned()));
    assert_eq!(changes(&settings), ["/buckets/auth/limit=2"]);
}

#[test]
fn paths_lead_into_mappings_and_values_are_typed_by_their_text() {
    let check = |path: &str, value: &str, expected: &[&str]| {
        assert_eq!(changes(&Settings::of(&[(path, value)])), expected, "{path}={value}");
    };
    check("/buckets/auth/limit", "7", &["/buckets/auth/limit=7"]);
    check("buckets.auth.on_failure", "deny", &["/buckets/auth/on_failure=\"deny\""]);
    check("buckets.auth.enforce", "no", &["/buckets/auth/enforce=false"]);
    check("buckets.auth.window", "2m", &["/buckets/auth/window=\"2m\""]);
    check("shim.timeout", "9ms", &["/shim/timeout=\"9ms\""]);
    let plans = "/buckets/ai_daily/limit/values";
    let expected = ["free", "pro", "starter"].map(|plan| format!("{plans}/{plan}=7"));
    check("buckets.ai_daily.limit.values.*", "7", &expected.each_ref().map(String::as_str));
    // A new key under an existing path.
    check("buckets.ai_daily.limit.values.gold", "7", &[&format!("{plans}/gold=7")]);
    let mut policy = shipped();
    policy["buckets"]["ai_daily"]["limit"]["values"]["a.b/c"] = json!(1);
    let pointer = format!("{plans}/a.b~1c");
    let dotted = written(&Settings::of(&[(&pointer, "7")]), policy).unwrap();
    assert_eq!(dotted["buckets"]["ai_daily"]["limit"]["values"]["a.b/c"], 7);
}

#[test]
fn an_unknown_path_is_refused_with_the_existing_names() {
    insta::assert_snapshot!(refusal("buckets.auht.limit", "5"), @r#"--set: buckets: unknown field "auht" (did you mean "auth"?), expected one of ai, ai_client, ai_daily, auth, authenticated, probes, public"#);
    insta::assert_snapshot!(refusal("bucket.auth.limit", "5"), @r#"--set: policy: unknown field "bucket" (did you mean "buckets"?), expected one of buckets, keys, rules, salt, shim, version"#);
    insta::assert_snapshot!(refusal("buckets.auth.limit.values.pro", "5"), @r#"--set: buckets.auth.limit: expected a mapping with "values", found 5"#);
    insta::assert_snapshot!(refusal("rules.0.charge", "auth"), @r#"--set: rules: expected a mapping with "0", found a list"#);
    insta::assert_snapshot!(refusal("buckets.ai_daily.limit", "5"), @"--set: buckets.ai_daily.limit: expected a single value to replace, found a mapping or a list");
    insta::assert_snapshot!(refusal("buckets.auth.limt", "5"), @r#"--set: buckets.auth.limt: unknown field `limt` (did you mean "limit"?), expected one of `key`, `limit`, `window`, `per`, `time_zone`, `anchor`, `rate`, `every`, `burst`, `balance`, `tiers`, `on_failure`, `refund`, `enforce`, `block`, `visible`, `jitter`, `refusal`"#);
}

#[test]
fn an_invalid_value_is_one_sentence_that_names_the_variable() {
    let refusal = |variable: &str, value: &str| {
        written(&from_env(&[(variable, value)]), shipped()).unwrap_err()
    };
    for Pair { name: path, value: variable } in list() {
        if path == "salt" || path.ends_with("enforce") {
            continue;
        }
        for value in ["0", "-1", "1e3", "ten", " 5", "5.0", "99999999999999999", "\u{fffd}"] {
            let error = refusal(&variable, value);
            // One variable sets two limits, so the path is not compared.
            let start = format!("{variable}: buckets.");
            assert!(error.starts_with(&start) && error.contains(".limit"), "{error}");
            assert!(error.contains(", expected a whole number from "), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
    insta::assert_snapshot!(refusal("AUTH_RATE_LIMIT_PER_MINUTE", "many"), @r#"AUTH_RATE_LIMIT_PER_MINUTE: buckets.auth.limit: invalid value: string "many", expected a whole number from 0 to 2^53, unlimited, { by, values, otherwise } or { from, max, otherwise }"#);
    insta::assert_snapshot!(refusal("RATE_LIMIT_ENABLED", "maybe\n"), @r#"RATE_LIMIT_ENABLED: buckets.ai.enforce: invalid type: string "maybe\n", expected a boolean"#);
    for bad in ["a b", "é", "a\n", " ", &"a".repeat(256)] {
        let expected = "1 to 255 visible ASCII characters";
        let sentence = format!("TOLLGATE_SALT: expected {expected}, found something else");
        assert_eq!(refusal("TOLLGATE_SALT", bad), sentence);
    }
    let longest = "a".repeat(255);
    written(&from_env(&[("TOLLGATE_SALT", &longest)]), shipped()).unwrap();
}

#[test]
fn a_publicly_known_salt_is_refused_outside_development() {
    let render = |environment: &str, variable: &str, policy: Option<&str>| {
        let settings = from_env(&[("ENVIRONMENT", environment), ("TOLLGATE_SALT", variable)]);
        let mut document = shipped();
        match policy {
            Some(salt) => document["salt"] = json!(salt),
            None => drop(document.as_object_mut().unwrap().remove("salt")),
        }
        written(&settings, document).map(|_| "rendered")
    };
    let known = [Some("tollgate-development"), Some(""), None];
    for environment in ["production", "staging", "Development", "development "] {
        for salt in known {
            let refused = render(environment, "", salt).unwrap_err();
            let start = format!("ENVIRONMENT is {environment:?}: expected a private salt");
            assert!(refused.starts_with(&start), "{refused}");
            render(environment, "tollgate-development", salt).unwrap_err();
            render(environment, "our-own", salt).unwrap();
        }
        render(environment, "", Some("our-own")).unwrap();
        render(environment, "tollgate-development", Some("our-own")).unwrap_err();
    }
    for environment in ["", "development"] {
        known.into_iter().for_each(|salt| assert!(render(environment, "", salt).is_ok()));
        let refused = render(environment, "tollgate-development", Some("our-own")).unwrap_err();
        assert!(refused.starts_with("TOLLGATE_SALT: expected the policy's own salt"), "{refused}");
    }
    insta::assert_snapshot!(render("production", "", Some("tollgate-development")).unwrap_err(), @r#"ENVIRONMENT is "production": expected a private salt in the policy, found the publicly known "tollgate-development": set TOLLGATE_SALT to a random text, and keep it"#);
}
