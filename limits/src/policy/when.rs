//! The CEL condition of a rule, and its checks.

use super::document;
use super::mistakes::Mistakes;
use super::on_error::OnError;
use crate::when::When;

/// A condition in CEL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhenMatch {
    /// The expression.
    pub when: When,
    /// The behavior if it cannot be evaluated.
    pub on_error: OnError,
}

/// Checks the condition at `place` and returns it.
pub(super) fn checked(
    place: &str,
    document: &document::Match,
    mistakes: &mut Mistakes,
) -> Option<WhenMatch> {
    let Some(text) = &document.when else {
        if document.on_error.is_some() {
            mistakes.add(format!("{place}.on_error"), "only valid with `when`: remove this");
        }
        return None;
    };
    match When::parse(text) {
        Ok(when) => Some(WhenMatch { when, on_error: document.on_error.unwrap_or_default() }),
        Err(all) => {
            let place = format!("{place}.when");
            all.iter().for_each(|bad| mistakes.add(&place, bad.to_string()));
            None
        }
    }
}
