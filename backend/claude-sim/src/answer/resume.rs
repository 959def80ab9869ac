//! The résumé within a request's text, and which of its texts can be reworded.

use serde_json::Value;

const OPEN: &str = "<resume>";
const CLOSE: &str = "</resume>";
/// How many of the closing tags are tried: one may stand in a text of the résumé itself.
const MAX_CLOSES: usize = 16;

/// Where prose stands in a JSON Resume: a list's name and a member of each of its entries.
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
    /// What stands before and after it.
    pub around: String,
}

/// A text of a résumé.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Where it is (RFC 6901).
    pub pointer: String,
    /// What it says.
    pub text: String,
}

/// The JSON between `<resume>` and `</resume>`, if there is any.
#[must_use]
pub fn within(text: &str) -> Option<Found> {
    let (before, rest) = text.split_once(OPEN)?;
    rest.match_indices(CLOSE).take(MAX_CLOSES).find_map(|(at, _)| {
        let resume = serde_json::from_str(rest.get(..at)?).ok()?;
        let after = rest.get(at..)?.strip_prefix(CLOSE)?;
        Some(Found { resume, around: format!("{before} {after}") })
    })
}

/// The texts in prose, in the order of the document's usual reading.
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

/// The text at `pointer`, or the texts in the list there.
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
    fn a_resume_is_found_though_it_speaks_of_its_own_fence() {
        let resume = json!({ "basics": { "summary": "ends </resume> here <resume>" } });
        let found = within(&format!("Look:<resume>\n{resume}\n</resume> and</resume>")).unwrap();
        assert_eq!(found.resume, resume);
        assert_eq!(found.around, "Look:  and</resume>");
        assert_eq!(within("<resume>{</resume>"), None);
        assert_eq!(within("{}"), None);
    }

    #[test]
    fn every_passage_is_at_its_pointer() {
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
