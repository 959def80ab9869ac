//! Scores the dates of jobs and degrees, and the order of jobs. Called by [`super::score`].
//!
//! Nothing here depends on the current date: a job without an end date is current.

use super::finding::{Code, Findings};
use super::part::Share;
use super::view::{Entry, View};
use crate::document::date::PartialDate;

/// The longest gap between two jobs that needs no explanation, in months.
const MAX_GAP_MONTHS: i32 = 6;

/// Scores the dates of jobs and education, and the order of jobs.
pub(super) fn judge(view: &View<'_>, findings: &mut Findings) -> Share {
    let (jobs, schools) = (view.section("work"), view.section("education"));
    if jobs.is_empty() && schools.is_empty() {
        let detail = "There are neither jobs nor education, so there are no dates. Add them, with \
                      the month of each start and end.";
        findings.push(Code::DatesNone, "", detail);
        return Share::NONE;
    }
    let dated_jobs = jobs.iter().filter(|job| has_start(job, findings)).count();
    let dated_schools = schools.iter().filter(|school| has_date(school, findings)).count();
    let periods: Vec<_> = jobs.iter().filter_map(Period::of).collect();
    for period in &periods {
        period.report_years_only(findings);
    }
    let in_order = in_order(&periods, findings);
    report_gaps(&periods, findings);
    let complete = Share::of(dated_jobs + dated_schools, jobs.len() + schools.len());
    Share::mean(&[(8, complete), (2, in_order)])
}

fn has_start(job: &Entry<'_>, findings: &mut Findings) -> bool {
    let has_start = job.has(&["startDate"]);
    if !has_start {
        let detail = "This job has no start date, which systems need to count your experience. \
                      Add its month as startDate, such as 2021-03.";
        findings.push(Code::WorkDatesMissing, job.around("startDate"), detail);
    }
    has_start
}

fn has_date(school: &Entry<'_>, findings: &mut Findings) -> bool {
    let has_date = school.has(&["startDate", "endDate"]);
    if !has_date {
        let detail = "This entry has no date. Add the year of the degree as endDate.";
        findings.push(Code::EducationDatesMissing, school.around("endDate"), detail);
    }
    has_date
}

/// The period of a job.
struct Period<'a> {
    pointer: &'a str,
    start: When<'a>,
    /// `None` if the job is current.
    end: Option<When<'a>>,
}

/// A date as written, and the first and last month it can mean, in months since year 0.
struct When<'a> {
    text: &'a str,
    first_month: i32,
    last_month: i32,
}

impl<'a> Period<'a> {
    fn of<'b: 'a>(job: &'a Entry<'b>) -> Option<Self> {
        let start = When::parse(job.text("startDate")?)?;
        let end = job.text("endDate").and_then(When::parse);
        Some(Self { pointer: &job.pointer, start, end })
    }

    /// Returns the last month; `None` if the job is current.
    fn last_month(&self) -> Option<i32> {
        self.end.as_ref().map(|end| end.last_month)
    }

    /// Returns true if it both began and ended after `other`.
    fn is_later(&self, other: &Self) -> bool {
        let ended_later = match (self.last_month(), other.last_month()) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(own), Some(others)) => own > others,
        };
        self.start.first_month > other.start.last_month && ended_later
    }

    fn report_years_only(&self, findings: &mut Findings) {
        let dates = [("startDate", Some(&self.start)), ("endDate", self.end.as_ref())];
        for (member, date) in dates {
            if let Some(date) = date.filter(|date| date.first_month != date.last_month) {
                let detail = format!(
                    "{} is only a year, which can cost you up to a year of experience. Add the \
                     month.",
                    date.text
                );
                findings.push(Code::DatesYearOnly, format!("{}/{member}", self.pointer), detail);
            }
        }
    }
}

impl<'a> When<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        PartialDate::parse(text)?;
        let mut parts = text.split('-').map(|part| part.parse::<i32>().ok());
        let year = parts.next()??;
        let months = match parts.next().flatten() {
            Some(month) => (month, month),
            None => (1, 12),
        };
        Some(Self { text, first_month: year * 12 + months.0, last_month: year * 12 + months.1 })
    }
}

/// Scores the order of jobs: each should be followed by an earlier one.
fn in_order(periods: &[Period<'_>], findings: &mut Findings) -> Share {
    let mut right = 0;
    for pair in periods.windows(2) {
        let [before, after] = pair else { continue };
        if after.is_later(before) {
            let detail = format!(
                "This job began {}, after the one above it ({}). Put the newest job first: systems \
                 treat the first as the current one.",
                after.start.text, before.start.text
            );
            findings.push(Code::DatesOrder, after.pointer, detail);
        } else {
            right += 1;
        }
    }
    if periods.len() < 2 { Share::WHOLE } else { Share::of(right, periods.len() - 1) }
}

/// Reports gaps between jobs, and jobs without an end date that precede later ones.
fn report_gaps(periods: &[Period<'_>], findings: &mut Findings) {
    let mut sorted: Vec<_> = periods.iter().collect();
    sorted.sort_by_key(|period| period.start.first_month);
    // The latest end so far.
    let mut latest: Option<&When<'_>> = None;
    for (at, period) in sorted.iter().enumerate() {
        if let Some(end) = latest {
            let gap_months = period.start.first_month - end.last_month - 1;
            if gap_months > MAX_GAP_MONTHS {
                let detail = format!(
                    "There is a gap of {gap_months} months between {} and {}, which recruiters ask \
                     about. Add what you did, or mention it in the summary.",
                    end.text, period.start.text
                );
                findings.push(Code::WorkGap, format!("{}/startDate", period.pointer), detail);
            }
        }
        let Some(end) = &period.end else {
            let rest = sorted.get(at + 1..).unwrap_or_default();
            if rest.iter().any(|later| later.start.first_month > period.start.last_month) {
                let detail = "This job has no end date, but a later one has begun. If it has \
                              ended, add its endDate.";
                findings.push(Code::WorkEndMissing, period.pointer, detail);
            }
            return;
        };
        if latest.is_none_or(|latest| latest.last_month < end.last_month) {
            latest = Some(end);
        }
    }
}
