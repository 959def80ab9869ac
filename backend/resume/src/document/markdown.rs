//! Renders a résumé as Markdown (CommonMark). All of its text is escaped, so none becomes markup.

use super::Resume;
use super::outline::{Entry, Outline};

/// Renders `resume` as Markdown.
#[must_use]
pub fn markdown(resume: &Resume) -> String {
    let outline = Outline::of(resume);
    let mut blocks = Vec::new();
    if !outline.name.is_empty() {
        blocks.push(format!("# {}", line(outline.name)));
    }
    if !outline.label.is_empty() {
        blocks.push(format!("**{}**", line(outline.label)));
    }
    if !outline.contact.is_empty() {
        let contact: Vec<_> = outline.contact.iter().map(|piece| line(piece)).collect();
        blocks.push(contact.join(" · "));
    }
    blocks.extend(paragraphs(outline.summary));
    for section in &outline.sections {
        blocks.push(format!("## {}", section.heading));
        if section.entries.iter().all(is_one_line) {
            let lines: Vec<_> =
                section.entries.iter().map(|entry| format!("- {}", line(&entry.title))).collect();
            blocks.push(lines.join("\n"));
        } else {
            section.entries.iter().for_each(|entry| write(&mut blocks, entry));
        }
    }
    blocks.join("\n\n") + "\n"
}

fn is_one_line(entry: &Entry<'_>) -> bool {
    *entry == Entry { title: entry.title.clone(), ..Entry::default() }
}

fn write(blocks: &mut Vec<String>, entry: &Entry<'_>) {
    if !entry.title.is_empty() {
        blocks.push(format!("### {}", line(&entry.title)));
    }
    if !entry.period.is_empty() {
        blocks.push(format!("*{}*", line(&entry.period)));
    }
    if !entry.url.is_empty() {
        // Validation guarantees a URL that needs no escaping.
        blocks.push(format!("<{}>", entry.url));
    }
    blocks.extend(entry.paragraphs.iter().flat_map(|text| paragraphs(text)));
    if !entry.bullets.is_empty() {
        let bullets: Vec<_> =
            entry.bullets.iter().map(|bullet| format!("- {}", line(bullet))).collect();
        blocks.push(bullets.join("\n"));
    }
}

/// Returns each non-empty line as a paragraph.
fn paragraphs(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(line).filter(|line| !line.is_empty())
}

/// Joins a text into one line and escapes it.
fn line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if line.is_empty() {
            line.push_str(&first_word(word));
        } else {
            line.push(' ');
            line.push_str(&escaped(word));
        }
    }
    line
}

/// Escapes the first word of a line, which could otherwise start a list, a heading or a rule.
fn first_word(word: &str) -> String {
    let escaped = escaped(word);
    if escaped.starts_with(['+', '-', '=']) {
        return format!("\\{escaped}");
    }
    match escaped.find(|c: char| !c.is_ascii_digit()) {
        Some(at) if at > 0 && escaped.split_at(at).1.starts_with(['.', ')']) => {
            let (digits, rest) = escaped.split_at(at);
            format!("{digits}\\{rest}")
        }
        _ => escaped,
    }
}

fn escaped(word: &str) -> String {
    let mut escaped = String::with_capacity(word.len());
    for c in word.chars() {
        if "\\`*_[]<>#|~&!".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::outline::tests::ada;
    use serde_json::json;

    #[test]
    fn renders_every_section() {
        insta::assert_snapshot!(markdown(&ada()), @r"
        # Ada Lovelace

        **Analyst**

        ada@example.org · \+44 20 7946 0000 · https://ada.example · London, GB · GitHub: https://github.example/ada · Chess: ada15

        Writes programs.

        For engines that do not exist yet.

        ## Work Experience

        ### Programmer, Analytical Engines \*Ltd\*

        *1842-02 – 1843 \| London*

        <https://engines.example>

        Notes A to G.

        - Bernoulli numbers
        - the first loop

        ### Correspondent

        *1843-09 – present*

        ## Projects

        ### Flyology

        *1828 – 1828 \| Inventor \| study*

        Wings.

        - birds

        ## Education

        ### Private lessons Mathematics, At home

        *until 1840 \| Score: A*

        - Calculus

        ## Skills

        - Analysis (Master): series, tables
        - Poetical science

        ## Certifications

        ### C++ \& C\#, Nobody

        *2020-05*

        ## Languages

        - English (native)

        ## Awards

        ### A language's name, DoD

        *1980*

        Posthumously.

        ## Publications

        ### Sketch of the Engine, Taylor

        *1843-09*

        ## Volunteer Experience

        - Guest, Salon

        ## Interests

        - Horses: betting

        ## References

        ### C. Babbage

        Enchantress of Number.
        ");
    }

    #[test]
    fn markup_is_escaped() {
        let check = |text: &str, expected: &str| assert_eq!(line(text), expected, "{text}");
        check("C++ and C#", "C++ and C\\#");
        check("# no heading", "\\# no heading");
        check("- no list", "\\- no list");
        check("1. no list", "1\\. no list");
        check("1.5 years", "1\\.5 years");
        check("2014-06", "2014-06");
        check("<script>alert(1)</script>", "\\<script\\>alert(1)\\</script\\>");
        check("[a](javascript:b) ![x](y)", "\\[a\\](javascript:b) \\!\\[x\\](y)");
        check("*a* _b_ `c` ~~d~~ &lt;", "\\*a\\* \\_b\\_ \\`c\\` \\~\\~d\\~\\~ \\&lt;");
        check("a\n\n# b\r\n\t- c", "a \\# b - c");
        check("--- ===", "\\--- ===");
        check(" \u{1b}[31m ", "\\[31m");
    }

    #[test]
    fn empty_sections_are_left_out() {
        assert_eq!(markdown(&Resume::new(json!({"work": [{}], "skills": []})).unwrap()), "\n");
    }
}
