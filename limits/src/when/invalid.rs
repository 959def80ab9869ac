//! An invalid CEL expression.

/// An invalid expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub(crate) struct BadWhen {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) reason: String,
}
