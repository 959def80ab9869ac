//! The facts of a résumé, which a changed résumé can repeat.
//!
//! Collected by [`super::found`] from the original.

use super::degrees::{self, Degree};
use super::walk::{self, Role, SECTIONS, Section};
use super::{names, walk::text};
use crate::numbers::{Day, Decimal, Meaning, Moment, Number, Unit, figures};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// The facts of a document.
#[derive(Default)]
pub(super) struct Facts {
    entries: HashMap<&'static str, Vec<Entry>>,
    numbers: HashSet<(Decimal, Unit)>,
    named_digits: HashSet<String>,
    days: HashSet<Day>,
    degrees: HashSet<Degree>,
    words: HashSet<String>,
    contact: HashSet<String>,
}

/// The fields of one entry.
pub(super) struct Entry {
    /// The words of its employer's name, without the legal form.
    pub(super) name: Vec<String>,
    /// Each date: its field, its parsed value and its text.
    dates: Vec<(&'static str, Option<Day>, String)>,
    degrees: HashSet<Degree>,
    degree_words: HashSet<String>,
    has_end: bool,
}

impl Entry {
    pub(super) fn of(section: &Section, value: &Value) -> Self {
        let dates = section.dates.iter().map(|field| (*field, text(value, field)));
        let dates = dates.filter(|(_, text)| !text.is_empty());
        let degrees: Vec<&str> = section.degrees.iter().map(|field| text(value, field)).collect();
        Self {
            name: names::words(text(value, section.employer)),
            dates: dates
                .map(|(field, text)| (field, Day::of_field(text), text.to_owned()))
                .collect(),
            degrees: degrees.iter().flat_map(|text| degrees::in_field(text)).collect(),
            degree_words: degrees.iter().flat_map(|text| degrees::other_words(text)).collect(),
            has_end: !text(value, "endDate").is_empty(),
        }
    }

    /// Returns true if its employer's name starts with `other`'s.
    pub(super) fn has_name_of(&self, other: &Self) -> bool {
        self.name.starts_with(&other.name) && self.name.is_empty() == other.name.is_empty()
    }

    pub(super) fn has_date(&self, field: &str, text: &str) -> bool {
        let day = Day::of_field(text);
        self.dates.iter().filter(|(known, ..)| *known == field).any(|(_, known, written)| {
            written == text || day.zip(*known).is_some_and(|(day, known)| day.is_part_of(known))
        })
    }

    /// Returns true if it has a start date but no end date.
    pub(super) fn is_current(&self) -> bool {
        self.dates.iter().any(|(field, ..)| *field == "startDate") && !self.has_end
    }

    /// Returns true if it has all these degrees and all words of their subject.
    pub(super) fn has_degrees(&self, degrees: &[Degree], words: &[String]) -> bool {
        degrees.iter().all(|degree| degree.is_among(&self.degrees))
            && words.iter().all(|word| self.degree_words.contains(word))
    }
}

impl Facts {
    pub(super) fn of(document: &Value) -> Self {
        let mut facts = Self::default();
        for section in &SECTIONS {
            let entries: Vec<_> =
                walk::items(document, section.name).map(|item| Entry::of(section, item)).collect();
            for (_, day, _) in entries.iter().flat_map(|entry| &entry.dates) {
                facts.days.extend(day.iter().flat_map(parts));
            }
            facts.degrees.extend(entries.iter().flat_map(|entry| entry.degrees.iter().copied()));
            facts.entries.insert(section.name, entries);
        }
        for text in walk::texts(document) {
            match text.role {
                Role::Contact => facts.contact.extend(walk::digits(&text.text)),
                Role::Text | Role::Field => facts.add(&text.text),
            }
        }
        facts
    }

    fn add(&mut self, text: &str) {
        self.words.extend(walk::words(text));
        self.words.extend(walk::words(&text.replace('.', "")));
        self.degrees.extend(degrees::in_text(text).into_iter().map(|(degree, _)| degree));
        for figure in figures(text) {
            match figure.meaning {
                Meaning::Name(name) => {
                    self.named_digits.insert(name);
                }
                Meaning::Moment(moment) => {
                    self.days.extend(moment.readings.iter().flat_map(parts));
                }
                Meaning::Number(number) => self.add_number(number),
            }
        }
    }

    fn add_number(&mut self, number: Number) {
        self.named_digits.extend(number.name);
        for value in number.readings.into_iter().chain(number.pieces) {
            // A currency can be dropped; a percent sign cannot.
            if number.unit != Unit::Percent {
                self.numbers.insert((value.clone(), Unit::Plain));
            }
            self.numbers.insert((value, number.unit));
        }
    }

    /// Returns the entries of the section `name`.
    pub(super) fn entries(&self, name: &str) -> &[Entry] {
        self.entries.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns true if an address or a phone number has these digits.
    pub(super) fn has_contact(&self, digits: &str) -> bool {
        self.contact.contains(digits)
    }

    /// Returns true if all words of a name occur anywhere.
    pub(super) fn has_words(&self, name: &str) -> bool {
        names::words(name).iter().all(|word| self.words.contains(word))
    }

    pub(super) fn has_degree(&self, degree: Degree) -> bool {
        degree.is_among(&self.degrees)
    }

    pub(super) fn has_figure(&self, meaning: &Meaning) -> bool {
        match meaning {
            Meaning::Name(name) => self.named_digits.contains(name),
            Meaning::Moment(moment) => self.has_moment(moment),
            Meaning::Number(number) => self.has_number(number),
        }
    }

    /// Returns true if one of its readings occurs in a date, or as a number: the "2000" in "2000
    /// users" looks like a year.
    fn has_moment(&self, moment: &Moment) -> bool {
        moment.readings.iter().any(|day| {
            let year = day.year.filter(|_| day.month.is_none());
            let number = year.map(|year| (Decimal::whole(&year.to_string()), Unit::Plain));
            self.days.contains(day) || number.is_some_and(|number| self.numbers.contains(&number))
        })
    }

    fn has_number(&self, number: &Number) -> bool {
        let is_known = |value: &Decimal| {
            let year = value.as_str().parse().ok().filter(|_| number.unit == Unit::Plain);
            let year = year.map(|year| Day { year: Some(year), month: None, day: None });
            self.numbers.contains(&(value.clone(), number.unit))
                || year.is_some_and(|year| self.days.contains(&year))
        };
        let is_name = number.name.as_ref().is_some_and(|name| self.named_digits.contains(name));
        let has_pieces = !number.pieces.is_empty() && number.pieces.iter().all(is_known);
        is_name || has_pieces || number.readings.iter().any(is_known)
    }
}

/// Returns everything a day implies: itself, its month, its year, and the month without a year.
fn parts(day: &Day) -> [Day; 4] {
    let Day { year, month, .. } = *day;
    let of_year = Day { year, month: None, day: None };
    [*day, Day { day: None, ..*day }, of_year, Day { year: None, month, day: None }]
}
