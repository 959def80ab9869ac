//! What there is to say about a résumé: one finding each, with a code that does not change.
//!
//! The pointer of a finding is a JSON pointer into the résumé, and something is there: what is
//! wrong, or, where something is missing, the nearest thing around it that is there ("" is the
//! whole résumé). In the table, *around* marks the codes that are about something missing.
//!
//! | code | severity | part | pointer | what |
//! |---|---|---|---|---|
//! | `contact.name.missing` | error | contact | around | no name |
//! | `contact.email.missing` | error | contact | around | no e-mail address |
//! | `contact.phone.missing` | warning | contact | around | no telephone number |
//! | `contact.location.missing` | warning | contact | around | neither city, region nor country |
//! | `contact.link.missing` | warning | contact | around | neither a page nor a profile with a URL |
//! | `contact.label.missing` | warning | contact | around | no title for the person |
//! | `summary.missing` | warning | summary | around | no summary |
//! | `summary.too_short` | warning | summary | the summary | under 20 words |
//! | `summary.too_long` | warning | summary | the summary | over 120 words |
//! | `work.empty` | error | experience | around | no job |
//! | `work.name.missing` | error | experience | around | a job without an employer |
//! | `work.position.missing` | error | experience | around | a job without a position |
//! | `work.text.missing` | warning | experience | around | a job that does not say what was done |
//! | `dates.none` | error | dates | around | neither jobs nor degrees to have dates |
//! | `work.dates.missing` | error | dates | around | a job without a start |
//! | `education.dates.missing` | warning | dates | around | a degree without any date |
//! | `dates.order` | warning | dates | the later job | jobs are not in order, the newest first |
//! | `work.gap` | info | dates | the start after it | more than 6 months between two jobs |
//! | `work.end.missing` | info | dates | around | a job goes on though a later one has begun |
//! | `dates.year_only` | info | dates | the date | a job's date without a month |
//! | `highlights.missing` | warning | achievements | around | no highlights at all |
//! | `highlight.no_number` | warning | achievements | the highlight | it says no number, and over half do not |
//! | `highlight.no_verb` | warning | achievements | the highlight | it does not begin with what was done, and over a third do not |
//! | `highlight.weak_start` | warning | achievements | the highlight | it begins with "responsible for" or the like |
//! | `skills.empty` | error | skills | around | no skills |
//! | `skills.few` | warning | skills | the skills | under 6 |
//! | `skills.duplicate` | info | skills | the second | a skill twice |
//! | `skills.sentence` | info | skills | the skill | a skill of over 6 words |
//! | `education.empty` | warning | education | around | no education |
//! | `education.institution.missing` | warning | education | around | a degree from nowhere |
//! | `education.degree.missing` | warning | education | around | neither a degree nor a field |
//! | `length.too_short` | warning | format | the résumé | under 100 words in sentences |
//! | `length.too_long` | warning | format | the résumé | over 1,200 words in sentences |
//! | `highlight.too_long` | warning | format | the highlight | over 40 words |
//! | `text.odd_characters` | warning | format | the text | characters that systems misread |
//! | `text.markup` | warning | format | the text | HTML |
//! | `text.first_person` | info | format | the text | "I", "my" |
//! | `text.buzzword` | info | format | the text | a phrase that says nothing |
//! | `keyword.missing` | warning | keywords | around | a keyword of the job description is missing, and so are over a fifth of them |
//! | `keyword.only_listed` | info | keywords | the skill | a keyword is listed, and no text tells of its use |
//! | `job.no_keywords` | info | keywords | the résumé | the job description says nothing |

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most findings of one report.
pub const MAX_FINDINGS: usize = 100;
/// The most findings of one code.
pub const MAX_PER_CODE: usize = 12;

/// Something to know, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = AtsFinding)]
pub struct Finding {
    /// What it is about.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// Where: a JSON pointer (RFC 6901) to something in the résumé.
    pub pointer: String,
    /// What was found, and what to do.
    pub detail: String,
}

/// How bad a finding is.
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
    /// Systems refuse or misfile a résumé with it. It costs points.
    Error,
    /// It costs points.
    Warning,
    /// It costs nothing.
    Info,
}

/// What a finding is about: the table above says it all. A code keeps its meaning; new ones may come.
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
    /// No telephone number.
    #[serde(rename = "contact.phone.missing")]
    ContactPhoneMissing,
    /// Neither city, region nor country.
    #[serde(rename = "contact.location.missing")]
    ContactLocationMissing,
    /// Neither a page nor a profile with a URL.
    #[serde(rename = "contact.link.missing")]
    ContactLinkMissing,
    /// No title for the person.
    #[serde(rename = "contact.label.missing")]
    ContactLabelMissing,
    /// No summary.
    #[serde(rename = "summary.missing")]
    SummaryMissing,
    /// Under 20 words.
    #[serde(rename = "summary.too_short")]
    SummaryTooShort,
    /// Over 120 words.
    #[serde(rename = "summary.too_long")]
    SummaryTooLong,
    /// No job.
    #[serde(rename = "work.empty")]
    WorkEmpty,
    /// A job without an employer.
    #[serde(rename = "work.name.missing")]
    WorkNameMissing,
    /// A job without a position.
    #[serde(rename = "work.position.missing")]
    WorkPositionMissing,
    /// A job that does not say what was done.
    #[serde(rename = "work.text.missing")]
    WorkTextMissing,
    /// Neither jobs nor degrees to have dates.
    #[serde(rename = "dates.none")]
    DatesNone,
    /// A job without a start.
    #[serde(rename = "work.dates.missing")]
    WorkDatesMissing,
    /// A degree without any date.
    #[serde(rename = "education.dates.missing")]
    EducationDatesMissing,
    /// Jobs are not in order, the newest first.
    #[serde(rename = "dates.order")]
    DatesOrder,
    /// More than 6 months between two jobs.
    #[serde(rename = "work.gap")]
    WorkGap,
    /// A job goes on though a later one has begun.
    #[serde(rename = "work.end.missing")]
    WorkEndMissing,
    /// A job's date without a month.
    #[serde(rename = "dates.year_only")]
    DatesYearOnly,
    /// No highlights at all.
    #[serde(rename = "highlights.missing")]
    HighlightsMissing,
    /// It says no number, and over half do not.
    #[serde(rename = "highlight.no_number")]
    HighlightNoNumber,
    /// It does not begin with what was done, and over a third do not.
    #[serde(rename = "highlight.no_verb")]
    HighlightNoVerb,
    /// It begins with "responsible for" or the like.
    #[serde(rename = "highlight.weak_start")]
    HighlightWeakStart,
    /// No skills.
    #[serde(rename = "skills.empty")]
    SkillsEmpty,
    /// Under 6.
    #[serde(rename = "skills.few")]
    SkillsFew,
    /// A skill twice.
    #[serde(rename = "skills.duplicate")]
    SkillsDuplicate,
    /// A skill of over 6 words.
    #[serde(rename = "skills.sentence")]
    SkillsSentence,
    /// No education.
    #[serde(rename = "education.empty")]
    EducationEmpty,
    /// A degree from nowhere.
    #[serde(rename = "education.institution.missing")]
    EducationInstitutionMissing,
    /// Neither a degree nor a field.
    #[serde(rename = "education.degree.missing")]
    EducationDegreeMissing,
    /// Under 100 words in sentences.
    #[serde(rename = "length.too_short")]
    LengthTooShort,
    /// Over 1,200 words in sentences.
    #[serde(rename = "length.too_long")]
    LengthTooLong,
    /// Over 40 words.
    #[serde(rename = "highlight.too_long")]
    HighlightTooLong,
    /// Characters that systems misread.
    #[serde(rename = "text.odd_characters")]
    TextOddCharacters,
    /// HTML.
    #[serde(rename = "text.markup")]
    TextMarkup,
    /// "I", "my".
    #[serde(rename = "text.first_person")]
    TextFirstPerson,
    /// A phrase that says nothing.
    #[serde(rename = "text.buzzword")]
    TextBuzzword,
    /// A keyword of the job description is missing, and so are over a fifth of them.
    #[serde(rename = "keyword.missing")]
    KeywordMissing,
    /// A keyword is listed, and no text tells of its use.
    #[serde(rename = "keyword.only_listed")]
    KeywordOnlyListed,
    /// The job description says nothing.
    #[serde(rename = "job.no_keywords")]
    JobNoKeywords,
}

impl Code {
    /// How bad it is, always.
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

/// The findings of one report, while it is made.
#[derive(Debug, Default)]
pub(super) struct Findings {
    findings: Vec<(usize, Finding)>,
    counts: BTreeMap<Code, usize>,
}

impl Findings {
    /// Adds one, unless there are enough of its code.
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

    /// The worst first. If there are too many, each code keeps its first ones.
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

    /// The rows of the table above.
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
    fn the_table_is_true() {
        let table = table();
        for (code, severity, _) in &table {
            assert_eq!(code.severity(), *severity, "{code:?}");
        }
        let in_code = include_str!("finding.rs").matches("#[serde(rename = \"").count();
        assert_eq!(table.len(), in_code, "a code is missing from the table");
    }

    #[test]
    fn of_too_many_findings_each_code_keeps_its_first() {
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
