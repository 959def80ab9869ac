//! Checks the wording of texts: how they begin, and which phrases they should avoid. The word lists
//! cover English, German, French and Spanish at once.
//!
//! Called by [`super::achievements`] and [`super::format`]. Words are folded by [`fold`].

use crate::fold;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// Returns the beginning of a text that describes a duty instead of a result.
pub(super) fn weak_start(text: &str) -> Option<&'static str> {
    let text = spaced(text);
    WEAK_STARTS.iter().copied().find(|start| {
        text.trim_start().strip_prefix(start).is_some_and(|rest| rest.starts_with(' '))
    })
}

/// Returns true if a text begins with an action: a verb, or its noun in languages that prefer that
/// ("Entwicklung", "Conception").
pub(super) fn is_action(text: &str) -> bool {
    let text = spaced(text);
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let is_adverb = |word: &&str| word.len() > 4 && word.ends_with("ly");
    words.find(|word| !is_adverb(word)).is_some_and(is_verb)
}

fn is_verb(word: &str) -> bool {
    let is_past = word.len() >= 5 && word.ends_with("ed") && !NOT_VERBS.contains(&word);
    let is_noun = word.len() >= 6 && word.ends_with("ung");
    let is_known = || STEMS.split_whitespace().any(|stem| word.starts_with(stem));
    is_past || is_noun || IRREGULAR.contains(word) || is_known()
}

/// Returns a first-person word in the text.
pub(super) fn first_person(text: &str) -> Option<&'static str> {
    let clean = fold::clean(text);
    let mut words = clean.split(|c: char| !c.is_alphanumeric() && c != '\'').peekable();
    while let Some(word) = words.next() {
        let is_followed = words.peek().is_some_and(|next| next.starts_with(char::is_lowercase));
        if matches!(word, "I'm" | "I've" | "I'd" | "I'll") || (word == "I" && is_followed) {
            return Some("I");
        }
        let is_loud = word.chars().count() > 1 && !word.contains(char::is_lowercase);
        let folded = fold::fold(word);
        let found = FIRST_PERSON.iter().copied().find(|person| *person == folded);
        if found.is_some() && !is_loud {
            return found;
        }
    }
    None
}

/// Returns a cliché in the text.
pub(super) fn buzzword(text: &str) -> Option<&'static str> {
    let text = spaced(text);
    let starts = text.match_indices(' ').filter_map(|(at, _)| text.get(at + 1..));
    starts.into_iter().find_map(|rest| {
        let first = rest.split(' ').next()?;
        BY_FIRST_WORD
            .get(first)?
            .iter()
            .copied()
            .find(|phrase| rest.strip_prefix(phrase).is_some_and(|after| after.starts_with(' ')))
    })
}

/// Returns true for characters that systems misread: symbols, private-use characters and invisible
/// control characters.
pub(super) fn is_odd(c: char) -> bool {
    let is_break = matches!(c, '\n' | '\r' | '\t');
    (c.is_control() && !is_break)
        || matches!(
            c,
            // Zero-width characters and direction marks.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
            // Boxes, shapes, symbols, dingbats; emoji.
            | '\u{2500}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}'
            // Private use, and the replacement character.
            | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}' | '\u{fffd}'
            // Ligatures: "ﬁ".
            | '\u{fb00}'..='\u{fb06}'
        )
}

/// Returns the first HTML tag.
pub(super) fn tag(text: &str) -> Option<&str> {
    const MAX_TAG_BYTES: usize = 200;
    text.match_indices('<').find_map(|(at, _)| {
        let rest = fold::start(text.get(at..)?, MAX_TAG_BYTES);
        let tag = rest.get(..=rest.find('>')?)?;
        let inner = tag.trim_matches(['<', '>', '/']);
        let name = inner.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
        TAGS.contains(&name.to_ascii_lowercase().as_str()).then_some(tag)
    })
}

/// Returns the folded words, with a space before and after each.
fn spaced(text: &str) -> String {
    let folded = fold::fold(&fold::clean(text));
    let mut spaced = String::from(" ");
    for word in folded.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|w| !w.is_empty())
    {
        spaced.push_str(word);
        spaced.push(' ');
    }
    spaced
}

static BY_FIRST_WORD: LazyLock<HashMap<&str, Vec<&str>>> = LazyLock::new(|| {
    let mut by_word: HashMap<&str, Vec<&str>> = HashMap::new();
    for phrase in BUZZWORDS {
        let first = phrase.split(' ').next().unwrap_or(phrase);
        by_word.entry(first).or_default().push(phrase);
    }
    by_word
});

static IRREGULAR: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "began beat became broke brought built bought caught chose coded cut dealt did doubled drew drove \
     earned eased edited fed fought found gave grew headed held hit kept laid led made met owned \
     oversaw overcame paid put ran rebuilt redid rewrote rose saved sent set shot sold spearheaded \
     sped spent spoke stood taught took tripled undertook upheld used won wrote \
     baute fuhrte leitete schrieb senkte steigerte schulte \
     aufbau ausbau einsatz entwurf umbau einkauf verkauf vertrieb \
     mise prise suivi refonte creation \
     cree creo hice logre lidere mejore redujo reduje"
        .split_whitespace()
        .collect()
});

/// Stems of action verbs and their nouns.
const STEMS: &str = "\
achiev accelerat administ advis analy architect assembl audit automat budget calculat campaign
champion clean coach collaborat collect communicat compil complet comput conceiv concept conduct
configur consolidat construct consult contribut convert convinc coordinat craft creat cultivat
customi debug decreas defin deliver deploy design detect develop devis diagnos direct discover
document draft edit eliminat enabl enforc engineer enhanc establish evaluat examin execut expand
expedit explor extend facilitat financ forecast formulat foster founded generat guid handl identif
implement improv increas influenc inform initiat innovat inspect inspir install instruct integrat
interview introduc invent investigat launch leverag maintain manag market maximi measur mentor
migrat minimi model moderni monitor motivat navigat negotiat operat optimi orchestrat organi
overhaul partner perform pilot pioneer plann prepar present prevent prioriti process produc
program promot propos prototyp provid publish purchas raised recruit redesign reduc refactor refin
reorgani repair replac report research resolv restor restructur reviewe revis sav scal schedul
secur select shipp simplif solv standardi steer streamlin strengthen structur supervis support
survey synthesi teach test train transform translat troubleshoot unif upgrad validat verif visuali
analys aufgebaut aufgesetzt begleit berat betreu durchfuhr einfuhr eingefuhrt eingerichtet entwarf
entwick entworf erarbeit erhoh erreich erstell erweiter gefuhrt geleit geplant gepruf gesteuert
gestalt gewonnen implementier konzep koordin optimier organis plan realis redigier reduzier
steiger uberarbeit ubernahm umgesetzt umsetz verantwortete verbesser verhandel vermarkt accompagn
amelior anim assur augment conduit coordonn deploi dirig elabor encadr formation gere gestion lanc
negoci optimis redact redui aument constru coordin desarroll disen implant lider mejor organiz
planific reduj";

/// Words in -ed that are not verbs at the start of a text.
const NOT_VERBS: [&str; 16] = [
    "advanced",
    "aforementioned",
    "based",
    "dedicated",
    "detailed",
    "distributed",
    "embedded",
    "experienced",
    "hundred",
    "limited",
    "motivated",
    "need",
    "sacred",
    "skilled",
    "speed",
    "varied",
];

const WEAK_STARTS: [&str; 30] = [
    "responsible for",
    "responsibilities included",
    "responsibilities include",
    "duties included",
    "duties include",
    "tasked with",
    "in charge of",
    "worked on",
    "worked with",
    "worked as",
    "helped",
    "helped to",
    "assisted with",
    "assisted in",
    "participated in",
    "involved in",
    "was involved in",
    "was responsible for",
    "took part in",
    "verantwortlich fur",
    "zustandig fur",
    "mitarbeit an",
    "mitarbeit bei",
    "mitwirkung bei",
    "responsable de",
    "en charge de",
    "charge de",
    "participation a",
    "encargado de",
    "encargada de",
];

const FIRST_PERSON: [&str; 12] = [
    "my", "myself", "ich", "mein", "meine", "meinen", "meinem", "meiner", "je", "j'ai", "mes", "yo",
];

const BUZZWORDS: [&str; 36] = [
    "best of breed",
    "detail oriented",
    "dynamic individual",
    "fast learner",
    "go getter",
    "go to person",
    "guru",
    "hard worker",
    "hard working",
    "hardworking",
    "highly motivated",
    "ninja",
    "out of the box",
    "outside the box",
    "people person",
    "proactive",
    "proven track record",
    "quick learner",
    "results driven",
    "results oriented",
    "rockstar",
    "self motivated",
    "self starter",
    "strong work ethic",
    "synergies",
    "synergy",
    "team player",
    "thought leader",
    "think outside",
    "belastbar",
    "hochmotiviert",
    "teamfahig",
    "teamplayer",
    "esprit d'equipe",
    "force de proposition",
    "trabajo bajo presion",
];

const TAGS: [&str; 24] = [
    "a", "b", "br", "code", "div", "em", "font", "h1", "h2", "h3", "hr", "i", "img", "li", "ol",
    "p", "script", "span", "strong", "style", "table", "td", "tr", "ul",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_recognized_at_the_start() {
        for text in [
            "Led a team of five",
            "• Reduced costs",
            "Successfully migrated it",
            "Rewrote the parser",
            "Entwicklung einer API",
            "Leitung des Teams",
            "Développé une API",
            "Mise en place de la CI",
            "Desarrollo de una API",
            "Lideré un equipo",
        ] {
            assert!(is_action(text), "{text}");
        }
        for text in
            ["", "…", "Experienced in Java", "The first loop", "Ledger of all", "Bernoulli numbers"]
        {
            assert!(!is_action(text), "{text}");
        }
    }

    #[test]
    fn duties_are_recognized_at_the_start() {
        assert_eq!(weak_start("Responsible  for payments"), Some("responsible for"));
        assert_eq!(weak_start("- Zuständig für Einkauf"), Some("zustandig fur"));
        assert_eq!(weak_start("helpedx"), None);
        assert_eq!(weak_start("Was the person responsible for it"), None);
    }

    #[test]
    fn first_person_words_are_found() {
        for text in ["I led it", "so I’m here", "in my team", "Ich habe", "Ce que j’ai fait"] {
            assert!(first_person(text).is_some(), "{text}");
        }
        for text in ["Phase I", "I/O bound", "MY GOV", "Clinical trials (phase I, II)", "tommy", ""]
        {
            assert_eq!(first_person(text), None, "{text}");
        }
    }

    #[test]
    fn buzzwords_are_found_as_whole_phrases() {
        assert_eq!(buzzword("A results-driven Team  Player."), Some("results driven"));
        assert_eq!(buzzword("proactively ninjas"), None);
    }

    #[test]
    fn symbols_and_invisible_characters_are_odd() {
        for c in ['★', '😀', '\u{e000}', '\u{fffd}', 'ﬁ', '\u{7}', '\u{200b}'] {
            assert!(is_odd(c), "{c:?}");
        }
        for c in ['•', '–', 'é', 'ß', '中', '€', '\n', '\t', '→', '²'] {
            assert!(!is_odd(c), "{c:?}");
        }
    }

    #[test]
    fn markup_is_found_but_comparisons_are_not() {
        assert_eq!(tag("a <br/> b"), Some("<br/>"));
        assert_eq!(tag("1 < 2 <a href='x'>y</a>"), Some("<a href='x'>"));
        for text in ["1 < 2 and 3 > 2", "Vec<u8>", "<", "< b", "<b"] {
            assert_eq!(tag(text), None, "{text}");
        }
    }
}
