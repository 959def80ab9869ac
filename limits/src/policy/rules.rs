//! The rules of a policy, and their checks.

use super::adding::Adding;
use super::charges::{self, Buckets, RuleCharge};
use super::document;
use super::matches::{self, Match};
use super::mistakes::Mistakes;
use super::spelling::Spelling;
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
    /// True if the rules that follow are looked at too.
    pub continues: bool,
    /// The accepted spellings of its paths.
    pub spelling: Spelling,
}

/// Checks `documents` and returns their rules.
pub(super) fn checked(
    documents: &[Option<document::Rule>],
    names: &matches::Names<'_>,
    buckets: Buckets<'_>,
    spelling: Spelling,
    mistakes: &mut Mistakes,
) -> Vec<Rule> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rules = Vec::with_capacity(documents.len());
    let mut adding = Adding::default();
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
        let rule = Rule {
            name: document.name.clone(),
            matching: matches::checked(
                &format!("{place}.match"),
                &document.matching,
                names,
                mistakes,
            ),
            charge: charges::checked(&place, &document.charge, buckets, mistakes),
            continues: document.continues,
            spelling: spelling.with(document.encoded_slash, document.undecodable),
        };
        adding.add(&place, &rule.charge, rule.continues, mistakes);
        rules.push(rule);
        if document.continues && document.charge.is_empty() {
            mistakes.add(
                format!("{place}.continue"),
                "this rule has no effect: charge a bucket, or use the top-level `exempt`",
            );
        }
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
