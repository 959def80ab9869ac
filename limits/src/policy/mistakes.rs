//! Collects a policy's mistakes with their locations, so that all are reported at once.

use serde_json::Value;

/// The most mistakes reported for one policy.
pub(super) const MAX_MISTAKES: usize = 100;
/// The most names listed in a message.
const MAX_LISTED: usize = 20;
/// The minimum similarity of a suggested name, 0 to 1.
const MIN_SIMILARITY: f64 = 0.75;

/// A mistake in a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", if place.is_empty() { "policy" } else { place })]
pub struct PolicyError {
    /// The location, as in `buckets.auth.limit` or `rules[3].charge[0]`.
    pub place: String,
    /// The message: what was expected, and what was found.
    pub message: String,
}

/// The mistakes of a policy. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct PolicyErrors(pub Vec<PolicyError>);

/// Reports text that is not valid JSON.
impl From<serde_json::Error> for PolicyErrors {
    fn from(error: serde_json::Error) -> Self {
        Self(vec![PolicyError { place: String::new(), message: error.to_string() }])
    }
}

#[derive(Debug, Default)]
pub(super) struct Mistakes(Vec<PolicyError>);

impl Mistakes {
    pub(super) fn add(&mut self, place: impl Into<String>, message: impl Into<String>) {
        if self.0.len() < MAX_MISTAKES {
            self.0.push(PolicyError { place: place.into(), message: message.into() });
        }
    }

    /// Adds an unknown name.
    pub(super) fn unknown<'a>(
        &mut self,
        place: impl Into<String>,
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'a String>,
    ) {
        self.add(place, unknown_name(what, name, known));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `value` if there were no mistakes, else the mistakes.
    pub(super) fn or_value<T>(self, value: T) -> Result<T, PolicyErrors> {
        if self.0.is_empty() { Ok(value) } else { Err(PolicyErrors(self.0)) }
    }

    pub(super) fn into_errors(self) -> PolicyErrors {
        PolicyErrors(self.0)
    }
}

/// Formats the message that `name` is unknown, with a suggestion if a known name is similar.
/// `what`: the kind of name.
pub fn unknown_name<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let known: Vec<_> = known.map(String::as_str).collect();
    let meant = did_you_mean(name, &known);
    let listed = known.get(..MAX_LISTED).unwrap_or(&known).join(", ");
    format!("unknown {what} {name:?}{meant}, expected one of {listed}")
}

/// Returns ` (did you mean "limit"?)` with the most similar known name; empty if none is similar.
pub(super) fn did_you_mean(name: &str, known: &[&str]) -> String {
    let scored =
        known.iter().map(|known| (strsim::normalized_damerau_levenshtein(name, known), known));
    let nearest = scored
        .filter(|(score, _)| *score >= MIN_SIMILARITY)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    nearest.map_or_else(String::new, |(_, meant)| format!(" (did you mean {meant:?}?)"))
}

/// Converts the JSON pointer `/rules/3/charge/0` into `value` to `rules[3].charge[0]`. A mapping can
/// have numbers as names.
pub(super) fn dotted(pointer: &str, mut value: &Value) -> String {
    let mut place = String::new();
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        if value.is_array() {
            place.push_str(&format!("[{name}]"));
        } else {
            let dot = if place.is_empty() { "" } else { "." };
            place.push_str(&format!("{dot}{name}"));
        }
        value = match value {
            Value::Array(items) => name.parse().ok().and_then(|at: usize| items.get(at)),
            _ => value.get(&name),
        }
        .unwrap_or(&Value::Null);
    }
    place
}
