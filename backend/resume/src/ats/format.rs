//! Whether the résumé is of a good length and of plain text. Called by [`super::score`].

use super::finding::{Code, Findings};
use super::part::Share;
use super::view::{Kind, Text, View, count_words};
use super::wording;

/// How many words in sentences a résumé needs.
const MIN_WORDS: usize = 100;
/// How many words in sentences fit on two or three pages.
const MAX_WORDS: usize = 1200;
/// The longest highlight, in words.
const MAX_HIGHLIGHT_WORDS: usize = 40;

/// All texts.
pub(super) fn judge(view: &View<'_>, findings: &mut Findings) -> Share {
    let texts = view.texts();
    for text in texts.iter().filter(|text| text.kind != Kind::Label) {
        tell_style(text, findings);
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
            "All sentences together have {words} words: under {MIN_WORDS} there is little to find \
             you by. Tell more of what you did."
        );
        findings.push(Code::LengthTooShort, "", detail);
        return Share::of(words, MIN_WORDS);
    }
    if words > MAX_WORDS {
        let detail = format!(
            "All sentences together have {words} words: over {MAX_WORDS} do not fit on two or three \
             pages. Shorten what is long ago."
        );
        findings.push(Code::LengthTooLong, "", detail);
    }
    Share::all_if(words <= MAX_WORDS)
}

fn is_plain(text: &Text<'_>, findings: &mut Findings) -> bool {
    let odd = text.text.chars().find(|c| wording::is_odd(*c));
    if let Some(odd) = odd {
        let detail = format!(
            "This has the character U+{:04X}, which systems misread: write it in letters.",
            u32::from(odd)
        );
        findings.push(Code::TextOddCharacters, text.pointer.as_str(), detail);
    }
    let tag = wording::tag(text.text);
    if let Some(tag) = tag {
        let detail =
            format!("This has markup in it ({tag}), which systems show as it is: leave the text.");
        findings.push(Code::TextMarkup, text.pointer.as_str(), detail);
    }
    odd.is_none() && tag.is_none()
}

fn is_short(highlight: &Text<'_>, findings: &mut Findings) -> bool {
    let words = count_words(highlight.text);
    if words > MAX_HIGHLIGHT_WORDS {
        let detail = format!(
            "This highlight has {words} words: leave at most {MAX_HIGHLIGHT_WORDS}, or make two of \
             it."
        );
        findings.push(Code::HighlightTooLong, highlight.pointer.as_str(), detail);
    }
    words <= MAX_HIGHLIGHT_WORDS
}

fn tell_style(text: &Text<'_>, findings: &mut Findings) {
    if let Some(word) = wording::first_person(text.text) {
        let detail = format!(
            "This says {word:?}: a résumé is read as yours anyway. Begin with the verb instead."
        );
        findings.push(Code::TextFirstPerson, text.pointer.as_str(), detail);
    }
    if let Some(phrase) = wording::buzzword(text.text) {
        let detail =
            format!("{phrase:?} is in every résumé and says nothing: show it by what you did.");
        findings.push(Code::TextBuzzword, text.pointer.as_str(), detail);
    }
}
