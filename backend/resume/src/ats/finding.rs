//! Findings about a résumé, each with a stable code.
//!
//! The pointer of a finding is a JSON pointer to an existing value in the résumé. If something is
//! missing, it points to the closest existing value around it ("" is the whole résumé). In the
//! table, *around* marks these codes.
//!
//! | code | severity | part | pointer | problem |
//! |---|---|---|---|---|
//! | `contact.name.missing` | error | contact | around | no name |
//! | `contact.email.missing` | error | contact | around | no e-mail address |
//! | `contact.phone.missing` | warning | contact | around | no phone number |
//! | `contact.location.missing` | warning | contact | around | neither city, region nor country |
//! | `contact.link.missing` | warning | contact | around | neither a website nor a profile with a URL |
//! | `contact.label.missing` | warning | contact | around | no job title for the person |
//! | `summary.missing` | warning | summary | around | no summary |
//! | `summary.too_short` | warning | summary | the summary | fewer than 20 words |
//! | `summary.too_long` | warning | summary | the summary | more than 120 words |
//! | `work.empty` | error | experience | around | no jobs |
//! | `work.name.missing` | error | experience | around | a job without an employer |
//! | `work.position.missing` | error | experience | around | a job without a position |
//! | `work.text.missing` | warning | experience | around | a job without a description or highlights |
//! | `dates.none` | error | dates | around | neither jobs nor degrees, so no dates |
//! | `work.dates.missing` | error | dates | around | a job without a start date |
//! | `education.dates.missing` | warning | dates | around | a degree without any date |
//! | `dates.order` | warning | dates | the later job | jobs are not in order, newest first |
//! | `work.gap` | info | dates | the start after it | a gap of more than 6 months between two jobs |
//! | `work.end.missing` | info | dates | around | a job without an end date precedes a later one |
//! | `dates.year_only` | info | dates | the date | a job's date without a month |
//! | `highlights.missing` | warning | achievements | around | no highlights at all |
//! | `highlight.no_number` | warning | achievements | the highlight | it has no number, like more than half of them |
//! | `highlight.no_verb` | warning | achievements | the highlight | it does not begin with a verb, like more than a third of them |
//! | `highlight.weak_start` | warning | achievements | the highlight | it begins with "responsible for" or similar, and more than a third do not begin with a verb |
//! | `skills.empty` | error | skills | around | no skills |
//! | `skills.few` | warning | skills | the skills | fewer than 6 |
//! | `skills.duplicate` | info | skills | the second one | a skill is listed twice |
//! | `skills.sentence` | info | skills | the skill | a skill has more than 6 words |
//! | `education.empty` | warning | education | around | no education |
//! | `education.institution.missing` | warning | education | around | a degree without a school |
//! | `education.degree.missing` | warning | education | around | neither a degree nor a field |
//! | `length.too_short` | warning | format | the résumé | fewer than 100 words in sentences |
//! | `length.too_long` | warning | format | the résumé | more than 1,200 words in sentences |
//! | `highlight.too_long` | warning | format | the highlight | more than 40 words |
//! | `text.odd_characters` | warning | format | the text | characters that systems misread |
//! | `text.markup` | warning | format | the text | HTML |
//! | `text.first_person` | info | format | the text | "I", "my" |
//! | `text.buzzword` | info | format | the text | a cliché |
//! | `keyword.missing` | warning | keywords | around | a keyword of the job description is missing, and so is more than a fifth of them by weight |
//! | `keyword.only_listed` | info | keywords | the skill | a keyword is listed, but no sentence shows its use |
//! | `job.no_keywords` | info | keywords | the résumé | the job description has no keywords |

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most findings of one report.
pub const MAX_FINDINGS: usize = 100;
/// The most findings of one code.
pub const MAX_PER_CODE: usize = 12;

/// A finding: a problem and a suggested fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = AtsFinding)]
pub struct Finding {
    /// The kind of problem.
    pub code: Code,
    /// The severity.
    pub severity: Severity,
    /// A JSON pointer (RFC 6901) to an existing value in the résumé.
    pub pointer: String,
    /// The problem and a suggested fix, in words.
    pub detail: String,
}

/// The severity of a finding.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = AtsSeverity)]
pub enum Severity {
    /// Costs points, and makes systems reject or misfile the résumé.
    Error,
    /// Costs points.
    Warning,
    /// Costs no points.
    Info,
}

/// The kind of problem. A code keeps its meaning; new codes can be added.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[schema(as = AtsCode)]
pub enum Code {
    /// No name.
    #[serde(rename = "contact.name.missing")]
    ContactNameMissing,
    /// No e-mail address.
    #[serde(rename = "contact.email.missing")]
    ContactEmailMissing,
    /// No phone number.
    #[serde(rename = "contact.phone.missing")]
    ContactPhoneMissing,
    /// Neither city, region nor country.
    #[serde(rename = "contact.location.missing")]
    ContactLocationMissing,
    /// Neither a website nor a profile with a URL.
    #[serde(rename = "contact.link.missing")]
    ContactLinkMissing,
    /// No job title for the person.
    #[serde(rename = "contact.label.missing")]
    ContactLabelMissing,
    /// No summary.
    #[serde(rename = "summary.missing")]
    SummaryMissing,
    /// A summary of fewer than 20 words.
    #[serde(rename = "summary.too_short")]
    SummaryTooShort,
    /// A summary of more than 120 words.
    #[serde(rename = "summary.too_long")]
    SummaryTooLong,
    /// No jobs.
    #[serde(rename = "work.empty")]
    WorkEmpty,
    /// A job without an employer.
    #[serde(rename = "work.name.missing")]
    WorkNameMissing,
    /// A job without a position.
    #[serde(rename = "work.position.missing")]
    WorkPositionMissing,
    /// A job without a description or highlights.
    #[serde(rename = "work.text.missing")]
    WorkTextMissing,
    /// Neither jobs nor degrees, so no dates.
    #[serde(rename = "dates.none")]
    DatesNone,
    /// A job without a start date.
    #[serde(rename = "work.dates.missing")]
    WorkDatesMissing,
    /// A degree without any date.
    #[serde(rename = "education.dates.missing")]
    EducationDatesMissing,
    /// Jobs that are not in order, newest first.
    #[serde(rename = "dates.order")]
    DatesOrder,
    /// A gap of more than 6 months between two jobs.
    #[serde(rename = "work.gap")]
    WorkGap,
    /// A job without an end date that precedes a later one.
    #[serde(rename = "work.end.missing")]
    WorkEndMissing,
    /// A job's date without a month.
    #[serde(rename = "dates.year_only")]
    DatesYearOnly,
    /// No highlights at all.
    #[serde(rename = "highlights.missing")]
    HighlightsMissing,
    /// A highlight without a number, if more than half have none.
    #[serde(rename = "highlight.no_number")]
    HighlightNoNumber,
    /// A highlight that does not begin with a verb, if more than a third do not.
    #[serde(rename = "highlight.no_verb")]
    HighlightNoVerb,
    /// A highlight that begins with "responsible for" or similar, if more than a third do not begin
    /// with a verb.
    #[serde(rename = "highlight.weak_start")]
    HighlightWeakStart,
    /// No skills.
    #[serde(rename = "skills.empty")]
    SkillsEmpty,
    /// Fewer than 6 skills.
    #[serde(rename = "skills.few")]
    SkillsFew,
    /// A skill that is listed twice.
    #[serde(rename = "skills.duplicate")]
    SkillsDuplicate,
    /// A skill of more than 6 words.
    #[serde(rename = "skills.sentence")]
    SkillsSentence,
    /// No education.
    #[serde(rename = "education.empty")]
    EducationEmpty,
    /// A degree without a school.
    #[serde(rename = "education.institution.missing")]
    EducationInstitutionMissing,
    /// Neither a degree nor a field.
    #[serde(rename = "education.degree.missing")]
    EducationDegreeMissing,
    /// Fewer than 100 words in sentences.
    #[serde(rename = "length.too_short")]
    LengthTooShort,
    /// More than 1,200 words in sentences.
    #[serde(rename = "length.too_long")]
    LengthTooLong,
    /// A highlight of more than 40 words.
    #[serde(rename = "highlight.too_long")]
    HighlightTooLong,
    /// Characters that systems misread.
    #[serde(rename = "text.odd_characters")]
    TextOddCharacters,
    /// HTML markup.
    #[serde(rename = "text.markup")]
    TextMarkup,
    /// First-person words like "I" or "my".
    #[serde(rename = "text.first_person")]
    TextFirstPerson,
    /// A cliché.
    #[serde(rename = "text.buzzword")]
    TextBuzzword,
    /// A missing keyword of the job description, if more than a fifth of them are missing by
    /// weight.
    #[serde(rename = "keyword.missing")]
    KeywordMissing,
    /// A keyword that is listed, but not used in any sentence.
    #[serde(rename = "keyword.only_listed")]
    KeywordOnlyListed,
    /// A job description without keywords.
    #[serde(rename = "job.no_keywords")]
    JobNoKeywords,
}

impl Code {
    /// Returns the code's severity.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::ContactNameMissing
            | Self::ContactEmailMissing
            | Self::WorkEmpty
            | Self::WorkNameMissing
            | Self::WorkPositionMissing
            | Self::DatesNone
            | Self::WorkDatesMissing
            | Self::SkillsEmpty => Severity::Error,
            Self::WorkGap
            | Self::WorkEndMissing
            | Self::DatesYearOnly
            | Self::SkillsDuplicate
            | Self::SkillsSentence
            | Self::TextFirstPerson
            | Self::TextBuzzword
            | Self::KeywordOnlyListed
            | Self::JobNoKeywords => Severity::Info,
            _ => Severity::Warning,
        }
    }
}

/// Collects the findings of a report.
#[derive(Debug, Default)]
pub(super) struct Findings {
    findings: Vec<(usize, Finding)>,
    counts: BTreeMap<Code, usize>,
}

impl Findings {
    /// Adds a finding, unless its code has [`MAX_PER_CODE`] already.
    pub(super) fn push(
        &mut self,
        code: Code,
        pointer: impl Into<String>,
        detail: impl Into<String>,
    ) {
        let count = self.counts.entry(code).or_default();
        *count += 1;
        if *count <= MAX_PER_CODE {
            let (pointer, detail) = (pointer.into(), detail.into());
            let finding = Finding { code, severity: code.severity(), pointer, detail };
            self.findings.push((*count, finding));
        }
    }

    /// Returns the findings, the most severe first. If there are too many, each code keeps its
    /// first ones.
    pub(super) fn finish(self) -> Vec<Finding> {
        let mut findings = self.findings;
        findings.sort_by_key(|(at, finding)| (*at, finding.severity));
        findings.truncate(MAX_FINDINGS);
        findings.sort_by_key(|(at, finding)| (finding.severity, finding.code, *at));
        findings.into_iter().map(|(_, finding)| finding).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ats::PartName;

    /// Parses the table in the module's documentation.
    pub(in crate::ats) fn table() -> Vec<(Code, Severity, PartName)> {
        fn read<T: serde::de::DeserializeOwned>(cell: &str) -> T {
            let cell = cell.trim().trim_matches('`');
            serde_json::from_value(cell.into()).unwrap_or_else(|_| panic!("{cell}"))
        }
        let rows = include_str!("finding.rs").lines().filter(|line| line.starts_with("//! | `"));
        rows.map(|row| {
            let cells: Vec<_> = row.split('|').collect();
            (read(cells[1]), read(cells[2]), read(cells[3]))
        })
        .collect()
    }

    #[test]
    fn the_table_matches_the_code() {
        let table = table();
        for (code, severity, _) in &table {
            assert_eq!(code.severity(), *severity, "{code:?}");
        }
        let in_code = include_str!("finding.rs").matches("#[serde(rename = \"").count();
        assert_eq!(table.len(), in_code, "a code is missing from the table");
    }

    #[test]
    fn each_code_keeps_its_first_findings_when_there_are_too_many() {
        let mut findings = Findings::default();
        for (code, ..) in table() {
            for at in 0..20 {
                findings.push(code, format!("/{at}"), "");
            }
        }
        let findings = findings.finish();
        assert_eq!(findings.len(), MAX_FINDINGS);
        assert!(findings.is_sorted_by_key(|finding| (finding.severity, finding.code)));
        for (code, ..) in table() {
            let first = findings.iter().find(|finding| finding.code == code).unwrap();
            assert_eq!(first.pointer, "/0");
        }
    }
}
