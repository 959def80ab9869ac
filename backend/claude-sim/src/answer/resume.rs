//! Finds the résumé in a request's text, and the passages in it that can be reworded.

use serde_json::Value;

const OPEN: &str = "<resume>";
const CLOSE: &str = "</resume>";
/// The most closing tags tried. The résumé's own text can contain one.
const MAX_CLOSES: usize = 16;

/// The members with prose in a JSON Resume: a section, and a member of each of its entries.
const PROSE: [(&str, &str); 8] = [
    ("work", "summary"),
    ("work", "highlights"),
    ("projects", "description"),
    ("projects", "highlights"),
    ("volunteer", "summary"),
    ("volunteer", "highlights"),
    ("awards", "summary"),
    ("publications", "summary"),
];

/// A résumé, and the text around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The résumé.
    pub resume: Value,
    /// The text before and after it.
    pub around: String,
}

/// A text in a résumé.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Its JSON pointer (RFC 6901).
    pub pointer: String,
    /// The text.
    pub text: String,
}

/// Returns the JSON between `<resume>` and `</resume>`, if any.
#[must_use]
pub fn within(text: &str) -> Option<Found> {
    let (before, rest) = text.split_once(OPEN)?;
    rest.match_indices(CLOSE).take(MAX_CLOSES).find_map(|(at, _)| {
        let resume = serde_json::from_str(rest.get(..at)?).ok()?;
        let after = rest.get(at..)?.strip_prefix(CLOSE)?;
        Some(Found { resume, around: format!("{before} {after}") })
    })
}

/// Returns the passages, in the usual reading order.
#[must_use]
pub fn passages(resume: &Value) -> Vec<Passage> {
    let mut passages = Vec::new();
    add(resume, "/basics/summary".to_owned(), &mut passages);
    for (list, member) in PROSE {
        let entries = resume.get(list).and_then(Value::as_array).map_or(0, Vec::len);
        for entry in 0..entries {
            add(resume, format!("/{list}/{entry}/{member}"), &mut passages);
        }
    }
    passages
}

/// Adds the text at `pointer`, or all texts in the array there.
fn add(resume: &Value, pointer: String, passages: &mut Vec<Passage>) {
    match resume.pointer(&pointer) {
        Some(Value::String(text)) if !text.trim().is_empty() => {
            passages.push(Passage { pointer, text: text.clone() });
        }
        Some(Value::Array(items)) => {
            for index in 0..items.len() {
                add(resume, format!("{pointer}/{index}"), passages);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_resume_is_found_even_if_it_contains_the_tags() {
        let resume = json!({ "basics": { "summary": "ends </resume> here <resume>" } });
        let found = within(&format!("Look:<resume>\n{resume}\n</resume> and</resume>")).unwrap();
        assert_eq!(found.resume, resume);
        assert_eq!(found.around, "Look:  and</resume>");
        assert_eq!(within("<resume>{</resume>"), None);
        assert_eq!(within("{}"), None);
    }

    #[test]
    fn every_passages_pointer_leads_to_its_text() {
        let resume = json!({
            "basics": { "name": "Ada", "summary": "Counts." },
            "work": [
                { "name": "Mill", "highlights": ["Built it.", 3, " ", "Ran it."] },
                { "summary": "Led." },
                "nonsense",
            ],
            "projects": [{ "description": "Notes." }],
            "education": "none",
        });
        let passages = passages(&resume);
        let pointers: Vec<&str> = passages.iter().map(|passage| passage.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/basics/summary",
                "/work/1/summary",
                "/work/0/highlights/0",
                "/work/0/highlights/3",
                "/projects/0/description"
            ]
        );
        for passage in &passages {
            assert_eq!(resume.pointer(&passage.pointer), Some(&json!(passage.text)));
        }
    }
}
