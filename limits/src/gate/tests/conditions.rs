use super::*;
use crate::policy::Policy;

fn gate_with(matching: &serde_json::Value) -> Gate {
    let policy = serde_json::json!({
        "version": 1,
        "keys": { "client": { "client_ip": {} } },
        "buckets": { "all": { "key": "client", "limit": 5, "window": "1m" } },
        "rules": [{ "match": matching, "charge": [] }, { "charge": ["all"] }],
    });
    Gate::new(Policy::from_value(policy).unwrap())
}

#[test]
fn a_condition_without_a_value_is_counted_and_logged() {
    for (on_error, passes) in [("match", true), ("skip", false)] {
        let when = serde_json::json!({ "when": "claims.level > 3", "on_error": on_error });
        let mut gate = gate_with(&when);
        let release = ask(&mut gate, NOW_MS, 1, &FakeRequest::get("/"));
        assert_eq!(release.is_some(), passes, "{on_error}");
        let errors: i64 = gate
            .take_samples()
            .iter()
            .filter(|sample| gate.metric_name(sample.metric) == "tollgate.condition_errors")
            .map(|sample| sample.amount)
            .sum();
        assert_eq!(errors, 1);
        let line = "cannot evaluate \"claims.level > 3\": No such key: level";
        assert_eq!(gate.take_log(NOW_US), [line]);
    }
}
