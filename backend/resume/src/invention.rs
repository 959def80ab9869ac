//! Finds facts in a changed résumé that the original lacks: employers, dates, degrees and numbers.
//!
//! Called by the AI routes to check a model's output. Pure. `walk` finds the texts of a document,
//! `facts` collects the facts of the original, `names` finds employers in texts, `degrees` finds
//! degrees, and [`crate::numbers`] finds numbers and dates.
//!
//! The checks:
//!
//! | kind | where | flagged if |
//! |---|---|---|
//! | employer | `work/*/name`, `volunteer/*/organization`, `education/*/institution`, `awards/*/awarder`, `certificates/*/issuer`, `publications/*/publisher`, `projects/*/entity` | no entry of that section has it; legal forms are ignored ("Acme Ltd" equals "Acme"), and the start of a longer name matches |
//! | employer | texts | a name with a legal form ("Acme GmbH"), of a university, or capitalized after "at", "joined", "chez" or "ex-" has a word that occurs nowhere in the original |
//! | date | `startDate`, `endDate`, `date`, `releaseDate` of an entry | no entry with the same employer has it in that field; 2014-06 can become 2014, but not the reverse |
//! | date | an entry without an `endDate` | all entries with its employer have one, so a past job would become current |
//! | date | texts | a year, month or day occurs in no date and no text of the original |
//! | degree | `education/*/studyType`, `area` | its level, faculty or any word differs from the entries with the same institution |
//! | degree | `certificates/*/name` | no certificate has all its words |
//! | degree | texts | "PhD", "MSc", "Bachelor" or similar occurs nowhere in the original |
//! | number | texts, names and labels, numbers outside the schema | no text of the original has that number with that unit, in digits or words; a currency can be dropped, but neither it nor a percent sign can be added |
//! | number | `basics/phone`, `basics/location/*` | its digits occur in none of these |
//!
//! Texts can thus be reworded, reordered and translated as long as the facts stay. Not checked:
//! URLs and e-mail addresses, `basics/profiles`, `$schema` and `meta`; job titles and skills; the
//! context of a number; omissions.

mod degrees;
mod facts;
mod names;
mod walk;

use crate::document::Resume;
use crate::numbers::{Meaning, figures};
use facts::{Entry, Facts};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use walk::{Role, SECTIONS, Section};

/// The most invented facts reported.
pub const MAX_INVENTED: usize = 100;
/// The `found` text for an entry that lost its end date.
const NO_END_DATE: &str = "no endDate";

/// A fact that the original does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Invented {
    /// A JSON pointer (RFC 6901) into the changed document.
    pub pointer: String,
    /// The kind of fact.
    pub kind: Kind,
    /// The fact as written there.
    pub found: String,
}

/// The kind of an invented fact.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = InventedKind)]
pub enum Kind {
    /// An employer, a school or another organization.
    Employer,
    /// A year, a month or a day.
    Date,
    /// A degree, its field, or a certificate.
    Degree,
    /// A number.
    Number,
}

/// Returns the facts in `changed` that `original` lacks, at most [`MAX_INVENTED`], in document
/// order. `changed` need not be a valid résumé.
#[must_use]
pub fn found(original: &Resume, changed: &Value) -> Vec<Invented> {
    let facts = Facts::of(original.as_value());
    let mut check = Check { facts: &facts, invented: Vec::new() };
    for section in &SECTIONS {
        for (at, entry) in walk::items(changed, section.name).enumerate() {
            check.entry(section, &format!("/{}/{at}", section.name), entry);
        }
    }
    for text in walk::texts(changed) {
        match text.role {
            Role::Contact => check.contact(&text.pointer, &text.text),
            Role::Text => check.text(&text.pointer, &text.text),
            Role::Field => {}
        }
    }
    check.finish()
}

struct Check<'a> {
    facts: &'a Facts,
    invented: Vec<Invented>,
}

impl Check<'_> {
    fn report(&mut self, pointer: &str, kind: Kind, found: impl Into<String>) {
        if self.invented.len() < MAX_INVENTED {
            let invented = Invented { pointer: pointer.to_owned(), kind, found: found.into() };
            if !self.invented.contains(&invented) {
                self.invented.push(invented);
            }
        }
    }

    fn finish(self) -> Vec<Invented> {
        self.invented
    }

    /// Checks an entry's employer, dates and degrees.
    fn entry(&mut self, section: &Section, place: &str, value: &Value) {
        let entry = Entry::of(section, value);
        let known = self.facts.entries(section.name);
        let mut same: Vec<&Entry> =
            known.iter().filter(|known| known.has_name_of(&entry)).collect();
        let is_known = !same.is_empty() || entry.name.is_empty();
        if !is_known {
            let found = walk::text(value, section.employer);
            self.report(&format!("{place}/{}", section.employer), Kind::Employer, found);
        }
        if same.is_empty() {
            same = known.iter().collect();
        }
        for field in section.dates {
            let text = walk::text(value, field);
            if !text.is_empty() && !same.iter().any(|known| known.has_date(field, text)) {
                self.report(&format!("{place}/{field}"), Kind::Date, text);
            }
        }
        if is_known && entry.is_current() && !same.iter().any(|known| known.is_current()) {
            self.report(place, Kind::Date, NO_END_DATE);
        }
        for field in section.degrees {
            let text = walk::text(value, field);
            let (degrees, words) = (degrees::in_field(text), degrees::other_words(text));
            if !text.is_empty() && !same.iter().any(|known| known.has_degrees(&degrees, &words)) {
                self.report(&format!("{place}/{field}"), Kind::Degree, text);
            }
        }
    }

    fn contact(&mut self, pointer: &str, text: &str) {
        for digits in walk::digits(text) {
            if !self.facts.has_contact(&digits) {
                self.report(pointer, Kind::Number, digits);
            }
        }
    }

    fn text(&mut self, pointer: &str, text: &str) {
        for name in names::in_text(text) {
            if !self.facts.has_words(&name) {
                self.report(pointer, Kind::Employer, name);
            }
        }
        for (degree, found) in degrees::in_text(text) {
            if !self.facts.has_degree(degree) {
                self.report(pointer, Kind::Degree, found);
            }
        }
        for figure in figures(text) {
            if !self.facts.has_figure(&figure.meaning) {
                let is_date = matches!(figure.meaning, Meaning::Moment(_));
                self.report(pointer, if is_date { Kind::Date } else { Kind::Number }, figure.text);
            }
        }
    }
}

#[cfg(test)]
mod tests;
