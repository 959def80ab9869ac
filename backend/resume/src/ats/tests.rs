//! Whole reports, and their invariants.

use super::*;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const JOB: &str = include_str!("tests/job.txt");

fn resume(document: Value) -> Resume {
    Resume::new(document).unwrap()
}

fn grace() -> Value {
    json!({
        "basics": {
            "name": "Grace Hopper",
            "label": "Backend engineer",
            "email": "grace@example.org",
            "location": {"city": "Arlington", "countryCode": "US"},
            "url": "https://grace.example",
            "summary": "Backend engineer with eight years of experience in payment systems. I build \
                        APIs and the pipelines behind them, and I am a proven team player.",
        },
        "work": [
            {
                "name": "Univac Payments",
                "position": "Backend engineer",
                "startDate": "2020-03",
                "summary": "Payments for 300 shops.",
                "highlights": [
                    "Rebuilt the ledger in Rust on PostgreSQL: 40% less latency at 5,000 requests a second",
                    "Led the move of 12 services to Kubernetes on Amazon Web Services",
                    "Responsible for the REST APIs and their documentation",
                    "Introduced continuous integration; a release takes 15 minutes instead of two days",
                ],
            },
            {
                "name": "Harvard Labs",
                "position": "Software engineer",
                "startDate": "2016",
                "endDate": "2019-02",
                "highlights": ["Various tasks in a team", "Wrote a compiler with ★ five people"],
            },
        ],
        "education": [{"institution": "Yale", "area": "Mathematics", "studyType": "PhD"}],
        "skills": [
            {"name": "Backend", "keywords": ["Rust", "PostgreSQL", "Redis", "gRPC", "rust"]},
            {"name": "Operations", "keywords": ["Kubernetes", "Fullstack monitoring"]},
        ],
    })
}

/// Formats a report for snapshots.
fn shown(report: &Report) -> String {
    let mut lines = vec![format!("score {}", report.score)];
    let parts = report.parts.iter();
    lines.extend(
        parts.map(|part| format!("{} {}/{}", name_of(part.name), part.points, part.maximum)),
    );
    for matched in &report.keywords.matched {
        lines.push(format!(
            "+{} {}: {}",
            matched.weight,
            matched.keyword,
            matched.pointers.join(" ")
        ));
    }
    let missing: Vec<_> =
        report.keywords.missing.iter().map(|m| format!("{} ({})", m.keyword, m.weight)).collect();
    if !missing.is_empty() {
        lines.push(format!("missing: {}", missing.join(", ")));
    }
    lines.extend(report.findings.iter().map(|finding| {
        let code = serde_json::to_value(finding.code).unwrap();
        let code = code.as_str().unwrap();
        format!("{:?} {code} {:?}: {}", finding.severity, finding.pointer, finding.detail)
    }));
    lines.join("\n")
}

fn name_of(name: PartName) -> String {
    serde_json::to_value(name).unwrap().as_str().unwrap().to_owned()
}

fn codes(document: Value, job: Option<&str>) -> BTreeSet<String> {
    let report = score(&resume(document), job);
    let code = |f: &Finding| serde_json::to_value(f.code).unwrap().as_str().unwrap().to_owned();
    report.findings.iter().map(code).collect()
}

#[test]
fn a_report_against_a_job_description() {
    insta::assert_snapshot!(shown(&score(&resume(grace()), Some(JOB))), @r#"
    score 85
    contact 4/6
    summary 6/6
    experience 12/12
    dates 4/6
    achievements 12/12
    skills 9/9
    education 6/6
    format 2/3
    keywords 30/40
    +3 APIs: /basics/summary /work/0/highlights/2
    +3 AWS: /work/0/highlights/1
    +3 CI/CD: /work/0/highlights/3
    +3 gRPC: /skills/0/keywords/3
    +3 Kubernetes: /work/0/highlights/1 /skills/1/keywords/0
    +3 PostgreSQL: /work/0/highlights/0 /skills/0/keywords/1
    +3 Redis: /skills/0/keywords/2
    +3 REST: /work/0/highlights/2
    +3 Rust: /work/0/highlights/0 /skills/0/keywords/0 /skills/0/keywords/4
    +3 software engineer: /work/1/position
    +2 Backend Engineer: /basics/label /basics/summary /work/0/position
    missing: microservices (3), Go (3), API design (3), distributed systems (3), Kafka (3), machine learning (3), Europe (2)
    Warning contact.phone.missing "/basics": There is no phone number. Add it as basics.phone, with the country code.
    Warning education.dates.missing "/education/0": This entry has no date. Add the year of the degree as endDate.
    Warning length.too_short "": All sentences together have only 87 words, fewer than 100. Describe in more detail what you did.
    Warning text.odd_characters "/work/1/highlights/1": This has the character U+2605, which systems misread. Use words instead.
    Warning keyword.missing "/skills": The job description mentions "microservices", but the résumé does not. If it applies to you, add it in the same words.
    Warning keyword.missing "/skills": The job description mentions "Go", but the résumé does not. If it applies to you, add it in the same words.
    Warning keyword.missing "/skills": The job description mentions "API design", but the résumé does not. If it applies to you, add it in the same words.
    Warning keyword.missing "/skills": The job description mentions "distributed systems", but the résumé does not. If it applies to you, add it in the same words.
    Warning keyword.missing "/skills": The job description mentions "Kafka", but the résumé does not. If it applies to you, add it in the same words.
    Warning keyword.missing "/skills": The job description mentions "machine learning", but the résumé does not. If it applies to you, add it in the same words.
    Warning keyword.missing "/skills": The job description mentions "Europe", but the résumé does not. If it applies to you, add it in the same words.
    Info work.gap "/work/0/startDate": There is a gap of 12 months between 2019-02 and 2020-03, which recruiters ask about. Add what you did, or mention it in the summary.
    Info dates.year_only "/work/1/startDate": 2016 is only a year, which can cost you up to a year of experience. Add the month.
    Info skills.duplicate "/skills/0/keywords/4": "rust" is listed twice. Once is enough.
    Info text.first_person "/basics/summary": This says "I", which goes without saying in a résumé. Begin with the verb.
    Info text.buzzword "/basics/summary": "team player" is a cliché. Show it by what you did instead.
    Info keyword.only_listed "/skills/0/keywords/3": "gRPC" is listed, but no sentence shows its use. Mention it in a highlight.
    Info keyword.only_listed "/skills/0/keywords/2": "Redis" is listed, but no sentence shows its use. Mention it in a highlight.
    "#);
}

#[test]
fn a_report_without_a_job_description_has_no_keywords() {
    let report = score(&resume(grace()), None);
    let parts: Vec<_> = report
        .parts
        .iter()
        .map(|p| format!("{} {}/{}", name_of(p.name), p.points, p.maximum))
        .collect();
    insta::assert_snapshot!(parts.join("\n"), @r"
    contact 8/10
    summary 10/10
    experience 20/20
    dates 7/10
    achievements 20/20
    skills 15/15
    education 10/10
    format 4/5
    ");
    assert_eq!(report.keywords, Keywords::default());
    assert_eq!(score(&resume(grace()), Some("5+ years!")).parts, report.parts);
    assert!(codes(grace(), Some("5+ years!")).contains("job.no_keywords"));
}

#[test]
fn an_empty_resume_scores_zero() {
    insta::assert_snapshot!(shown(&score(&resume(json!({})), None)), @r#"
    score 0
    contact 0/10
    summary 0/10
    experience 0/20
    dates 0/10
    achievements 0/20
    skills 0/15
    education 0/10
    format 0/5
    Error contact.name.missing "": There is no name. Add it as basics.name.
    Error contact.email.missing "": There is no e-mail address, so nobody can reply. Add it as basics.email.
    Error work.empty "": There are no jobs. Add each as an entry of work, including internships, freelance work and summer jobs.
    Error dates.none "": There are neither jobs nor education, so there are no dates. Add them, with the month of each start and end.
    Error skills.empty "": There are no skills, which systems look for first. List the skills of the job that you have, one by one.
    Warning contact.phone.missing "": There is no phone number. Add it as basics.phone, with the country code.
    Warning contact.location.missing "": There is no location. Applicant tracking systems filter by it, so add at least the city to basics.location.
    Warning contact.link.missing "": There is no link. Add your website, or a profile with its URL.
    Warning contact.label.missing "": There is no job title. Add the one you are applying for as basics.label, such as "Backend engineer".
    Warning summary.missing "": There is no summary. Say in two or three sentences who you are, what you are best at and what you are looking for.
    Warning highlights.missing "": There are no highlights. Give each job two to five, each with one achievement and a number if possible.
    Warning education.empty "": There is no education, which many systems filter by. Add your highest degree, or your school or training.
    Warning length.too_short "": All sentences together have only 0 words, fewer than 100. Describe in more detail what you did.
    "#);
    assert_eq!(score(&resume(json!({})), Some(JOB)).score, 0);
}

#[test]
fn a_report_round_trips_through_json() {
    let report = score(&resume(grace()), Some(JOB));
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}

/// Returns a document without findings.
fn perfect() -> Value {
    let highlights: Vec<_> = (2..=9)
        .map(|n| format!("Built {n} services that serve a lot of people every day in the year"))
        .collect();
    json!({
        "basics": {
            "name": "Ada", "label": "Engineer", "email": "ada@example.org", "phone": "+44 1",
            "url": "https://ada.example", "location": {"city": "London"},
            "summary": "Engineer of engines that do not exist yet, for people who cannot wait for them, in \
                        Rust, in London, with a love of tables and of trains.",
        },
        "work": [
            {"name": "Engines", "position": "Lead", "startDate": "2020-01", "highlights": highlights},
            {"name": "Looms", "position": "Engineer", "startDate": "2018-01", "endDate": "2019-12",
             "summary": "Looms."},
        ],
        "education": [{"institution": "Home", "area": "Mathematics", "endDate": "2017"}],
        "skills": [{"name": "Rust"}, {"name": "SQL"}, {"name": "C"}, {"name": "Go"}, {"name": "Git"}, {"name": "Lua"}],
    })
}

#[test]
fn each_rule_finds_its_problem() {
    assert_eq!(codes(perfect(), None), BTreeSet::new());
    assert_eq!(score(&resume(perfect()), None).score, 100);
    let looms = json!({"name": "Looms", "startDate": "2018", "endDate": "2019"});
    let engines = json!({"name": "Engines", "startDate": "2020-01"});
    let cases: [(&str, Value, &str, &str); 33] = [
        ("/basics/name", json!(""), "contact.name.missing", "/basics/name"),
        ("/basics/phone", json!(" "), "contact.phone.missing", "/basics/phone"),
        ("/basics/label", json!(""), "contact.label.missing", "/basics/label"),
        ("/basics/location", json!({}), "contact.location.missing", "/basics/location"),
        ("/basics/summary", json!(""), "summary.missing", "/basics/summary"),
        ("/basics/summary", json!("Engineer."), "summary.too_short", "/basics/summary"),
        ("/basics/summary", json!("word ".repeat(121)), "summary.too_long", "/basics/summary"),
        ("/work", json!([]), "work.empty", "/work"),
        ("/work/1/name", json!(""), "work.name.missing", "/work/1/name"),
        ("/work/1/position", json!(""), "work.position.missing", "/work/1/position"),
        ("/work/1/summary", json!(""), "work.text.missing", "/work/1"),
        (
            "/work/0",
            json!({"name": "A", "position": "B", "summary": "C"}),
            "work.dates.missing",
            "/work/0",
        ),
        ("/work", json!([looms, engines]), "dates.order", "/work/1"),
        ("/work/1/endDate", json!("2019-05"), "work.gap", "/work/0/startDate"),
        ("/work/1/endDate", json!("2019-06"), "", ""),
        (
            "/work/1",
            json!({"name": "Looms", "startDate": "2018-01"}),
            "work.end.missing",
            "/work/1",
        ),
        ("/work/1/startDate", json!("2018"), "dates.year_only", "/work/1/startDate"),
        ("/education/0", json!({"institution": "Home"}), "education.dates.missing", "/education/0"),
        ("/work/0/highlights", json!([]), "highlights.missing", "/work"),
        (
            "/work/0/highlights",
            json!(["Built it", "Led 2", "Made a"]),
            "highlight.no_number",
            "/work/0/highlights/0",
        ),
        (
            "/work/0/highlights",
            json!(["The 2 best", "Led 2"]),
            "highlight.no_verb",
            "/work/0/highlights/0",
        ),
        (
            "/work/0/highlights",
            json!(["Worked on 2", "Led 2"]),
            "highlight.weak_start",
            "/work/0/highlights/0",
        ),
        (
            "/work/0/highlights/1",
            json!("Built 2 ".repeat(21)),
            "highlight.too_long",
            "/work/0/highlights/1",
        ),
        ("/skills", json!([{"name": ""}]), "skills.empty", "/skills"),
        ("/skills/5", json!({}), "skills.few", "/skills"),
        ("/skills/5/name", json!("RUST"), "skills.duplicate", "/skills/5/name"),
        (
            "/skills/5/name",
            json!("the art of writing long skill names"),
            "skills.sentence",
            "/skills/5/name",
        ),
        ("/education", json!([]), "education.empty", "/education"),
        (
            "/education/0/institution",
            json!(""),
            "education.institution.missing",
            "/education/0/institution",
        ),
        ("/education/0/area", json!(""), "education.degree.missing", "/education/0"),
        ("/work/1/summary", json!("Looms ✓"), "text.odd_characters", "/work/1/summary"),
        ("/work/1/summary", json!("<b>Looms</b>"), "text.markup", "/work/1/summary"),
        ("/work/1/summary", json!("word ".repeat(1200)), "length.too_long", ""),
    ];
    for (pointer, value, code, place) in cases {
        let mut document = perfect();
        *document.pointer_mut(pointer).unwrap() = value;
        let report = score(&resume(document), None);
        let found = report
            .findings
            .iter()
            .find(|finding| serde_json::to_value(finding.code).unwrap() == code);
        assert_eq!(
            found.map(|f| f.pointer.as_str()),
            (!code.is_empty()).then_some(place),
            "{code}: {report:?}"
        );
        if code.is_empty() {
            assert_eq!(report.findings, [], "{pointer}");
        }
    }
}

#[test]
fn a_missing_value_is_reported_at_the_closest_existing_one() {
    for (gone, code, place) in [
        ("/basics/email", "contact.email.missing", "/basics"),
        ("/basics/url", "contact.link.missing", "/basics"),
        ("/basics", "contact.email.missing", ""),
        ("/skills", "skills.empty", ""),
        ("/work", "work.empty", ""),
        ("/education", "education.empty", ""),
    ] {
        let mut document = perfect();
        let (parent, name) = gone.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
        let report = score(&resume(document), None);
        let found = report.findings.iter().find(|f| serde_json::to_value(f.code).unwrap() == code);
        assert_eq!(found.unwrap().pointer, place, "{code}");
        assert!(report.score < 100);
    }
}

#[test]
fn style_findings_cost_no_points() {
    for (text, code) in
        [("I made looms.", "text.first_person"), ("A guru of looms.", "text.buzzword")]
    {
        let mut document = perfect();
        document["work"][1]["summary"] = text.into();
        assert_eq!(score(&resume(document.clone()), None).score, 100, "{code}");
        assert_eq!(codes(document, None), BTreeSet::from([code.to_owned()]));
    }
}

#[test]
fn a_keyword_that_is_only_listed_is_reported() {
    let report = score(&resume(perfect()), Some("Rust, SQL, Lua, Git, C"));
    let reported: Vec<_> = report.findings.iter().map(|f| (f.code, f.pointer.as_str())).collect();
    assert!(reported.contains(&(Code::KeywordOnlyListed, "/skills/1/name")), "{reported:?}");
    // The summary mentions it.
    assert!(!reported.contains(&(Code::KeywordOnlyListed, "/skills/0/name")), "{reported:?}");
    assert_eq!(report.score, 100);
}

#[test]
fn the_largest_resume_can_be_scored() {
    let job = json!({"name": "x", "position": "y", "highlights": vec!["a b"; 60]});
    let mut document = json!({
        "work": vec![job; 300],
        "skills": vec![json!({"name": "same"}); 500],
    });
    let report = score(&resume(document.clone()), Some(&"lorem ipsum ".repeat(100_000)));
    assert_eq!(report.findings.len(), report.findings.len().min(finding::MAX_FINDINGS));
    assert!(
        report.findings.iter().filter(|f| f.code == Code::SkillsDuplicate).count()
            == finding::MAX_PER_CODE
    );
    document["skills"] = json!([]);
    assert!(score(&resume(document), None).score < report.score.max(30));
}

/// Generates typical and strange texts.
fn any_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => "[A-Za-z]{1,9}",
        1 => "[0-9]{1,4}%?",
        2 => prop::sample::select(vec![
            "Led", "Rust", "Kubernetes", "microservices", "machine learning", "I", "my", "Redis", "<br>", "★", "C++",
            "responsible for", "team player", "CI/CD", "2,000", "twenty", "é", "中文", "\u{202e}", "ﬁ", "\n",
        ]).prop_map(str::to_owned),
        1 => "\\PC{1,5}",
    ];
    prop::collection::vec(word, 0..14).prop_map(|words| words.join(" "))
}

fn any_date() -> impl Strategy<Value = String> {
    "(19|20)[0-9]{2}(-(0[1-9]|1[0-2])(-(0[1-9]|1[0-9]|2[0-8]))?)?"
}

/// Generates an object with some of these members.
fn some_of(members: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let members: Vec<_> = members
        .into_iter()
        .map(|(name, value)| prop::option::of(value).prop_map(move |value| (name, value)))
        .collect();
    members
        .prop_map(|members| {
            let present = members.into_iter().filter_map(|(n, v)| Some((n.to_owned(), v?)));
            Value::Object(present.collect::<Map<_, _>>())
        })
        .boxed()
}

/// Generates a valid document, from empty to full.
fn any_resume() -> impl Strategy<Value = Value> {
    let text = || any_text().prop_map(Value::from).boxed();
    let texts = || prop::collection::vec(any_text(), 0..5).prop_map(Value::from).boxed();
    let url = || Just(json!("https://ada.example/x")).boxed();
    let start = || any_date().prop_map(Value::from).boxed();
    let list = |entry: BoxedStrategy<Value>| {
        prop::collection::vec(entry, 0..4).prop_map(Value::from).boxed()
    };
    let location = some_of(vec![("city", text()), ("countryCode", text()), ("address", text())]);
    let basics = some_of(vec![
        ("name", text()),
        ("label", text()),
        ("email", Just(json!("ada@example.org")).boxed()),
        ("phone", text()),
        ("url", url()),
        ("summary", text()),
        ("location", location),
        ("profiles", list(some_of(vec![("network", text()), ("url", url())]))),
    ]);
    // One date at most, or two equal ones, so that no end is before its start.
    let dates = prop_oneof![Just("startDate"), Just("endDate")];
    let job = (
        some_of(vec![
            ("name", text()),
            ("position", text()),
            ("summary", text()),
            ("highlights", texts()),
        ]),
        dates,
        prop::option::of(start()),
        any::<bool>(),
    )
        .prop_map(|(mut job, field, date, is_current)| {
            if let Some(date) = date {
                job[field] = date.clone();
                if !is_current {
                    job["startDate"] = date.clone();
                    job["endDate"] = date;
                }
            }
            job
        })
        .boxed();
    let school = some_of(vec![
        ("institution", text()),
        ("area", text()),
        ("studyType", text()),
        ("endDate", start()),
    ]);
    let skill = some_of(vec![("name", text()), ("level", text()), ("keywords", texts())]);
    some_of(vec![
        ("basics", basics),
        ("work", list(job.clone())),
        ("volunteer", list(some_of(vec![("organization", text()), ("highlights", texts())]))),
        ("education", list(school)),
        ("skills", list(skill)),
        (
            "projects",
            list(some_of(vec![("name", text()), ("highlights", texts()), ("keywords", texts())])),
        ),
        ("certificates", list(some_of(vec![("name", text()), ("date", start())]))),
        ("references", list(some_of(vec![("reference", text())]))),
    ])
}

fn any_job() -> impl Strategy<Value = Option<String>> {
    prop::option::of(prop_oneof![Just(JOB.to_owned()), any_text()])
}

/// Replaces `keyword` by `word` throughout the document, ignoring case.
fn without(value: &Value, keyword: &str, word: &str) -> Value {
    match value {
        Value::String(text) => Value::String(replaced(text, keyword, word)),
        Value::Array(items) => items.iter().map(|item| without(item, keyword, word)).collect(),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| (name.clone(), without(value, keyword, word)))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn replaced(text: &str, keyword: &str, word: &str) -> String {
    let words: Vec<_> = text
        .split(' ')
        .map(|own| if own.to_lowercase() == keyword.to_lowercase() { word } else { own })
        .collect();
    words.join(" ")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_invariants_of_a_report_hold(document in any_resume(), job in any_job()) {
        let resume = Resume::new(document.clone()).unwrap();
        let report = score(&resume, job.as_deref());
        prop_assert_eq!(&score(&resume, job.as_deref()), &report, "deterministic");
        prop_assert!(report.score <= 100);
        prop_assert_eq!(report.score, report.parts.iter().map(|part| part.points).sum::<u8>());
        prop_assert_eq!(report.parts.iter().map(|part| part.maximum).sum::<u8>(), 100);
        prop_assert!(report.findings.len() <= finding::MAX_FINDINGS);
        prop_assert!(report.findings.is_sorted_by_key(|finding| finding.severity));
        for finding in &report.findings {
            prop_assert!(document.pointer(&finding.pointer).is_some(), "{:?}", finding);
            prop_assert_eq!(finding.severity, finding.code.severity());
            prop_assert!(finding.detail.len() < 400 && !finding.detail.is_empty());
        }
        for matched in &report.keywords.matched {
            prop_assert!(!matched.pointers.is_empty());
            for pointer in &matched.pointers {
                prop_assert!(document.pointer(pointer).is_some_and(Value::is_string), "{}", pointer);
            }
        }
    }

    #[test]
    fn no_point_is_lost_without_a_reason(document in any_resume(), job in any_job()) {
        let report = score(&Resume::new(document).unwrap(), job.as_deref());
        let parts = finding::tests::table();
        for part in &report.parts {
            let is_reported = report.findings.iter().any(|finding| {
                let row = parts.iter().find(|(code, ..)| *code == finding.code).unwrap();
                row.2 == part.name && finding.severity != Severity::Info
            });
            prop_assert_eq!(part.points < part.maximum, is_reported, "{:?} {:?}", part, report.findings);
        }
    }

    #[test]
    fn an_email_address_never_lowers_the_score(document in any_resume(), job in any_job()) {
        let mut with = document.clone();
        let mut without = document;
        if without.get("basics").is_none() {
            without["basics"] = json!({});
            with["basics"] = json!({});
        }
        without["basics"].as_object_mut().unwrap().remove("email");
        with["basics"]["email"] = json!("ada@example.org");
        let with = score(&Resume::new(with).unwrap(), job.as_deref()).score;
        let without = score(&Resume::new(without).unwrap(), job.as_deref()).score;
        prop_assert!(with > without, "{} {}", with, without);
    }

    #[test]
    fn losing_a_keyword_never_raises_the_score(
        document in any_resume(),
        which in any::<prop::sample::Index>(),
    ) {
        let before = score(&Resume::new(document.clone()).unwrap(), Some(JOB));
        prop_assume!(!before.keywords.matched.is_empty());
        let keyword = &which.get(&before.keywords.matched).keyword;
        let changed = without(&document, keyword, "qzqz");
        let after = score(&Resume::new(changed).unwrap(), Some(JOB));
        prop_assert!(after.score <= before.score, "{}: {} {}", keyword, before.score, after.score);
    }

    #[test]
    fn losing_a_skill_never_raises_the_score(
        document in any_resume(),
        which in any::<prop::sample::Index>(),
    ) {
        let mut changed = document.clone();
        let Some(skills) = changed.get_mut("skills").and_then(Value::as_array_mut) else { return Ok(()) };
        prop_assume!(!skills.is_empty());
        let at = which.index(skills.len());
        skills.remove(at);
        let report = score(&Resume::new(document).unwrap(), Some(JOB));
        // Removing a skill that systems misread can raise the score.
        let place = format!("/skills/{at}/");
        let is_misread = |f: &Finding| f.severity != Severity::Info && f.pointer.starts_with(&place);
        prop_assume!(!report.findings.iter().any(is_misread));
        let before = report.score;
        let after = score(&Resume::new(changed).unwrap(), Some(JOB)).score;
        prop_assert!(after <= before, "{} {}", before, after);
    }
}
