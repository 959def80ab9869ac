//! Limits by the names that people already use, and the salt: which environment variable sets what in
//! a policy.
//!
//! Called by `tollgate policy render` and `apply --env` and by `cargo xtask up`; the companion API,
//! which shows the same limits, reads its numbers and flags by the same rules. Nothing here reads
//! the environment: what a variable holds is passed in.

use crate::policy::{Algorithm, Bucket, LimitChoice, Policy, PolicyErrors};
use crate::quota::Period;
use serde_json::{Value, json};
use std::ops::RangeInclusive;

/// Requests a minute of whoever is logged in.
pub const RATE_LIMIT_PER_MINUTE: &str = "RATE_LIMIT_PER_MINUTE";
/// Log-ins and the like a minute.
pub const AUTH_RATE_LIMIT_PER_MINUTE: &str = "AUTH_RATE_LIMIT_PER_MINUTE";
/// AI requests a minute.
pub const AI_RATE_LIMIT_PER_MINUTE: &str = "AI_RATE_LIMIT_PER_MINUTE";
/// Requests a minute of whoever is not logged in.
pub const PUBLIC_RATE_LIMIT_PER_MINUTE: &str = "PUBLIC_RATE_LIMIT_PER_MINUTE";
/// AI requests a day on the free plan, and of whoever has no plan.
pub const FREE_AI_ASSIST_LIMIT: &str = "FREE_AI_ASSIST_LIMIT";
/// AI requests a day on the starter plan.
pub const STARTER_AI_ASSIST_LIMIT: &str = "STARTER_AI_ASSIST_LIMIT";
/// AI requests a day on the pro plan.
pub const PRO_AI_ASSIST_LIMIT: &str = "PRO_AI_ASSIST_LIMIT";
/// Whether anything is refused.
pub const RATE_LIMIT_ENABLED: &str = "RATE_LIMIT_ENABLED";
/// The policy's salt.
pub const TOLLGATE_SALT: &str = "TOLLGATE_SALT";
/// The kind of place this is. It sets nothing, but outside [`DEVELOPMENT`] a policy needs a salt of
/// its own.
pub const ENVIRONMENT: &str = "ENVIRONMENT";

/// The only [`ENVIRONMENT`] in which everyone may know the salt; also what an unset one means.
pub const DEVELOPMENT: &str = "development";

/// All of them.
pub const NAMES: [&str; 10] = [
    RATE_LIMIT_PER_MINUTE,
    AUTH_RATE_LIMIT_PER_MINUTE,
    AI_RATE_LIMIT_PER_MINUTE,
    PUBLIC_RATE_LIMIT_PER_MINUTE,
    FREE_AI_ASSIST_LIMIT,
    STARTER_AI_ASSIST_LIMIT,
    PRO_AI_ASSIST_LIMIT,
    RATE_LIMIT_ENABLED,
    TOLLGATE_SALT,
    ENVIRONMENT,
];

/// Each variable that sets a number, and which one.
const NUMBERS: [(&str, Place); 7] = [
    (RATE_LIMIT_PER_MINUTE, Place::Minute { bucket: "authenticated" }),
    (AUTH_RATE_LIMIT_PER_MINUTE, Place::Minute { bucket: "auth" }),
    (AI_RATE_LIMIT_PER_MINUTE, Place::Minute { bucket: "ai" }),
    (PUBLIC_RATE_LIMIT_PER_MINUTE, Place::Minute { bucket: "public" }),
    (FREE_AI_ASSIST_LIMIT, Place::Day { bucket: "ai_daily", plan: "free", is_otherwise: true }),
    (
        STARTER_AI_ASSIST_LIMIT,
        Place::Day { bucket: "ai_daily", plan: "starter", is_otherwise: false },
    ),
    (PRO_AI_ASSIST_LIMIT, Place::Day { bucket: "ai_daily", plan: "pro", is_otherwise: false }),
];

/// What a number can be.
const REQUESTS: RangeInclusive<u32> = 1..=1_000_000;
/// [`requests`], for people.
pub const EXPECTED_REQUESTS: &str = "a number of requests from 1 to 1000000";
/// [`flag`], for people.
pub const EXPECTED_FLAG: &str = "true or false";
/// [`salt`], for people.
pub const EXPECTED_SALT: &str = "1 to 255 visible ASCII characters";

const MINUTE_MS: u64 = 60_000;
const MAX_SALT_BYTES: usize = 255;
/// The most of a wrong value that is shown.
const MAX_FOUND_CHARS: usize = 100;
/// The most values that a message lists.
const MAX_LISTED: usize = 20;

/// The limits and the salt that variables set; those that were left out are not here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    numbers: Vec<(&'static str, Place, u32)>,
    /// Buckets count and report, and none refuses.
    is_disabled: bool,
    salt: Option<String>,
    /// The [`ENVIRONMENT`], if it is another than [`DEVELOPMENT`].
    environment: Option<String>,
}

/// Where in a policy a number belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The limit of a bucket whose window is a minute.
    Minute { bucket: &'static str },
    /// A day's limit of those on a plan; of all without a limit of their own too, if `is_otherwise`.
    Day { bucket: &'static str, plan: &'static str, is_otherwise: bool },
}

/// A variable with a value that cannot be used, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: expected {expected}, found {found}")]
pub struct BadVariable {
    /// Which one.
    pub variable: &'static str,
    /// What it can be.
    pub expected: &'static str,
    /// What it is, quoted and shortened.
    pub found: String,
}

/// Why limits cannot be written into a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The document is no policy.
    #[error(transparent)]
    Policy(#[from] PolicyErrors),
    /// The policy has no place for what a variable sets.
    #[error(
        "{variable}: expected the policy's bucket {bucket} to have {expected}, found {found}: \
         change the policy, or leave the variable out"
    )]
    NoPlace {
        /// Which variable.
        variable: &'static str,
        /// The bucket that it is for.
        bucket: &'static str,
        /// What that has to have.
        expected: String,
        /// What it has instead.
        found: String,
    },
    /// The policy has a salt of its own, and the variable the one that everyone knows.
    #[error(
        "TOLLGATE_SALT: expected the policy's own salt, or another that is private, found the one \
         that everyone knows: set it to the salt in the policy, so that the backend has it too"
    )]
    OwnSaltReplaced,
    /// The policy has no salt of its own, and this is no development.
    #[error(
        "ENVIRONMENT is {environment}: expected the policy to have a salt of its own, found \
         \"{found}\", which everyone knows: set TOLLGATE_SALT to a random text, and keep it"
    )]
    KnownSalt {
        /// Which environment, quoted and shortened.
        environment: String,
        /// The policy's salt.
        found: String,
    },
}

impl Limits {
    /// The limits that `vars` set. A variable that is empty is as one that is not there, since
    /// `NAME=` is how compose files leave one out.
    ///
    /// # Errors
    /// [`BadVariable`] for the first with a bad value.
    pub fn from_vars(vars: impl Fn(&str) -> Option<String>) -> Result<Self, BadVariable> {
        let text = |variable| vars(variable).filter(|text| !text.is_empty());
        let mut limits = Self::default();
        for (variable, place) in NUMBERS {
            if let Some(text) = text(variable) {
                let number = requests(&text).ok_or_else(|| BadVariable {
                    variable,
                    expected: EXPECTED_REQUESTS,
                    found: shown(&text),
                })?;
                limits.numbers.push((variable, place, number));
            }
        }
        if let Some(text) = text(RATE_LIMIT_ENABLED) {
            let is_enabled = flag(&text).ok_or_else(|| BadVariable {
                variable: RATE_LIMIT_ENABLED,
                expected: EXPECTED_FLAG,
                found: shown(&text),
            })?;
            limits.is_disabled = !is_enabled;
        }
        if let Some(text) = text(TOLLGATE_SALT) {
            let found = || BadVariable {
                variable: TOLLGATE_SALT,
                expected: EXPECTED_SALT,
                // It is a secret, or nearly one.
                found: "something else".to_owned(),
            };
            limits.salt = Some(salt(&text).ok_or_else(found)?);
        }
        limits.environment = text(ENVIRONMENT).filter(|name| name != DEVELOPMENT);
        Ok(limits)
    }

    /// Returns the salt that replaces the policy's, if there is one.
    #[must_use]
    pub fn salt(&self) -> Option<&str> {
        self.salt.as_deref()
    }

    /// Returns these limits with `salt` in place of the policy's.
    #[must_use]
    pub fn with_salt(self, salt: String) -> Self {
        Self { salt: Some(salt), ..self }
    }

    /// The policy `document` with these limits in their places, and the salt; all else in it stays as
    /// it is.
    ///
    /// # Errors
    /// [`RenderError`]: where it is no policy, a limit has no place in it, or everyone knows its salt
    /// and the environment is no development.
    pub fn render(&self, mut document: Value) -> Result<Value, RenderError> {
        let policy = Policy::from_value(document.clone())?;
        for (variable, place, number) in &self.numbers {
            place.look_for(&policy, variable)?;
            place.put(&mut document, *number);
        }
        if self.is_disabled {
            disable(&mut document);
        }
        if let (Some(salt), Some(fields)) = (&self.salt, document.as_object_mut()) {
            fields.insert("salt".to_owned(), json!(salt));
        }
        let had_own_salt = !policy.has_known_salt();
        let policy = Policy::from_value(document.clone())?;
        if had_own_salt && policy.has_known_salt() {
            return Err(RenderError::OwnSaltReplaced);
        }
        match &self.environment {
            Some(environment) if policy.has_known_salt() => {
                Err(RenderError::KnownSalt { environment: shown(environment), found: policy.salt })
            }
            _ => Ok(document),
        }
    }
}

/// A number of requests, 1..=1,000,000.
#[must_use]
pub fn requests(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number| REQUESTS.contains(number))
}

/// A salt: visible ASCII, so that it means the same in every file and environment.
#[must_use]
pub fn salt(text: &str) -> Option<String> {
    let is_one = (1..=MAX_SALT_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_one.then(|| text.to_owned())
}

/// Yes or no, in any case of letters.
#[must_use]
pub fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

impl Place {
    const fn bucket(self) -> &'static str {
        match self {
            Self::Minute { bucket } | Self::Day { bucket, .. } => bucket,
        }
    }

    /// Whether `policy` has this place.
    fn look_for(self, policy: &Policy, variable: &'static str) -> Result<(), RenderError> {
        let bucket = policy.buckets.iter().find(|bucket| bucket.name == self.bucket());
        if bucket.is_some_and(|bucket| self.is_in(bucket)) {
            return Ok(());
        }
        Err(RenderError::NoPlace {
            variable,
            bucket: self.bucket(),
            expected: match self {
                Self::Minute { .. } => "`limit: NUMBER` and `window: 1m`".to_owned(),
                Self::Day { plan, .. } => format!("`per: day` and `limit.values.{plan}`"),
            },
            found: bucket.map_or_else(|| "no such bucket".to_owned(), shape),
        })
    }

    fn is_in(self, bucket: &Bucket) -> bool {
        match (self, &bucket.algorithm, &bucket.limit) {
            (
                Self::Minute { .. },
                Algorithm::SlidingWindow { window_ms },
                LimitChoice::Fixed(_),
            ) => window_ms.get() == MINUTE_MS,
            (
                Self::Day { plan, .. },
                Algorithm::FixedWindow { per: Period::Day, .. },
                LimitChoice::By { values, .. },
            ) => values.contains_key(plan),
            _ => false,
        }
    }

    /// Writes `number` there. (`document` has the place: see [`Place::look_for`].)
    fn put(self, document: &mut Value, number: u32) {
        let limit = document.pointer_mut(&format!("/buckets/{}/limit", self.bucket()));
        let Some(limit) = limit else { return };
        match self {
            Self::Minute { .. } => *limit = json!(number),
            Self::Day { plan, is_otherwise, .. } => {
                if let Some(value) = limit.pointer_mut(&format!("/values/{plan}")) {
                    *value = json!(number);
                }
                if let Some(otherwise) = limit.get_mut("otherwise").filter(|_| is_otherwise) {
                    *otherwise = json!(number);
                }
            }
        }
    }
}

/// Makes shadows of all buckets.
fn disable(document: &mut Value) {
    let buckets = document.get_mut("buckets").and_then(Value::as_object_mut);
    for bucket in buckets.into_iter().flat_map(|buckets| buckets.values_mut()) {
        if let Some(fields) = bucket.as_object_mut() {
            fields.insert("enforce".to_owned(), json!(false));
        }
    }
}

/// How a bucket counts, for people.
fn shape(bucket: &Bucket) -> String {
    let counting = match &bucket.algorithm {
        Algorithm::SlidingWindow { window_ms } => format!("a window of {} ms", window_ms.get()),
        Algorithm::FixedWindow { per, .. } => format!("`per: {}`", per.name()),
        Algorithm::TokenBucket(_) => return "a token bucket".to_owned(),
    };
    match &bucket.limit {
        LimitChoice::Fixed(_) => format!("{counting} with one limit for all"),
        LimitChoice::By { values, .. } => {
            let values: Vec<_> = values.keys().map(String::as_str).take(MAX_LISTED).collect();
            format!("{counting} with limits for {}", values.join(", "))
        }
    }
}

/// A value as an error shows it: quoted and shortened.
fn shown(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(MAX_FOUND_CHARS).collect();
    if chars.next().is_none() { format!("{start:?}") } else { format!("{start:?}…") }
}

#[cfg(test)]
mod tests;
