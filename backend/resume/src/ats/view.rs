//! The entries and texts of a résumé, each with its JSON pointer.
//!
//! Used by all parts of [`super`]. Blank texts count as missing. Members outside the schema are
//! ignored, since no export includes them.

use crate::document::Resume;
use serde_json::Value;

/// The document.
pub(super) struct View<'a> {
    document: &'a Value,
}

/// An object in the document.
pub(super) struct Entry<'a> {
    /// Its JSON pointer, or that of the closest existing parent if it is missing.
    pub(super) pointer: String,
    value: &'a Value,
}

/// A non-blank text in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<'a> {
    /// Its JSON pointer.
    pub(super) pointer: String,
    /// The trimmed text.
    pub(super) text: &'a str,
    /// Its kind.
    pub(super) kind: Kind,
}

/// The kind of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, a title or an array item.
    Label,
    /// Sentences.
    Prose,
    /// A highlight.
    Highlight,
}

/// The array member with highlights.
const HIGHLIGHTS: &str = "highlights";

/// A section, its string members, and its array members.
type Members = (&'static str, &'static [&'static str], &'static [&'static str]);

/// The members read from each section.
const SECTIONS: [Members; 11] = [
    ("work", &["name", "position", "description", "summary"], &[HIGHLIGHTS]),
    ("projects", &["name", "description", "entity", "type"], &[HIGHLIGHTS, "keywords", "roles"]),
    ("volunteer", &["organization", "position", "summary"], &[HIGHLIGHTS]),
    ("education", &["institution", "area", "studyType"], &["courses"]),
    ("skills", &["name", "level"], &["keywords"]),
    ("certificates", &["name", "issuer"], &[]),
    ("languages", &["language", "fluency"], &[]),
    ("awards", &["title", "awarder", "summary"], &[]),
    ("publications", &["name", "publisher", "summary"], &[]),
    ("interests", &["name"], &["keywords"]),
    ("references", &["reference"], &[]),
];

impl<'a> View<'a> {
    pub(super) fn of(resume: &'a Resume) -> Self {
        Self { document: resume.as_value() }
    }

    /// Returns the basics, or an empty entry.
    pub(super) fn basics(&self) -> Entry<'a> {
        match self.document.get("basics") {
            Some(value) => Entry { pointer: "/basics".to_owned(), value },
            None => Entry { pointer: String::new(), value: &Value::Null },
        }
    }

    /// Returns the entries of the section `name`.
    pub(super) fn section(&self, name: &str) -> Vec<Entry<'a>> {
        let root = Entry { pointer: String::new(), value: self.document };
        root.entries(name)
    }

    /// Returns the pointer of the top-level member `name` if it exists, or else of the document.
    pub(super) fn around(&self, name: &str) -> String {
        self.document.get(name).map_or_else(String::new, |_| format!("/{name}"))
    }

    /// Returns all texts, section by section.
    pub(super) fn texts(&self) -> Vec<Text<'a>> {
        let mut texts = self.basics().texts(&["label", "summary"], &[]);
        for (section, names, lists) in SECTIONS {
            for entry in self.section(section) {
                texts.extend(entry.texts(names, lists));
            }
        }
        texts
    }

    /// Returns the highlights of jobs, projects and volunteer work.
    pub(super) fn highlights(&self) -> Vec<Text<'a>> {
        let entries = ["work", "projects", "volunteer"].map(|name| self.section(name));
        entries.iter().flatten().flat_map(|entry| entry.list(HIGHLIGHTS)).collect()
    }
}

impl<'a> Entry<'a> {
    /// Returns the text `name`, unless it is blank.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.value.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    /// Returns true if one of these texts is not blank.
    pub(super) fn has(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.text(name).is_some())
    }

    /// Returns the texts in the array `name`.
    pub(super) fn list(&self, name: &str) -> Vec<Text<'a>> {
        let kind = if name == HIGHLIGHTS { Kind::Highlight } else { Kind::Label };
        let items = self.value.get(name).and_then(Value::as_array).into_iter().flatten();
        let texts = items.enumerate().filter_map(|(at, item)| {
            let text = item.as_str().map(str::trim).filter(|text| !text.is_empty())?;
            Some(Text { pointer: format!("{}/{name}/{at}", self.pointer), text, kind })
        });
        texts.collect()
    }

    /// Returns the object `name`, or an empty entry with this entry's pointer.
    pub(super) fn entry(&self, name: &str) -> Entry<'a> {
        let value = self.value.get(name).unwrap_or(&Value::Null);
        Entry { pointer: self.around(name), value }
    }

    /// Returns the objects in the array `name`.
    pub(super) fn entries(&self, name: &str) -> Vec<Entry<'a>> {
        let items = self.value.get(name).and_then(Value::as_array).into_iter().flatten();
        let entry = |(at, value)| Entry { pointer: format!("{}/{name}/{at}", self.pointer), value };
        items.enumerate().map(entry).collect()
    }

    /// Returns the pointer of the member `name` if it exists, even if blank, or else of this entry.
    pub(super) fn around(&self, name: &str) -> String {
        match self.value.get(name) {
            Some(_) => format!("{}/{name}", self.pointer),
            None => self.pointer.clone(),
        }
    }

    fn texts(&self, names: &[&str], lists: &[&str]) -> Vec<Text<'a>> {
        let named = names.iter().filter_map(|name| {
            let is_prose = matches!(*name, "summary" | "description" | "reference");
            let kind = if is_prose { Kind::Prose } else { Kind::Label };
            Some(Text { pointer: self.around(name), text: self.text(name)?, kind })
        });
        named.chain(lists.iter().flat_map(|name| self.list(name))).collect()
    }
}

/// Counts the whitespace-separated words that have a letter or a digit.
pub(super) fn count_words(text: &str) -> usize {
    text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resume() -> Resume {
        Resume::new(json!({
            "basics": {"label": " Analyst ", "summary": "\n", "location": {"city": "London"}},
            "work": [{}, {"position": "Programmer", "highlights": ["", "Wrote notes"]}],
            "skills": [{"name": "Rust", "keywords": ["tokio"]}],
            "interests": [],
            "meta": {"theme": "even"},
        }))
        .unwrap()
    }

    #[test]
    fn texts_are_read_with_their_pointers() {
        let resume = resume();
        let view = View::of(&resume);
        let lines: Vec<_> = view
            .texts()
            .iter()
            .map(|t| format!("{}: {:?} {:?}", t.pointer, t.text, t.kind))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        /basics/label: "Analyst" Label
        /work/1/position: "Programmer" Label
        /work/1/highlights/1: "Wrote notes" Highlight
        /skills/0/name: "Rust" Label
        /skills/0/keywords/0: "tokio" Label
        "#);
    }

    #[test]
    fn a_missing_member_has_the_pointer_around_it() {
        let resume = resume();
        let view = View::of(&resume);
        assert_eq!(view.basics().around("summary"), "/basics/summary");
        assert_eq!(view.basics().around("email"), "/basics");
        assert_eq!(view.basics().entry("location").around("region"), "/basics/location");
        assert_eq!(view.basics().entry("profile").around("url"), "/basics");
        assert_eq!(view.around("interests"), "/interests");
        assert_eq!(view.around("education"), "");
        assert_eq!(view.section("work")[0].around("name"), "/work/0");
    }

    #[test]
    fn dashes_are_not_words() {
        assert_eq!(count_words("— one, two-three  4 … !"), 3);
    }
}
