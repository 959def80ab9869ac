//! Whether a changed résumé says something that the original does not: an employer, a date, a
//! degree or a number.
//!
//! Called by the AI routes on what a model made of a résumé. Pure. `walk` finds the texts of a
//! document, `facts` what the original has, `names` names of employers in texts, `degrees`
//! degrees; the numbers and dates of texts are [`crate::numbers`]'.
//!
//! What is looked at:
//!
//! | kind | where | flagged if |
//! |---|---|---|
//! | employer | `work/*/name`, `volunteer/*/organization`, `education/*/institution`, `awards/*/awarder`, `certificates/*/issuer`, `publications/*/publisher`, `projects/*/entity` | no entry of that section has it; "Acme Ltd" and "Acme" are the same, and so is the start of a longer name |
//! | employer | texts | a name with a legal form ("Acme GmbH") or of a university, or in capitals after "at", "joined", "chez" or "ex-", has a word that the original has nowhere |
//! | date | `startDate`, `endDate`, `date`, `releaseDate` of an entry | no entry with the same employer has it there; 2014 for 2014-06 is no invention, 2014-06 for 2014 is |
//! | date | an entry without an `endDate` | all entries with its employer have one: it would go on |
//! | date | texts | a year, a month or a day is neither in a date nor in a text of the original |
//! | degree | `education/*/studyType`, `area` | it is of another level or faculty, or has another word, than the entries with the same institution |
//! | degree | `certificates/*/name` | no certificate has all its words |
//! | degree | texts | "PhD", "MSc", "Bachelor" or the like, which the original has nowhere |
//! | number | texts, names and labels, numbers outside the schema | no text of the original says that number of that unit, in digits or words; dropping a currency is no invention, adding one or a percent sign is |
//! | number | `basics/phone`, `basics/location/*` | its digits are in none of these |
//!
//! So texts may be reworded, reordered and translated as long as they keep to the facts. Not looked
//! at are addresses of pages and people, `basics/profiles`, `$schema` and `meta`; titles of
//! positions and names of skills; whether a number is still said of the same thing; what is left
//! out.

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

/// The most that is told.
pub const MAX_INVENTED: usize = 100;
/// What is told of an entry that lost its end.
const GOES_ON: &str = "no endDate";

/// Something that the original does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Invented {
    /// Where: a JSON pointer (RFC 6901) into the changed document.
    pub pointer: String,
    /// What it is.
    pub kind: Kind,
    /// As it is written there.
    pub found: String,
}

/// What may not be invented.
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
    /// An employer, a school, or who else gives weight to an entry.
    Employer,
    /// A year, a month or a day.
    Date,
    /// A degree, its field, or a certificate.
    Degree,
    /// A number.
    Number,
}

/// What `changed` has that `original` has not, in the order of its places; at most
/// [`MAX_INVENTED`]. `changed` need not be a valid résumé.
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
    fn tell(&mut self, pointer: &str, kind: Kind, found: impl Into<String>) {
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

    /// An entry's own fields: whose it is, when, and what for.
    fn entry(&mut self, section: &Section, place: &str, value: &Value) {
        let entry = Entry::of(section, value);
        let known = self.facts.entries(section.name);
        let mut same: Vec<&Entry> =
            known.iter().filter(|known| known.has_name_of(&entry)).collect();
        let is_known = !same.is_empty() || entry.name.is_empty();
        if !is_known {
            let found = walk::text(value, section.employer);
            self.tell(&format!("{place}/{}", section.employer), Kind::Employer, found);
        }
        if same.is_empty() {
            same = known.iter().collect();
        }
        for field in section.dates {
            let text = walk::text(value, field);
            if !text.is_empty() && !same.iter().any(|known| known.has_date(field, text)) {
                self.tell(&format!("{place}/{field}"), Kind::Date, text);
            }
        }
        if is_known && entry.goes_on() && !same.iter().any(|known| known.goes_on()) {
            self.tell(place, Kind::Date, GOES_ON);
        }
        for field in section.degrees {
            let text = walk::text(value, field);
            let (degrees, words) = (degrees::in_field(text), degrees::other_words(text));
            if !text.is_empty() && !same.iter().any(|known| known.attained(&degrees, &words)) {
                self.tell(&format!("{place}/{field}"), Kind::Degree, text);
            }
        }
    }

    fn contact(&mut self, pointer: &str, text: &str) {
        for digits in walk::digits(text) {
            if !self.facts.has_contact(&digits) {
                self.tell(pointer, Kind::Number, digits);
            }
        }
    }

    fn text(&mut self, pointer: &str, text: &str) {
        for name in names::in_text(text) {
            if !self.facts.has_words(&name) {
                self.tell(pointer, Kind::Employer, name);
            }
        }
        for (degree, found) in degrees::in_text(text) {
            if !self.facts.has_degree(degree) {
                self.tell(pointer, Kind::Degree, found);
            }
        }
        for figure in figures(text) {
            if !self.facts.has_figure(&figure.meaning) {
                let is_date = matches!(figure.meaning, Meaning::Moment(_));
                self.tell(pointer, if is_date { Kind::Date } else { Kind::Number }, figure.text);
            }
        }
    }
}

#[cfg(test)]
mod tests;
