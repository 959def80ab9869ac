//! Limits, tiers and costs that depend on the request.

use super::*;
use serde_json::json;

fn policy(bucket: serde_json::Value, charge: serde_json::Value) -> Policy {
    Policy::from_value(json!({
        "version": 1,
        "keys": { "client": { "client_ip": {} } },
        "buckets": { "b": bucket },
        "rules": [{ "charge": charge }],
    }))
    .unwrap()
}

/// Returns the counter's last part, the quota and the cost of `request`; `blocked` or `free`.
fn planned(policy: &Policy, request: &FakeRequest) -> String {
    let plan = policy.plan(request).unwrap();
    let explained = policy.explain(request).unwrap();
    let [explained] = explained.charges.as_slice() else { panic!("{explained:?}") };
    if let [Blocked { bucket, .. }] = plan.blocked.as_slice() {
        assert_eq!(*bucket, 0);
        assert_eq!((explained.quota, explained.cost > 0), (None, true));
        return "blocked".to_owned();
    }
    let [PlannedCharge { charge, .. }] = plan.charges.as_slice() else {
        assert_eq!(explained.cost, 0);
        return "free".to_owned();
    };
    assert_eq!((explained.quota, explained.cost), (Some(charge.quota), charge.cost.get()));
    assert_eq!(explained.counter, charge.counter);
    let name = charge.counter.to_string().split_off(38);
    let quota = match charge.quota {
        Quota::SlidingWindow(quota) => format!("{}/{}ms", quota.limit, quota.window_ms),
        Quota::FixedWindow(quota) => format!("{}/{}", quota.limit, quota.per.name()),
        Quota::TokenBucket(quota) => {
            format!("{}+{}/{}ms", quota.burst(), quota.rate(), quota.per_ms())
        }
        Quota::Balance(quota) => format!("{}+", quota.start),
    };
    format!("{name} {quota} -{}", charge.cost)
}

#[test]
fn a_cost_is_read_from_the_request_within_bounds() {
    let cost = json!({ "from": { "header": "x-cost" }, "min": 1, "max": 100, "otherwise": 5 });
    let bucket = json!({ "key": "client", "limit": 1000, "window": "1s" });
    let policy = policy(bucket, json!([{ "bucket": "b", "cost": cost }]));
    let check = |text: &'static str, expected: u64| {
        let found = planned(&policy, &FakeRequest::get("/").with("x-cost", text));
        assert_eq!(found, format!("b 1000/1000ms -{expected}"), "{text:?}");
    };
    check("7", 7);
    check("2.5", 3);
    check("0", 1);
    check("101", 100);
    check("1152921504606846976", 100);
    for not_a_number in ["", "-7", "7e1", "seven", "7,8", "NaN"] {
        check(not_a_number, 5);
    }
    assert_eq!(planned(&policy, &FakeRequest::get("/")), "b 1000/1000ms -5");
}

#[test]
fn a_cost_is_divided_and_rounded_up() {
    let from = json!({ "header": "content-length" });
    let cost = json!({ "from": from, "min": 0, "max": 100, "divide_by": 1024, "otherwise": 0 });
    let bucket = json!({ "key": "client", "limit": 1000, "window": "1s" });
    let policy = policy(bucket, json!([{ "bucket": "b", "cost": cost }]));
    let of = |text| planned(&policy, &FakeRequest::post("/").with("content-length", text));
    assert_eq!(of("0"), "free");
    assert_eq!(of("1"), "b 1000/1000ms -1");
    assert_eq!(of("1024"), "b 1000/1000ms -1");
    assert_eq!(of("1025"), "b 1000/1000ms -2");
    assert_eq!(planned(&policy, &FakeRequest::post("/")), "free");
}

#[test]
fn a_cost_is_looked_up() {
    let values = json!({ "large": 20, "mini": 0 });
    let cost = json!({ "by": { "header": "x-model" }, "values": values, "otherwise": 2 });
    let bucket = json!({ "key": "client", "limit": 100, "window": "1s" });
    let policy = policy(bucket, json!([{ "bucket": "b", "cost": cost }]));
    let of = |model| planned(&policy, &FakeRequest::get("/").with("x-model", model));
    assert_eq!(of("large"), "b 100/1000ms -20");
    assert_eq!(of("mini"), "free");
    assert_eq!(of("other"), "b 100/1000ms -2");
}

#[test]
fn a_limit_is_read_from_the_request_within_bounds() {
    let from = json!({ "route_metadata": ["plan", "limit"] });
    let limit = json!({ "from": from, "min": 0, "max": 1000, "otherwise": 10 });
    let policy = policy(json!({ "key": "client", "per": "day", "limit": limit }), json!(["b"]));
    let of = |value: Value| {
        let mut request = FakeRequest::get("/");
        request.metadata.insert("plan.limit", value);
        planned(&policy, &request)
    };
    assert_eq!(of(Value::Number(50.0)), "b 50/day -1");
    assert_eq!(of(Value::Number(50.9)), "b 50/day -1");
    assert_eq!(of(Value::Number(1e300)), "b 1000/day -1");
    assert_eq!(of(Value::Number(0.0)), "blocked");
    assert_eq!(of(Value::Number(-1.0)), "b 10/day -1");
    assert_eq!(of(Value::Number(f64::NAN)), "b 10/day -1");
    assert_eq!(of(Value::Text(b"77".to_vec())), "b 77/day -1");
    assert_eq!(of(Value::Bool(true)), "b 10/day -1");
    assert_eq!(planned(&policy, &FakeRequest::get("/")), "b 10/day -1");
}

#[test]
fn tables_can_be_nested_and_list_0_and_unlimited() {
    let regions = json!({ "eu": 10, "us": 20 });
    let region = json!({ "by": { "header": "x-region" }, "values": regions, "otherwise": 5 });
    let values = json!({ "pro": region, "banned": 0, "own": "unlimited" });
    let limit = json!({ "by": { "jwt_claim": "tier" }, "values": values, "otherwise": 1 });
    let bucket = json!({ "key": "client", "window": "1s", "limit": limit });
    let policy = policy(bucket, json!(["b"]));
    let of = |tier, region| {
        planned(&policy, &FakeRequest::get("/").user("42", tier).with("x-region", region))
    };
    assert_eq!(of("pro", "eu"), "b 10/1000ms -1");
    assert_eq!(of("pro", "us"), "b 20/1000ms -1");
    assert_eq!(of("pro", "mars"), "b 5/1000ms -1");
    assert_eq!(of("free", "eu"), "b 1/1000ms -1");
    assert_eq!(of("banned", "eu"), "blocked");
    assert_eq!(of("own", "eu"), "b 9007199254740992/1000ms -1");
}

#[test]
fn tiers_that_count_alike_share_a_counter() {
    let zone = "America/Argentina/Buenos_Aires";
    let values = json!({
        "same": { "limit": 50, "window": "1m" },
        "hourly": { "limit": 50, "window": "1h" },
        "smooth": { "rate": 5, "every": "1s", "burst": 20 },
        "fast": { "rate": 50, "every": "10s", "burst": 30 },
        "daily": { "limit": 9, "per": "day", "time_zone": zone },
        "banned": { "limit": 0, "window": "1m" },
    });
    let tiers = json!({ "by": { "jwt_claim": "tier" }, "values": values });
    let bucket = json!({ "key": "client", "limit": 10, "window": "60s", "tiers": tiers });
    let policy = policy(bucket, json!(["b"]));
    let of = |tier| planned(&policy, &FakeRequest::get("/").user("42", tier));
    assert_eq!(of("free"), "b 10/60000ms -1");
    assert_eq!(of("same"), "b 50/60000ms -1");
    assert_eq!(of("hourly"), "b~sliding.3600000 50/3600000ms -1");
    assert_eq!(of("smooth"), "b~tokens 20+5/1000ms -1");
    assert_eq!(of("fast"), "b~tokens 30+50/10000ms -1");
    assert_eq!(of("daily"), "b~day.America.Argentina.Buenos_Aires 9/day -1");
    assert_eq!(of("banned"), "blocked");
    assert_eq!(planned(&policy, &FakeRequest::get("/")), "b 10/60000ms -1");
}

#[test]
fn reasons_say_what_the_request_selected() {
    let values = json!({ "pro": { "limit": 50, "window": "1m" } });
    let tiers = json!({ "by": { "jwt_claim": "tier" }, "values": values });
    let limit = json!({ "by": { "header": "x-a" }, "values": {}, "otherwise": {
        "from": { "header": "x-limit" }, "max": 9, "otherwise": 2 } });
    let cost = json!({ "from": { "header": "x-cost" }, "max": 9, "otherwise": 1 });
    let policy = policy(
        json!({ "key": "client", "limit": limit, "window": "1m", "tiers": tiers }),
        json!([{ "bucket": "b", "cost": cost }]),
    );
    let reasons = |request: &FakeRequest| {
        let explained = policy.explain(request).unwrap();
        let reasons = explained.charges[0].reasons.iter();
        reasons
            .map(|one| format!("{:?} {:?} {:?}", one.subject, one.found, one.effect))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        reasons(&FakeRequest::get("/").user("1", "pro").with("x-cost", "x")),
        ["Tier Some(\"pro\") Listed", "Cost Some(\"x\") NotANumber"]
    );
    assert_eq!(
        reasons(&FakeRequest::get("/").with("x-a", "y").with("x-limit", "12")),
        [
            "Tier None Unlisted",
            "Limit Some(\"y\") Unlisted",
            "Limit Some(\"12\") Read(9)",
            "Cost None NotANumber"
        ]
    );
}
