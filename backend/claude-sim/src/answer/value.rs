//! Generates values that match a schema. The name of a member determines the kind of its text.

use super::prose;
use super::reword::reword;
use super::source::Source;
use crate::dice::Dice;
use crate::schema::{Format, Property, Schema};
use serde_json::{Map, Value, json};

/// The most values in one answer.
const MAX_VALUES: usize = 20_000;
/// The most items of an array.
const MAX_ITEMS: usize = 4;
/// One in this many optional members is left out.
const OMITTED_ONCE_IN: usize = 4;
/// The path of a change if the résumé has no passages.
const NOWHERE: &str = "/basics/summary";

/// The kinds of texts, and the member names for each. An array's name counts in the singular.
const KINDS: [(Kind, &[&str]); 4] = [
    (Kind::Letter, &["letter", "cover_letter"]),
    (Kind::Paragraph, &["about"]),
    (
        Kind::Sentence,
        &[
            "summary",
            "reason",
            "detail",
            "explanation",
            "feedback",
            "advice",
            "suggestion",
            "description",
            "rationale",
            "strength",
            "weakness",
            "highlight",
            "comment",
            "finding",
            "improvement",
            "recommendation",
            "text",
            "message",
            "note",
            "value",
        ],
    ),
    (Kind::Word, &["keyword", "term", "skill", "word", "tag", "name", "code", "topic", "label"]),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Paragraph,
    Sentence,
    Word,
    Phrase,
}

/// Generates values.
#[derive(Debug)]
pub struct Values<'a> {
    dice: &'a mut Dice,
    source: &'a Source,
    values_left: usize,
    /// The next passage to change, so that no two changes are of the same one.
    next_passage: usize,
}

impl<'a> Values<'a> {
    /// Creates a generator.
    pub fn new(dice: &'a mut Dice, source: &'a Source) -> Self {
        Self { dice, source, values_left: MAX_VALUES, next_passage: 0 }
    }

    /// Generates a value that matches `schema`.
    ///
    /// # Errors
    /// Fails if it would have more than 20,000 parts.
    pub fn of(&mut self, schema: &Schema) -> Result<Value, String> {
        self.named("", schema)
    }

    /// Generates a value for the member `name`.
    fn named(&mut self, name: &str, schema: &Schema) -> Result<Value, String> {
        self.values_left = self.values_left.checked_sub(1).ok_or("Schema is too complex")?;
        Ok(match schema {
            Schema::Object(properties) => self.object(properties)?,
            Schema::Array { items, min_items } => self.array(name, items, *min_items)?,
            Schema::Text(None) => self.text(name).into(),
            Schema::Text(Some(format)) => self.formatted(*format).into(),
            // Most integers are scores.
            Schema::Integer => json!(self.dice.between(0, 100)),
            Schema::Number => json!(self.half()),
            Schema::Boolean => Value::Bool(self.dice.once_in(2)),
            Schema::Null => Value::Null,
            Schema::OneOf(values) => self.dice.pick(values).cloned().unwrap_or(Value::Null),
            Schema::AnyOf(branches) => self.any_of(name, branches)?,
        })
    }

    /// Returns 0 to 100, in steps of a half.
    fn half(&mut self) -> f64 {
        f64::from(u8::try_from(self.dice.between(0, 200)).unwrap_or(0)) / 2.0
    }

    /// Picks a branch; null only if there is no other.
    fn any_of(&mut self, name: &str, branches: &[Schema]) -> Result<Value, String> {
        let other: Vec<&Schema> =
            branches.iter().filter(|branch| **branch != Schema::Null).collect();
        match self.dice.pick(&other) {
            Some(branch) => self.named(name, branch),
            None => Ok(Value::Null),
        }
    }

    fn array(&mut self, name: &str, items: &Schema, min_items: usize) -> Result<Value, String> {
        let mut count = self.dice.between(1, MAX_ITEMS);
        if matches!(items, Schema::Object(properties) if is_change(properties)) {
            let left = self.source.passages.len().saturating_sub(self.next_passage);
            count = count.min(left).max(min_items);
        }
        let name = singular(name);
        (0..count).map(|_| self.named(&name, items)).collect()
    }

    fn object(&mut self, properties: &[Property]) -> Result<Value, String> {
        if let Some(change) = self.change(properties)? {
            return Ok(change);
        }
        let mut members = Map::new();
        for property in properties {
            if property.required || !self.dice.once_in(OMITTED_ONCE_IN) {
                let value = self.named(&property.name, &property.schema)?;
                members.insert(property.name.clone(), value);
            }
        }
        Ok(Value::Object(members))
    }

    /// Generates a change of one of the résumé's passages, if the object is a change.
    fn change(&mut self, properties: &[Property]) -> Result<Option<Value>, String> {
        if !is_change(properties) {
            return Ok(None);
        }
        let source = self.source;
        let passage = source.passages.get(self.next_passage % source.passages.len().max(1));
        self.next_passage += 1;
        let mut members = Map::new();
        for Property { name, schema, required } in properties {
            let value = match (name.as_str(), passage) {
                ("path", Some(passage)) => passage.pointer.as_str().into(),
                ("path", None) => NOWHERE.into(),
                ("value", Some(passage)) if accepts(schema, &Schema::Text(None)) => {
                    reword(&passage.text, self.dice).into()
                }
                ("op", _) if accepts_replace(schema) => "replace".into(),
                // Only "move" and "copy" have a source.
                ("from", _) if !required => continue,
                ("from", _) if accepts(schema, &Schema::Null) => Value::Null,
                _ => self.named(name, schema)?,
            };
            members.insert(name.clone(), value);
        }
        Ok(Some(Value::Object(members)))
    }

    fn text(&mut self, name: &str) -> String {
        let (dice, source) = (&mut *self.dice, self.source);
        match kind_of(name) {
            Kind::Letter => prose::letter(dice, source),
            Kind::Paragraph => {
                let count = dice.between(4, 7);
                prose::sentences(dice, source, count)
            }
            Kind::Sentence => {
                let count = dice.between(1, 2);
                prose::sentences(dice, source, count)
            }
            Kind::Word => prose::word(dice, source).to_owned(),
            Kind::Phrase => {
                let count = dice.between(3, 8);
                prose::phrase(dice, source, count)
            }
        }
    }

    fn formatted(&mut self, format: Format) -> String {
        let dice = &mut *self.dice;
        let date = format!(
            "20{:02}-{:02}-{:02}",
            dice.between(10, 25),
            dice.between(1, 12),
            dice.between(1, 28)
        );
        let time = format!("{:02}:{:02}:00Z", dice.between(0, 23), dice.between(0, 59));
        match format {
            Format::DateTime => format!("{date}T{time}"),
            Format::Time => time,
            Format::Date => date,
            Format::Duration => format!("P{}D", dice.between(1, 30)),
            Format::Email => "someone@example.com".to_owned(),
            Format::Hostname => "example.com".to_owned(),
            Format::Uri => "https://example.com/".to_owned(),
            Format::Ipv4 => format!("192.0.2.{}", dice.between(1, 254)),
            Format::Ipv6 => format!("2001:db8::{:x}", dice.between(1, 0xffff)),
            Format::Uuid => {
                format!("6ba7b810-9dad-41d1-80b4-{:012x}", dice.bits() & 0xffff_ffff_ffff)
            }
        }
    }
}

fn kind_of(name: &str) -> Kind {
    let name = name.to_ascii_lowercase();
    let found = KINDS.iter().find(|(_, names)| names.contains(&name.as_str()));
    found.map_or(Kind::Phrase, |(kind, _)| *kind)
}

/// Returns the singular: `keyword` for `keywords`, `summary` for `summaries`.
fn singular(name: &str) -> String {
    match (name.strip_suffix("ies"), name.strip_suffix('s')) {
        (Some(stem), _) => format!("{stem}y"),
        (None, Some(stem)) => stem.to_owned(),
        (None, None) => name.to_owned(),
    }
}

/// Returns true if these are the members of a JSON Patch operation or similar.
fn is_change(properties: &[Property]) -> bool {
    let text = Schema::Text(None);
    properties.iter().any(|member| member.name == "path" && accepts(&member.schema, &text))
}

/// Returns true if `schema` accepts everything that `wanted` does.
fn accepts(schema: &Schema, wanted: &Schema) -> bool {
    match schema {
        Schema::AnyOf(branches) => branches.iter().any(|branch| accepts(branch, wanted)),
        schema => schema == wanted,
    }
}

fn accepts_replace(schema: &Schema) -> bool {
    match schema {
        Schema::OneOf(values) => values.contains(&json!("replace")),
        Schema::AnyOf(branches) => branches.iter().any(accepts_replace),
        schema => *schema == Schema::Text(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::parse;

    fn value_of(schema: &Value, text: &str, seed: u64) -> Value {
        let source = Source::of(text);
        Values::new(&mut Dice::new(seed), &source).of(&parse(schema).unwrap()).unwrap()
    }

    fn operations() -> Value {
        json!({ "type": "array", "items": {
            "type": "object",
            "additionalProperties": false,
            "required": ["op", "path", "value"],
            "properties": {
                "op": { "enum": ["add", "remove", "replace"] },
                "path": { "type": "string" },
                "value": { "type": ["string", "null"] },
                "reason": { "type": "string" },
            },
        } })
    }

    #[test]
    fn each_change_rewords_a_different_passage() {
        let resume = json!({
            "basics": { "summary": "Led 3 teams." },
            "work": [{ "highlights": ["Built it in 2019."] }],
        });
        let text = format!("<resume>{resume}</resume>");
        for seed in 0..50 {
            let changes = value_of(&operations(), &text, seed);
            let changes = changes.as_array().unwrap();
            assert!((1..=2).contains(&changes.len()));
            for change in changes {
                let before = resume.pointer(change["path"].as_str().unwrap()).unwrap();
                let before = before.as_str().unwrap();
                assert_eq!(change["op"], "replace");
                let after = change["value"].as_str().unwrap();
                assert_ne!(after, before);
                let digit = |c: &char| c.is_ascii_digit();
                let digits = |text: &str| text.chars().filter(digit).collect::<String>();
                assert_eq!(digits(after), digits(before));
            }
            let paths: std::collections::HashSet<_> =
                changes.iter().map(|change| change["path"].to_string()).collect();
            assert_eq!(paths.len(), changes.len());
        }
    }

    #[test]
    fn without_a_resume_there_are_no_changes() {
        for seed in 0..20 {
            assert_eq!(value_of(&operations(), "no résumé", seed), json!([]));
        }
    }

    #[test]
    fn a_texts_length_depends_on_its_name() {
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["letter", "about", "keywords", "headline"],
            "properties": {
                "letter": { "type": "string" },
                "about": { "type": "string" },
                "keywords": { "type": "array", "items": { "type": "string" }, "minItems": 1 },
                "headline": { "type": "string" },
            },
        });
        for seed in 0..50 {
            let value = value_of(&schema, "Rust services, careful tests", seed);
            let sentences = |name: &str| value[name].as_str().unwrap().matches('.').count();
            assert!(sentences("letter") >= 4 && sentences("about") >= 4, "{value}");
            assert_eq!(sentences("headline"), 0);
            for keyword in value["keywords"].as_array().unwrap() {
                assert!(!keyword.as_str().unwrap().contains(' '), "{value}");
            }
        }
    }

    #[test]
    fn random_numbers_are_valid_scores() {
        let schema = json!({ "type": "array", "items": { "type": ["integer", "number"] } });
        for seed in 0..200 {
            for score in value_of(&schema, "", seed).as_array().unwrap() {
                assert!((0.0..=100.0).contains(&score.as_f64().unwrap()), "{score}");
            }
        }
    }

    #[test]
    fn a_value_with_too_many_parts_is_an_error() {
        let mut schema = json!({ "type": "string" });
        for _ in 0..30 {
            schema = json!({ "type": "array", "items": schema, "minItems": 1 });
        }
        let (source, parsed) = (Source::of(""), parse(&schema).unwrap());
        let result = Values::new(&mut Dice::new(1), &source).of(&parsed);
        assert_eq!(result, Err("Schema is too complex".to_owned()));
    }
}
