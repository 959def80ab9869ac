//! Conditions of rules in CEL, the Common Expression Language: `when: "claims.tier == 'pro'"`.
//!
//! An expression is parsed once, when the policy is loaded. The properties that it names are
//! collected then ([`Name`]), so that a request's evaluation fetches only these. Called by
//! [`crate::policy`] (parsing) and [`crate::matching`] (evaluation).
//!
//! # Source
//! <https://github.com/google/cel-spec/blob/master/doc/langdef.md>. The `cel` crate parses and
//! evaluates. Without the feature `cel`, every expression is refused.

#[cfg_attr(not(feature = "cel"), path = "when/absent.rs")]
mod expression;
mod invalid;
mod name;

use crate::facts::Value;
use expression::Expression;
pub(crate) use invalid::BadWhen;
pub(crate) use name::{Kind, Name};

/// A condition in CEL.
#[derive(Debug, Clone)]
pub struct When {
    text: String,
    expression: Expression,
}

impl When {
    /// Parses `text`.
    ///
    /// # Errors
    /// Fails with every mistake found, each with its position.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<BadWhen>> {
        Ok(Self { text: text.to_owned(), expression: Expression::parse(text)? })
    }

    /// Returns the expression as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Evaluates the expression. `find` returns a property's value; `None` if the request does not
    /// have it.
    ///
    /// # Errors
    /// Fails if the expression has no value, for example because it reads a claim that the token
    /// lacks, or if its value is not a Boolean.
    pub(crate) fn evaluate(&self, find: impl Fn(&Name) -> Option<Value>) -> Result<bool, String> {
        self.expression.evaluate(find)
    }
}

impl PartialEq for When {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for When {}

#[cfg(all(test, feature = "cel"))]
mod tests;
