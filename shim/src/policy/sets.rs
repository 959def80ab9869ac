//! `--set PATH=VALUE` and `--set-env PATH=VARIABLE`: single values written into a policy document.
//!
//! Called by [`super::render`]. Nothing here knows a bucket's name or a variable that sets one: the
//! operator names both.

use crate::cli::{Pair, Sets};
use anyhow::{anyhow, bail, ensure};
use limits::policy::{EXPECTED_SALT, Policy, PolicyError, PolicyErrors, flag, is_salt, no_such};
use serde_json::Value;

/// The variable that names the kind of place this is. Outside [`DEVELOPMENT`] a policy that takes
/// values from the environment needs a salt of its own.
const ENVIRONMENT: &str = "ENVIRONMENT";
/// The only [`ENVIRONMENT`] in which everyone may know the salt; also what an unset one means.
const DEVELOPMENT: &str = "development";
/// The path of the salt: always a text, and nearly a secret.
const SALT: &str = "salt";
/// The last key of a path to a flag.
const FLAG: &str = "enforce";
/// Stands for every key of a mapping.
const EVERY: &str = "*";

/// The values to write into a policy.
#[derive(Debug, Default)]
pub(super) struct Settings {
    all: Vec<Setting>,
    /// The [`ENVIRONMENT`], if it counts and is not [`DEVELOPMENT`].
    environment: Option<String>,
}

/// One value to write.
#[derive(Debug)]
struct Setting {
    keys: Vec<String>,
    text: String,
    /// The variable or the flag, for errors.
    by: String,
    is_from_variable: bool,
}

impl Settings {
    /// Reads what `sets` ask for. Flags come last, so they win over variables. A variable that is
    /// empty counts as unset, since `NAME=` is how compose files leave one out.
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

    /// Sets each path to its value, as `--set` does.
    #[cfg(test)]
    pub(super) fn of(sets: &[(&str, &str)]) -> Self {
        let pair = |(name, value): &(&str, &str)| Pair {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        };
        Self::new(Sets { set: sets.iter().map(pair).collect(), set_env: Vec::new() }, |_| None)
    }

    /// Writes the values into `document`, which is the checked `policy`; the rest of it stays.
    ///
    /// # Errors
    /// Names the flag or the variable whose path leads nowhere or whose value is invalid. Refuses a
    /// salt that everyone knows in place of the policy's own, and outside development.
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
                "{by}: expected the policy's own salt, or another that is private, found the one \
                 that everyone knows: set it to the salt in the policy, so that the backend has it \
                 too"
            );
        }
        if let Some(environment) = &self.environment {
            bail!(
                "{ENVIRONMENT} is {environment:?}: expected the policy to have a salt of its own, \
                 found {:?}, which everyone knows: set TOLLGATE_SALT to a random text, and keep it",
                written.salt
            );
        }
        Ok(())
    }

    /// The first mistake, with what has written the value there.
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
        // A variable that switches limits on leaves a bucket that never refuses as it is.
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

    /// Returns true if `place` is this one, in it, or around it.
    fn is_at(&self, place: &str) -> bool {
        let mut both = self.keys.iter().zip(place.split('.'));
        both.all(|(key, name)| key == EVERY || key == name)
    }
}

/// Splits `buckets.auth.limit`, or the JSON pointer `/buckets/a.b/limit`.
fn keys(path: &str) -> Vec<String> {
    match path.strip_prefix('/') {
        Some(pointer) => {
            pointer.split('/').map(|key| key.replace("~1", "/").replace("~0", "~")).collect()
        }
        None => path.split('.').map(str::to_owned).collect(),
    }
}

/// Puts `value` at `keys` under `node`, which stands at `place`. Only the last key may be new.
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
            None => Err(mistake(no_such("field", key, fields.keys()))),
        },
        (Some((key, _)), found) => {
            let found = if found.is_array() { "a list".to_owned() } else { found.to_string() };
            Err(mistake(format!("expected a mapping with {key:?}, found {found}")))
        }
    }
}

/// Returns the place of `name` under `place`: `buckets.auth`.
pub(super) fn joined(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

#[cfg(test)]
mod tests;
