//! Reads the members of a JSON object, with the service's error messages.

use crate::refusal::Refusal;
use serde_json::{Map, Value};

/// An object without unknown members.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    members: &'a Map<String, Value>,
    place: &'a str,
}

impl<'a> Fields<'a> {
    /// Reads the object `value` at `place`. Fails if it has members other than `known`.
    pub(super) fn of(value: &'a Value, place: &'a str, known: &[&str]) -> Result<Self, Refusal> {
        let Some(members) = value.as_object() else {
            let place = if place.is_empty() { "body" } else { place };
            return Err(Refusal::at(place, "Input should be a valid object"));
        };
        let fields = Self { members, place };
        match members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(fields.refused(name, "Extra inputs are not permitted")),
            None => Ok(fields),
        }
    }

    /// Returns the member, unless it is null.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// Returns the member, converted by `read`. `what` describes the expected type in errors.
    pub(super) fn optional<T>(
        &self,
        name: &str,
        what: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let wrong = || self.refused(name, &format!("Input should be {what}"));
        read(value).map(Some).ok_or_else(wrong)
    }

    /// Returns the member like [`Self::optional`], but fails if it is missing.
    pub(super) fn required<T>(
        &self,
        name: &str,
        what: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, Refusal> {
        let found = self.optional(name, what, read)?;
        found.ok_or_else(|| self.refused(name, "Field required"))
    }

    fn refused(&self, name: &str, message: &str) -> Refusal {
        let dot = if self.place.is_empty() { "" } else { "." };
        Refusal::at(&format!("{}{dot}{name}", self.place), message)
    }
}
