//! Realistic texts, and random ones.

use super::*;
use proptest::prelude::*;

/// Returns the keywords of a text as spelled in it.
fn texts(text: &str) -> Vec<String> {
    of(text).into_iter().map(|keyword| keyword.text).collect()
}

/// Returns the keywords in alphabetical order.
fn sorted(text: &str) -> String {
    let mut texts = texts(text);
    texts.sort();
    texts.join(", ")
}

#[test]
fn names_with_symbols_stay_whole() {
    for (text, expected) in [
        ("C++, C# and C", "C, C#, C++"),
        ("we use C++17.", "C++"),
        ("ASP.NET or .NET", ".NET, ASP.NET"),
        ("Node.js/Vue.js", "Node.js, Vue.js"),
        ("CI/CD, TCP/IP; A/B", "A/B, CI/CD, TCP/IP"),
        ("HTML/CSS", "CSS, HTML"),
        ("R&D in R", "R, R&D"),
        ("Go, Rust", "Go, Rust"),
        ("services in Go", "Go, services"),
        ("Go to market", "market"),
        ("e-commerce and E-Mail", "E-Mail, e-commerce"),
        ("our IT: it works", "IT, works"),
        ("OAuth2, S3, HTML5, 3D", "3D, HTML5, OAuth2, S3"),
        ("ISO-27001", "ISO-27001"),
    ] {
        assert_eq!(sorted(text), expected, "{text}");
    }
}

#[test]
fn meaningless_words_are_not_keywords() {
    for text in [
        "",
        " \n\t ",
        "5+ years, 40 h, 10k, 3rd, 100%",
        "You will be looking for a job with us (m/w/d).",
        "Wir suchen dich! Deine Aufgaben:",
        "Nous recherchons un candidat avec expérience",
        "Buscamos una persona con experiencia",
        "jobs@example.com https://example.com/kafka www.example.com",
        "don't we're you'll it's l' d'",
        "WHAT WE OFFER",
        "--- *** ... ++ ## '' && //",
    ] {
        assert_eq!(sorted(text), "", "{text}");
    }
}

#[test]
fn phrases_are_one_keyword() {
    for (text, expected) in [
        ("machine learning", "machine learning"),
        ("Natural language processing", "Natural language processing"),
        ("with Google Cloud", "Google Cloud"),
        ("root cause analysis", "root cause analysis"),
        ("full-stack; Full Stack", "full-stack"),
        ("pastry chef; a pastry chef", "pastry chef"),
        ("React-based", "React"),
        ("Python-Entwickler", "Entwickler, Python"),
        ("data, analysis", "analysis, data"),
        ("end.Next step", "end, step"),
    ] {
        let found = sorted(text);
        assert!(found == expected || found.eq_ignore_ascii_case(expected), "{text}: {found}");
    }
}

#[test]
fn forms_of_one_word_are_one_keyword() {
    let keywords = of("Microservices. A microservice; MICROSERVICES and micro-services");
    assert_eq!(keywords.len(), 1, "{keywords:?}");
    assert_eq!(keywords[0].count, 4);
    let keywords = of("k8s, Kubernetes, machine learning, ML, postgres, PostgreSQL");
    assert_eq!(keywords.iter().map(|k| k.count).collect::<Vec<_>>(), [2, 2, 2]);
}

#[test]
fn keywords_of_a_job_description() {
    let text = include_str!("tests/job.txt");
    let lines: Vec<_> =
        of(text).iter().map(|k| format!("{} {} {}", k.weight, k.count, k.text)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    3 2 microservices
    3 1 Go
    3 1 APIs
    3 1 API design
    3 1 AWS
    3 1 CI/CD
    3 1 code reviews
    3 1 distributed systems
    3 1 GDPR
    3 1 Grafana
    3 1 gRPC
    3 1 Kafka
    3 1 Kubernetes
    3 1 machine learning
    3 1 PostgreSQL
    3 1 Prometheus
    3 1 Redis
    3 1 REST
    3 1 Rust
    3 1 software engineer
    2 2 fraud detection
    2 1 Backend Engineer
    2 1 Berlin
    2 1 English
    2 1 Europe
    2 1 German
    ");
}

#[test]
fn keywords_are_found_in_other_texts() {
    let keywords = of("full-stack, machine learning, k8s, C++, APIs, GraphQL");
    let resume = [
        ("/basics/label", "Fullstack developer"),
        ("/work/0/summary", "ML on Kubernetes; REST API"),
        ("/work/1/summary", "Full stack again, C"),
    ];
    let places = find(&keywords, resume);
    let found: Vec<_> = keywords
        .iter()
        .zip(places)
        .map(|(keyword, places)| {
            format!("{}: {}", keyword.text, places.join(" ")).trim_end().to_owned()
        })
        .collect();
    insta::assert_snapshot!(found.join("\n"), @r"
    APIs: /work/0/summary
    C++:
    GraphQL:
    k8s: /work/0/summary
    machine learning: /work/0/summary
    full-stack: /basics/label /work/1/summary
    ");
}

#[test]
fn only_the_start_of_a_long_text_is_read() {
    let text = "lorem ipsum dolor, Kafka-based; ".repeat(40_000);
    let keywords = of(&text);
    let read = u32::try_from(MAX_TEXT_BYTES / 32).unwrap();
    assert_eq!(keywords.iter().map(|k| k.count).max(), Some(read));
    for unit in [
        "x",
        "é",
        "-",
        "a-",
        "a.",
        "a'",
        "a/",
        "A&",
        "a\t",
        "a ",
        "A b ",
        "a\n",
        "\u{fdfa}",
        "a\u{301}\u{302}",
    ] {
        assert!(of(&unit.repeat(MAX_TEXT_BYTES)).len() <= MAX_KEYWORDS);
    }
}

/// Generates texts with all the characters a word can have.
fn any_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[A-Za-z]{1,8}",
        "[a-zA-Zéß+#./&'-]{1,10}",
        Just("machine learning".to_owned()),
        Just("C++".to_owned()),
        Just("IT".to_owned()),
        Just("\n".to_owned()),
        "\\PC{1,6}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(word, 0..60).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn any_text_has_a_bounded_number_of_keywords(text in any_text()) {
        let keywords = of(&text);
        prop_assert!(keywords.len() <= MAX_KEYWORDS);
        prop_assert_eq!(&of(&text), &keywords);
        for keyword in &keywords {
            prop_assert!((1..=MAX_WEIGHT).contains(&keyword.weight));
            prop_assert!(keyword.count > 0 && !keyword.text.is_empty() && !keyword.term.is_empty());
        }
        let mut terms: Vec<_> = keywords.iter().map(|keyword| &keyword.term).collect();
        terms.sort();
        terms.dedup();
        prop_assert_eq!(terms.len(), keywords.len());
    }

    #[test]
    fn the_order_of_lines_does_not_matter(
        mut lines in prop::collection::vec(any_text(), 0..6),
        seed in any::<prop::sample::Index>(),
    ) {
        let before = of(&lines.join("\n"));
        if !lines.is_empty() {
            let at = seed.index(lines.len());
            lines.rotate_left(at);
            lines.reverse();
        }
        prop_assert_eq!(of(&lines.join("\n")), before);
    }

    #[test]
    fn a_text_contains_all_its_keywords(text in any_text()) {
        let keywords = of(&text);
        let places = find(&keywords, [("/", text.as_str())]);
        for (keyword, places) in keywords.iter().zip(places) {
            prop_assert_eq!(places, vec!["/".to_owned()], "{:?}", keyword);
        }
    }
}
