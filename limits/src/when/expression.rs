//! A parsed CEL expression. Called by [`super::When`].

mod names;
mod values;

use super::invalid::BadWhen;
use super::name::Name;
use crate::facts::Value;
use cel::common::ast::IdedExpr;
use cel::parser::PrattParser;
use cel::{Context, Env, ExecutionError};
use std::cell::Cell;
use std::sync::{Arc, LazyLock};

/// The longest expression, in bytes.
pub(super) const MAX_BYTES: usize = 2_048;
/// The most brackets, question marks and unary operators, each of which takes a recursion of the
/// parser.
const MAX_NESTED: usize = 100;

/// The most items of all lists within one property. Comparing lists within a macro takes time in
/// proportion to the square.
const MAX_ITEMS: usize = 1_000;

/// The functions of the CEL standard library. Creating them takes longer than most evaluations.
static LIBRARY: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

#[derive(Debug, Clone)]
pub(super) struct Expression {
    parsed: Arc<IdedExpr>,
    pub(super) names: Vec<Name>,
}

impl Expression {
    pub(super) fn parse(text: &str) -> Result<Self, Vec<BadWhen>> {
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
        Ok(Self { parsed: Arc::new(parsed), names })
    }

    pub(super) fn evaluate(&self, find: impl Fn(&Name) -> Option<Value>) -> Result<bool, String> {
        let most = Cell::new(0);
        let find = |name: &Name| find(name).inspect(|value| most.set(most.get().max(items(value))));
        let variables = values::of(&self.names, find);
        if most.get() > MAX_ITEMS {
            return Err(format!(
                "expected lists of at most {MAX_ITEMS} items, found {}",
                most.get()
            ));
        }
        let mut context = Context::with_env(LIBRARY.clone());
        for (root, value) in variables {
            context.add_variable_from_value(root, value);
        }
        match cel::Value::resolve(&self.parsed, &context) {
            Ok(cel::Value::Bool(is)) => Ok(is),
            Ok(other) => Err(format!("expected true or false, found {}", other.type_of())),
            Err(error) => Err(described(&error)),
        }
    }
}

/// Returns the number of items in a list and in the lists within it.
fn items(value: &Value) -> usize {
    match value {
        Value::List(list) => list.len() + list.iter().map(items).sum::<usize>(),
        Value::Text(_) | Value::Bool(_) | Value::Number(_) => 0,
    }
}

fn syntax(errors: &cel::ParseErrors) -> Vec<BadWhen> {
    let one_based = |number: isize| usize::try_from(number).unwrap_or_default().max(1);
    let bad = |error: &cel::ParseError| BadWhen {
        line: one_based(error.pos.0),
        column: one_based(error.pos.1),
        reason: shorten(error.msg.clone()),
    };
    errors.errors.iter().map(bad).collect()
}

/// Describes an error without the request's values, which can be personal data and which the log
/// would show.
fn described(error: &ExecutionError) -> String {
    match error {
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            format!("cannot {operator} {} and {}", left.type_of(), right.type_of())
        }
        ExecutionError::UnsupportedIndex(index, of) => {
            format!("cannot index {} with {}", of.type_of(), index.type_of())
        }
        ExecutionError::Overflow(operator, ..) => format!("the result of {operator} is too large"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::IndexOutOfBounds(_) => "index out of bounds".to_owned(),
        ExecutionError::NoSuchKey(_)
        | ExecutionError::NoSuchOverload(_)
        | ExecutionError::UnexpectedType { .. }
        | ExecutionError::UndeclaredReference(_)
        | ExecutionError::FunctionError { .. } => shorten(error.to_string()),
        _ => "values of these types do not go together".to_owned(),
    }
}

/// Adds the position of the mistaken name to `mistake`.
fn at(text: &str, mistake: names::Mistake) -> BadWhen {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut places = text.match_indices(&mistake.name).map(|(at, _)| at);
    let is_whole = |at: &usize| {
        let (before, rest) = text.split_at_checked(*at).unwrap_or_default();
        let after = rest.strip_prefix(&mistake.name).unwrap_or_default();
        !before.ends_with(is_part) && !after.starts_with(is_part)
    };
    let first = text.find(&mistake.name);
    let place = places.find(is_whole).or(first).and_then(|at| text.get(..at));
    let before = place.unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    BadWhen { line, column, reason: mistake.reason }
}

/// Cuts a message of the crate.
fn shorten(mut text: String) -> String {
    let end = text.char_indices().map(|(at, _)| at).nth(200).unwrap_or(text.len());
    text.truncate(end);
    text
}
