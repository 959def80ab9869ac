//! Conditions of rules in CEL, the Common Expression Language: `when: "claims.tier == 'pro'"`.
//!
//! An expression is parsed once, when the policy is loaded. The properties that it names are
//! collected then ([`Name`]), so that a request's evaluation fetches only these. Called by
//! [`crate::policy`] (parsing) and [`crate::matching`] (evaluation).
//!
//! # Source
//! <https://github.com/google/cel-spec/blob/master/doc/langdef.md>. The `cel` crate parses and
//! evaluates.

mod names;
mod values;

use crate::facts::Value;
use cel::common::ast::IdedExpr;
use cel::parser::PrattParser;
use cel::{Context, Env};
pub(crate) use names::{Kind, Name};
use std::sync::{Arc, LazyLock};

/// The longest expression, in bytes.
const MAX_BYTES: usize = 2_048;
/// The most brackets, question marks and unary operators, each of which takes a recursion of the
/// parser.
const MAX_NESTED: usize = 100;

/// The functions of the CEL standard library. Creating them takes longer than most evaluations.
static LIBRARY: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A condition in CEL.
#[derive(Debug, Clone)]
pub struct When {
    text: String,
    parsed: Arc<IdedExpr>,
    names: Vec<Name>,
}

/// An invalid expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub(crate) struct BadWhen {
    line: usize,
    column: usize,
    reason: String,
}

impl When {
    /// Parses `text`.
    ///
    /// # Errors
    /// Fails with every mistake found, each with its position.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<BadWhen>> {
        let nested = text.bytes().filter(|byte| b"([{?!-".contains(byte)).count();
        let too_large = [
            (text.len(), MAX_BYTES, "bytes"),
            (nested, MAX_NESTED, "brackets and operators (any of ([{?!-)"),
        ];
        if let Some((found, most, what)) = too_large.iter().find(|(found, most, _)| found > most) {
            let reason = format!("expected at most {most} {what}, found {found}");
            return Err(vec![BadWhen { line: 1, column: 1, reason }]);
        }
        let parser = PrattParser::new().error_recovery_limit(1);
        let parsed = parser.parse(text).map_err(|errors| syntax(&errors))?;
        let names = names::of(&parsed).map_err(|mistakes| {
            mistakes.into_iter().map(|mistake| at(text, mistake)).collect::<Vec<_>>()
        })?;
        Ok(Self { text: text.to_owned(), parsed: Arc::new(parsed), names })
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
        let mut context = Context::with_env(LIBRARY.clone());
        for (root, value) in values::of(&self.names, find) {
            context.add_variable_from_value(root, value);
        }
        match cel::Value::resolve(&self.parsed, &context) {
            Ok(cel::Value::Bool(is)) => Ok(is),
            Ok(other) => Err(format!("expected true or false, found {}", other.type_of())),
            Err(error) => Err(shorten(error.to_string())),
        }
    }
}

impl PartialEq for When {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for When {}

fn syntax(errors: &cel::ParseErrors) -> Vec<BadWhen> {
    let one_based = |number: isize| usize::try_from(number).unwrap_or_default().max(1);
    let bad = |error: &cel::ParseError| BadWhen {
        line: one_based(error.pos.0),
        column: one_based(error.pos.1),
        reason: shorten(error.msg.clone()),
    };
    errors.errors.iter().map(bad).collect()
}

/// Adds the position of the mistaken name to `mistake`.
fn at(text: &str, mistake: names::Mistake) -> BadWhen {
    let before = text.find(&mistake.name).and_then(|at| text.get(..at)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    BadWhen { line, column, reason: mistake.reason }
}

/// Cuts a message of the crate, which can contain values of the request.
fn shorten(mut text: String) -> String {
    let end = text.char_indices().map(|(at, _)| at).nth(200).unwrap_or(text.len());
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests;
