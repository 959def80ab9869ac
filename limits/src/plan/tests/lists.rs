//! Lists in tables of limits, costs and tiers.

use super::*;

/// Returns the limit and the cost of a request with these roles, and the role that counts.
fn chosen(bucket: &str, cost: &str, roles: &[Value]) -> (u64, u64, Option<String>) {
    let text = format!(
        "{{version: 1, keys: {{client: {{client_ip: {{}}}}}}, buckets: {{b: {{key: client, {bucket}}}}}, \
          rules: [{{charge: [{{bucket: b, cost: {cost}}}]}}]}}"
    );
    let policy = Policy::from_value(serde_saphyr::from_str(&text).unwrap()).unwrap();
    let request = FakeRequest::get("/").claims([("roles", Value::List(roles.to_vec()))]);
    let charge = policy.plan(&request).unwrap().charges.remove(0).charge;
    let explained = policy.explain(&request).unwrap().charges.remove(0);
    assert_eq!((explained.quota.unwrap(), explained.cost), (charge.quota, charge.cost.get()));
    let found = explained.reasons.first().and_then(|reason| reason.found.clone());
    (charge.quota.limit(), charge.cost.get(), found)
}

fn role(name: &str) -> Value {
    Value::from(name)
}

#[test]
fn the_largest_limit_of_a_list_counts() {
    let check = |roles: &[Value], limit: u64, by: Option<&str>| {
        let bucket = "window: 1s, limit: {by: {jwt_claim: roles}, \
                      values: {free: 5, pro: 50, beta: 50, '7': 70, all: unlimited}, otherwise: 10}";
        let expected = (limit, 1, by.map(str::to_owned));
        assert_eq!(chosen(bucket, "1", roles), expected, "{roles:?}");
    };
    check(&[role("free")], 5, Some("free"));
    check(&[role("pro"), role("free")], 50, Some("pro"));
    check(&[role("pro"), role("beta")], 50, Some("beta"));
    check(&[role("other"), role("free")], 5, Some("free"));
    check(&[role("other"), Value::Number(7.0)], 70, Some("7"));
    check(&[role("pro"), role("all")], crate::policy::UNLIMITED.get(), Some("all"));
    check(&[role("other"), role("more")], 10, Some("more,other"));
    check(&[], 10, None);
}

#[test]
fn the_largest_limit_of_nested_tables_counts() {
    let bucket = "window: 1s, limit: {by: {jwt_claim: roles}, otherwise: 1, values: \
                  {free: 5, pro: {by: {method: {}}, values: {GET: 3}, otherwise: 100}}}";
    assert_eq!(chosen(bucket, "1", &[role("free"), role("pro")]).0, 5);
}

#[test]
fn the_smallest_cost_of_a_list_counts() {
    let cost = "{by: {jwt_claim: roles}, values: {free: 5, pro: 2}, otherwise: 1}";
    let of = |roles: &[Value]| chosen("window: 1s, limit: 10", cost, roles).1;
    assert_eq!(of(&[role("free"), role("pro")]), 2);
    assert_eq!(of(&[role("free"), role("other")]), 5);
    assert_eq!(of(&[role("other")]), 1);
}

#[test]
fn the_fastest_tier_of_a_list_counts() {
    let bucket = "window: 1m, limit: 1, tiers: {by: {jwt_claim: roles}, values: {\
                  day: {per: day, limit: 1000}, second: {window: 1s, limit: 2}, \
                  tokens: {rate: 100, every: 1m, burst: 3}}}";
    let of = |roles: &[Value]| chosen(bucket, "1", roles).0;
    assert_eq!(of(&[role("day"), role("second")]), 2);
    assert_eq!(of(&[role("day"), role("tokens")]), 3);
    assert_eq!(of(&[role("day")]), 1000);
    assert_eq!(of(&[role("other")]), 1);
}

#[test]
fn a_list_of_one_number_is_a_number() {
    let bucket = "window: 1s, limit: {from: {jwt_claim: roles}, max: 100, otherwise: 7}";
    assert_eq!(chosen(bucket, "1", &[role("42")]).0, 42);
    assert_eq!(chosen(bucket, "1", &[role("42"), role("43")]).0, 7);
}
