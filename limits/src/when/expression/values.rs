//! A request's properties as CEL values. Called by [`super::Expression::evaluate`].

use crate::facts;
use crate::when::name::Name;
use cel::Value;
use cel::objects::Key;
use std::collections::{BTreeMap, HashMap};

/// The largest whole number that a double holds exactly.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// A mapping from names to values or further mappings.
enum Node {
    Value(Value),
    Mapping(BTreeMap<String, Node>),
}

/// Returns the variables of an expression that names `names`. A mapping has an entry for each named
/// property that the request has.
pub(super) fn of(
    names: &[Name],
    find: impl Fn(&Name) -> Option<facts::Value>,
) -> impl Iterator<Item = (String, Value)> {
    let mut roots = BTreeMap::new();
    for name in names {
        let fixed = name.kind.fixed().iter().map(|name| (*name).to_owned());
        let path: Vec<String> = fixed.chain(name.path.iter().cloned()).collect();
        put(&mut roots, &path, find(name).map(value_of));
    }
    roots.into_iter().map(|(name, node)| (name, node.into_value()))
}

/// Puts `value` at `path`. Creates the mappings on the way even if there is no value.
fn put(mapping: &mut BTreeMap<String, Node>, path: &[String], value: Option<Value>) {
    match path {
        [] => {}
        [last] => {
            if let Some(value) = value {
                mapping.insert(last.clone(), Node::Value(value));
            }
        }
        [first, rest @ ..] => {
            let next =
                mapping.entry(first.clone()).or_insert_with(|| Node::Mapping(BTreeMap::new()));
            if let Node::Mapping(next) = next {
                put(next, rest, value);
            }
        }
    }
}

impl Node {
    fn into_value(self) -> Value {
        match self {
            Self::Value(value) => value,
            Self::Mapping(entries) => {
                let entries = entries.into_iter();
                let entries = entries.map(|(name, node)| (Key::from(name), node.into_value()));
                Value::from(entries.collect::<HashMap<Key, Value>>())
            }
        }
    }
}

fn value_of(value: facts::Value) -> Value {
    match value {
        facts::Value::Text(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
        facts::Value::Bool(is) => is.into(),
        facts::Value::Number(number) => number_of(number),
        facts::Value::List(list) => Value::from(list.into_iter().map(value_of).collect::<Vec<_>>()),
    }
}

/// Returns a whole number as an `int`, because people write `claims.level + 1`.
#[expect(clippy::cast_possible_truncation, reason = "checked to be a whole number in range")]
fn number_of(number: f64) -> Value {
    let is_whole = number.fract() == 0.0 && number.abs() <= MAX_EXACT;
    if is_whole { Value::Int(number as i64) } else { Value::Float(number) }
}
