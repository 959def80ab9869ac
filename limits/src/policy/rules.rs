//! The rules of a policy, and their checks.

use super::charges::{self, Buckets, RuleCharge};
use super::document;
use super::matches::{self, Match};
use super::mistakes::Mistakes;
use crate::counter::is_bucket_name;
use std::collections::BTreeMap;

/// The requests that match, and the buckets they are charged to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The rule's name in logs.
    pub name: Option<String>,
    /// The requests that match.
    pub matching: Match,
    /// The buckets charged, and the costs; empty for an exemption.
    pub charge: Vec<RuleCharge>,
}

/// Checks `documents` and returns their rules.
pub(super) fn checked(
    documents: &[Option<document::Rule>],
    names: &matches::Names<'_>,
    buckets: Buckets<'_>,
    mistakes: &mut Mistakes,
) -> Vec<Rule> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rules = Vec::with_capacity(documents.len());
    for (index, document) in documents.iter().enumerate() {
        let Some(document) = document else { continue };
        let place = format!("rules[{index}]");
        if let Some(name) = &document.name {
            rule_name(name, &place, mistakes);
            if let Some(before) = seen.insert(name, index) {
                mistakes.add(
                    format!("{place}.name"),
                    format!("rules[{before}] has the name {name:?} too"),
                );
            }
        }
        rules.push(Rule {
            name: document.name.clone(),
            matching: matches::checked(
                &format!("{place}.match"),
                &document.matching,
                names,
                mistakes,
            ),
            charge: charges::checked(&place, &document.charge, buckets, mistakes),
        });
    }
    rules
}

fn rule_name(name: &str, place: &str, mistakes: &mut Mistakes) {
    if !is_bucket_name(name) || name == "none" {
        mistakes.add(
            format!("{place}.name"),
            format!(
                "expected a name of at most 64 letters, digits, _ or -, starting with a letter and not \"none\", found {name:?}"
            ),
        );
    }
}
