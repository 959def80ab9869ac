//! Envoy's listener for a recipe: its policy, its routes, its tokens and its metadata.

use super::token;
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::envoy_config::metadata::{self, Namespace};
use harness::envoy_config::{Front, Rendered, at, filter, http_connection_manager, named};
use prost::Message;
use recipes::recipe::{Recipe, Send};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tests::gateway;

/// The response header with the gateway's log line. The routes add it.
pub(super) const LOG_HEADER: &str = "x-recipe-log";

/// Returns the recipe's listener: that of `base` with another port and other filters.
pub(super) fn listener(base: &Rendered, recipe: &Recipe, port: u16) -> Result<Value> {
    let mut config = base.envoy.clone();
    let http = http_connection_manager(&mut config)?;
    let filters = at(http, "/http_filters")?;
    let jwt = jwt_authn(named(filters, "envoy.filters.http.jwt_authn")?.clone(), recipe)?;
    let router = named(filters, "envoy.filters.http.router")?.clone();
    let mut own = vec![jwt, metadata_filter(recipe)];
    if gateway::front() == Front::Module {
        own.push(filter_state(filters, recipe)?);
    }
    own.extend([tollgate(base, recipe)?, router]);
    *filters = json!(own);
    *at(http, "/route_config")? = routes(recipe);
    // The policy decides about escaped slashes. The shipped configuration rejects them before.
    *at(http, "/path_with_escaped_slashes_action")? = json!("KEEP_UNCHANGED");
    let http = json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": http_connection_manager(&mut config)?.clone(),
    });
    let listener = at(&mut config, "/static_resources/listeners/0")?;
    *at(listener, "/name")? = json!(recipe.name);
    *at(listener, "/address/socket_address/port_value")? = json!(port);
    *at(listener, "/filter_chains/0/filters")? = json!([http]);
    Ok(listener.clone())
}

/// Returns the shipped filter that passes metadata to the dynamic module, with the recipe's.
fn filter_state(filters: &mut Value, recipe: &Recipe) -> Result<Value> {
    let dynamic = metadata_fields(recipe).into_keys().map(|(name, _)| Namespace::Dynamic(name));
    let of_routes = recipe.routes.iter().flat_map(|route| route.metadata.keys().cloned());
    metadata::pass(filters, dynamic.chain(of_routes.map(Namespace::Route)))?;
    Ok(named(filters, "envoy.filters.http.set_filter_state")?.clone())
}

/// Returns the shipped filter with the recipe's policy. All listeners share its VM.
fn tollgate(base: &Rendered, recipe: &Recipe) -> Result<Value> {
    let mut file = base.filter.clone().context("the filter's file")?;
    *filter::policy(&mut file)? = recipe.policy();
    let typed = at(&mut file, "/resources/0/typed_config")?.clone();
    Ok(json!({ "name": "tollgate", "typed_config": typed }))
}

/// Returns routes with the recipe's names and metadata.
fn routes(recipe: &Recipe) -> Value {
    let to = json!({ "cluster": "backend" });
    let mut routes: Vec<Value> = recipe
        .routes
        .iter()
        .map(|route| {
            json!({
                "name": route.name,
                "match": { "prefix": route.prefix },
                "metadata": { "filter_metadata": route.metadata },
                "route": to,
            })
        })
        .collect();
    routes.push(json!({ "match": { "prefix": "/" }, "route": to }));
    let summary = match gateway::front() {
        Front::Wasm => "%FILTER_STATE(wasm.tollgate:PLAIN)%",
        Front::Module => "%FILTER_STATE(tollgate:PLAIN)%",
    };
    json!({
        "name": recipe.name,
        "virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": routes,
            "response_headers_to_add": [{
                "header": { "key": LOG_HEADER, "value": summary },
            }],
        }],
    })
}

/// Returns the shipped filter with a provider for each issuer and name of a payload.
fn jwt_authn(mut filter: Value, recipe: &Recipe) -> Result<Value> {
    let shipped = at(&mut filter, "/typed_config/providers/tollgate")?.clone();
    let mut providers = Map::new();
    let mut requirements = Vec::new();
    for (payload, issuer) in issuers(recipe) {
        let name = format!("provider-{}", providers.len());
        let mut provider = shipped.clone();
        let fields = provider.as_object_mut().context("a provider")?;
        fields.remove("remote_jwks");
        fields.remove("audiences");
        fields.insert("issuer".to_owned(), json!(issuer));
        fields.insert("payload_in_metadata".to_owned(), json!(payload));
        fields.insert("local_jwks".to_owned(), json!({ "inline_string": token::jwks() }));
        requirements.push(json!({ "provider_name": name }));
        providers.insert(name, provider);
    }
    requirements.push(json!({ "allow_missing_or_failed": {} }));
    *at(&mut filter, "/typed_config/providers")? = Value::Object(providers);
    let requires = match requirements.as_slice() {
        [only] => only.clone(),
        _ => json!({ "requires_any": { "requirements": requirements } }),
    };
    *at(&mut filter, "/typed_config/rules/0/requires")? = requires;
    Ok(filter)
}

/// Returns each payload's name with each of its issuers.
fn issuers(recipe: &Recipe) -> BTreeSet<(String, String)> {
    let sends = recipe.steps.iter().map(|step| &step.send);
    let issuers = sends.filter_map(|send| {
        let issuer = send.claims()?.get("iss")?.as_str()?.to_owned();
        Some((send.payload.clone(), issuer))
    });
    issuers.collect()
}

/// Returns a filter that turns headers into dynamic metadata, as another filter would set it.
fn metadata_filter(recipe: &Recipe) -> Value {
    let fields = metadata_fields(recipe).into_iter().map(|((namespace, key), header)| {
        json!({
            "header": header,
            "on_header_present": {
                "metadata_namespace": namespace, "key": key,
                "type": "PROTOBUF_VALUE", "encode": "BASE64",
            },
            "remove": true,
        })
    });
    let mut rules: Vec<Value> = fields.collect();
    // The filter needs a rule.
    rules.push(json!({
        "header": "x-recipe-metadata",
        "on_header_present": { "metadata_namespace": "recipe", "key": "unused", "type": "STRING" },
    }));
    json!({
        "name": "envoy.filters.http.header_to_metadata",
        "typed_config": {
            "@type": "type.googleapis.com/\
                envoy.extensions.filters.http.header_to_metadata.v3.Config",
            "request_rules": rules,
        },
    })
}

/// Returns the header for each field of metadata: (namespace, key) → header.
fn metadata_fields(recipe: &Recipe) -> BTreeMap<(String, String), String> {
    let mut fields = BTreeSet::new();
    for step in &recipe.steps {
        for (namespace, document) in &step.send.metadata {
            let keys = document.as_object().into_iter().flat_map(Map::keys);
            fields.extend(keys.map(|key| (namespace.clone(), key.clone())));
        }
    }
    let numbered = fields.into_iter().enumerate();
    numbered.map(|(at, field)| (field, format!("x-recipe-metadata-{at}"))).collect()
}

/// Returns the headers that set the request's dynamic metadata.
pub(super) fn metadata_headers(recipe: &Recipe, send: &Send) -> Vec<(String, String)> {
    let fields = metadata_fields(recipe).into_iter();
    let headers = fields.filter_map(|((namespace, key), header)| {
        let value = send.metadata.get(&namespace)?.get(&key)?;
        Some((header, STANDARD.encode(protobuf(value).encode_to_vec())))
    });
    headers.collect()
}

/// Converts a value to a `google.protobuf.Value`.
fn protobuf(value: &Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(is) => Kind::BoolValue(*is),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => {
            Kind::ListValue(prost_types::ListValue { values: items.iter().map(protobuf).collect() })
        }
        Value::Object(fields) => Kind::StructValue(prost_types::Struct {
            fields: fields.iter().map(|(name, value)| (name.clone(), protobuf(value))).collect(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}
