//! Known terms: phrases of two or three words, names with symbols or that look like other words,
//! and abbreviations with their long forms.
//!
//! Called by the rest of [`super`]. The lists are short on purpose: other terms are still found by
//! their spelling and frequency. Entries are lowercase and without accents.

use super::stem::stem;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// Returns true if these joined words are a known phrase.
pub(super) fn is_phrase(compact: &str) -> bool {
    PHRASE_TERMS.contains(compact) || SHORT_FORMS.contains(compact)
}

/// Returns true for a technical term that its spelling does not reveal.
pub(super) fn is_term(term: &str) -> bool {
    TERM_WORDS.contains(term)
}

/// Returns the canonical name of an alias.
pub(super) fn alias(compact: &str) -> Option<&'static str> {
    NAMES.get(compact).map(String::as_str)
}

/// Returns true if the text including its slash is one word.
pub(super) fn is_slashed(run: &str) -> bool {
    let lower = run.to_ascii_lowercase();
    SLASHED.contains(&lower.as_str())
}

/// Returns true if the single letter is a programming language.
pub(super) fn is_letter(text: &str) -> bool {
    matches!(text, "C" | "R")
}

/// Returns true for a name in this exact spelling that is a stop word in lowercase.
pub(super) fn is_like_a_stop_word(text: &str) -> bool {
    text == "Go"
}

const SLASHED: &[&str] = &[
    "ci/cd", "tcp/ip", "a/b", "ui/ux", "ux/ui", "i/o", "pl/sql", "as/400", "s/4hana", "os/2",
    "n/a", "m/w/d", "w/m/d", "d/m/w", "m/f/d", "h/f", "f/h",
];

/// Phrases, separated by commas.
const PHRASES: &str = "\
account management, agile development, api design, artificial intelligence, automated testing, big
data, budget planning, business analysis, business development, business intelligence, change
management, cloud computing, cloud native, code review, computer science, computer vision,
conflict resolution, content marketing, contract negotiation, cost reduction, credit risk, cross
functional, customer experience, customer retention, customer service, customer success, customer
support, data analysis, data analytics, data driven, data engineering, data mining, data modeling,
data protection, data science, data structures, data visualization, data warehouse, deep learning,
demand generation, design patterns, design systems, design thinking, digital marketing, digital
transformation, disaster recovery, distributed systems, domain driven design, due diligence,
electrical engineering, email marketing, embedded systems, event driven, financial analysis,
financial modeling, financial reporting, front end, back end, full stack, functional programming,
game development, graphic design, incident management, incident response, information security,
infrastructure automation, integration testing, internal audit, interaction design, inventory
management, lead generation, lean manufacturing, load balancing, market research, mechanical
engineering, message queue, mobile development, neural networks, network security, object
oriented, operating systems, operations management, patient care, penetration testing, performance
management, performance tuning, pair programming, problem solving, process improvement,
procurement management, product design, product development, product management, product owner,
program management, project management, project planning, public relations, public speaking,
quality assurance, quality control, real time, relational databases, release management,
requirements engineering, responsive design, revenue growth, risk assessment, risk management,
root cause analysis, sales management, scrum master, service design, site reliability, social
media, software architecture, software design, software development, software engineer, software
engineering, solution architecture, spring boot, stakeholder management, statistical analysis,
strategic planning, strategic partnerships, supply chain, system administration, system design,
systems engineering, talent acquisition, team building, team lead, tech lead, technical
documentation, technical leadership, technical support, technical writing, test automation, test
driven, time series, unit testing, unit tests, user experience, user interface, user research,
version control, vendor management, visual design, web applications, web development, web
services, web design, agile methoden, maschinelles lernen, kunstliche intelligenz, kontinuierliche
integration, gestion de projet, apprentissage automatique, intelligence artificielle, aprendizaje
automatico, inteligencia artificial, gestion de proyectos";

/// One-word terms that can be written in lowercase.
const TERMS: &str = "\
accounting agile android angular ansible apache api automation aws azure bash blockchain bootstrap
cassandra cloud compliance crm css cybersecurity databricks devops django docker elasticsearch
elixir embedded erlang erp excel figma firebase flask flutter gdpr git github gitlab golang
gradle grafana graphql grpc hadoop haskell helm html ios java javascript jenkins jira kafka kanban
kotlin kubernetes laravel linux matlab maven microservice ml mongodb mysql nextjs nlp nosql numpy
oauth oracle pandas perl photoshop php postgresql powershell prometheus python pytorch rabbitmq
rails react redis redux rest ruby rust saas salesforce sap sass scala scrum selenium seo snowflake
spark spring sql sqlite swift tableau tdd tensorflow terraform typescript ui unity ux vue webpack
wordpress xml yaml";

/// Names and their aliases. A phrase among the aliases is a known phrase.
const ALIASES: &[(&str, &[&str])] = &[
    (
        "ai",
        &[
            "artificial intelligence",
            "kunstliche intelligenz",
            "inteligencia artificial",
            "intelligence artificielle",
        ],
    ),
    ("api", &["application programming interface"]),
    ("aws", &["amazon web services"]),
    ("b2b", &["business to business"]),
    ("ci/cd", &["cicd", "continuous integration", "continuous delivery", "continuous deployment"]),
    ("crm", &["customer relationship management"]),
    ("cypress", &["cypress.io"]),
    ("erp", &["enterprise resource planning"]),
    ("etl", &["extract transform load"]),
    ("gcp", &["google cloud", "google cloud platform"]),
    ("gdpr", &["dsgvo", "rgpd"]),
    ("Go", &["golang"]),
    ("javascript", &["js", "ecmascript"]),
    ("kpi", &["key performance indicator"]),
    ("kubernetes", &["k8s"]),
    (
        "ml",
        &[
            "machine learning",
            "maschinelles lernen",
            "apprentissage automatique",
            "aprendizaje automatico",
        ],
    ),
    ("nlp", &["natural language processing"]),
    ("next.js", &["nextjs"]),
    ("node.js", &["nodejs"]),
    ("oop", &["object oriented programming"]),
    ("postgresql", &["postgres"]),
    ("qa", &["quality assurance"]),
    ("react", &["reactjs", "react.js"]),
    ("roi", &["return on investment"]),
    ("saas", &["software as a service"]),
    ("seo", &["search engine optimization", "search engine optimisation"]),
    ("sre", &["site reliability engineering", "site reliability engineer"]),
    ("tdd", &["test driven development"]),
    ("typescript", &["ts"]),
    ("ui", &["user interface"]),
    ("ux", &["user experience"]),
    ("ui/ux", &["ux/ui"]),
    ("vue", &["vuejs", "vue.js"]),
    (".net", &["dotnet"]),
];

static PHRASE_TERMS: LazyLock<HashSet<String>> =
    LazyLock::new(|| PHRASES.split(',').map(joined).collect());

static TERM_WORDS: LazyLock<HashSet<String>> =
    LazyLock::new(|| TERMS.split_whitespace().map(stem).collect());

static NAMES: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let pairs = ALIASES.iter().flat_map(|(name, others)| others.iter().map(move |o| (o, name)));
    pairs.map(|(other, name)| (joined(other), own_name(name))).collect()
});

static SHORT_FORMS: LazyLock<HashSet<String>> =
    LazyLock::new(|| ALIASES.iter().map(|(name, _)| own_name(name)).collect());

fn own_name(name: &str) -> String {
    if is_like_a_stop_word(name) { name.to_owned() } else { stem(name) }
}

fn joined(phrase: &str) -> String {
    phrase.split_whitespace().map(stem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_an_alias_of_another() {
        for (name, _) in ALIASES {
            assert_eq!(alias(&own_name(name)), None, "{name}");
        }
        let others: usize = ALIASES.iter().map(|(_, others)| others.len()).sum();
        assert_eq!(NAMES.len(), others, "an alias is listed twice");
    }

    #[test]
    fn phrases_are_recognized_by_their_stems() {
        assert!(is_phrase("datastructure") && is_phrase("ml") && !is_phrase("machine"));
        assert!(is_term("kubernete") && is_term("python") && !is_term("kitchen"));
    }
}
