use super::*;
use serde_json::json;

fn from_yaml(text: &str) -> Result<Policy, PolicyErrors> {
    Policy::from_value(serde_saphyr::from_str(text).unwrap())
}

/// The shipped policy with one thing changed.
fn changed(change: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut document: serde_json::Value =
        serde_saphyr::from_str(include_str!("../../../envoy/policy.yaml")).unwrap();
    change(&mut document);
    match Policy::from_json(document.to_string().as_bytes()) {
        Ok(_) => "accepted".to_owned(),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn the_shipped_policy_is_read() {
    let policy = from_yaml(include_str!("../../../envoy/policy.yaml")).unwrap();
    let names: Vec<_> = policy.buckets.iter().map(|bucket| bucket.name.as_str()).collect();
    assert_eq!(names, ["ai", "ai_daily", "auth", "authenticated", "public"]);
    assert_eq!(policy.rules.len(), 5);
    assert_eq!(policy.timeout_ms, 50);
}

#[test]
fn a_struct_s_doubles_are_whole_numbers() {
    assert_eq!(changed(|d| d["version"] = json!(1.0)), "accepted");
    assert_eq!(changed(|d| d["buckets"]["auth"]["limit"] = json!(5.0)), "accepted");
}

#[test]
fn a_mistake_of_form_is_told_with_its_place() {
    insta::assert_snapshot!(changed(|d| d["buckets"]["auth"]["limt"] = json!(5)), @"buckets.auth.limt: unknown field `limt`, expected one of `key`, `limit`, `window`, `per`, `time_zone`, `rate`, `every`, `burst`, `on_failure`, `refund`, `enforce` at line 1 column 308");
    insta::assert_snapshot!(changed(|d| d["buckets"]["auth"]["limit"] = json!(0)), @"buckets.auth.limit: invalid value: integer `0`, expected a whole number from 1 to 9007199254740992 at line 1 column 301");
    insta::assert_snapshot!(changed(|d| d["buckets"]["ai_daily"]["limit"]["values"]["pro"] = json!(0)), @"buckets.ai_daily.limit.values.pro: invalid value: integer `0`, expected a whole number from 1 to 9007199254740992 at line 1 column 180");
    insta::assert_snapshot!(changed(|d| d["buckets"]["auth"]["window"] = json!("1 minute")), @r#"buckets.auth.window: expected a duration from 1ms to 366d, such as 500ms, 30s, 1m, 24h or 7d, found "1 minute" at line 1 column 342"#);
    insta::assert_snapshot!(changed(|d| d["buckets"]["auth"]["window"] = json!(60)), @"buckets.auth.window: invalid type: integer `60`, expected a duration such as 500ms, 30s, 1m, 24h or 7d at line 1 column 334");
    insta::assert_snapshot!(changed(|d| d["rules"][1] = json!({ "match": {} })), @"rules[1]: missing field `charge` at line 1 column 676");
    insta::assert_snapshot!(changed(|d| d["rules"][1]["match"]["path"] = json!("/x")), @"rules[1].match.path: unknown field `path`, expected one of `paths`, `methods`, `authenticated` at line 1 column 717");
    insta::assert_snapshot!(changed(|d| d["version"] = json!(2)), @"version: invalid value: integer `2`, expected a whole number from 1 to 1 at line 1 column 969");
    insta::assert_snapshot!(changed(|d| *d = json!(null)), @"policy: invalid type: null, expected struct Document at line 1 column 4");
    insta::assert_snapshot!(changed(|d| d["buckets"]["auth"]["on_failure"] = json!("open")), @"buckets.auth.on_failure: unknown variant `open`, expected one of `allow`, `deny`, `local` at line 1 column 321");
}

#[test]
fn all_mistakes_of_sense_are_told_at_once() {
    insta::assert_snapshot!(
        changed(|d| {
            d["keys"]["user"] = json!({ "jwt_claim": "sub" });
            d["keys"]["loop"] = json!({ "header": "x", "otherwise": "loop" });
            d["keys"]["none"] = json!({});
            d["buckets"]["auth"]["key"] = json!("nobody");
            d["buckets"]["ai"]["per"] = json!("day");
            d["buckets"]["b 1"] = json!({ "key": "client", "limit": 1, "window": "1s" });
            d["buckets"]["tokens"] = json!({ "key": "client", "rate": 1, "every": "366d", "burst": 1_000_000 });
            d["buckets"]["public"]["burst"] = json!(3);
            d["buckets"]["ai_daily"]["time_zone"] = json!("Mars/Olympus");
            d["rules"][1]["match"]["paths"] = json!(["api"]);
            d["rules"][1]["match"]["methods"] = json!(["post"]);
            d["rules"][2]["charge"] = json!(["ai", "ai", "gpt"]);
        })
        .replace("; ", "\n"),
        @r#"
keys.loop.otherwise: leads back to this key: end it with a client_ip key
keys.none: expected one of jwt_claim, client_ip, header
keys.user: can be absent from a request: add `otherwise: <key>`, the key that pays then
buckets.ai: expected one of window (sliding), per (calendar), rate (token bucket)
buckets.ai_daily.time_zone: expected an IANA time zone such as Europe/Berlin, found "Mars/Olympus"
buckets.auth.key: there is no key "nobody"
there are: client, loop, none, user
buckets.b 1: expected a name of a letter, then letters, digits, _ or -, at most 64 in all
buckets.public.burst: has a meaning only with `rate`: remove this
buckets.tokens.burst: burst × every (in ms) is more than 2^53: make one smaller
rules[1].match.paths[0]: expected a path that begins with a slash, found "api"
rules[1].match.methods[0]: expected a method in capitals, such as POST, found "post"
rules[2].charge[1]: "ai" is charged already
rules[2].charge[2]: there is no bucket "gpt"
there are: ai, ai_daily, auth, authenticated, b 1, public, tokens
"#
    );
}
