//! Texts with placeholders such as `{bucket}`, as in the refusals of a policy.
//!
//! Parsed once, when the policy is read; rendered by [`crate::gate`]. The values are escaped for
//! the text's format, so no value can break out of it.

use std::fmt;

/// The names of all placeholders, as written in a policy.
pub(crate) const NAMES: [&str; 6] =
    ["bucket", "limit", "retry_after_s", "instance", "detail", "rule"];

/// A placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placeholder {
    /// The name of the bucket that refused.
    Bucket,
    /// The limit in force.
    Limit,
    /// The seconds to wait; `never` if waiting does not help.
    RetryAfterS,
    /// The URI of the counter that refused.
    Instance,
    /// The sentence that the default body has.
    Detail,
    /// The name of the rule that matched.
    Rule,
}

/// The format of a text, which says how values are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Html,
    Text,
}

/// A parsed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    format: Format,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Placeholder),
    /// A JSON value on its own: a number where the placeholder is one.
    JsonValue(Placeholder),
}

/// The values of one refusal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values<'a> {
    pub bucket: &'a str,
    pub limit: u64,
    /// `None` if waiting does not help.
    pub retry_after_s: Option<u64>,
    pub instance: &'a str,
    pub detail: &'a str,
    pub rule: &'a str,
}

impl Placeholder {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "bucket" => Self::Bucket,
            "limit" => Self::Limit,
            "retry_after_s" => Self::RetryAfterS,
            "instance" => Self::Instance,
            "detail" => Self::Detail,
            "rule" => Self::Rule,
            _ => return None,
        })
    }
}

impl Template {
    /// Parses `text`. Adds the names of unknown placeholders to `unknown`.
    ///
    /// A placeholder is a name in braces. All other braces stand for themselves, as in CSS. `{{name}}`
    /// is the text `{name}`.
    pub(crate) fn parse(text: &str, format: Format, unknown: &mut Vec<String>) -> Self {
        let mut template = Self { format, pieces: Vec::new() };
        template.add_text(text, unknown);
        template
    }

    /// Parses the strings of a JSON value. A string that consists of one placeholder becomes its
    /// value, which can be a number.
    pub(crate) fn parse_json(value: &serde_json::Value, unknown: &mut Vec<String>) -> Self {
        let mut template = Self { format: Format::Json, pieces: Vec::new() };
        template.add_json(value, unknown);
        template
    }

    /// Returns true if the text has this placeholder.
    pub(crate) fn has(&self, wanted: Placeholder) -> bool {
        self.pieces.iter().any(|piece| match piece {
            Piece::Text(_) => false,
            Piece::Value(found) | Piece::JsonValue(found) => *found == wanted,
        })
    }

    /// Renders the text with `values`.
    pub(crate) fn render(&self, values: &Values<'_>) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Value(name) => text.push_str(&escaped(&values.shown(*name), self.format)),
                Piece::JsonValue(name) => text.push_str(&values.json(*name)),
            }
        }
        text
    }

    fn add_text(&mut self, text: &str, unknown: &mut Vec<String>) {
        let mut rest = text;
        while let Some(found) = Found::first(rest) {
            self.push_literal(found.before);
            match found.name {
                Name::Literal(name) => self.push_literal(&format!("{{{name}}}")),
                Name::Placeholder(name) => match Placeholder::named(name) {
                    Some(placeholder) => self.pieces.push(Piece::Value(placeholder)),
                    None => unknown.push(name.to_owned()),
                },
            }
            rest = found.after;
        }
        self.push_literal(rest);
    }

    fn add_json(&mut self, value: &serde_json::Value, unknown: &mut Vec<String>) {
        match value {
            serde_json::Value::String(text) => match alone(text) {
                Some(placeholder) => self.pieces.push(Piece::JsonValue(placeholder)),
                None => {
                    self.push_raw("\"");
                    self.add_text(text, unknown);
                    self.push_raw("\"");
                }
            },
            serde_json::Value::Array(items) => {
                self.push_raw("[");
                for (at, item) in items.iter().enumerate() {
                    self.push_raw(if at == 0 { "" } else { "," });
                    self.add_json(item, unknown);
                }
                self.push_raw("]");
            }
            serde_json::Value::Object(fields) => {
                self.push_raw("{");
                for (at, (name, item)) in fields.iter().enumerate() {
                    self.push_raw(if at == 0 { "" } else { "," });
                    self.push_raw(&serde_json::Value::from(name.as_str()).to_string());
                    self.push_raw(":");
                    self.add_json(item, unknown);
                }
                self.push_raw("}");
            }
            other => self.push_raw(&other.to_string()),
        }
    }

    /// Adds text of the policy. In JSON, it is part of a string.
    fn push_literal(&mut self, text: &str) {
        match self.format {
            Format::Json => self.push_raw(&escaped(text, Format::Json)),
            Format::Html | Format::Text => self.push_raw(text),
        }
    }

    fn push_raw(&mut self, text: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            _ if text.is_empty() => {}
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }
}

impl Values<'_> {
    fn shown(&self, name: Placeholder) -> String {
        match name {
            Placeholder::Bucket => self.bucket.to_owned(),
            Placeholder::Limit => self.limit.to_string(),
            Placeholder::RetryAfterS => {
                self.retry_after_s.map_or_else(|| "never".to_owned(), |wait_s| wait_s.to_string())
            }
            Placeholder::Instance => self.instance.to_owned(),
            Placeholder::Detail => self.detail.to_owned(),
            Placeholder::Rule => self.rule.to_owned(),
        }
    }

    /// Returns a value as JSON.
    fn json(&self, name: Placeholder) -> String {
        match (name, self.retry_after_s) {
            (Placeholder::Limit, _) | (Placeholder::RetryAfterS, Some(_)) => self.shown(name),
            (Placeholder::RetryAfterS, None) => "null".to_owned(),
            _ => serde_json::Value::from(self.shown(name)).to_string(),
        }
    }
}

/// The first name in braces.
struct Found<'a> {
    before: &'a str,
    name: Name<'a>,
    after: &'a str,
}

enum Name<'a> {
    Placeholder(&'a str),
    /// A name in double braces.
    Literal(&'a str),
}

impl<'a> Found<'a> {
    fn first(text: &'a str) -> Option<Self> {
        let mut from = 0;
        loop {
            let open = from + text.get(from..)?.find('{')?;
            let (before, rest) = text.split_at_checked(open)?;
            let doubled = rest.strip_prefix("{{").and_then(|rest| split_name(rest, "}}"));
            let single = rest.strip_prefix('{').and_then(|rest| split_name(rest, "}"));
            if let Some((name, after)) = doubled {
                return Some(Self { before, name: Name::Literal(name), after });
            }
            if let Some((name, after)) = single {
                return Some(Self { before, name: Name::Placeholder(name), after });
            }
            from = open + 1;
        }
    }
}

/// Splits a name and `close` off the front of `text`.
fn split_name<'a>(text: &'a str, close: &str) -> Option<(&'a str, &'a str)> {
    let is_name_byte = |b: u8| b.is_ascii_lowercase() || b == b'_';
    let length = text.bytes().take_while(|b| is_name_byte(*b)).count();
    let (name, rest) = text.split_at_checked(length)?;
    let after = rest.strip_prefix(close)?;
    (!name.is_empty()).then_some((name, after))
}

/// Returns the placeholder that `text` consists of.
fn alone(text: &str) -> Option<Placeholder> {
    let (name, rest) = split_name(text.strip_prefix('{')?, "}")?;
    Placeholder::named(name).filter(|_| rest.is_empty())
}

fn escaped(text: &str, format: Format) -> String {
    match format {
        Format::Text => text.to_owned(),
        Format::Json => {
            let quoted = serde_json::Value::from(text).to_string();
            let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            inner.unwrap_or_default().to_owned()
        }
        Format::Html => {
            let mut html = String::with_capacity(text.len());
            for letter in text.chars() {
                match letter {
                    '&' => html.push_str("&amp;"),
                    '<' => html.push_str("&lt;"),
                    '>' => html.push_str("&gt;"),
                    '"' => html.push_str("&quot;"),
                    '\'' => html.push_str("&#39;"),
                    _ => html.push(letter),
                }
            }
            html
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "json",
            Self::Html => "html",
            Self::Text => "text",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const VALUES: Values<'_> = Values {
        bucket: "ai",
        limit: 10,
        retry_after_s: Some(42),
        instance: "urn:x",
        detail: "The limit \"ai\" & <b>'x'</b>.",
        rule: "search",
    };

    fn check(text: &str, format: Format, expected: &str) {
        let mut unknown = Vec::new();
        let template = Template::parse(text, format, &mut unknown);
        assert_eq!(template.render(&VALUES), expected, "{text}");
        assert_eq!(unknown, [""; 0], "{text}");
    }

    #[test]
    fn placeholders_are_replaced_and_other_braces_kept() {
        for (text, expected) in [
            ("", ""),
            ("{bucket}: {limit}, wait {retry_after_s} s", "ai: 10, wait 42 s"),
            ("{rule}{instance}", "searchurn:x"),
            ("a { color: red } {} { bucket } {1}", "a { color: red } {} { bucket } {1}"),
            ("@media x{a{color:red}}", "@media x{a{color:red}}"),
            ("{{bucket}} {{{bucket}}}", "{bucket} {{bucket}}"),
            ("{é{bucket}", "{éai"),
            ("{bucket", "{bucket"),
        ] {
            check(text, Format::Text, expected);
        }
    }

    #[test]
    fn values_are_escaped_for_the_format() {
        check(
            "<p>{detail}</p>",
            Format::Html,
            "<p>The limit &quot;ai&quot; &amp; &lt;b&gt;&#39;x&#39;&lt;/b&gt;.</p>",
        );
        check("{detail}", Format::Text, VALUES.detail);
    }

    #[test]
    fn a_json_string_of_one_placeholder_becomes_its_value() {
        let value = json!({
            "error": { "wait": "{retry_after_s}", "text": "{detail} Wait {retry_after_s} s.\n" },
            "list": ["{limit}", "{bucket}", 1, true, null, "\"{{limit}}\""],
            "a\"b": "{retry_after_s} ",
        });
        let template = Template::parse_json(&value, &mut Vec::new());
        let rendered: serde_json::Value = serde_json::from_str(&template.render(&VALUES)).unwrap();
        let text = format!("{} Wait 42 s.\n", VALUES.detail);
        let expected = json!({
            "error": { "wait": 42, "text": text },
            "list": [10, "ai", 1, true, null, "\"{limit}\""],
            "a\"b": "42 ",
        });
        assert_eq!(rendered, expected);
        let never = Values { retry_after_s: None, ..VALUES };
        assert!(template.render(&never).contains(r#""wait":null"#));
    }

    #[test]
    fn unknown_placeholders_are_returned() {
        let mut unknown = Vec::new();
        Template::parse("{buket} {limit} {x}", Format::Text, &mut unknown);
        Template::parse_json(&json!({ "a": ["{y}"] }), &mut unknown);
        assert_eq!(unknown, ["buket", "x", "y"]);
    }
}
