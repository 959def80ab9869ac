//! Renders a résumé as plain text in the form applicant tracking systems parse best: one column,
//! standard headings on separate lines, and a hyphen before each bullet.

use super::Resume;
use super::outline::{Entry, Outline};

/// Renders `resume` as plain text.
#[must_use]
pub fn plain(resume: &Resume) -> String {
    let outline = Outline::of(resume);
    let mut blocks = Vec::new();
    let mut head = vec![line(outline.name), line(outline.label)];
    head.extend(outline.contact.iter().map(|piece| line(piece)));
    push(&mut blocks, head);
    if !outline.summary.is_empty() {
        let mut summary = vec!["SUMMARY".to_owned()];
        summary.extend(outline.summary.lines().map(line));
        push(&mut blocks, summary);
    }
    for section in &outline.sections {
        let mut heading = Some(section.heading.to_uppercase());
        let is_list = section.entries.iter().all(|entry| entry.period.is_empty());
        for entry in &section.entries {
            let mut lines: Vec<_> = heading.take().into_iter().collect();
            lines.extend(entry_lines(entry));
            match blocks.last_mut() {
                Some(block) if is_list && lines.len() == 1 => {
                    *block = format!("{block}\n{}", lines.concat());
                }
                _ => push(&mut blocks, lines),
            }
        }
    }
    blocks.join("\n\n") + "\n"
}

fn push(blocks: &mut Vec<String>, mut lines: Vec<String>) {
    lines.retain(|line| !line.is_empty());
    if !lines.is_empty() {
        blocks.push(lines.join("\n"));
    }
}

fn entry_lines(entry: &Entry<'_>) -> Vec<String> {
    let mut lines = vec![line(&entry.title), line(&entry.period), line(entry.url)];
    lines.extend(entry.paragraphs.iter().flat_map(|text| text.lines()).map(line));
    lines.extend(entry.bullets.iter().map(|bullet| format!("- {}", line(bullet))));
    lines.retain(|line| !line.is_empty());
    lines
}

/// Joins a text into one line. Control characters, which could affect a terminal, become spaces.
fn line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::outline::tests::ada;
    use serde_json::json;

    #[test]
    fn renders_every_section() {
        insta::assert_snapshot!(plain(&ada()), @r"
        Ada Lovelace
        Analyst
        ada@example.org
        +44 20 7946 0000
        https://ada.example
        London, GB
        GitHub: https://github.example/ada
        Chess: ada15

        SUMMARY
        Writes programs.
        For engines that do not exist yet.

        WORK EXPERIENCE
        Programmer, Analytical Engines *Ltd*
        1842-02 – 1843 | London
        https://engines.example
        Notes A to G.
        - Bernoulli numbers
        - the first loop

        Correspondent
        1843-09 – present

        PROJECTS
        Flyology
        1828 – 1828 | Inventor | study
        Wings.
        - birds

        EDUCATION
        Private lessons Mathematics, At home
        until 1840 | Score: A
        - Calculus

        SKILLS
        Analysis (Master): series, tables
        Poetical science

        CERTIFICATIONS
        C++ & C#, Nobody
        2020-05

        LANGUAGES
        English (native)

        AWARDS
        A language's name, DoD
        1980
        Posthumously.

        PUBLICATIONS
        Sketch of the Engine, Taylor
        1843-09

        VOLUNTEER EXPERIENCE
        Guest, Salon

        INTERESTS
        Horses: betting

        REFERENCES
        C. Babbage
        Enchantress of Number.
        ");
    }

    #[test]
    fn control_characters_are_removed() {
        let document = json!({"basics": {"name": "\u{1b}[2J\r\nAda\u{7}", "summary": "a\n\n\tb"}});
        assert_eq!(plain(&Resume::new(document).unwrap()), "[2J Ada\n\nSUMMARY\na\nb\n");
    }
}
