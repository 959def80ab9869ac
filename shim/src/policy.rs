//! `tollgate policy …`: checks, explains, renders and applies policy documents.
//!
//! Called by [`crate::run`]. [`limits::policy`] defines the language and its errors.

mod apply;
mod check;
mod edit;
mod explain;
mod places;
pub(crate) mod reasons;
mod render;
mod sets;

use crate::cli::PolicyCommand;
use crate::terminal::print_error;
use anyhow::Context;
pub(crate) use check::read;
use sets::Settings;

/// Runs `tollgate policy …` and returns the text to print. `variable` looks up an environment
/// variable.
pub(crate) fn policy(
    command: PolicyCommand,
    variable: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<String> {
    match command {
        PolicyCommand::Check { file } => {
            let check::Checked { summary, warning } = check::check(&file)?;
            print_error(&warning.unwrap_or_default());
            Ok(summary)
        }
        PolicyCommand::Explain { file, request } => explain::explain(&file, &request),
        PolicyCommand::Render { file, sets, json } => {
            render::render(&file, &Settings::new(sets, variable), json)
        }
        PolicyCommand::Apply { file, to, sets, template } => {
            let settings = Settings::new(sets, variable);
            apply::apply(&file, &settings, template.as_ref().unwrap_or(&to), &to)
        }
        PolicyCommand::Schema => {
            let schema = limits::policy::schema();
            let text = serde_json::to_string_pretty(&schema).context("cannot write the schema")?;
            Ok(text + "\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    const SCHEMA: &str = include_str!("../../envoy/policy.schema.json");
    const SHIPPED: &str = include_str!("../../envoy/policy.yaml");

    #[test]
    fn the_schema_in_envoy_is_up_to_date() {
        let kept: Value = serde_json::from_str(SCHEMA).unwrap();
        let current = limits::policy::schema();
        assert_eq!(kept, current, "run `tollgate policy schema > envoy/policy.schema.json`");
    }

    #[test]
    fn the_schema_accepts_what_the_filter_accepts() {
        let schema = jsonschema::validator_for(&limits::policy::schema()).unwrap();
        let shipped: Value = serde_saphyr::from_str(SHIPPED).unwrap();
        let check = |expected: bool, change: &dyn Fn(&mut Value)| {
            let mut policy = shipped.clone();
            change(&mut policy);
            let is_policy = limits::policy::Policy::from_value(policy.clone()).is_ok();
            assert_eq!((schema.is_valid(&policy), is_policy), (expected, expected), "{policy}");
        };
        check(true, &|_| {});
        check(true, &|p| {
            p["keys"]["org"] = json!({ "jwt_claim": ["a", "b"], "otherwise": "client" })
        });
        check(true, &|p| p["keys"]["pair"] = json!({ "all": ["user", "client"] }));
        check(true, &|p| p["keys"]["site"] = json!({ "host": {} }));
        check(true, &|p| p["buckets"]["auth"]["refund"] = json!(["success", 404]));
        check(true, &|p| {
            p["rules"][0]["match"]["headers"] = json!({ "a": "b", "c": { "present": true } })
        });
        check(false, &|p| p["buckets"]["auth"]["limt"] = json!(5));
        check(true, &|p| p["buckets"]["auth"]["limit"] = json!(0));
        check(true, &|p| p["buckets"]["auth"]["limit"] = json!("unlimited"));
        check(true, &|p| {
            let by = json!({ "header": "a" });
            let inner = json!({ "from": by, "max": 5, "otherwise": 1 });
            let outer = json!({ "by": by, "values": { "b": inner }, "otherwise": "unlimited" });
            p["buckets"]["auth"]["limit"] = outer;
            let pro = json!({ "rate": 1, "every": "1s", "burst": 5 });
            p["buckets"]["auth"]["tiers"] = json!({ "by": by, "values": { "pro": pro } });
            p["rules"][1]["charge"] = json!(["ai", { "bucket": "auth", "cost": 2 }]);
        });
        check(false, &|p| p["buckets"]["auth"]["limit"] = json!(-1));
        check(false, &|p| p["buckets"]["auth"]["limit"] = json!("infinite"));
        check(false, &|p| p["buckets"]["auth"]["tiers"] = json!({ "by": { "host": {} } }));
        check(false, &|p| p["rules"][1]["charge"] = json!([{ "cost": 5 }]));
        check(false, &|p| p["buckets"]["auth"]["window"] = json!("1 minute"));
        check(false, &|p| p["buckets"]["auth"]["on_failure"] = json!("open"));
        check(false, &|p| p["buckets"]["auth"]["refund"] = json!([600]));
        check(false, &|p| p["keys"]["user"]["jwt_claim"] = json!(7));
        check(false, &|p| p["keys"]["site"] = json!({ "host": [] }));
        check(false, &|p| p["rules"][0]["match"] = json!([]));
        check(false, &|p| p["rules"][0]["match"]["headers"] = json!({ "a": { "regexp": "b" } }));
        check(false, &|p| drop(p["rules"][0].as_object_mut().unwrap().remove("charge")));
        for field in ["version", "keys", "buckets", "rules"] {
            check(false, &|p| drop(p.as_object_mut().unwrap().remove(field)));
        }
        check(false, &|p| p["rule"] = json!([]));
    }
}
