//! A résumé as a system reads it: its entries and texts, each with its place.
//!
//! Used by all parts of [`super`]. A text of blanks counts as none. What the schema does not know
//! is not looked at: no export has it.

use crate::document::Resume;
use serde_json::Value;

/// The document.
pub(super) struct View<'a> {
    document: &'a Value,
}

/// One object in it.
pub(super) struct Entry<'a> {
    /// Where it is; if it is not there, where it would be in.
    pub(super) pointer: String,
    value: &'a Value,
}

/// One text in it, not blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<'a> {
    /// Where it is.
    pub(super) pointer: String,
    /// What it says, without blanks around it.
    pub(super) text: &'a str,
    /// What it is.
    pub(super) kind: Kind,
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, a title, an item of a list.
    Label,
    /// Sentences.
    Prose,
    /// One highlight.
    Highlight,
}

/// The list that holds highlights.
const HIGHLIGHTS: &str = "highlights";

/// A section's texts, then its lists of texts.
type Members = (&'static str, &'static [&'static str], &'static [&'static str]);

/// What is read of each section.
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

    /// The basics; an empty entry if there are none.
    pub(super) fn basics(&self) -> Entry<'a> {
        match self.document.get("basics") {
            Some(value) => Entry { pointer: "/basics".to_owned(), value },
            None => Entry { pointer: String::new(), value: &Value::Null },
        }
    }

    /// The entries of the list called `name`.
    pub(super) fn section(&self, name: &str) -> Vec<Entry<'a>> {
        let root = Entry { pointer: String::new(), value: self.document };
        root.entries(name)
    }

    /// The place of the member called `name`, or of the document.
    pub(super) fn around(&self, name: &str) -> String {
        self.document.get(name).map_or_else(String::new, |_| format!("/{name}"))
    }

    /// All texts, section after section.
    pub(super) fn texts(&self) -> Vec<Text<'a>> {
        let mut texts = self.basics().texts(&["label", "summary"], &[]);
        for (section, names, lists) in SECTIONS {
            for entry in self.section(section) {
                texts.extend(entry.texts(names, lists));
            }
        }
        texts
    }

    /// All highlights: of jobs, projects and volunteer work.
    pub(super) fn highlights(&self) -> Vec<Text<'a>> {
        let entries = ["work", "projects", "volunteer"].map(|name| self.section(name));
        entries.iter().flatten().flat_map(|entry| entry.list(HIGHLIGHTS)).collect()
    }
}

impl<'a> Entry<'a> {
    /// The text called `name`, if it says something.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.value.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    /// Whether one of these texts says something.
    pub(super) fn has(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.text(name).is_some())
    }

    /// The texts of the list called `name`.
    pub(super) fn list(&self, name: &str) -> Vec<Text<'a>> {
        let kind = if name == HIGHLIGHTS { Kind::Highlight } else { Kind::Label };
        let items = self.value.get(name).and_then(Value::as_array).into_iter().flatten();
        let texts = items.enumerate().filter_map(|(at, item)| {
            let text = item.as_str().map(str::trim).filter(|text| !text.is_empty())?;
            Some(Text { pointer: format!("{}/{name}/{at}", self.pointer), text, kind })
        });
        texts.collect()
    }

    /// The object called `name`; an empty one in this one's place if there is none.
    pub(super) fn entry(&self, name: &str) -> Entry<'a> {
        let value = self.value.get(name).unwrap_or(&Value::Null);
        Entry { pointer: self.around(name), value }
    }

    /// The objects of the list called `name`.
    pub(super) fn entries(&self, name: &str) -> Vec<Entry<'a>> {
        let items = self.value.get(name).and_then(Value::as_array).into_iter().flatten();
        let entry = |(at, value)| Entry { pointer: format!("{}/{name}/{at}", self.pointer), value };
        items.enumerate().map(entry).collect()
    }

    /// The place of the member called `name` if it is there, empty or not, or else this one's.
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

/// How many words a text has: what stands between blanks and has a letter or a digit.
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
    fn texts_are_read_with_their_places() {
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
    fn what_is_missing_has_the_place_around_it() {
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
    fn dashes_are_no_words() {
        assert_eq!(count_words("— one, two-three  4 … !"), 3);
    }
}
