use super::document::MAX_ITEMS;
use super::*;
use serde_json::json;

fn from_yaml(text: &str) -> Result<Policy, PolicyErrors> {
    Policy::from_value(serde_saphyr::from_str(text).unwrap())
}

/// Applies `change` to the shipped policy, and returns the result of parsing it.
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
fn the_shipped_policy_is_valid() {
    let policy = from_yaml(include_str!("../../../envoy/policy.yaml")).unwrap();
    let names: Vec<_> = policy.buckets.iter().map(|bucket| bucket.name.as_str()).collect();
    assert_eq!(names, ["ai", "ai_client", "ai_daily", "auth", "authenticated", "probes", "public"]);
    assert_eq!(policy.rules.len(), 5);
    assert_eq!(policy.timeout_ms, 50);
}

#[test]
fn whole_doubles_are_accepted() {
    assert_eq!(changed(|d| d["version"] = json!(1.0)), "accepted");
    assert_eq!(changed(|d| d["buckets"]["auth"]["limit"] = json!(5.0)), "accepted");
}

/// Like [`changed`], with one mistake per line.
fn mistakes_after(change: impl FnOnce(&mut serde_json::Value)) -> String {
    changed(change).replace("; ", "\n")
}

#[test]
fn format_errors_are_reported_with_their_location() {
    insta::assert_snapshot!(changed(|d| d["buckets"]["auth"]["limt"] = json!(5)), @r#"buckets.auth.limt: unknown field `limt` (did you mean "limit"?), expected one of `key`, `limit`, `window`, `per`, `time_zone`, `anchor`, `rate`, `every`, `burst`, `balance`, `tiers`, `on_failure`, `refund`, `enforce`, `block`, `visible`, `jitter`, `refusal`"#);
    insta::assert_snapshot!(changed(|d| d["buckets"]["auth"]["limit"] = json!(-1)), @"buckets.auth.limit: invalid value: integer `-1`, expected a whole number from 0 to 9007199254740992");
    insta::assert_snapshot!(changed(|d| d["buckets"]["auth"]["limit"] = json!("infinite")), @r#"buckets.auth.limit: invalid value: string "infinite", expected a whole number from 0 to 2^53, unlimited, { by, values, otherwise } or { from, max, otherwise }"#);
    insta::assert_snapshot!(changed(|d| d["buckets"]["ai_daily"]["limit"]["values"]["pro"] = json!(1.5)), @"buckets.ai_daily.limit.values.pro: invalid value: floating point `1.5`, expected a whole number from 0 to 9007199254740992");
    insta::assert_snapshot!(changed(|d| d["buckets"]["auth"]["window"] = json!("1 minute")), @r#"buckets.auth.window: expected a duration from 1ms to 366d, such as 500ms, 30s, 1m, 24h or 7d, found "1 minute""#);
    insta::assert_snapshot!(changed(|d| d["buckets"]["auth"]["window"] = json!(60)), @"buckets.auth.window: invalid type: integer `60`, expected a duration such as 500ms, 30s, 1m, 24h or 7d");
    insta::assert_snapshot!(changed(|d| d["rules"][1] = json!({ "match": {} })), @"rules[1]: missing field `charge`");
    insta::assert_snapshot!(changed(|d| d["rules"][1]["match"]["path"] = json!("/x")), @r#"rules[1].match.path: unknown field `path` (did you mean "paths"?), expected one of `paths`, `methods`, `hosts`, `client`, `headers`, `query`, `cookies`, `claims`, `keys`, `has_key`, `authenticated`, `when`, `on_error`, `any`, `not`"#);
    insta::assert_snapshot!(changed(|d| d["version"] = json!(2)), @"version: invalid value: integer `2`, expected a whole number from 1 to 1");
    insta::assert_snapshot!(changed(|d| *d = json!(null)), @"policy: invalid type: null, expected a mapping, `{ field: value }`");
    insta::assert_snapshot!(changed(|d| *d = json!({ "bucket": {} })), @r#"policy: missing field `version`; policy: missing field `keys`; policy: missing field `buckets`; policy: missing field `rules`; bucket: unknown field `bucket` (did you mean "buckets"?), expected one of `version`, `salt`, `shim`, `jwt`, `response_headers`, `x_ratelimit_reset`, `upstream_headers`, `filter_state`, `networks`, `keys`, `buckets`, `encoded_slash`, `undecodable`, `exempt`, `rules`"#);
    insta::assert_snapshot!(changed(|d| d["buckets"]["auth"]["on_failure"] = json!("open")), @"buckets.auth.on_failure: unknown variant `open`, expected one of `allow`, `deny`, `local`");
    insta::assert_snapshot!(changed(|d| d["buckets"]["auth"]["refund"] = json!(["server_eror"])), @r#"buckets.auth.refund[0]: expected success, client_error, server_error, cache_hit or a status from 100 to 599, found "server_eror""#);
    insta::assert_snapshot!(changed(|d| d["buckets"]["auth"]["refund"] = json!([600])), @"buckets.auth.refund[0]: expected success, client_error, server_error, cache_hit or a status from 100 to 599, found 600");
    insta::assert_snapshot!(changed(|d| d["keys"]["user"]["jwt_claim"] = json!(1)), @"keys.user.jwt_claim: expected a claim name, or a list of names for a nested claim, found 1");
}

#[test]
fn a_block_needs_a_count_and_two_durations() {
    let block = |block: serde_json::Value| changed(|d| d["buckets"]["auth"]["block"] = block);
    assert_eq!(block(json!({ "after": 20, "within": "10m", "for": "1h" })), "accepted");
    insta::assert_snapshot!(block(json!({ "after": 0, "within": "10", "fro": "1h" })).replace("; ", "\n"), @r#"
buckets.auth.block.after: invalid value: integer `0`, expected a whole number from 1 to 1000000
buckets.auth.block.fro: unknown field `fro`, expected one of `after`, `within`, `for`
buckets.auth.block.within: expected a duration from 1ms to 366d, such as 500ms, 30s, 1m, 24h or 7d, found "10"
"#);
    insta::assert_snapshot!(block(json!({})), @"buckets.auth.block: missing field `after`");
    insta::assert_snapshot!(block(json!([20, "10m", "1h"])), @"buckets.auth.block: invalid type: list, expected a mapping, `{ field: value }`");
}

#[test]
fn a_list_is_not_accepted_for_a_mapping() {
    insta::assert_snapshot!(changed(|d| d["rules"][1]["match"] = json!([])), @"rules[1].match: invalid type: list, expected a mapping, `{ field: value }`");
    insta::assert_snapshot!(changed(|d| d["rules"][1] = json!([null, {}, ["auth"]])), @"rules[1]: invalid type: list, expected a mapping, `{ field: value }`");
    insta::assert_snapshot!(changed(|d| d["keys"]["site"] = json!({ "host": [] })), @"keys.site.host: invalid type: list, expected a mapping, `{ field: value }`");
    insta::assert_snapshot!(changed(|d| d["keys"]["client"]["client_ip"] = json!([32, 64])), @"keys.client.client_ip: invalid type: list, expected a mapping, `{ field: value }`");
    insta::assert_snapshot!(changed(|d| *d = json!([1])), @"policy: invalid type: list, expected a mapping, `{ field: value }`");
}

#[test]
fn invalid_json_is_reported_with_its_line() {
    let error = |text: &str| Policy::from_json(text.as_bytes()).unwrap_err().to_string();
    insta::assert_snapshot!(error("{"), @"policy: EOF while parsing an object at line 1 column 1");
    insta::assert_snapshot!(error("{} {}"), @"policy: trailing characters at line 1 column 4");
    insta::assert_snapshot!(error(""), @"policy: EOF while parsing a value at line 1 column 0");
}

#[test]
fn all_mistakes_are_reported_at_once() {
    insta::assert_snapshot!(
        mistakes_after(|d| {
            d["salt"] = json!(7);
            d["shim"]["timeout"] = json!("11s");
            d["shim"]["authority"] = json!("outbound|8081");
            d["jwt"] = json!({ "payload": "" });
            d["response_headers"] = json!(["ratelimit", "x-ratelimit"]);
            d["buckets"]["auth"]["limt"] = json!(5);
            d["buckets"]["auth"]["window"] = json!(60);
            d["buckets"]["public"]["key"] = json!("cleint");
            d["rules"][1]["charge"] = json!(["auth", 1, "public"]);
            d["rules"][2]["charge"] = json!(["auth", "a1"]);
        }),
        @r#"
response_headers[1]: unknown variant `x-ratelimit` (did you mean "x_ratelimit"?), expected `ratelimit` or `x_ratelimit`
salt: invalid type: integer `7`, expected a string
shim.authority: expected a host such as tollgate or 10.0.0.5:8081, found "outbound|8081"
shim.timeout: expected at most 10s, found 11000ms
jwt.payload: expected jwt_authn's payload_in_metadata, found ""
buckets.auth.limt: unknown field `limt` (did you mean "limit"?), expected one of `key`, `limit`, `window`, `per`, `time_zone`, `anchor`, `rate`, `every`, `burst`, `balance`, `tiers`, `on_failure`, `refund`, `enforce`, `block`, `visible`, `jitter`, `refusal`
buckets.auth.window: invalid type: integer `60`, expected a duration such as 500ms, 30s, 1m, 24h or 7d
buckets.public.key: unknown key "cleint" (did you mean "client"?), expected one of client, user
rules[1].charge[1]: invalid type: integer `1`, expected a bucket's name, or { bucket, cost }
rules[2].charge[1]: unknown bucket "a1", expected one of ai, ai_client, ai_daily, auth, authenticated, probes, public
"#
    );
}

#[test]
fn invalid_keys_are_reported() {
    insta::assert_snapshot!(
        mistakes_after(|d| {
            d["keys"]["user"] = json!({ "jwt_claim": "sub" });
            d["keys"]["loop"] = json!({ "header": "x", "otherwise": "loop" });
            d["keys"]["ring"] = json!({ "header": "x", "otherwise": "loop" });
            d["keys"]["none"] = json!({});
            d["keys"]["two"] = json!({ "header": "x", "host": {} });
            d["keys"]["site"] = json!({ "host": {}, "otherwise": "client" });
            d["keys"]["colon"] = json!({ "header": ":authority", "otherwise": "client" });
            d["keys"]["space"] = json!({ "header": "x y", "otherwise": "clinet" });
            d["keys"]["deep"] = json!({ "jwt_claim": ["a", ""], "otherwise": "client" });
            d["keys"]["plan"] = json!({ "route_metadata": ["tollgate"], "otherwise": "client" });
        }),
        @r#"
keys.colon.header: expected a header name, found ":authority": use `host`, `paths` or `methods`
keys.deep.jwt_claim: expected 1 to 8 names of 1 to 256 bytes, found ["a",""]
keys.none: expected one of jwt_claim, client_ip, header, query, cookie, host, path, method, route_name, route_metadata, metadata, constant, all
found 0 of them
keys.plan.route_metadata: expected 2 to 8 names of 1 to 256 bytes, found ["tollgate"]
keys.space.header: expected a header name, such as x-api-key, found "x y"
keys.two: expected one of jwt_claim, client_ip, header, query, cookie, host, path, method, route_name, route_metadata, metadata, constant, all
found 2 of them
keys.loop.otherwise: leads back to this key: end it with a client_ip key
keys.ring.otherwise: leads back to this key: end it with a client_ip key
keys.site.otherwise: this key is never absent: remove this
keys.user: can be absent from a request: add `otherwise: <key>`, the key that pays in that case
"#
    );
}

#[test]
fn invalid_sources_are_reported() {
    insta::assert_snapshot!(
        mistakes_after(|d| {
            d["keys"]["query"] = json!({ "query": "", "otherwise": "client" });
            d["keys"]["cookie"] = json!({ "cookie": "a;b", "otherwise": "client" });
            d["keys"]["path"] = json!({ "path": {}, "otherwise": "client" });
            d["keys"]["method"] = json!({ "method": "GET" });
            d["keys"]["metadata"] = json!({ "metadata": ["envoy.filters.http.x"] });
            d["keys"]["everyone"] = json!({ "constant": "" });
            d["keys"]["length"] = json!({ "content_length": {}, "otherwise": "client" });
            d["keys"]["chosen"] = json!({ "query": "key" });
        }),
        @r#"
keys.length.content_length: unknown field `content_length`, expected one of `jwt_claim`, `client_ip`, `header`, `query`, `cookie`, `host`, `path`, `method`, `route_name`, `route_metadata`, `metadata`, `constant`, `all`, `otherwise`, `log_key`
keys.method.method: invalid type: string "GET", expected a mapping, `{ field: value }`
keys.cookie.cookie: expected a cookie name, such as session, found "a;b"
keys.everyone.constant: expected a text of 1 to 256 bytes, found 0 bytes
keys.metadata.metadata: expected 2 to 8 names of 1 to 256 bytes, found ["envoy.filters.http.x"]
keys.query.query: expected a text of 1 to 256 bytes, found 0 bytes
keys.chosen: can be absent from a request: add `otherwise: <key>`, the key that pays in that case
keys.path.otherwise: this key is never absent: remove this
"#
    );
}

#[test]
fn invalid_token_locations_are_reported() {
    let payload =
        |payload: serde_json::Value| changed(|d| d["jwt"] = json!({ "payload": payload }));
    assert_eq!(payload(json!("a")), "accepted");
    assert_eq!(payload(json!(["a", "b"])), "accepted");
    insta::assert_snapshot!(payload(json!([])), @"jwt.payload: expected 1 to 8 names, found 0");
    insta::assert_snapshot!(payload(json!(["a", "", "a"])), @r#"jwt.payload[1]: expected jwt_authn's payload_in_metadata, found ""; jwt.payload[2]: "a" is listed twice"#);
    insta::assert_snapshot!(payload(json!(1)), @"jwt.payload: expected a name, or a list of names, found 1");
    insta::assert_snapshot!(changed(|d| d["jwt"] = json!({ "failed_status": "" })), @"jwt.failed_status: expected a text of 1 to 256 bytes, found 0 bytes");
}

#[test]
fn invalid_combinations_are_reported() {
    insta::assert_snapshot!(
        mistakes_after(|d| {
            d["keys"]["pair"] = json!({ "all": ["user", "client"] });
            d["keys"]["more"] = json!({ "all": ["client", "pair"] });
            d["keys"]["falls"] = json!({ "header": "x", "otherwise": "pair" });
            d["keys"]["hidden"] = json!({ "all": ["falls", "client"] });
            d["keys"]["round"] = json!({ "all": ["user", "round"] });
            d["keys"]["twice"] = json!({ "all": ["user", "user"] });
            d["keys"]["one"] = json!({ "all": ["user"] });
            d["keys"]["shown"] = json!({ "all": ["user", "client"], "log_key": true });
            d["keys"]["else"] = json!({ "all": ["user", "client"], "otherwise": "client" });
            d["keys"]["both"] = json!({ "all": ["user", "client"], "header": "x" });
            d["keys"]["other"] = json!({ "all": ["user", "nobody"] });
        }),
        @r#"
keys.both: expected one of jwt_claim, client_ip, header, query, cookie, host, path, method, route_name, route_metadata, metadata, constant, all
found 2 of them
keys.else.otherwise: a combination is never absent, because its keys have their own fallbacks: remove this
keys.shown.log_key: a combination has no value of its own: set this on the keys in `all`
keys.hidden.all[0]: "falls" is or falls back on a combination: list its keys instead
keys.more.all[1]: "pair" is or falls back on a combination: list its keys instead
keys.one.all: expected 2 to 8 keys, found 1
keys.other.all[1]: unknown key "nobody", expected one of both, client, else, falls, hidden, more, one, other, pair, round, shown, twice, user
keys.round.all[1]: "round" is or falls back on a combination: list its keys instead
keys.twice.all[1]: "user" is listed twice
"#
    );
}

#[test]
fn invalid_buckets_are_reported() {
    insta::assert_snapshot!(
        mistakes_after(|d| {
            d["buckets"]["auth"]["key"] = json!("nobody");
            d["buckets"]["ai"]["per"] = json!("day");
            d["buckets"]["b 1"] = json!({ "key": "client", "limit": 1, "window": "1s" });
            d["buckets"]["tokens"] = json!({ "key": "client", "rate": 1, "every": "366d", "burst": 1_000_000 });
            d["buckets"]["public"]["burst"] = json!(3);
            d["buckets"]["ai_daily"]["time_zone"] = json!("Mars/Olympus");
            d["buckets"]["by"] = json!({ "key": "client", "window": "1s", "limit":
                { "by": { "client_ip": {} }, "values": {}, "otherwise": 1 } });
            d["buckets"]["two"] = json!({ "key": "client", "window": "1s", "limit":
                { "by": { "host": {}, "header": "x" }, "values": {}, "otherwise": 1 } });
        }),
        @r#"
buckets.by.limit.by.client_ip: unknown field `client_ip`, expected one of `jwt_claim`, `header`, `query`, `cookie`, `host`, `path`, `method`, `route_name`, `route_metadata`, `metadata`, `content_length`
buckets.ai: expected one of window (sliding), per (calendar), rate (token bucket), balance (prepaid)
found 2 of them
buckets.ai_daily.time_zone: expected an IANA time zone such as Europe/Berlin, found "Mars/Olympus"
buckets.auth.key: unknown key "nobody", expected one of client, user
buckets.b 1: expected a name of at most 64 letters, digits, _ or -, starting with a letter
buckets.public.burst: only valid with `rate`: remove this
buckets.tokens.burst: burst × every (in ms) must be at most 2^53: reduce one of them
buckets.two.limit.by: expected one of jwt_claim, header, query, cookie, host, path, method, route_name, route_metadata, metadata, content_length
found 2 of them
"#
    );
}

#[test]
fn invalid_amounts_are_reported() {
    let bucket =
        |limit: serde_json::Value| json!({ "key": "client", "window": "1s", "limit": limit });
    let header = json!({ "header": "x-limit" });
    let deep =
        (0..5).fold(json!(1), |limit, _| json!({ "by": header, "values": {}, "otherwise": limit }));
    insta::assert_snapshot!(
        mistakes_after(|d| {
            d["buckets"]["deep"] = bucket(deep);
            d["buckets"]["from"] = bucket(json!({ "from": { "header": "x y" }, "min": 9, "max": 8, "otherwise": 1 }));
            d["buckets"]["inner"] = bucket(json!({ "by": header, "values": { "a": { "by": {}, "values": { "b": 1 }, "otherwise": 1 } }, "otherwise": 0 }));
            d["buckets"]["largest"] = bucket(json!({ "from": header, "otherwise": "unlimited" }));
            d["buckets"]["neither"] = bucket(json!({ "otherwise": 1 }));
            d["buckets"]["table"] = bucket(json!({ "by": header, "min": 1, "max": 1, "divide_by": 2, "otherwise": 1 }));
            d["buckets"]["values"] = bucket(json!({ "from": header, "values": {}, "max": 1, "divide_by": 0, "otherwise": 1 }));
        }),
        @r#"
buckets.values.limit.divide_by: invalid value: integer `0`, expected a whole number from 1 to 9007199254740992
buckets.deep.limit.otherwise.otherwise.otherwise.otherwise: expected at most 4 tables within one another
buckets.from.limit.from.header: expected a header name, such as x-api-key, found "x y"
buckets.from.limit.max: expected at least min, 9, found 8
buckets.inner.limit.values.a.by: expected one of jwt_claim, header, query, cookie, host, path, method, route_name, route_metadata, metadata, content_length
found 0 of them
buckets.largest.limit: missing field `max`: the largest number that a request can choose
buckets.neither.limit: expected by and values, or from and max
buckets.table.limit.divide_by: only valid with `from`: remove this
buckets.table.limit.min: only valid with `from`: remove this
buckets.table.limit.max: only valid with `from`: remove this
buckets.table.limit: missing field `values`
"#
    );
}

#[test]
fn invalid_tiers_are_reported() {
    insta::assert_snapshot!(
        mistakes_after(|d| {
            d["buckets"]["auth"]["tiers"] = json!({ "by": { "jwt_claim": "tier" }, "values": {
                "pro": { "rate": 5, "every": "1s" },
                "none": {},
                "two": { "limit": 1, "window": "1s", "per": "day" },
                "zone": { "limit": { "by": {}, "values": {}, "otherwise": 1 }, "per": "day", "time_zone": "Mars" },
            } });
            d["buckets"]["ai"]["tiers"] = json!({ "by": { "jwt_claim": "tier" }, "values": {
                "typo": { "limit": 1, "windw": "1s" },
                "list": [],
            } });
            d["buckets"]["public"]["tiers"] = json!({ "by": { "header": "a", "host": {} }, "values": {} });
            d["buckets"]["probes"]["tiers"] = json!({ "by": { "host": {} } });
        }),
        @r#"
buckets.ai.tiers.values.list: invalid type: list, expected a mapping, `{ field: value }`
buckets.ai.tiers.values.typo.windw: unknown field `windw` (did you mean "window"?), expected one of `limit`, `window`, `per`, `time_zone`, `anchor`, `rate`, `every`, `burst`
buckets.probes.tiers: missing field `values`
buckets.auth.tiers.values.none: expected one of window (sliding), per (calendar), rate (token bucket)
found 0 of them
buckets.auth.tiers.values.pro: a token bucket needs rate, every and burst
buckets.auth.tiers.values.two: expected one of window (sliding), per (calendar), rate (token bucket)
found 2 of them
buckets.auth.tiers.values.zone.time_zone: expected an IANA time zone such as Europe/Berlin, found "Mars"
buckets.auth.tiers.values.zone.limit.by: expected one of jwt_claim, header, query, cookie, host, path, method, route_name, route_metadata, metadata, content_length
found 0 of them
buckets.public.tiers.by: expected one of jwt_claim, header, query, cookie, host, path, method, route_name, route_metadata, metadata, content_length
found 2 of them
"#
    );
}

#[test]
fn invalid_costs_are_reported() {
    insta::assert_snapshot!(
        mistakes_after(|d| {
            d["buckets"]["banned"] = json!({ "key": "client", "limit": 0, "window": "1s" });
            d["rules"][1]["charge"] = json!([
                { "bucket": "auth", "cost": 6 },
                { "bucket": "ai", "cost": 0 },
                { "bucket": "ai_daily", "cost": 1000 },
                { "bucket": "public", "cost": "unlimited" },
                { "bucket": "probes", "cost": { "from": { "header": "x-cost" }, "min": 121, "max": 200, "otherwise": 300 } },
                { "bucket": "banned", "cost": 1 },
            ]);
            d["rules"][2]["charge"] = json!([
                { "bucket": "auth", "cost": 5 },
                { "bucket": "ai_daily", "cost": 999 },
                { "bucket": "auth", "cost": 1 },
                { "bucket": "pblic", "cost": 2 },
            ]);
            d["rules"][3]["charge"] = json!([
                { "bucket": "ai", "cost": 1, "prize": 2 },
                { "cost": 1 },
                { "bucket": "ai", "cost": -1 },
                7,
            ]);
        }),
        @r#"
rules[3].charge[0].prize: unknown field `prize`, expected `bucket` or `cost`
rules[3].charge[1]: missing field `bucket`
rules[3].charge[1].cost: invalid value: integer `-1`, expected a whole number from 0 to 9007199254740992
rules[3].charge[3]: invalid type: integer `7`, expected a bucket's name, or { bucket, cost }
rules[1].charge[0].cost: expected at most the limit of "auth", 5, found 6: it could never be admitted
rules[1].charge[1].cost: a cost of 0 charges nothing: remove this charge
rules[1].charge[2].cost: expected at most the limit of "ai_daily", 999, found 1000: it could never be admitted
rules[1].charge[3].cost: only a limit can be unlimited: use a number, such as 1
rules[1].charge[4].cost: expected at most the limit of "probes", 120, found 121: it could never be admitted
rules[2].charge[2]: "auth" is listed twice
rules[2].charge[3]: unknown bucket "pblic" (did you mean "public"?), expected one of ai, ai_client, ai_daily, auth, authenticated, banned, probes, public
"#
    );
}

#[test]
fn invalid_rules_are_reported() {
    insta::assert_snapshot!(
        mistakes_after(|d| {
            d["rules"][0]["name"] = json!("login rule");
            d["rules"][1]["match"] = json!({ "paths": ["api"], "methods": ["post"], "hosts": ["a:80"],
                "headers": { "x y": "1", "x-b": {}, "x-c": { "present": true, "prefix": "a" } } });
            d["rules"][2]["charge"] = json!(["ai", "ai", "gpt"]);
            d["rules"][2]["match"]["has_key"] = json!("usr");
            d["rules"][3]["match"] = json!({ "has_key": "client", "paths": [], "methods": [], "hosts": [] });
            d["rules"][3]["name"] = json!("same");
            d["rules"][4]["name"] = json!("same");
        }),
        @r#"
rules[0].name: expected a name of at most 64 letters, digits, _ or -, starting with a letter and not "none", found "login rule"
rules[1].match.paths[0]: expected a path that begins with a slash, found "api"
rules[1].match.methods[0]: expected a method in uppercase, such as POST, found "post"
rules[1].match.hosts[0]: expected a host without a port, such as example.com, *.example.com or [::1], found "a:80"
rules[1].match.headers.x y: expected a header name, such as x-api-key, found "x y"
rules[1].match.headers.x-b: expected one of equals, one_of, prefix, suffix, contains, regex, present, or bounds (at_least or above, at_most or below)
found none
rules[1].match.headers.x-c: expected one of equals, one_of, prefix, suffix, contains, regex, present, or bounds (at_least or above, at_most or below)
found prefix and present
rules[2].match.has_key: unknown key "usr" (did you mean "user"?), expected one of client, user
rules[2].charge[1]: "ai" is listed twice
rules[2].charge[2]: unknown bucket "gpt", expected one of ai, ai_client, ai_daily, auth, authenticated, probes, public
rules[3].match.paths: expected 1 to 1000 items: omit the field to match any path
rules[3].match.methods: expected 1 to 1000 items: omit the field to match any method
rules[3].match.hosts: expected 1 to 1000 items: omit the field to match any host
rules[3].match.has_key: every request has "client": remove this
rules[4].name: rules[3] has the name "same" too
"#
    );
}

#[test]
fn invalid_conditions_are_reported() {
    insta::assert_snapshot!(
        mistakes_after(|d| {
            d["rules"][0]["match"] = json!({ "headers": {
                "a": { "prefx": "a" }, "b": { "at_least": "3" }, "c": ["a", {}], "d": null,
                "e": { "one_of": "a" }, "f": 1.0, "g": ["a", 2.0, 2.5],
            } });
            d["rules"][1]["match"] = json!({ "any": [{ "paths": ["x"] }, { "path": "/" }] });
        }),
        @r#"
rules[0].match.headers.a.prefx: unknown field `prefx` (did you mean "prefix"?), expected one of `equals`, `one_of`, `prefix`, `suffix`, `contains`, `regex`, `present`, `at_least`, `at_most`, `above`, `below`, `ignore_case`
rules[0].match.headers.b.at_least: invalid type: string "3", expected a number such as 5 or 0.5
rules[0].match.headers.c[1]: invalid type: mapping, expected a text, a number, true or false
rules[0].match.headers.d: invalid type: null, expected a text, a list of texts, or a condition such as { prefix: text }
rules[0].match.headers.e.one_of: invalid type: string "a", expected a list
rules[0].match.headers.f: 1.0 would be compared as 1: put it in quotes
rules[0].match.headers.g[1]: 2.0 would be compared as 2: put it in quotes
rules[1].match.any[1].path: unknown field `path` (did you mean "paths"?), expected one of `paths`, `methods`, `hosts`, `client`, `headers`, `query`, `cookies`, `claims`, `keys`, `has_key`, `authenticated`, `when`, `on_error`, `any`, `not`
"#
    );
    insta::assert_snapshot!(
        mistakes_after(|d| {
            d["keys"]["pair"] = json!({ "all": ["user", "client"] });
            d["rules"][0]["match"] = json!({ "headers": {
                "b": { "equals": 1, "suffix": "x" }, "c": { "regex": "a(" },
                "d": { "regex": "a(", "prefix": "a" }, "e": { "present": true, "ignore_case": true },
                "f": { "at_least": 1, "above": 2 }, "g": { "at_least": 3, "below": 3 },
                "h": [], "i": 18014398509481984_u64, "j": { "prefix": "a".repeat(4097) },
            } });
            d["rules"][1]["match"] = json!({
                "claims": { "": "a", "/a//b": "b", "a.b": "c", "/a.b": "d", "https://a.b/c": "e" },
                "keys": { "usr": "1", "client": "192.0.2.1", "pair": "1" },
                "client": [],
            });
            d["rules"][2]["match"] = json!({ "any": [], "not": {} });
            d["rules"][3]["match"] = json!({ "any": [{ "paths": ["x"] }, {}] });
            d["rules"][4]["match"] = json!({
                "not": { "headers": { "x y": "1" } }, "query": { "": "1" }, "cookies": { "a b": "1" },
            });
        }),
        @r#"
rules[0].match.headers.b: expected one of equals, one_of, prefix, suffix, contains, regex, present, or bounds (at_least or above, at_most or below)
found equals and suffix
rules[0].match.headers.c.regex: expected a regular expression: found open group without closing ')'
rules[0].match.headers.d.regex: expected a regular expression: found open group without closing ')'
rules[0].match.headers.d: expected one of equals, one_of, prefix, suffix, contains, regex, present, or bounds (at_least or above, at_most or below)
found prefix and regex
rules[0].match.headers.e.ignore_case: only valid with text: remove this
rules[0].match.headers.f: has both at_least and above: remove one of them
rules[0].match.headers.g: no number is at least 3 and below 3
rules[0].match.headers.h: expected 1 to 10000 values, found 0
rules[0].match.headers.i: numbers above 2^53 are not exact: put it in quotes
rules[0].match.headers.j.prefix: expected at most 4096 bytes, found 4097 bytes
rules[1].match.client: expected 1 to 1000 networks or names of networks, found 0: list more under `networks`
rules[1].match.claims.: expected 1 to 8 names of 1 to 256 bytes, found [""]
rules[1].match.claims./a//b: expected 1 to 8 names of 1 to 256 bytes, found ["a","","b"]
rules[1].match.claims.a.b: a dot does not lead to a nested claim: write /a/b for one, or /a.b for a claim with a dot in its name
rules[1].match.keys.client: is a client address: use `client` with networks
rules[1].match.keys.pair: is a combination: list its keys instead
rules[1].match.keys.usr: unknown key "usr" (did you mean "user"?), expected one of client, pair, user
rules[2].match.any: expected 1 to 100 alternatives, found 0
rules[2].match.not: never matches, because {} matches any request: remove this
rules[3].match.any[0].paths[0]: expected a path that begins with a slash, found "x"
rules[3].match.any[1]: matches any request, so `any` always does: remove this
rules[4].match.query.: expected a text of 1 to 256 bytes, found 0 bytes
rules[4].match.cookies.a b: expected a cookie name, such as session, found "a b"
rules[4].match.not.headers.x y: expected a header name, such as x-api-key, found "x y"
"#
    );
    let nested = |depth: usize| {
        changed(|d| {
            let inner =
                (0..depth).fold(json!({ "methods": ["GET"] }), |one, _| json!({ "not": one }));
            d["rules"][0]["match"] = inner;
        })
    };
    assert_eq!(nested(8), "accepted");
    insta::assert_snapshot!(nested(9), @"rules[0].match.not.not.not.not.not.not.not.not.not: expected any and not nested at most 8 deep");
}

#[test]
fn invalid_networks_are_reported() {
    insta::assert_snapshot!(
        mistakes_after(|d| {
            d["networks"] = json!({
                "office": ["10.0.0.1/8", "10.0.0/8", "192.0.2.1", "2001:db8::/32"],
                "a b": [],
            });
            d["rules"][0]["match"] = json!({ "client": ["office", "ofice", "10.1.1.1/16", "10.0.0.0/8"] });
        }),
        @r#"
networks.a b: expected a name of at most 64 letters, digits, _ or -, starting with a letter
networks.office[0]: the address has bits after its first 8: write 10.0.0.0/8, found "10.0.0.1/8"
networks.office[1]: expected a network such as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1, found "10.0.0/8"
rules[0].match.client[1]: unknown network "ofice" (did you mean "office"?), expected one of a b, office
rules[0].match.client[2]: the address has bits after its first 16: write 10.1.0.0/16, found "10.1.1.1/16"
"#
    );
    insta::assert_snapshot!(changed(|d| d["rules"][0]["match"] = json!({ "client": ["office"] })), @r#"rules[0].match.client[0]: unknown network "office": define it under `networks`, or write it as 10.0.0.0/8"#);
    insta::assert_snapshot!(changed(|d| d["networks"] = json!({ "a": vec!["10.0.0.0/8"; 20_001] })), @"networks: expected at most 20000 in all, found 20001");
}

#[test]
fn every_language_feature_is_parsed() {
    let policy = from_yaml(
        r#"
version: 1
keys:
  user: { jwt_claim: [org, sub], otherwise: api_key }
  api_key: { header: X-API-Key, otherwise: client }
  client: { client_ip: {} }
  site: { host: {} }
  route: { route_name: {}, otherwise: site }
  plan: { route_metadata: [tollgate, plan, name], otherwise: site }
  user_at_site: { all: [user, site] }
buckets:
  a: { key: user_at_site, limit: 1, window: 1s, refund: [success, 404, 409.0] }
  b:
    key: plan
    per: month
    limit: { by: { route_metadata: [tollgate, plan] }, values: { "1": 5 }, otherwise: 1 }
rules:
  - name: from_partners
    match:
      hosts: ["*.example.com", api.example.org]
      headers: { X-Partner: { present: true }, x-version: v2, x-agent: { prefix: curl/ } }
      has_key: api_key
    charge: [a, b]
  - { charge: [] }
"#,
    )
    .unwrap();
    let user = policy.keys.get("user").unwrap();
    let claim = Source::JwtClaim(vec!["org".to_owned(), "sub".to_owned()]);
    assert_eq!(
        *user,
        Key::One { source: claim, otherwise: Some("api_key".to_owned()), is_logged: false }
    );
    assert_eq!(policy.payers("user").collect::<Vec<_>>(), ["user", "api_key", "client"]);
    let refunds = [Refund::Success, Refund::Status(404), Refund::Status(409)];
    assert_eq!(policy.buckets[0].refund, refunds);
    let values: Vec<_> =
        policy.rules[0].matching.values.iter().map(|value| value.of.to_string()).collect();
    assert_eq!(values, ["header x-partner", "header x-agent", "header x-version"]);
}

#[test]
fn the_policy_size_is_bounded() {
    let many = |count: usize| vec![json!({ "charge": [] }); count];
    assert_eq!(changed(|d| d["rules"] = json!(many(MAX_ITEMS))), "accepted");
    insta::assert_snapshot!(changed(|d| d["rules"] = json!(many(MAX_ITEMS + 1))), @"rules: expected at most 1000, found 1001");
    let bad = changed(|d| d["rules"] = json!(vec![json!({}); MAX_ITEMS]));
    assert_eq!(bad.split("; ").count(), 100, "{bad}");
}

#[test]
fn invalid_calendars_are_reported() {
    let calendar = |fields: serde_json::Value| {
        changed(|d| {
            let bucket = d["buckets"]["auth"].as_object_mut().unwrap();
            bucket.remove("window");
            bucket.extend(fields.as_object().unwrap().clone());
        })
    };
    for good in [
        json!({ "per": "week" }),
        json!({ "per": "week", "anchor": "Sunday" }),
        json!({ "per": "month", "anchor": 31.0 }),
        json!({ "per": "year", "anchor": "04-06" }),
        json!({ "per": "month", "anchor": { "from": { "jwt_claim": "billing_day" }, "otherwise": 1 } }),
        json!({ "per": "day", "time_zone": { "from": { "jwt_claim": "zoneinfo" }, "otherwise": "UTC" } }),
    ] {
        assert_eq!(calendar(good.clone()), "accepted", "{good}");
    }
    insta::assert_snapshot!(calendar(json!({ "per": "week", "anchor": 1 })), @r#"buckets.auth.anchor: expected a day of the week such as friday, found "1""#);
    insta::assert_snapshot!(calendar(json!({ "per": "month", "anchor": 32 })), @"buckets.auth.anchor: expected a day of the week, a day from 1 to 31, or a month and a day such as 04-06, found 32");
    insta::assert_snapshot!(calendar(json!({ "per": "year", "anchor": "02-30" })), @r#"buckets.auth.anchor: expected a month and a day such as 04-06, found "02-30""#);
    insta::assert_snapshot!(calendar(json!({ "per": "day", "anchor": 2 })), @r#"buckets.auth.anchor: expected no anchor, which only a week, month or year has, found "2""#);
    insta::assert_snapshot!(calendar(json!({ "window": "1m", "anchor": 2 })), @"buckets.auth.anchor: only valid with `per`: remove this");
    insta::assert_snapshot!(calendar(json!({ "per": "second" })), @"buckets.auth.per: unknown variant `second`, expected one of `minute`, `hour`, `day`, `week`, `month`, `year`; for a second, write `window: 1s` in place of `per`");
    insta::assert_snapshot!(calendar(json!({ "per": "fortnight" })), @"buckets.auth.per: unknown variant `fortnight`, expected one of `minute`, `hour`, `day`, `week`, `month`, `year`");
    insta::assert_snapshot!(calendar(json!({ "per": "day", "time_zone": { "from": {}, "otherwise": "Mars" } })), @r#"buckets.auth.time_zone.otherwise: expected an IANA time zone such as Europe/Berlin, found "Mars"; buckets.auth.time_zone.from: expected one of jwt_claim, header, query, cookie, host, path, method, route_name, route_metadata, metadata, content_length; found 0 of them"#);
    insta::assert_snapshot!(calendar(json!({ "per": "month", "anchor": { "from": { "header": "x" } } })), @"buckets.auth.anchor: missing field `otherwise`");
}

#[test]
fn invalid_balances_are_reported() {
    let balance = |bucket: serde_json::Value| changed(|d| d["buckets"]["auth"] = bucket);
    assert_eq!(balance(json!({ "key": "client", "balance": 0 })), "accepted");
    assert_eq!(
        balance(json!({ "key": "client", "balance": 5, "on_failure": "allow" })),
        "accepted"
    );
    insta::assert_snapshot!(balance(json!({ "key": "client", "balance": 5, "limit": 5, "on_failure": "local" })), @"buckets.auth.limit: a balance has no limit except what is left of it: remove this; buckets.auth.on_failure: only the ledger knows a balance: expected deny or allow, found local");
    insta::assert_snapshot!(balance(json!({ "key": "client", "balance": 5, "per": "day" })), @"buckets.auth: expected one of window (sliding), per (calendar), rate (token bucket), balance (prepaid); found 2 of them");
    insta::assert_snapshot!(balance(json!({ "key": "client", "balance": "unlimited" })), @"buckets.auth.balance: a balance has an end: expected at most 4503599627370496, found unlimited");
    insta::assert_snapshot!(balance(json!({ "key": "client", "balance": -1 })), @"buckets.auth.balance: invalid value: integer `-1`, expected a whole number from 0 to 9007199254740992");
    insta::assert_snapshot!(balance(json!({ "key": "client", "balance": 5, "anchor": 1, "time_zone": "UTC", "burst": 1 })), @"buckets.auth.time_zone: only valid with `per`: remove this; buckets.auth.anchor: only valid with `per`: remove this; buckets.auth.burst: only valid with `rate`: remove this");
}

#[test]
fn a_balance_is_denied_without_the_ledger_by_default() {
    let policy = from_yaml(
        "version: 1\nkeys: { client: { client_ip: {} } }\nbuckets: { a: { key: client, balance: 5 }, b: { key: client, limit: 1, window: 1s } }\nrules: []\n",
    );
    let of = policy.unwrap().buckets.iter().map(|bucket| bucket.on_failure).collect::<Vec<_>>();
    assert_eq!(of, [OnFailure::Deny, OnFailure::Local(WhenFull::Deny)]);
}

#[test]
fn local_counting_says_what_a_full_table_means() {
    let with = |on_failure: serde_json::Value| {
        changed(|d| d["buckets"]["auth"]["on_failure"] = on_failure)
    };
    for when_full in ["allow", "deny"] {
        assert_eq!(with(json!({ "local": { "when_full": when_full } })), "accepted");
    }
    insta::assert_snapshot!(with(json!({ "local": { "when_full": "local" } })), @"buckets.auth.on_failure.local.when_full: unknown variant `local`, expected `allow` or `deny`");
    insta::assert_snapshot!(with(json!({ "local": { "when_ful": "deny" } })), @r#"buckets.auth.on_failure.local.when_ful: unknown field `when_ful` (did you mean "when_full"?), expected `when_full`"#);
    insta::assert_snapshot!(with(json!({ "local": "deny" })), @r#"buckets.auth.on_failure.local: invalid type: string "deny", expected a mapping, `{ field: value }`"#);
    insta::assert_snapshot!(with(json!({ "deny": {} })), @"buckets.auth.on_failure.deny: unknown field `deny`, expected `local`");
    insta::assert_snapshot!(with(json!({})), @"buckets.auth.on_failure: missing field `local`");
    insta::assert_snapshot!(with(json!(["local"])), @"buckets.auth.on_failure: invalid type: list, expected allow, deny, local or { local: { when_full } }");
    insta::assert_snapshot!(changed(|d| d["buckets"]["auth"] = json!({
        "key": "client", "balance": 5, "on_failure": { "local": { "when_full": "allow" } },
    })), @"buckets.auth.on_failure: only the ledger knows a balance: expected deny or allow, found local");
    let of = |on_failure: &str| {
        let text = format!(
            "version: 1\nkeys: {{ client: {{ client_ip: {{}} }} }}\nbuckets: {{ a: {{ key: client, limit: 1, window: 1s, on_failure: {on_failure} }} }}\nrules: []\n"
        );
        from_yaml(&text).unwrap().buckets[0].on_failure
    };
    assert_eq!(of("local"), OnFailure::Local(WhenFull::Deny));
    assert_eq!(of("{ local: {} }"), OnFailure::Local(WhenFull::Deny));
    assert_eq!(of("{ local: { when_full: allow } }"), OnFailure::Local(WhenFull::Allow));
}

#[test]
fn a_name_that_is_a_number_is_not_an_index() {
    let limit = json!({ "by": { "jwt_claim": "tier" }, "values": { "5": "many" }, "otherwise": 1 });
    let found = changed(|d| d["buckets"]["auth"]["limit"] = limit);
    assert!(found.starts_with("buckets.auth.limit.values.5: invalid value"), "{found}");
}

#[test]
fn invalid_cel_conditions_are_reported() {
    insta::assert_snapshot!(mistakes_after(|d| {
        d["rules"][0]["match"] = json!({ "when": "clams.tier == 'pro' || claims.tier = 1" });
        d["rules"][1]["match"] = json!({ "on_error": "match" });
        d["rules"][2]["match"] = json!({ "not": { "when": "claims", "on_error": "skip" } });
        d["rules"][3]["match"] = json!({ "when": "true", "on_error": "deny" });
    }), @r"
rules[3].match.on_error: unknown variant `deny`, expected `match` or `skip`
rules[0].match.when: line 1, column 36: Syntax error: mismatched input '=' expecting <EOF>
rules[1].match.on_error: only valid with `when`: remove this
rules[2].match.not.when: line 1, column 1: expected claims with a name written out, such as claims['x']
");
}

#[test]
fn mistakes_in_rules_that_add_up_are_reported() {
    insta::assert_snapshot!(mistakes_after(|d| {
        d["exempt"] = json!([{ "methods": ["OPTIONS"] }, {}, { "authenticated": 1 }, { "paths": ["x"] }]);
        d["rules"] = json!([{ "charge": [], "continue": true }, { "charge": [], "continue": 1 }]);
    }), @r#"
exempt[2].authenticated: invalid type: integer `1`, expected a boolean
rules[1].continue: invalid type: integer `1`, expected a boolean
exempt[1]: expected a condition: without one, every request is exempt
exempt[3].paths[0]: expected a path that begins with a slash, found "x"
rules[0].continue: this rule has no effect: charge a bucket, or use the top-level `exempt`
"#);
    let bucket = json!({ "key": "client", "limit": 1, "window": "1m" });
    let with = |base: usize, own: usize| {
        let names: Vec<_> = (0..base + own).map(|at| format!("b{at}")).collect();
        changed(|d| {
            d["buckets"] = names.iter().map(|name| (name.clone(), bucket.clone())).collect();
            d["rules"] = names
                .iter()
                .take(base)
                .map(|name| json!({ "charge": [name], "continue": true }))
                .collect();
            let last = json!({ "charge": names.get(base..).unwrap() });
            d["rules"].as_array_mut().unwrap().extend([last.clone(), last]);
        })
    };
    assert_eq!(with(10, 6), "accepted");
    assert_eq!(with(0, 16), "accepted");
    insta::assert_snapshot!(with(11, 6), @"rules[11].charge: expected at most 16 buckets, together with those of the rules with `continue` before it, found 17");
}

#[test]
fn mistakes_in_refusals_are_reported() {
    insta::assert_snapshot!(
        mistakes_after(|d| {
            d["x_ratelimit_reset"] = json!("date");
            d["upstream_headers"] = json!("strict");
            d["buckets"]["auth"]["jitter"] = json!("30s");
            d["buckets"]["ai_daily"]["jitter"] = json!("2h");
            d["buckets"]["ai"]["refusal"] = json!({
                "status": 200,
                "body": { "html": "a", "text": "b" },
            });
            d["buckets"]["ai_client"]["refusal"] = json!({
                "body": { "html": "{buket} {{x}} a{color:red} {x}" },
                "headers": {
                    "Retry-After": "1", ":status": "200", "x y": "z", "X-A": "a", "x-a": "b",
                    "x-b": "a\nb", "x-c": "", "x-d": "{retry_after}", "content-type": "text/html",
                },
            });
            d["buckets"]["authenticated"]["refusal"] = json!({ "bdoy": {} });
            d["buckets"]["auth"]["refusal"] = json!({ "status": 304 });
            d["buckets"]["probes"]["visible"] = json!(false);
            d["buckets"]["probes"]["refusal"] = json!({
                "body": { "json": ["{bucket}", { "a": "{limit} {y}" }] },
            });
            d["buckets"]["public"]["refusal"] = json!({ "body": { "text": "x".repeat(16_385) } });
        }),
        @r#"
upstream_headers: unknown variant `strict` (did you mean "stricter"?), expected one of `stricter`, `keep`, `replace`
x_ratelimit_reset: unknown variant `date`, expected `delta` or `epoch`
buckets.ai.refusal.status: invalid value: integer `200`, expected a whole number from 300 to 599
buckets.authenticated.refusal.bdoy: unknown field `bdoy` (did you mean "body"?), expected one of `status`, `body`, `headers`
buckets.ai_client.refusal.body.html: unknown placeholder {buket} (did you mean "bucket"?), expected one of bucket, limit, retry_after_s, instance, detail, rule (or {{buket}} for the text itself)
buckets.ai_client.refusal.body.html: unknown placeholder {x}, expected one of bucket, limit, retry_after_s, instance, detail, rule (or {{x}} for the text itself)
buckets.ai_client.refusal.headers.:status: expected a header name, found ":status": use `status`
buckets.ai_client.refusal.headers.Retry-After: Envoy or Tollgate sets this header: remove this
buckets.ai_client.refusal.headers.x y: expected a header name, such as x-api-key, found "x y"
buckets.ai_client.refusal.headers.x-a: this header is listed twice, in different case: remove one
buckets.ai_client.refusal.headers.x-b: expected 1 to 1024 visible ASCII characters and spaces, found "a\nb"
buckets.ai_client.refusal.headers.x-c: expected 1 to 1024 visible ASCII characters and spaces, found ""
buckets.ai_client.refusal.headers.x-d: unknown placeholder {retry_after} (did you mean "retry_after_s"?), expected one of bucket, limit, retry_after_s, instance, detail, rule (or {{retry_after}} for the text itself)
buckets.ai_daily.jitter: expected at most 1h, found 7200000ms
buckets.auth.refusal.status: a 304 has no body, so it cannot refuse a request: use another status
buckets.auth.jitter: only valid with `per`: remove this
buckets.probes.refusal.body.json: unknown placeholder {y}, expected one of bucket, limit, retry_after_s, instance, detail, rule (or {{y}} for the text itself)
buckets.probes.refusal: {bucket} shows what `visible: false` hides: remove one of them
buckets.probes.refusal: {limit} shows what `visible: false` hides: remove one of them
buckets.public.refusal.body: expected at most 16384 bytes, found 16385
"#
    );
}
