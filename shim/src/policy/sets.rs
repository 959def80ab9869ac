//! `--set PATH=VALUE` and `--set-env PATH=VARIABLE`: sets values in a policy document.
//!
//! Called by [`super::render`]. The operator names both paths and variables; none are built in here,
//! except the salt's path and [`ENVIRONMENT`].

use crate::cli::{Pair, Sets};
use anyhow::{anyhow, bail, ensure};
use limits::bounded::MAX_SAFE;
use limits::policy::{
    EXPECTED_SALT, Policy, PolicyError, PolicyErrors, flag, is_salt, unknown_name,
};
use serde_json::Value;

/// The variable that names the deployment environment. Outside [`DEVELOPMENT`], a policy that takes
/// values from the environment needs a private salt.
const ENVIRONMENT: &str = "ENVIRONMENT";
/// The only [`ENVIRONMENT`] in which the salt can be publicly known, and the default.
const DEVELOPMENT: &str = "development";
/// The path of the salt, whose value is always text and should not be disclosed.
const SALT: &str = "salt";
/// The last key of a path to a boolean.
const FLAG: &str = "enforce";
/// Matches every key of a mapping.
const EVERY: &str = "*";

/// The values to set in a policy.
#[derive(Debug, Default)]
pub(super) struct Settings {
    all: Vec<Setting>,
    /// The [`ENVIRONMENT`], if `--set-env` is used and it is not [`DEVELOPMENT`].
    environment: Option<String>,
}

/// A value to set.
#[derive(Debug)]
struct Setting {
    keys: Vec<String>,
    text: String,
    /// The variable or flag that sets the value, for errors.
    by: String,
    is_from_variable: bool,
}

impl Settings {
    /// Reads the values that `sets` asks for. Flags come last, so they take precedence over
    /// variables. An empty variable counts as unset, since compose files cannot leave one out
    /// otherwise.
    pub(super) fn new(sets: Sets, variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name: &str| variable(name).filter(|text| !text.is_empty());
        let environment = variable(ENVIRONMENT).filter(|name| name != DEVELOPMENT);
        let environment = environment.filter(|_| !sets.set_env.is_empty());
        let variables = sets.set_env.into_iter().flatten().filter_map(|Pair { name, value }| {
            let text = variable(&value)?;
            Some(Setting { keys: keys(&name), text, by: value, is_from_variable: true })
        });
        let flags = sets.set.into_iter().map(|Pair { name, value }| Setting {
            keys: keys(&name),
            text: value,
            by: "--set".to_owned(),
            is_from_variable: false,
        });
        Self { all: variables.chain(flags).collect(), environment }
    }

    /// Builds settings from pairs of path and value, like `--set`.
    #[cfg(test)]
    pub(super) fn of(sets: &[(&str, &str)]) -> Self {
        let pair = |(name, value): &(&str, &str)| Pair {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        };
        Self::new(Sets { set: sets.iter().map(pair).collect(), set_env: Vec::new() }, |_| None)
    }

    /// Sets the values in `document`, which contains the checked `policy`.
    ///
    /// # Errors
    /// Fails if a path does not exist or a value is invalid; the error names the flag or variable.
    /// Also fails if a publicly known salt would replace the policy's private one, or would be used
    /// outside development.
    pub(super) fn write(&self, policy: &Policy, document: &mut Value) -> anyhow::Result<()> {
        for setting in &self.all {
            setting.write(document)?;
        }
        let written = Policy::from_value(document.clone()).map_err(|error| self.blamed(&error))?;
        if !written.has_known_salt() {
            return Ok(());
        }
        if let Some(Setting { by, .. }) = self.all.iter().rfind(|setting| setting.is_salt()) {
            ensure!(
                policy.has_known_salt(),
                "{by}: expected the policy's own salt or another private one, found the publicly \
                 known one: set it to the salt in the policy, so that the backend uses it too"
            );
        }
        if let Some(environment) = &self.environment {
            bail!(
                "{ENVIRONMENT} is {environment:?}: expected a private salt in the policy, found \
                 the publicly known {:?}: set TOLLGATE_SALT to a random text, and keep it",
                written.salt
            );
        }
        Ok(())
    }

    /// Returns the first mistake that a setting caused, with that setting's flag or variable.
    fn blamed(&self, PolicyErrors(mistakes): &PolicyErrors) -> anyhow::Error {
        let blamed = mistakes.iter().find_map(|mistake| {
            let wrote = self.all.iter().rfind(|setting| setting.is_at(&mistake.place))?;
            Some(anyhow!("{}: {mistake}", wrote.by))
        });
        blamed.unwrap_or_else(|| PolicyErrors(mistakes.clone()).into())
    }
}

impl Setting {
    fn write(&self, document: &mut Value) -> anyhow::Result<()> {
        let Self { keys, text, by, .. } = self;
        ensure!(
            !self.is_salt() || is_salt(text),
            "{by}: expected {EXPECTED_SALT}, found something else"
        );
        let value = self.value();
        // Many programs read a 0 in a variable as "off", but a limit of 0 refuses every request.
        ensure!(
            !self.is_from_variable || value != 0,
            "{by}: {}: invalid value: integer `0`, expected a whole number from 1 to {MAX_SAFE}",
            keys.join(".")
        );
        // A variable that enables all limits must not turn shadow buckets into enforced ones.
        if self.is_from_variable && keys.iter().any(|key| key == EVERY) && value == true {
            return Ok(());
        }
        put(document, "", keys, &value).map_err(|error| anyhow!("{by}: {error}"))
    }

    fn value(&self) -> Value {
        let Self { text, .. } = self;
        let flag = if self.keys.last().is_some_and(|key| key == FLAG) {
            flag(text)
        } else {
            text.parse().ok()
        };
        match (flag, text.parse::<u64>()) {
            _ if self.is_salt() => text.as_str().into(),
            (Some(flag), _) => flag.into(),
            (None, Ok(number)) => number.into(),
            (None, Err(_)) => text.as_str().into(),
        }
    }

    fn is_salt(&self) -> bool {
        self.keys == [SALT]
    }

    /// Returns true if `place` is at this setting's path, below it or above it.
    fn is_at(&self, place: &str) -> bool {
        let mut both = self.keys.iter().zip(place.split('.'));
        both.all(|(key, name)| key == EVERY || key == name)
    }
}

/// Splits a path such as `buckets.auth.limit` or the JSON pointer `/buckets/a.b/limit` into keys.
fn keys(path: &str) -> Vec<String> {
    match path.strip_prefix('/') {
        Some(pointer) => {
            pointer.split('/').map(|key| key.replace("~1", "/").replace("~0", "~")).collect()
        }
        None => path.split('.').map(str::to_owned).collect(),
    }
}

/// Sets `value` at `keys` under `node`, which is at `place`. Only the last key can be new.
fn put(node: &mut Value, place: &str, keys: &[String], value: &Value) -> Result<(), PolicyError> {
    let mistake = |message| PolicyError { place: place.to_owned(), message };
    match (keys.split_first(), node) {
        (None, Value::Object(_) | Value::Array(_)) => {
            Err(mistake("expected a single value to replace, found a mapping or a list".to_owned()))
        }
        (None, leaf) => {
            *leaf = value.clone();
            Ok(())
        }
        (Some((key, rest)), Value::Object(fields)) if key == EVERY => {
            let mut children = fields.iter_mut();
            children.try_for_each(|(name, child)| put(child, &joined(place, name), rest, value))
        }
        (Some((key, rest)), Value::Object(fields)) => match fields.get_mut(key) {
            Some(child) => put(child, &joined(place, key), rest, value),
            None if rest.is_empty() => {
                fields.insert(key.clone(), value.clone());
                Ok(())
            }
            None => Err(mistake(unknown_name("field", key, fields.keys()))),
        },
        (Some((key, _)), found) => {
            let found = if found.is_array() { "a list".to_owned() } else { found.to_string() };
            Err(mistake(format!("expected a mapping with {key:?}, found {found}")))
        }
    }
}

/// Returns the place of the field `name` in `place`, for example `buckets.auth`.
pub(super) fn joined(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

#[cfg(test)]
mod tests;
