//! Changed résumés compared with an original.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn original() -> Resume {
    Resume::new(json!({
        "basics": {
            "name": "Ada Lovelace",
            "label": "Backend engineer",
            "email": "ada1815@example.org",
            "phone": "+44 20 7946 0001",
            "summary": "Backend engineer with 8 years of experience in Python 3 and EC2. Cut costs by 40%.",
            "location": {"postalCode": "SW1Y 4LB", "city": "London", "countryCode": "GB"},
        },
        "work": [
            {
                "name": "Analytical Engines Ltd",
                "position": "Engineer",
                "startDate": "2019-02",
                "endDate": "2023-06",
                "summary": "Payments for Difference & Co., a customer.",
                "highlights": [
                    "Served 20,000 users with 3 services",
                    "Saved $1.5 million a year",
                    "Led a team of five since May 2021",
                ],
            },
            {"name": "Royal Society", "startDate": "2015", "endDate": "2018-12-31"},
            {"name": "Freelance", "startDate": "2023-07"},
        ],
        "education": [{
            "institution": "University of London", "studyType": "BSc", "area": "Computer Science",
            "startDate": "2011", "endDate": "2014", "score": "1.3",
        }],
        "certificates": [{"name": "Certified Kubernetes Administrator", "issuer": "CNCF", "date": "2022-03-01"}],
        "projects": [{"name": "Flyology", "entity": "Royal Society", "team": {"size": 7}}],
    }))
    .unwrap()
}

/// Replaces the value at `pointer` and returns the invented facts.
fn after(pointer: &str, value: impl Into<Value>) -> String {
    let mut changed = original().as_value().clone();
    *changed.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value.into();
    shown(&changed)
}

fn shown(changed: &Value) -> String {
    let lines: Vec<_> = found(&original(), changed)
        .iter()
        .map(|i| format!("{} {:?} {}", i.pointer, i.kind, i.found))
        .collect();
    lines.join("\n")
}

#[test]
fn a_text_can_be_reworded_if_the_facts_stay() {
    for text in [
        "Cut costs by 40 percent",
        "forty percent lower costs",
        "Senkte die Kosten um vierzig Prozent",
        "$1,500,000 saved; USD 1.5M",
        "1.5 million saved",
        "20k users, 20.000 Nutzer, 20\u{a0}000 users, twenty thousand users",
        "three services, 5 people, a team of 5, a five-person team",
        "Eight years of Python3, Python-3 and EC2",
        "Since 2021, since 05/2021, in May",
        "From 2019 to 2023, 2019–23; until June 2023",
        "At Analytical Engines and at the Royal Society",
        "Worked at Difference & Co.",
        "At Analytical Engines I wrote programs; at Royal Society I've read, and I’d go on",
        "Holds a bachelor's degree, a Bachelor of Science, a B.Sc.",
        "Graduate of the University of London",
        "one of the largest, at Scale".trim_end_matches(", at Scale"),
        "Scrum master in Boston, MA, with MS Office",
        "",
    ] {
        assert_eq!(after("/basics/summary", text), "", "{text}");
    }
}

#[test]
fn a_new_number_is_reported() {
    for (text, expected) in [
        ("Cut costs by 45%", "45%"),
        ("Cut costs by 40", "40"),
        ("Led 20%", "20%"),
        ("Saved €1.5 million", "€1.5 million"),
        ("$20,000", "$20,000"),
        ("2.5M users", "2.5M"),
        ("twenty services", "twenty"),
        ("doubled sales", "doubled"),
        ("a dozen people", "dozen"),
        ("ninety-nine percent", "ninety-nine percent"),
        ("zwölf Leute", "zwölf"),
        ("S3", "S3"),
        ("Python 2", "2"),
        ("top10", "top10"),
        ("2,000,000", "2,000,000"),
        ("24/7", "24"),
    ] {
        let expected = format!("/basics/summary Number {expected}");
        assert_eq!(after("/basics/summary", text), expected, "{text}");
    }
}

#[test]
fn a_new_date_is_reported() {
    for (text, expected) in [
        ("since 2012", "2012"),
        ("since June 2021", "June 2021"),
        ("in April", "April"),
        ("2019-02-14", "2019-02-14"),
        ("2015-17", "17"),
    ] {
        let found = after("/basics/summary", text);
        let is_reported = found.starts_with("/basics/summary Date") && found.contains(expected);
        assert!(is_reported, "{text}: {found}");
    }
    for (pointer, value, expected) in [
        ("/work/0/startDate", "2019-02", ""),
        ("/work/0/startDate", "2019", ""),
        ("/work/0/startDate", "2019-02-01", "/work/0/startDate Date 2019-02-01"),
        ("/work/0/startDate", "2018-02", "/work/0/startDate Date 2018-02"),
        ("/work/0/endDate", "2018-12-31", "/work/0/endDate Date 2018-12-31"),
        ("/work/0/endDate", "", "/work/0 Date no endDate"),
        ("/work/2/endDate", "", ""),
        ("/certificates/0/date", "2023-03-01", "/certificates/0/date Date 2023-03-01"),
    ] {
        let mut changed = original().as_value().clone();
        let (entry, field) = pointer.rsplit_once('/').unwrap();
        changed.pointer_mut(entry).unwrap()[field] = value.into();
        assert_eq!(shown(&changed), expected, "{pointer} {value}");
    }
}

#[test]
fn a_new_employer_is_reported() {
    for (pointer, value, is_reported) in [
        ("/work/0/name", "Analytical Engines", false),
        ("/work/0/name", "The Analytical Engines, Inc.", false),
        ("/work/0/name", "ANALYTICAL ENGINES LTD.", false),
        ("/work/0/name", "Analytical Engines Research", true),
        ("/work/0/name", "Google", true),
        ("/work/0/name", "University of London", true),
        ("/education/0/institution", "Oxford", true),
        ("/certificates/0/issuer", "AWS", true),
        ("/projects/0/entity", "NASA", true),
        ("/basics/summary", "Worked at Google on search", true),
        ("/basics/summary", "I joined Amazon Web Services early", true),
        ("/basics/summary", "ex-Google", true),
        ("/basics/summary", "Clients such as Babbage GmbH", true),
        ("/basics/summary", "A student of Oxford University", true),
        ("/basics/summary", "College students; a University. Limited time", false),
        ("/basics/summary", "good at Python, at scale, At home", false),
    ] {
        let found = after(pointer, value);
        assert_eq!(found.contains("Employer"), is_reported, "{pointer} {value}: {found}");
    }
    assert_eq!(
        after("/basics/summary", "At Google I wrote for Babbage I GmbH"),
        "/basics/summary Employer Google\n/basics/summary Employer Babbage I GmbH"
    );
    assert_eq!(
        after("/basics/summary", "Worked at Google Maps, with Babbage & Sons Inc."),
        "/basics/summary Employer Google Maps\n/basics/summary Employer Babbage & Sons Inc"
    );
}

#[test]
fn a_new_degree_is_reported() {
    for (pointer, value, is_reported) in [
        ("/education/0/studyType", "Bachelor of Science", false),
        ("/education/0/studyType", "B.Sc. (Hons)", false),
        ("/education/0/studyType", "Bachelor", false),
        ("/education/0/studyType", "MSc", true),
        ("/education/0/studyType", "BA", true),
        ("/education/0/studyType", "PhD", true),
        ("/education/0/area", "Science, Computer", false),
        ("/education/0/area", "Computer Science and Mathematics", true),
        ("/certificates/0/name", "Kubernetes Administrator, Certified", false),
        ("/certificates/0/name", "AWS Certified Solutions Architect", true),
        ("/basics/name", "Dr. Ada Lovelace", true),
        ("/basics/name", "Ada Lovelace, PhD", true),
        ("/basics/summary", "Master's degree in physics", true),
        ("/basics/summary", "an MBA", true),
        ("/basics/summary", "a doctorate", true),
        ("/basics/summary", "M.A. in history", true),
        ("/basics/summary", "Master of Science", true),
    ] {
        let found = after(pointer, value);
        assert_eq!(found.contains("Degree"), is_reported, "{pointer} {value}: {found}");
    }
}

#[test]
fn entries_can_be_reordered() {
    let mut changed = original().as_value().clone();
    for list in ["/work/0/highlights", "/work"] {
        changed.pointer_mut(list).unwrap().as_array_mut().unwrap().reverse();
    }
    assert_eq!(shown(&changed), "");
}

#[test]
fn dates_belong_to_their_employer() {
    let mut changed = original().as_value().clone();
    changed["work"][1]["startDate"] = "2019-02".into();
    assert_eq!(shown(&changed), "/work/1/startDate Date 2019-02");
}

#[test]
fn a_new_entry_is_reported_with_all_its_new_facts() {
    let mut changed = original().as_value().clone();
    let entry = json!({
        "name": "Google", "position": "CTO", "startDate": "2001-01", "endDate": "2002",
        "highlights": ["Grew sales 300%"],
    });
    changed["work"].as_array_mut().unwrap().push(entry);
    insta::assert_snapshot!(shown(&changed), @r"
    /work/3/name Employer Google
    /work/3/startDate Date 2001-01
    /work/3/endDate Date 2002
    /work/3/highlights/0 Number 300%
    ");
}

#[test]
fn contacts_are_compared_with_contacts() {
    assert_eq!(after("/basics/phone", "+44 (20) 7946-0001"), "");
    assert_eq!(after("/basics/phone", "+44 20 7946 0002"), "/basics/phone Number 0002");
    assert_eq!(after("/basics/summary", "44 people"), "/basics/summary Number 44");
    assert_eq!(after("/basics/email", "ada1234@example.org"), "");
}

#[test]
fn numbers_outside_the_schema_are_checked() {
    assert_eq!(after("/projects/0/team/size", 8), "");
    assert_eq!(after("/projects/0/team/size", 9), "/projects/0/team/size Number 9");
}

#[test]
fn reports_are_bounded_and_unique() {
    assert_eq!(after("/basics/summary", "99 and 99"), "/basics/summary Number 99");
    let many: Vec<_> = (1000..1400).map(|n| n.to_string()).collect();
    let mut changed = original().as_value().clone();
    changed["work"][0]["highlights"] = many.into();
    assert_eq!(found(&original(), &changed).len(), MAX_INVENTED);
}

#[test]
fn any_json_can_be_compared() {
    let mut deep = json!("x 12");
    for _ in 0..500 {
        deep = Value::Array(vec![deep]);
    }
    assert_eq!(found(&original(), &deep).len(), 1);
    for changed in
        [json!(null), json!({"work": {"name": true}}), json!({"work": [true, null, [], "a"]})]
    {
        assert_eq!(found(&original(), &changed), [], "{changed}");
    }
}

/// Generates texts with everything the checks look for.
fn any_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[A-Za-z]{1,8}[.,]?",
        "[0-9]{1,5}([.,][0-9]{1,3})?[%kM]?",
        "[€$][0-9]{1,3}",
        prop::sample::select(vec![
            "twenty",
            "five",
            "hundred",
            "and",
            "million",
            "PhD",
            "Master",
            "of",
            "Science",
            "at",
            "Google",
            "Inc.",
            "May",
            "2019",
            "June",
            "-",
            "/",
            "percent",
            "quatre-vingt",
            "zweihundert",
            "M.A.",
            "University",
        ])
        .prop_map(str::to_owned),
        "\\PC{1,6}",
    ];
    prop::collection::vec(word, 0..20).prop_map(|words| words.join(" "))
}

fn any_resume() -> impl Strategy<Value = Resume> {
    let date = "(19|20)[0-9]{2}(-(0[1-9]|1[0-2]))?";
    let entry = (any_text(), any_text(), date, prop::collection::vec(any_text(), 0..3)).prop_map(
        |(name, text, date, highlights)| {
            json!({
                "name": name, "organization": name, "institution": name, "startDate": date, "issuer": name,
                "summary": text, "studyType": text, "area": name, "highlights": highlights, "size": 12.5,
            })
        },
    );
    (any_text(), prop::collection::vec(entry, 0..4)).prop_map(|(summary, entries)| {
        let document = json!({
            "basics": {"name": summary, "summary": summary, "phone": summary},
            "work": entries, "volunteer": entries, "education": entries, "certificates": entries,
        });
        Resume::new(document).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_unchanged_resume_invents_nothing(resume in any_resume()) {
        prop_assert_eq!(found(&resume, resume.as_value()), vec![]);
    }

    #[test]
    fn a_number_inserted_into_a_text_is_reported(
        resume in any_resume(),
        number in 1_000_000_u64..u64::MAX,
        at in any::<prop::sample::Index>(),
    ) {
        let mut changed = resume.as_value().clone();
        let summary = changed["basics"]["summary"].as_str().unwrap().to_owned();
        let mut words: Vec<String> = summary.split(' ').map(str::to_owned).collect();
        words.insert(at.index(words.len() + 1), number.to_string());
        changed["basics"]["summary"] = words.join(" ").into();
        let invented = found(&resume, &changed);
        let is_reported = |i: &Invented| i.found.contains(&number.to_string());
        prop_assert!(invented.iter().any(is_reported), "{} {:?}", words.join(" "), invented);
    }

    #[test]
    fn a_replaced_employer_is_reported(resume in any_resume(), name in "[A-Z][a-z]{12}q") {
        let mut changed = resume.as_value().clone();
        for (section, field) in [("work", "name"), ("education", "institution")] {
            if let Some(entry) = changed[section].get_mut(0) {
                entry[field] = name.clone().into();
                let pointer = format!("/{section}/0/{field}");
                let invented = found(&resume, &changed);
                let expected = Invented { pointer, kind: Kind::Employer, found: name.clone() };
                prop_assert!(invented.contains(&expected), "{:?}", invented);
            }
        }
    }
}

#[test]
fn the_largest_documents_can_be_compared() {
    let dates: String = (0..3_000)
        .map(|n| format!("{}-{:02}-{:02} ", 1950 + n % 100, 1 + n % 12, 1 + n % 28))
        .collect();
    let numbers: String = (0..3_000).map(|n| format!("{n}x ")).collect();
    let school = json!({"institution": "A", "studyType": "BSc of all", "area": "x y z"});
    let document = json!({
        "basics": {"summary": dates.get(..16_000)},
        "work": [{"summary": numbers.get(..16_000)}],
        "education": vec![school; 500],
    });
    let resume = Resume::new(document.clone()).unwrap();
    assert_eq!(found(&resume, &document), []);
}
