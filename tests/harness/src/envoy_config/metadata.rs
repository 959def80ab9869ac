//! Passes metadata to the dynamic module, which has no access to it: a `set_filter_state` filter
//! copies each namespace into filter state. The shipped one copies that of `jwt_authn`.

use super::document::{at, named};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const FILTER: &str = "envoy.filters.http.set_filter_state";

/// A namespace of metadata.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Namespace {
    /// The dynamic metadata that another filter sets.
    Dynamic(String),
    /// The route's metadata.
    Route(String),
}

impl Namespace {
    /// Returns the name of the filter state, and what Envoy writes into it.
    fn state(&self) -> (String, String) {
        match self {
            Self::Dynamic(name) => {
                (format!("tollgate.metadata.{name}"), format!("%DYNAMIC_METADATA({name})%"))
            }
            Self::Route(name) => {
                (format!("tollgate.route_metadata.{name}"), format!("%METADATA(ROUTE:{name})%"))
            }
        }
    }
}

/// Makes the `set_filter_state` filter among `filters` copy `namespaces` too.
///
/// # Errors
/// Fails if the filter is not laid out like that of `envoy/envoy-module.yaml`.
pub fn pass(filters: &mut Value, namespaces: impl IntoIterator<Item = Namespace>) -> Result<()> {
    let entries = at(named(filters, FILTER)?, "/typed_config/on_request_headers")?;
    let entries = entries.as_array_mut().context("on_request_headers is not a list")?;
    let shipped = entries.first().context("on_request_headers is empty")?.clone();
    for namespace in namespaces {
        let (name, content) = namespace.state();
        if entries.iter().any(|entry| entry["object_key"] == json!(name)) {
            continue;
        }
        let mut entry = shipped.clone();
        *at(&mut entry, "/object_key")? = json!(name);
        *at(&mut entry, "/format_string/text_format_source/inline_string")? = json!(content);
        entries.push(entry);
    }
    Ok(())
}

/// Returns the namespaces that `policy` reads.
pub(super) fn namespaces(policy: &Value) -> BTreeSet<Namespace> {
    let mut found = BTreeSet::new();
    collect(policy, &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeSet<Namespace>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => {
            for (key, value) in fields {
                let first = || value.get(0).and_then(Value::as_str).map(str::to_owned);
                match key.as_str() {
                    "metadata" => found.extend(first().map(Namespace::Dynamic)),
                    "route_metadata" => found.extend(first().map(Namespace::Route)),
                    "when" => found.extend(in_condition(value.as_str().unwrap_or_default())),
                    _ => {}
                }
                collect(value, found);
            }
        }
        _ => {}
    }
}

/// Returns the namespaces in a condition in CEL: `metadata["a.b"].c`, `route.metadata.a.b`.
fn in_condition(text: &str) -> Vec<Namespace> {
    let mut found = Vec::new();
    for (place, word) in text.match_indices("metadata") {
        let (before, after) = (text.get(..place), text.get(place + word.len()..));
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        let name = match after.strip_prefix('.') {
            Some(rest) => rest.split(|letter: char| !is_of_name(letter)).next(),
            None => quoted(after),
        };
        let Some(name) = name.filter(|name| !name.is_empty()).map(str::to_owned) else { continue };
        found.push(match before.ends_with("route.") {
            true => Namespace::Route(name),
            false => Namespace::Dynamic(name),
        });
    }
    found
}

fn is_of_name(letter: char) -> bool {
    letter == '_' || letter.is_ascii_alphanumeric()
}

/// Returns the text in an index: `["text"]`.
fn quoted(index: &str) -> Option<&str> {
    let index = index.trim_start().strip_prefix('[')?.trim_start();
    let quote = index.chars().next().filter(|letter| ['"', '\''].contains(letter))?;
    index.get(1..)?.split(quote).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespaces_of_sources_and_conditions_are_found() {
        let policy = json!({
            "keys": {
                "plan": { "route_metadata": ["routes", "plan"], "otherwise": "tenant" },
                "tenant": { "metadata": ["envoy.filters.http.x", "tenant"] },
                "metadata": { "header": "x-a" },
            },
            "buckets": { "a": { "limit": { "by": { "route_metadata": ["limits", "a"] } } } },
            "rules": [
                { "match": { "when": "metadata[\"a.b\"].c == 1 || metadata['d'].e || metadata.f.g" } },
                { "match": { "any": [{ "when": "route.metadata.h.i == 'metadata'" }] } },
            ],
        });
        let dynamic = ["a.b", "d", "envoy.filters.http.x", "f"].map(str::to_owned);
        let route = ["h", "limits", "routes"].map(str::to_owned);
        let expected = dynamic.map(Namespace::Dynamic).into_iter();
        let expected: Vec<_> = expected.chain(route.map(Namespace::Route)).collect();
        assert_eq!(namespaces(&policy).into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn each_namespace_gets_one_entry() {
        let entry = |name: &str, content: &str| {
            json!({
                "object_key": name,
                "format_string": { "text_format_source": { "inline_string": content } },
            })
        };
        let filters = |entries: Vec<Value>| json!([{ "name": FILTER, "typed_config": { "on_request_headers": entries } }]);
        let shipped = entry("tollgate.metadata.jwt", "%DYNAMIC_METADATA(jwt)%");
        let mut changed = filters(vec![shipped.clone()]);
        let wanted =
            [Namespace::Dynamic("jwt".to_owned()), Namespace::Route("a.b".to_owned())].into_iter();
        pass(&mut changed, wanted.clone()).unwrap();
        pass(&mut changed, wanted).unwrap();
        let new = entry("tollgate.route_metadata.a.b", "%METADATA(ROUTE:a.b)%");
        assert_eq!(changed, filters(vec![shipped, new]));
    }
}
