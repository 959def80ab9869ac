//! Stands in for expressions in a build without CEL. Called by [`super::When`].

use super::invalid::BadWhen;
use super::name::Name;
use crate::facts::Value;

/// An uninhabited type: no expression can be parsed.
#[derive(Debug, Clone)]
pub(super) enum Expression {}

impl Expression {
    pub(super) fn parse(_: &str) -> Result<Self, Vec<BadWhen>> {
        let reason = "this filter was built without CEL: use tollgate_filter.wasm, or other \
            conditions than `when`";
        Err(vec![BadWhen { line: 1, column: 1, reason: reason.to_owned() }])
    }

    pub(super) fn evaluate(&self, _: impl Fn(&Name) -> Option<Value>) -> Result<bool, String> {
        match *self {}
    }
}
