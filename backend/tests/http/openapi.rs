//! `GET /openapi.json` and `GET /docs`: the document is valid and matches the backend.
//! (`tests/tests/backend_schema.rs` tests generated requests.)

use super::backend::Backend;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The OpenAPI Initiative's schema for OpenAPI 3.1 documents, 2022-10-07, under Apache-2.0.
const SCHEMA: &str = include_str!("openapi/schema-3.1.json");

fn document(backend: &Backend) -> Value {
    let reply = backend.get("/openapi.json");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    reply.json()
}

/// Collects all schemas within `value`, each with the components it can refer to.
fn schemas(value: &Value, components: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if name == "schema" {
                    let mut schema = member.clone();
                    schema["components"] = components.clone();
                    found.push(schema);
                } else {
                    schemas(member, components, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| schemas(item, components, found)),
        _ => {}
    }
}

/// Returns the path, method and description of each operation.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            let operations = item.as_object().unwrap().iter();
            operations.map(|(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .collect()
}

#[test]
fn the_document_is_openapi_3_1() {
    let document = document(&Backend::start());
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors: Vec<_> =
        validator.iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
    assert!(
        validator.validate(&json!({"openapi": "3.1.0"})).is_err(),
        "the schema accepts anything"
    );
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}

/// The schema for documents does not check this.
#[test]
fn the_documents_schemas_and_references_are_valid() {
    let document = document(&Backend::start());
    let mut found = Vec::new();
    schemas(&document["paths"], &document["components"], &mut found);
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(schema.is_object(), "{name}");
        found.push(json!({
            "$ref": format!("#/components/schemas/{name}"),
            "components": document["components"],
        }));
    }
    assert!(found.len() > 100, "{}", found.len());
    for schema in found {
        assert!(jsonschema::draft202012::meta::is_valid(&schema), "{schema:#}");
        jsonschema::draft202012::new(&schema).unwrap_or_else(|e| panic!("{e}: {schema:#}"));
    }
}

#[test]
fn every_example_matches_its_schema() {
    let document = document(&Backend::start());
    let mut count = 0;
    for (path, method, operation) in operations(&document) {
        let contents = operation["requestBody"]["content"].as_object();
        for (kind, content) in contents.into_iter().flatten() {
            let mut schema = content["schema"].clone();
            schema["components"] = document["components"].clone();
            let validator = jsonschema::draft202012::new(&schema).unwrap();
            let named = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#"));
            let examples = named.and_then(|name| document.pointer(name)?["examples"].as_array());
            for example in content.get("example").into_iter().chain(examples.into_iter().flatten())
            {
                count += 1;
                validator
                    .validate(example)
                    .unwrap_or_else(|e| panic!("{method} {path} {kind}: {e}"));
            }
        }
    }
    assert!(count >= 4, "{count}");
}

#[test]
fn every_operation_has_a_unique_id_and_describes_its_parameters() {
    let document = document(&Backend::start());
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name), "{name} is used twice");
        let summary = operation["summary"].as_str().unwrap();
        assert!(summary.ends_with('.'), "{method} {path}: {summary}");
        let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        let in_path: Vec<_> = parameters.iter().filter(|p| p["in"] == "path").collect();
        assert_eq!(in_path.len(), path.matches('{').count(), "{method} {path}");
        for parameter in in_path {
            let name = parameter["name"].as_str().unwrap();
            assert!(path.contains(&format!("{{{name}}}")), "{method} {path}: {name}");
        }
    }
}

/// A method missing from the document would show in `Allow`. A path cannot be missing, because
/// routes can only be added with `routes!`, which requires a description.
#[test]
fn the_router_has_exactly_the_documents_routes() {
    let source = include_str!("../../src/router.rs");
    for way in [".route(", ".route_service(", ".nest(", ".nest_service(", "axum::routing"] {
        assert!(!source.contains(way), "{way}");
    }
    let backend = Backend::start();
    let document = document(&backend);
    for (path, item) in document["paths"].as_object().unwrap() {
        let mut methods: BTreeSet<_> =
            item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        if methods.contains("GET") {
            methods.insert("HEAD".to_owned());
        }
        let reply = backend.request("BREW", &path.replace(['{', '}'], "")).send();
        let allow = reply.header("allow").unwrap_or_default();
        let allowed: BTreeSet<_> = allow.split(',').map(str::to_owned).collect();
        assert_eq!((reply.status, allowed), (405, methods), "{path}");
    }
}

#[test]
fn routes_that_require_a_token_declare_it() {
    let backend = Backend::start();
    let document = document(&backend);
    for (path, method, operation) in operations(&document) {
        let path = path.replace(['{', '}'], "");
        let method = method.to_uppercase();
        let reply = backend.request(&method, &path).json("{}").send();
        let is_refused = reply.header("www-authenticate") == Some("Bearer realm=\"tollgate\"");
        let wants_token = operation.get("security").is_some();
        assert_eq!(is_refused, wants_token, "{method} {path}: {}", reply.status);
        let takes_secret = ["/api/auth/login", "/api/auth/refresh"].contains(&path.as_str());
        let may_refuse = operation["responses"].get("401").is_some();
        assert_eq!(may_refuse, wants_token || takes_secret, "{method} {path}");
    }
}

#[test]
fn the_command_line_prints_the_same_document() {
    let output = super::backend::command(&[]).arg("openapi").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, document(&Backend::start()));
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let backend = Backend::start();
    let page = backend.get("/docs");
    insta::assert_snapshot!(page.show_text(), @r#"
    200 OK
    content-type: text/html; charset=utf-8
    cache-control: public, max-age=300
    x-content-type-options: nosniff
    content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'
    referrer-policy: no-referrer

    <!doctype html>
    <html lang="en">
    <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>Tollgate backend: the API</title>
      <link rel="icon" href="data:,">
      <link rel="stylesheet" href="/docs/swagger-ui.css">
      <link rel="stylesheet" href="/docs/style.css">
    </head>
    <body>
      <div id="page"></div>
      <noscript>This page needs JavaScript; <a href="/openapi.json">openapi.json</a> does not.</noscript>
      <script src="/docs/swagger-ui-bundle.js"></script>
      <script src="/docs/start.js"></script>
    </body>
    </html>
    "#);
    for name in ["start.js", "style.css", "swagger-ui-bundle.js", "swagger-ui.css"] {
        let file = backend.get(&format!("/docs/{name}"));
        assert_eq!((file.status, file.header("x-content-type-options")), (200, Some("nosniff")));
    }
    for name in ["", "index.html", "..", "..%2fopenapi.json", "swagger-ui.css.map", "%ff"] {
        assert_eq!(backend.get(&format!("/docs/{name}")).status, 404, "{name}");
    }
}
