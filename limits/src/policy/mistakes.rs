//! What is wrong with a policy, and where: gathered, so that all of it is told at once.

/// The most mistakes that are told of one policy.
pub(super) const MAX_MISTAKES: usize = 100;
/// The most names that a message lists.
const MAX_LISTED: usize = 20;
/// How alike two names must be for one to be meant by the other, 0 to 1.
const ALIKE: f64 = 0.75;

/// A mistake in a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", if place.is_empty() { "policy" } else { place })]
pub struct PolicyError {
    /// Where, as people write it: `buckets.auth.limit`, `rules[3].charge[0]`.
    pub place: String,
    /// What was expected, and what was found.
    pub message: String,
}

/// The mistakes of a policy: at least one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct PolicyErrors(pub Vec<PolicyError>);

/// Text that is no JSON at all.
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

    /// A name that is none of `known`.
    pub(super) fn unknown<'a>(
        &mut self,
        place: impl Into<String>,
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'a String>,
    ) {
        self.add(place, no_such(what, name, known));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// `value`, if there was no mistake.
    pub(super) fn none_or<T>(self, value: T) -> Result<T, PolicyErrors> {
        if self.0.is_empty() { Ok(value) } else { Err(PolicyErrors(self.0)) }
    }

    pub(super) fn into_errors(self) -> PolicyErrors {
        PolicyErrors(self.0)
    }
}

/// Says that `name` is none of `known`, and which one was probably meant.
pub fn no_such<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let known: Vec<_> = known.map(String::as_str).collect();
    let meant = did_you_mean(name, &known);
    let listed = known.get(..MAX_LISTED).unwrap_or(&known).join(", ");
    format!("there is no {what} {name:?}{meant}, only {listed}")
}

/// `, did you mean "limit"?`, or nothing where no known name is like `name`.
pub(super) fn did_you_mean(name: &str, known: &[&str]) -> String {
    let alike =
        known.iter().map(|known| (strsim::normalized_damerau_levenshtein(name, known), known));
    let nearest =
        alike.filter(|(alike, _)| *alike >= ALIKE).max_by(|(a, _), (b, _)| a.total_cmp(b));
    nearest.map_or_else(String::new, |(_, meant)| format!(" (did you mean {meant:?}?)"))
}

/// `/rules/3/charge/0` as `rules[3].charge[0]`.
pub(super) fn dotted(pointer: &str) -> String {
    let mut place = String::new();
    for token in pointer.split('/').skip(1) {
        if token.bytes().all(|b| b.is_ascii_digit()) {
            place.push_str(&format!("[{token}]"));
        } else {
            let dot = if place.is_empty() { "" } else { "." };
            place.push_str(&format!("{dot}{}", token.replace("~1", "/").replace("~0", "~")));
        }
    }
    place
}
