//! The input of an AI route, parsed from a request body.
//!
//! Called by [`crate::routes::ai`].

use super::language::Language;
use super::task::Task;
use crate::fields::Fields;
use limits::problem::PlacedError;
use resume::Resume;
use serde_json::Value;
use uuid::Uuid;

/// The longest job description, in bytes of UTF-8.
pub(crate) const MAX_JOB_BYTES: usize = 32 * 1024;
/// The longest résumé (as compact JSON) and job description together, in bytes. About 16,000
/// tokens, ten times a long résumé. The API limits tokens per minute, the smallest accounts to
/// 30,000, and one question must not use up everyone's minute.
pub(crate) const MAX_CONTENT_BYTES: usize = 64 * 1024;

/// A parsed request body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ParsedAsk {
    /// The résumé, or its id.
    pub source: Source,
    /// The job description, if given.
    pub job: Option<JobDescription>,
    /// The language of the answer.
    pub language: Language,
}

/// The source of the résumé.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    /// The id of a stored résumé.
    Stored(Uuid),
    /// A résumé in the body.
    Inline(Resume),
}

/// The résumé and the job description are too long together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a résumé and a job description of at most {MAX_CONTENT_BYTES} bytes together, found {found_bytes}: shorten them"
)]
pub struct TooLong {
    /// Their length in bytes.
    pub found_bytes: usize,
}

/// Everything that an answer depends on, apart from the model and the prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The résumé.
    pub resume: Resume,
    /// The job description, if given.
    pub job: Option<JobDescription>,
    /// The language of the answer.
    pub language: Language,
}

/// A job description: not blank, at most [`MAX_JOB_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobDescription(String);

impl ParsedAsk {
    /// Parses a body's members.
    ///
    /// # Errors
    /// Every mistake, with its place.
    pub(crate) fn of(task: Task, mut body: Fields) -> Result<Self, Vec<PlacedError>> {
        let source = source(&mut body);
        let job = if task.needs_job() {
            body.text("job_description", JobDescription::parse).map(Some)
        } else {
            body.optional_text("job_description", JobDescription::parse)
        };
        let language =
            body.optional_text("language", Language::parse).map(Option::unwrap_or_default);
        let asked = source.zip(job.zip(language));
        let (source, (job, language)) = body.finish(asked)?;
        Ok(Self { source, job, language })
    }
}

impl Input {
    /// Creates an input.
    ///
    /// # Errors
    /// [`TooLong`] if the résumé and the job description exceed [`MAX_CONTENT_BYTES`] together.
    pub fn new(
        resume: Resume,
        job: Option<JobDescription>,
        language: Language,
    ) -> Result<Self, TooLong> {
        let job_bytes = job.as_ref().map_or(0, |job| job.as_str().len());
        let found_bytes = resume.as_value().to_string().len() + job_bytes;
        if found_bytes > MAX_CONTENT_BYTES {
            return Err(TooLong { found_bytes });
        }
        Ok(Self { resume, job, language })
    }
}

fn source(body: &mut Fields) -> Option<Source> {
    match (body.has("resume_id"), body.has("resume")) {
        (true, false) => body.text("resume_id", resume_id).map(Source::Stored),
        (false, true) => body.value("resume", resume).map(Source::Inline),
        (true, true) => {
            body.value("resume", |_| {
                Err::<(), _>(vec![wrong("expected either resume_id or resume, found both")])
            });
            body.text("resume_id", resume_id);
            None
        }
        (false, false) => {
            body.mistake("", "expected either resume_id or resume, found neither");
            None
        }
    }
}

fn wrong(detail: &str) -> PlacedError {
    PlacedError { pointer: String::new(), detail: detail.to_owned() }
}

/// Parses an id in its canonical spelling, as in URLs.
fn resume_id(text: &str) -> Result<Uuid, &'static str> {
    let id = Uuid::parse_str(text).ok().filter(|id| id.to_string() == text);
    id.ok_or("expected the id of a résumé, as GET /api/resumes lists it")
}

fn resume(document: Value) -> Result<Resume, Vec<PlacedError>> {
    Resume::new(document)
}

impl JobDescription {
    /// Parses a job description. Trims it, and normalizes line endings to line feeds.
    ///
    /// # Errors
    /// Returns the mistake if `text` is blank, too long, or contains U+0000.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.replace("\r\n", "\n").trim().to_owned();
        if text.is_empty() {
            return Err("expected the description of a job, found a blank text".to_owned());
        }
        if text.len() > MAX_JOB_BYTES {
            let found = text.len();
            return Err(format!(
                "expected a string of at most {MAX_JOB_BYTES} bytes, found {found}"
            ));
        }
        if text.contains('\0') {
            return Err("expected a string without U+0000, found one with it".to_owned());
        }
        Ok(Self(text))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(task: Task, body: Value) -> String {
        match ParsedAsk::of(task, serde_json::from_value(body).unwrap()) {
            Ok(asked) => format!("{asked:?}"),
            Err(errors) => {
                let lines = errors.iter().map(|e| format!("{}: {}\n", e.pointer, e.detail));
                lines.collect()
            }
        }
    }

    const ID: &str = "00000000-0000-7000-8000-000000000000";

    #[test]
    fn a_body_names_or_contains_a_resume() {
        insta::assert_snapshot!(found(Task::AnalyzeAtsScore, json!({"resume_id": ID})), @r#"ParsedAsk { source: Stored(00000000-0000-7000-8000-000000000000), job: None, language: Language("en") }"#);
        let sent = json!({"resume": {}, "job_description": " a\r\nb ", "language": "DE"});
        insta::assert_snapshot!(found(Task::GenerateCoverLetter, sent), @r#"ParsedAsk { source: Inline(Resume(Object {})), job: Some(JobDescription("a\nb")), language: Language("de") }"#);
    }

    #[test]
    fn every_mistake_is_reported_with_its_place() {
        let bodies = [
            (Task::AnalyzeAtsScore, json!({})),
            (Task::AnalyzeAtsScore, json!({"resume_id": ID, "resume": {}})),
            (Task::AnalyzeAtsScore, json!({"resume_id": ID.replace('-', "")})),
            (Task::AnalyzeAtsScore, json!({"resume_id": 7, "language": "English", "model": "x"})),
            (
                Task::AnalyzeAtsScore,
                json!({"resume": {"basics": {"name": 7}, "work": 1}, "job_description": null}),
            ),
            (Task::ExtractKeywords, json!({"resume": {}})),
            (Task::ExtractKeywords, json!({"resume": {}, "job_description": " \n"})),
            (Task::ExtractKeywords, json!({"resume": {}, "job_description": "a\0"})),
            (
                Task::ExtractKeywords,
                json!({"resume": {}, "job_description": "ä".repeat(MAX_JOB_BYTES / 2 + 1)}),
            ),
        ];
        let all: Vec<_> = bodies.into_iter().map(|(task, body)| found(task, body)).collect();
        insta::assert_snapshot!(all.join("\n"), @r"
        : expected either resume_id or resume, found neither

        /resume: expected either resume_id or resume, found both

        /resume_id: expected the id of a résumé, as GET /api/resumes lists it

        /resume_id: expected a string, found a number
        /language: expected a language tag such as en, de-CH or zh-Hant (BCP 47)
        /model: unknown member

        /resume/basics/name: expected a string, found a number
        /resume/work: expected an array, found a number
        /job_description: expected a string, found null

        /job_description: expected a string, found nothing

        /job_description: expected the description of a job, found a blank text

        /job_description: expected a string without U+0000, found one with it

        /job_description: expected a string of at most 32768 bytes, found 32770
        ");
    }

    #[test]
    fn the_resume_and_job_description_are_limited_together() {
        let input = |summary: usize, job: usize| {
            let [one, rest] = [summary / 2, summary - summary / 2].map(|bytes| "a".repeat(bytes));
            let resume = json!({"basics": {"summary": one}, "work": [{"summary": rest}]});
            let job = Some(JobDescription("b".repeat(job)));
            Input::new(Resume::new(resume).unwrap(), job, Language::default())
        };
        let around = r#"{"basics":{"summary":""},"work":[{"summary":""}]}"#.len();
        let most = MAX_CONTENT_BYTES - MAX_JOB_BYTES - around;
        assert!(input(most, MAX_JOB_BYTES).is_ok());
        insta::assert_snapshot!(input(most + 1, MAX_JOB_BYTES).unwrap_err(), @"expected a résumé and a job description of at most 65536 bytes together, found 65537: shorten them");
    }

    #[test]
    fn a_description_of_the_largest_size_is_accepted() {
        assert!(JobDescription::parse(&"a".repeat(MAX_JOB_BYTES)).is_ok());
    }
}
