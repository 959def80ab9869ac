//! The list of exempt requests, and its checks.

use super::document;
use super::matches::{self, Match, Names};
use super::mistakes::Mistakes;

/// Checks `documents` and returns their conditions.
pub(super) fn checked(
    documents: &[Option<document::Match>],
    names: &Names<'_>,
    mistakes: &mut Mistakes,
) -> Vec<Match> {
    let mut exempt = Vec::with_capacity(documents.len());
    for (index, document) in documents.iter().enumerate() {
        let Some(document) = document else { continue };
        let place = format!("exempt[{index}]");
        let found = matches::checked(&place, document, names, mistakes);
        if found == Match::default() {
            mistakes.add(place, "expected a condition: without one, every request is exempt");
        }
        exempt.push(found);
    }
    exempt
}
