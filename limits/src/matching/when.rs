//! Evaluates a rule's CEL condition. Called by [`super`].

use super::Seen;
use crate::facts::{Facts, Value};
use crate::policy::{OnError, WhenMatch};
use crate::when::{Kind, Name};
use crate::{cookie, query};

impl WhenMatch {
    /// Returns true if the condition is true, or if it cannot be evaluated and counts as a match
    /// then. `seen` keeps the first error.
    pub(super) fn holds<F: Facts>(&self, seen: &Seen<'_, F>) -> bool {
        self.when.evaluate(|name| value_of(name, seen)).unwrap_or_else(|error| {
            let describe = || format!("cannot evaluate {:?}: {error}", self.when.text());
            seen.failed.borrow_mut().get_or_insert_with(describe);
            self.on_error == OnError::Match
        })
    }
}

fn value_of<F: Facts>(name: &Name, seen: &Seen<'_, F>) -> Option<Value> {
    let facts = seen.facts;
    let last = || name.path.last().map_or("", String::as_str);
    let text = match name.kind {
        Kind::Claim => return facts.claim(&name.path),
        Kind::RouteMetadata => return facts.route_metadata(&name.path),
        Kind::Metadata => return facts.metadata(&name.path),
        Kind::Authenticated => return Some(Value::Bool(facts.is_authenticated())),
        Kind::Method => Some(seen.method().to_vec()),
        Kind::Path => seen.path().map(|path| path.to_string().into_bytes()),
        Kind::Host => Some(seen.host().as_bytes().to_vec()),
        Kind::Header => facts.header(last()),
        Kind::Query => query::parameter(&facts.path()?, last()),
        Kind::Cookie => cookie::value(&facts.cookies()?, last()),
        Kind::Address => seen.client().map(|ip| ip.to_string().into_bytes()),
        Kind::RouteName => facts.route_name(),
    };
    text.map(Value::Text)
}
