//! Collects the texts of a document with their pointers and roles.
//!
//! Used by [`super::found`] and [`super::facts`]. Reads any JSON, even invalid résumés, without
//! recursion.

use crate::fold;
use crate::json::escaped;
use serde_json::Value;
use std::borrow::Cow;

/// An array of the schema whose entries have compared fields.
pub(super) struct Section {
    /// The member's name.
    pub(super) name: &'static str,
    /// The field with the employer or another organization.
    pub(super) employer: &'static str,
    /// The fields with dates.
    pub(super) dates: &'static [&'static str],
    /// The fields with degrees or certificates.
    pub(super) degrees: &'static [&'static str],
}

const PERIOD: &[&str] = &["startDate", "endDate"];

/// All sections with compared fields.
pub(super) const SECTIONS: [Section; 7] = [
    Section { name: "work", employer: "name", dates: PERIOD, degrees: &[] },
    Section { name: "volunteer", employer: "organization", dates: PERIOD, degrees: &[] },
    Section {
        name: "education",
        employer: "institution",
        dates: PERIOD,
        degrees: &["studyType", "area"],
    },
    Section { name: "projects", employer: "entity", dates: PERIOD, degrees: &[] },
    Section { name: "awards", employer: "awarder", dates: &["date"], degrees: &[] },
    Section { name: "certificates", employer: "issuer", dates: &["date"], degrees: &["name"] },
    Section { name: "publications", employer: "publisher", dates: &["releaseDate"], degrees: &[] },
];

/// A string, or a number as a string.
pub(super) struct Text<'a> {
    /// Its JSON pointer.
    pub(super) pointer: String,
    /// Its content.
    pub(super) text: Cow<'a, str>,
    /// The way it is checked.
    pub(super) role: Role,
}

/// The way a text is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// For every kind of fact.
    Text,
    /// For its digits only, like a phone number or an address.
    Contact,
    /// As a field of its entry only.
    Field,
}

/// Returns the items of the array member `name`.
pub(super) fn items<'a>(document: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    document.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Returns the trimmed string member `name`, or an empty string.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default().trim()
}

/// Returns all checked texts, in document order.
pub(super) fn texts(document: &Value) -> Vec<Text<'_>> {
    let mut texts = Vec::new();
    let mut stack = vec![(String::new(), document)];
    while let Some((pointer, value)) = stack.pop() {
        match value {
            Value::Array(items) => {
                let places = items.iter().enumerate().rev();
                stack.extend(places.map(|(at, item)| (format!("{pointer}/{at}"), item)));
            }
            Value::Object(members) => {
                let places: Vec<_> = members
                    .iter()
                    .map(|(name, member)| (format!("{pointer}/{}", escaped(name)), member))
                    .collect();
                stack.extend(places.into_iter().rev());
            }
            Value::String(text) => push(&mut texts, pointer, text.into()),
            Value::Number(number) => push(&mut texts, pointer, number.to_string().into()),
            Value::Null | Value::Bool(_) => {}
        }
    }
    texts
}

fn push<'a>(texts: &mut Vec<Text<'a>>, pointer: String, text: Cow<'a, str>) {
    if let Some(role) = role(&pointer) {
        texts.push(Text { pointer, text, role });
    }
}

/// Returns the role of the text at `pointer`, or `None` if it is not checked.
fn role(pointer: &str) -> Option<Role> {
    let steps: Vec<&str> = pointer.split('/').skip(1).collect();
    match steps.as_slice() {
        ["$schema" | "meta", ..] | ["basics", "email" | "image" | "profiles", ..] => None,
        [.., "url"] => None,
        ["basics", "phone"] | ["basics", "location", ..] => Some(Role::Contact),
        [name, _, field] => {
            let section = SECTIONS.iter().find(|section| section.name == *name);
            let is_field = section
                .is_some_and(|section| section.employer == *field || section.dates.contains(field));
            Some(if is_field { Role::Field } else { Role::Text })
        }
        _ => Some(Role::Text),
    }
}

/// Returns the runs of digits in a text.
pub(super) fn digits(text: &str) -> Vec<String> {
    let clean = fold::clean(text);
    let runs = clean.split(|c: char| !c.is_ascii_digit());
    runs.filter(|run| !run.is_empty()).map(str::to_owned).collect()
}

/// Returns the folded words of a text.
pub(super) fn words(text: &str) -> Vec<String> {
    let folded = fold::fold(&fold::clean(text));
    let words = folded.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
