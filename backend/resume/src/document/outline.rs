//! A résumé arranged for readers: headings, entries and lines.
//!
//! Rendered by [`super::markdown`] and [`super::plain`].

use super::Resume;
use serde_json::Value;

/// An outlined résumé.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outline<'a> {
    /// The person's name.
    pub name: &'a str,
    /// The person's job title.
    pub label: &'a str,
    /// Contact details, the parts of one line.
    pub contact: Vec<String>,
    /// The person's summary.
    pub summary: &'a str,
    /// The other sections, in the usual order.
    pub sections: Vec<Section<'a>>,
}

/// A section. Its heading is one that applicant tracking systems recognize.
#[derive(Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// The heading.
    pub heading: &'static str,
    /// The entries, at least one.
    pub entries: Vec<Entry<'a>>,
}

/// An entry of a section, like a job, a degree or a skill.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The first line: "Engineer, Acme".
    pub title: String,
    /// Time and place: "2014-06 – 2016 | Berlin". Can be empty.
    pub period: String,
    /// A link. Can be empty.
    pub url: &'a str,
    /// Descriptions and summaries.
    pub paragraphs: Vec<&'a str>,
    /// Highlights.
    pub bullets: Vec<&'a str>,
}

/// A member of the document, its heading, and the function that outlines one of its entries.
type Kind<'a> = (&'static str, &'static str, fn(&'a Value) -> Entry<'a>);

impl<'a> Outline<'a> {
    /// Outlines a résumé. Empty parts are left out.
    #[must_use]
    pub fn of(resume: &'a Resume) -> Self {
        let document = resume.as_value();
        let basics = document.get("basics").unwrap_or(&Value::Null);
        let kinds: [Kind<'a>; 11] = [
            ("work", "Work Experience", work),
            ("projects", "Projects", project),
            ("education", "Education", education),
            ("skills", "Skills", skill),
            ("certificates", "Certifications", certificate),
            ("languages", "Languages", language),
            ("awards", "Awards", award),
            ("publications", "Publications", publication),
            ("volunteer", "Volunteer Experience", volunteer),
            ("interests", "Interests", interest),
            ("references", "References", reference),
        ];
        let sections = kinds.into_iter().filter_map(|(member, heading, entry)| {
            let entries: Vec<_> = items(document, member)
                .map(entry)
                .filter(|entry| *entry != Entry::default())
                .collect();
            (!entries.is_empty()).then_some(Section { heading, entries })
        });
        Self {
            name: resume.name(),
            label: resume.label(),
            contact: contact(basics),
            summary: text(basics, "summary"),
            sections: sections.collect(),
        }
    }
}

/// Returns the string member `name`, or an empty string.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn texts<'a>(value: &'a Value, name: &str) -> Vec<&'a str> {
    items(value, name).filter_map(Value::as_str).filter(|text| !text.is_empty()).collect()
}

/// Joins the non-empty parts.
fn joined(parts: &[&str], separator: &str) -> String {
    let parts: Vec<_> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    parts.join(separator)
}

fn non_empty<'a>(paragraphs: &[&'a str]) -> Vec<&'a str> {
    paragraphs.iter().copied().filter(|paragraph| !paragraph.is_empty()).collect()
}

/// Formats a period: "2014-06 – 2016", or "2014-06 – present" without an end.
fn period(value: &Value) -> String {
    match (text(value, "startDate"), text(value, "endDate")) {
        ("", "") => String::new(),
        (start, "") => format!("{start} – present"),
        ("", end) => format!("until {end}"),
        (start, end) => format!("{start} – {end}"),
    }
}

fn contact(basics: &Value) -> Vec<String> {
    let location = basics.get("location").unwrap_or(&Value::Null);
    let place = ["address", "postalCode", "city", "region", "countryCode"];
    let mut contact = vec![
        text(basics, "email").to_owned(),
        text(basics, "phone").to_owned(),
        text(basics, "url").to_owned(),
        joined(&place.map(|part| text(location, part)), ", "),
    ];
    contact.extend(items(basics, "profiles").map(|profile| {
        let url = text(profile, "url");
        let account = if url.is_empty() { text(profile, "username") } else { url };
        joined(&[text(profile, "network"), account], ": ")
    }));
    contact.retain(|piece| !piece.is_empty());
    contact
}

fn work(job: &Value) -> Entry<'_> {
    Entry {
        title: joined(&[text(job, "position"), text(job, "name")], ", "),
        period: joined(&[&period(job), text(job, "location")], " | "),
        url: text(job, "url"),
        paragraphs: non_empty(&[text(job, "description"), text(job, "summary")]),
        bullets: texts(job, "highlights"),
    }
}

fn volunteer(work: &Value) -> Entry<'_> {
    Entry {
        title: joined(&[text(work, "position"), text(work, "organization")], ", "),
        period: period(work),
        url: text(work, "url"),
        paragraphs: non_empty(&[text(work, "summary")]),
        bullets: texts(work, "highlights"),
    }
}

fn education(school: &Value) -> Entry<'_> {
    let degree = joined(&[text(school, "studyType"), text(school, "area")], " ");
    let score = text(school, "score");
    let score = if score.is_empty() { String::new() } else { format!("Score: {score}") };
    Entry {
        title: joined(&[&degree, text(school, "institution")], ", "),
        period: joined(&[&period(school), &score], " | "),
        url: text(school, "url"),
        paragraphs: Vec::new(),
        bullets: texts(school, "courses"),
    }
}

fn project(project: &Value) -> Entry<'_> {
    let roles = texts(project, "roles").join(", ");
    Entry {
        title: joined(&[text(project, "name"), text(project, "entity")], ", "),
        period: joined(&[&period(project), &roles, text(project, "type")], " | "),
        url: text(project, "url"),
        paragraphs: non_empty(&[text(project, "description")]),
        bullets: [texts(project, "highlights"), texts(project, "keywords")].concat(),
    }
}

fn award(award: &Value) -> Entry<'_> {
    Entry {
        title: joined(&[text(award, "title"), text(award, "awarder")], ", "),
        period: text(award, "date").to_owned(),
        paragraphs: non_empty(&[text(award, "summary")]),
        ..Entry::default()
    }
}

fn certificate(certificate: &Value) -> Entry<'_> {
    Entry {
        title: joined(&[text(certificate, "name"), text(certificate, "issuer")], ", "),
        period: text(certificate, "date").to_owned(),
        url: text(certificate, "url"),
        ..Entry::default()
    }
}

fn publication(publication: &Value) -> Entry<'_> {
    Entry {
        title: joined(&[text(publication, "name"), text(publication, "publisher")], ", "),
        period: text(publication, "releaseDate").to_owned(),
        url: text(publication, "url"),
        paragraphs: non_empty(&[text(publication, "summary")]),
        ..Entry::default()
    }
}

/// Formats a one-line entry: "Databases (expert): PostgreSQL, SQLite".
fn listed(name: &str, level: &str, keywords: &[&str]) -> Entry<'static> {
    let level = if level.is_empty() { String::new() } else { format!("({level})") };
    let title = joined(&[&joined(&[name, &level], " "), &keywords.join(", ")], ": ");
    Entry { title, ..Entry::default() }
}

fn skill(skill: &Value) -> Entry<'_> {
    listed(text(skill, "name"), text(skill, "level"), &texts(skill, "keywords"))
}

fn language(language: &Value) -> Entry<'_> {
    listed(text(language, "language"), text(language, "fluency"), &[])
}

fn interest(interest: &Value) -> Entry<'_> {
    listed(text(interest, "name"), "", &texts(interest, "keywords"))
}

fn reference(reference: &Value) -> Entry<'_> {
    Entry {
        title: text(reference, "name").to_owned(),
        paragraphs: non_empty(&[text(reference, "reference")]),
        ..Entry::default()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// Returns a résumé with an entry of every kind.
    pub(crate) fn ada() -> Resume {
        let document = json!({
            "basics": {
                "name": "Ada Lovelace",
                "label": "Analyst",
                "email": "ada@example.org",
                "phone": "+44 20 7946 0000",
                "url": "https://ada.example",
                "summary": "Writes programs.\nFor engines that do not exist yet.",
                "location": {"city": "London", "countryCode": "GB"},
                "profiles": [
                    {"network": "GitHub", "username": "ada", "url": "https://github.example/ada"},
                    {"network": "Chess", "username": "ada15"},
                ],
            },
            "work": [
                {
                    "name": "Analytical Engines *Ltd*",
                    "position": "Programmer",
                    "location": "London",
                    "startDate": "1842-02",
                    "endDate": "1843",
                    "url": "https://engines.example",
                    "summary": "Notes A to G.",
                    "highlights": ["Bernoulli numbers", "the first loop"],
                },
                {"position": "Correspondent", "startDate": "1843-09"},
            ],
            "education": [{
                "institution": "At home", "studyType": "Private lessons", "area": "Mathematics",
                "endDate": "1840", "score": "A", "courses": ["Calculus"],
            }],
            "skills": [
                {"name": "Analysis", "level": "Master", "keywords": ["series", "tables"]},
                {"name": "Poetical science"},
            ],
            "languages": [{"language": "English", "fluency": "native"}],
            "certificates": [{"name": "C++ & C#", "issuer": "Nobody", "date": "2020-05"}],
            "awards": [{"title": "A language's name", "awarder": "DoD", "date": "1980", "summary": "Posthumously."}],
            "publications": [{"name": "Sketch of the Engine", "publisher": "Taylor", "releaseDate": "1843-09"}],
            "volunteer": [{"organization": "Salon", "position": "Guest"}],
            "interests": [{"name": "Horses", "keywords": ["betting"]}],
            "references": [{"name": "C. Babbage", "reference": "Enchantress of Number."}],
            "projects": [{
                "name": "Flyology", "description": "Wings.", "roles": ["Inventor"], "type": "study",
                "startDate": "1828", "endDate": "1828", "keywords": ["birds"],
            }],
        });
        Resume::new(document).unwrap()
    }

    #[test]
    fn an_outline_leaves_out_empty_parts() {
        let document = json!({"basics": {"name": ""}, "work": [{}, {"highlights": [""]}]});
        let resume = Resume::new(document).unwrap();
        assert_eq!(Outline::of(&resume), Outline::default());
    }

    #[test]
    fn a_period_shows_the_known_dates() {
        let check = |value: Value, expected: &str| assert_eq!(period(&value), expected, "{value}");
        check(json!({"startDate": "2014", "endDate": "2015-06"}), "2014 – 2015-06");
        check(json!({"startDate": "2014"}), "2014 – present");
        check(json!({"endDate": "2015"}), "until 2015");
        check(json!({}), "");
    }
}
