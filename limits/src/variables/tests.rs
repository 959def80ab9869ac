use super::*;
use std::collections::BTreeMap;

fn shipped() -> Value {
    serde_saphyr::from_str(include_str!("../../../envoy/policy.yaml")).unwrap()
}

fn limits(vars: &[(&str, &str)]) -> Result<Limits, BadVariable> {
    let vars: BTreeMap<_, _> = vars.iter().copied().collect();
    Limits::from_vars(|name| vars.get(name).map(|value| (*value).to_owned()))
}

/// What is not as in the shipped policy once `vars` are written into it, place by place.
fn changes(vars: &[(&str, &str)]) -> Vec<String> {
    let rendered = limits(vars).unwrap().render(shipped()).unwrap();
    let (before, after) = (leaves(&shipped()), leaves(&rendered));
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

#[test]
fn each_variable_sets_its_own_limit_and_nothing_else() {
    let check = |variable: &str, value: &str, expected: &[&str]| {
        assert_eq!(changes(&[(variable, value)]), expected, "{variable}={value}");
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
}

#[test]
fn switched_off_every_bucket_is_a_shadow() {
    let shadows: Vec<_> =
        ["ai", "ai_client", "ai_daily", "auth", "authenticated", "probes", "public"]
            .map(|bucket| format!("/buckets/{bucket}/enforce=false"))
            .into();
    for off in ["false", "FALSE", "0", "no", "off"] {
        assert_eq!(changes(&[("RATE_LIMIT_ENABLED", off)]), shadows, "{off}");
    }
    for on in ["true", "1", "Yes", "on"] {
        assert_eq!(changes(&[("RATE_LIMIT_ENABLED", on)]), [""; 0], "{on}");
    }
    let mut policy = shipped();
    policy["buckets"]["auth"]["enforce"] = json!(false);
    let on = limits(&[("RATE_LIMIT_ENABLED", "true")]).unwrap();
    assert_eq!(on.render(policy.clone()).unwrap(), policy, "a shadow by intent stays one");
}

#[test]
fn what_is_unset_or_empty_stays_as_it_is() {
    let unset = Limits::from_vars(|_| None).unwrap();
    let empty = Limits::from_vars(|_| Some(String::new())).unwrap();
    assert_eq!(unset, empty);
    assert_eq!(unset.render(shipped()).unwrap(), shipped());
}

#[test]
fn all_of_them_together() {
    let value = |name| if name == RATE_LIMIT_ENABLED { "false" } else { "2" };
    let changes = changes(&NAMES.map(|name| (name, value(name))));
    assert_eq!(changes.len(), 8 + 7 + 1, "{changes:?}");
}

#[test]
fn the_salt_of_the_environment_replaces_the_policys() {
    assert_eq!(changes(&[("TOLLGATE_SALT", "our-own")]), ["/salt=\"our-own\""]);
    let limits = limits(&[]).unwrap().with_salt("kept".to_owned());
    let mut without = shipped();
    without.as_object_mut().unwrap().remove("salt");
    assert_eq!(limits.render(without).unwrap()["salt"], "kept");
}

#[test]
fn only_development_takes_a_salt_that_everyone_knows() {
    let render = |environment: &str, variable: &str, policy: Option<&str>| {
        let limits = limits(&[("ENVIRONMENT", environment), ("TOLLGATE_SALT", variable)]).unwrap();
        let mut document = shipped();
        match policy {
            Some(salt) => document["salt"] = json!(salt),
            None => drop(document.as_object_mut().unwrap().remove("salt")),
        }
        limits.render(document).map(|_| "rendered").map_err(|error| error.to_string())
    };
    let known = [Some("tollgate-development"), Some(""), None];
    for environment in ["production", "staging", "Development", "development "] {
        for salt in known {
            let refused = render(environment, "", salt).unwrap_err();
            let start =
                format!("ENVIRONMENT is {environment:?}: expected the policy to have a salt");
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
    insta::assert_snapshot!(render("production", "", Some("tollgate-development")).unwrap_err(), @r#"ENVIRONMENT is "production": expected the policy to have a salt of its own, found "tollgate-development", which everyone knows: set TOLLGATE_SALT to a random text, and keep it"#);
}

#[test]
fn a_bad_value_is_told_in_one_sentence() {
    let told = |variable: &str, value: &str| limits(&[(variable, value)]).unwrap_err().to_string();
    for (variable, _) in NUMBERS {
        for value in ["0", "-1", "1000001", "1e3", "ten", " 5", "5.0", "99999999999", "\u{fffd}"] {
            let expected = "a number of requests from 1 to 1000000";
            let sentence = format!("{variable}: expected {expected}, found {value:?}");
            assert_eq!(told(variable, value), sentence);
        }
    }
    assert_eq!(
        told("RATE_LIMIT_ENABLED", "maybe\n"),
        r#"RATE_LIMIT_ENABLED: expected true or false, found "maybe\n""#
    );
    for bad in ["a b", "é", "a\n", " "] {
        let expected = "1 to 255 visible ASCII characters";
        let sentence = format!("TOLLGATE_SALT: expected {expected}, found something else");
        assert_eq!(told("TOLLGATE_SALT", bad), sentence);
    }
    assert!(limits(&[("TOLLGATE_SALT", &"a".repeat(255))]).is_ok());
    assert!(limits(&[("TOLLGATE_SALT", &"a".repeat(256))]).is_err());
    let long = told("RATE_LIMIT_ENABLED", &"a".repeat(300));
    assert!(long.ends_with(&format!("\"{}\"…", "a".repeat(100))), "{long}");
}

/// What is told of `variable` by the shipped policy with one thing changed.
fn refusal(variable: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut policy = shipped();
    change(&mut policy);
    let limits = limits(&[(variable, "5")]).unwrap();
    limits.render(policy).map_or_else(|error| error.to_string(), |_| "rendered".to_owned())
}

#[test]
fn a_policy_without_the_place_is_told_what_it_lacks() {
    let auth = "AUTH_RATE_LIMIT_PER_MINUTE";
    let without = |bucket: &'static str| {
        move |p: &mut Value| {
            p["buckets"].as_object_mut().unwrap().remove(bucket);
            p["rules"] = json!([]);
        }
    };
    insta::assert_snapshot!(refusal(auth, without("auth")), @"AUTH_RATE_LIMIT_PER_MINUTE: expected the policy's bucket auth to have `limit: NUMBER` and `window: 1m`, found no such bucket: change the policy, or leave the variable out");
    insta::assert_snapshot!(refusal(auth, |p| p["buckets"]["auth"]["window"] = json!("30s")), @"AUTH_RATE_LIMIT_PER_MINUTE: expected the policy's bucket auth to have `limit: NUMBER` and `window: 1m`, found a window of 30000 ms with one limit for all: change the policy, or leave the variable out");
    insta::assert_snapshot!(refusal(auth, |p| p["buckets"]["auth"]["limit"] = json!({ "by": { "host": {} }, "values": { "a": 1, "b": 2 }, "otherwise": 1 })), @"AUTH_RATE_LIMIT_PER_MINUTE: expected the policy's bucket auth to have `limit: NUMBER` and `window: 1m`, found a window of 60000 ms with limits for a, b: change the policy, or leave the variable out");
    insta::assert_snapshot!(refusal(auth, |p| p["buckets"]["auth"] = json!({ "key": "client", "limit": 5, "per": "minute" })), @"AUTH_RATE_LIMIT_PER_MINUTE: expected the policy's bucket auth to have `limit: NUMBER` and `window: 1m`, found `per: minute` with one limit for all: change the policy, or leave the variable out");
    insta::assert_snapshot!(refusal(auth, |p| p["buckets"]["auth"] = json!({ "key": "client", "rate": 5, "every": "1m", "burst": 5 })), @"AUTH_RATE_LIMIT_PER_MINUTE: expected the policy's bucket auth to have `limit: NUMBER` and `window: 1m`, found a token bucket: change the policy, or leave the variable out");
    let pro = "PRO_AI_ASSIST_LIMIT";
    insta::assert_snapshot!(refusal(pro, without("ai_daily")), @"PRO_AI_ASSIST_LIMIT: expected the policy's bucket ai_daily to have `per: day` and `limit.values.pro`, found no such bucket: change the policy, or leave the variable out");
    insta::assert_snapshot!(refusal(pro, |p| p["buckets"]["ai_daily"]["limit"] = json!(10)), @"PRO_AI_ASSIST_LIMIT: expected the policy's bucket ai_daily to have `per: day` and `limit.values.pro`, found `per: day` with one limit for all: change the policy, or leave the variable out");
    insta::assert_snapshot!(refusal(pro, |p| p["buckets"]["ai_daily"]["per"] = json!("month")), @"PRO_AI_ASSIST_LIMIT: expected the policy's bucket ai_daily to have `per: day` and `limit.values.pro`, found `per: month` with limits for free, pro, starter: change the policy, or leave the variable out");
    insta::assert_snapshot!(refusal(pro, |p| drop(p["buckets"]["ai_daily"]["limit"]["values"].as_object_mut().unwrap().remove("pro"))), @"PRO_AI_ASSIST_LIMIT: expected the policy's bucket ai_daily to have `per: day` and `limit.values.pro`, found `per: day` with limits for free, starter: change the policy, or leave the variable out");
    // The same length of time, written otherwise.
    for minute in ["60s", "60000ms"] {
        assert_eq!(refusal(auth, |p| p["buckets"]["auth"]["window"] = json!(minute)), "rendered");
    }
    // What no variable is for may be as it likes.
    assert_eq!(refusal(auth, without("ai_daily")), "rendered");
}

#[test]
fn what_is_no_policy_is_refused_as_such() {
    assert_eq!(
        refusal("PRO_AI_ASSIST_LIMIT", |p| p["buckets"]["auth"]["limit"] = json!(0)),
        "buckets.auth.limit: invalid value: integer `0`, expected a whole number from 1 to 9007199254740992"
    );
}
