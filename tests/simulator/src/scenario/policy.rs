//! Random policies: every algorithm, every `on_failure`, refunds, shadows, tiers, blocks, balances,
//! costs, conditions, several rules and buckets per request. Some windows outlast the run, so the
//! final ledger shows if anything was lost.

use super::buckets::{bucket, cost};
use super::matches::condition;
use crate::dice::Dice;
use limits::policy::Policy;
use serde_json::{Map, Value, json};

/// The paths that rules match.
pub(crate) const PATHS: [&str; 3] = ["/a", "/b", "/c"];
const MAX_BUCKETS: u64 = 5;
/// More attempts than it takes to create a valid policy. Few are not: for example, a cost can exceed
/// its limit.
const MAX_ATTEMPTS: usize = 1_000;

/// Creates a random policy.
pub(super) fn random(dice: &mut Dice) -> Value {
    let is_valid = |policy: &Value| Policy::from_value(policy.clone()).is_ok();
    let mut policies = (0..MAX_ATTEMPTS).map(|_| attempt(dice));
    policies.find(is_valid).unwrap_or_default()
}

fn attempt(dice: &mut Dice) -> Value {
    let names: Vec<String> =
        (0..dice.in_range(1..=MAX_BUCKETS)).map(|at| format!("bucket{at}")).collect();
    let buckets: Map<String, Value> =
        names.iter().map(|name| (name.clone(), bucket(dice))).collect();
    let mut rules = vec![json!({ "match": { "paths": ["/free"] }, "charge": [] })];
    if dice.chance(300) {
        let charge = charges(dice, &names, 300);
        rules.push(json!({ "match": condition(dice), "charge": charge, "continue": true }));
    }
    for path in PATHS {
        if dice.chance(300) {
            let mut matching = condition(dice);
            matching["paths"] = json!([path]);
            rules.push(json!({ "match": matching, "charge": charges(dice, &names, 400) }));
        }
        let charge = charges(dice, &names, 500);
        rules.push(json!({ "match": { "paths": [path] }, "charge": charge }));
    }
    let exempt: Vec<Value> = (0..dice.pick(0, &[0, 0, 1])).map(|_| condition(dice)).collect();
    json!({
        "version": 1,
        "salt": "one",
        "shim": { "cluster": "tollgate", "timeout": format!("{}ms", dice.in_range(20..=250)) },
        "networks": { "low": ["10.0.0.0/30", "192.0.2.0/24"] },
        "keys": {
            "user": { "jwt_claim": "sub", "otherwise": "client" },
            "client": { "client_ip": { "v4_prefix": 32, "v6_prefix": 64 } },
            "session": { "cookie": "session", "otherwise": "client" },
            "roles": { "jwt_claim": "roles", "otherwise": "client" },
            "model": { "header": "x-model", "otherwise": "user" },
            "size": { "query": "size", "otherwise": "user" },
            "place": { "path": {} },
            "verb": { "method": {} },
            "site": { "host": {} },
            "everyone": { "constant": "all" },
            "user_at_place": { "all": ["user", "place"] },
        },
        "buckets": buckets,
        "exempt": exempt,
        "rules": rules,
    })
}

/// Returns `policy` with changes that leave its limits alone: another timeout, or another salt,
/// which resets all counters.
pub(super) fn changed(dice: &mut Dice, policy: &Value) -> Value {
    let mut changed = policy.clone();
    if dice.chance(500) {
        changed["salt"] = json!("two");
    }
    if dice.chance(300) {
        changed["shim"]["timeout"] = json!(format!("{}ms", dice.in_range(20..=250)));
    }
    changed
}

/// Charges each bucket with a probability of `per_mille` / 1000, and at least one.
fn charges(dice: &mut Dice, names: &[String], per_mille: u64) -> Vec<Value> {
    let mut charged: Vec<&String> = names.iter().filter(|_| dice.chance(per_mille)).collect();
    if charged.is_empty() {
        charged.extend(names.first());
    }
    let charges = charged.into_iter().map(|name| match cost(dice) {
        Some(cost) => json!({ "bucket": name, "cost": cost }),
        None => json!(name),
    });
    charges.collect()
}
