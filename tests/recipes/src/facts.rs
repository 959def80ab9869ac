//! A step's request, as a policy sees it.

use crate::recipe::{Recipe, Route, Send};
use limits::facts::{Facts, Value};
use serde_json::Value as Json;

/// A request and its route.
#[derive(Debug, Clone, Copy)]
pub struct RecipeRequest<'a> {
    send: &'a Send,
    route: Option<&'a Route>,
}

impl<'a> RecipeRequest<'a> {
    /// Creates the request of a step of `recipe`.
    #[must_use]
    pub fn new(recipe: &'a Recipe, send: &'a Send) -> Self {
        Self { send, route: recipe.route(send) }
    }
}

impl Facts for RecipeRequest<'_> {
    fn method(&self) -> Option<Vec<u8>> {
        Some(self.send.method.clone().into_bytes())
    }

    fn path(&self) -> Option<Vec<u8>> {
        Some(self.send.path.clone().into_bytes())
    }

    fn host(&self) -> Option<Vec<u8>> {
        Some(self.send.host.clone().into_bytes())
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        match (name, self.send.body_bytes) {
            ("host", _) => return self.host(),
            ("content-length", Some(bytes)) => return Some(bytes.to_string().into_bytes()),
            _ => {}
        }
        self.send.header(name).map(String::into_bytes)
    }

    fn claim(&self, names: &[String]) -> Option<Value> {
        below(&self.send.claims()?, names)
    }

    fn is_authenticated(&self) -> bool {
        self.send.claims.is_some()
    }

    fn client_address(&self) -> Option<Vec<u8>> {
        Some(std::net::SocketAddr::new(self.send.client, 40_000).to_string().into_bytes())
    }

    fn route_name(&self) -> Option<Vec<u8>> {
        Some(self.route?.name.clone().into_bytes())
    }

    fn route_metadata(&self, names: &[String]) -> Option<Value> {
        below(&self.route?.metadata, names)
    }

    fn metadata(&self, names: &[String]) -> Option<Value> {
        below(&self.send.metadata, names)
    }

    fn cookies(&self) -> Option<Vec<u8>> {
        let header =
            self.send.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case("cookie"))?;
        Some(header.1.values().join("; ").into_bytes())
    }
}

/// Returns the value at `names` in a document.
fn below(document: &serde_json::Map<String, Json>, names: &[String]) -> Option<Value> {
    let (first, rest) = names.split_first()?;
    let value = rest.iter().try_fold(document.get(first)?, |value, name| value.get(name))?;
    value_of(value)
}

/// Converts a value, as the filter decodes it from Envoy.
fn value_of(value: &Json) -> Option<Value> {
    match value {
        Json::Null => None,
        Json::Bool(is) => Some(Value::Bool(*is)),
        Json::Number(number) => number.as_f64().map(Value::Number),
        Json::String(text) => Some(Value::Text(text.clone().into_bytes())),
        Json::Array(items) => Some(Value::List(items.iter().filter_map(value_of).collect())),
        Json::Object(_) => Some(Value::Text(value.to_string().into_bytes())),
    }
}
