//! Scores the résumé's length and its use of plain text. Called by [`super::score`].

use super::finding::{Code, Findings};
use super::part::Share;
use super::view::{Kind, Text, View, count_words};
use super::wording;

/// The fewest words in sentences of a good résumé.
const MIN_WORDS: usize = 100;
/// The most words in sentences that fit on two or three pages.
const MAX_WORDS: usize = 1200;
/// The longest highlight, in words.
const MAX_HIGHLIGHT_WORDS: usize = 40;

/// Scores all texts.
pub(super) fn judge(view: &View<'_>, findings: &mut Findings) -> Share {
    let texts = view.texts();
    for text in texts.iter().filter(|text| text.kind != Kind::Label) {
        report_style(text, findings);
    }
    let plain = texts.iter().filter(|text| is_plain(text, findings)).count();
    let highlights: Vec<_> = texts.iter().filter(|text| text.kind == Kind::Highlight).collect();
    let short = highlights.iter().filter(|highlight| is_short(highlight, findings)).count();
    let highlights = if highlights.is_empty() && !texts.is_empty() {
        Share::WHOLE
    } else {
        Share::of(short, highlights.len())
    };
    Share::mean(&[
        (2, length(&texts, findings)),
        (2, Share::of(plain, texts.len())),
        (1, highlights),
    ])
}

fn length(texts: &[Text<'_>], findings: &mut Findings) -> Share {
    let sentences = texts.iter().filter(|text| text.kind != Kind::Label);
    let words: usize = sentences.map(|text| count_words(text.text)).sum();
    if words < MIN_WORDS {
        let detail = format!(
            "All sentences together have only {words} words, fewer than {MIN_WORDS}. Describe in \
             more detail what you did."
        );
        findings.push(Code::LengthTooShort, "", detail);
        return Share::of(words, MIN_WORDS);
    }
    if words > MAX_WORDS {
        let detail = format!(
            "All sentences together have {words} words, but at most {MAX_WORDS} fit on two or \
             three pages. Shorten older entries."
        );
        findings.push(Code::LengthTooLong, "", detail);
    }
    Share::all_if(words <= MAX_WORDS)
}

fn is_plain(text: &Text<'_>, findings: &mut Findings) -> bool {
    let odd = text.text.chars().find(|c| wording::is_odd(*c));
    if let Some(odd) = odd {
        let detail = format!(
            "This has the character U+{:04X}, which systems misread. Use words instead.",
            u32::from(odd)
        );
        findings.push(Code::TextOddCharacters, text.pointer.as_str(), detail);
    }
    let tag = wording::tag(text.text);
    if let Some(tag) = tag {
        let detail =
            format!("This has markup ({tag}), which systems show literally. Keep only the text.");
        findings.push(Code::TextMarkup, text.pointer.as_str(), detail);
    }
    odd.is_none() && tag.is_none()
}

fn is_short(highlight: &Text<'_>, findings: &mut Findings) -> bool {
    let words = count_words(highlight.text);
    if words > MAX_HIGHLIGHT_WORDS {
        let detail = format!(
            "This highlight has {words} words. Cut it to {MAX_HIGHLIGHT_WORDS}, or split it in \
             two."
        );
        findings.push(Code::HighlightTooLong, highlight.pointer.as_str(), detail);
    }
    words <= MAX_HIGHLIGHT_WORDS
}

fn report_style(text: &Text<'_>, findings: &mut Findings) {
    if let Some(word) = wording::first_person(text.text) {
        let detail = format!(
            "This says {word:?}, which goes without saying in a résumé. Begin with the verb."
        );
        findings.push(Code::TextFirstPerson, text.pointer.as_str(), detail);
    }
    if let Some(phrase) = wording::buzzword(text.text) {
        let detail = format!("{phrase:?} is a cliché. Show it by what you did instead.");
        findings.push(Code::TextBuzzword, text.pointer.as_str(), detail);
    }
}
