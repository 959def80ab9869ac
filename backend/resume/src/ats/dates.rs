//! Whether jobs and degrees have dates, the newest first. Called by [`super::score`].
//!
//! Nothing here knows what day it is: a job without an end goes on.

use super::finding::{Code, Findings};
use super::part::Share;
use super::view::{Entry, View};
use crate::document::date::PartialDate;

/// The longest time between two jobs that needs no word, in months.
const MAX_GAP_MONTHS: i32 = 6;

/// The dates of jobs and education; how jobs follow each other.
pub(super) fn judge(view: &View<'_>, findings: &mut Findings) -> Share {
    let (jobs, schools) = (view.section("work"), view.section("education"));
    if jobs.is_empty() && schools.is_empty() {
        let detail = "There are neither jobs nor education, so there are no dates: add them, with \
                      the month of each start and end.";
        findings.push(Code::DatesNone, "", detail);
        return Share::NONE;
    }
    let dated_jobs = jobs.iter().filter(|job| has_start(job, findings)).count();
    let dated_schools = schools.iter().filter(|school| has_date(school, findings)).count();
    let periods: Vec<_> = jobs.iter().filter_map(Period::of).collect();
    for period in &periods {
        period.tell_years_only(findings);
    }
    let in_order = in_order(&periods, findings);
    tell_gaps(&periods, findings);
    let complete = Share::of(dated_jobs + dated_schools, jobs.len() + schools.len());
    Share::mean(&[(8, complete), (2, in_order)])
}

fn has_start(job: &Entry<'_>, findings: &mut Findings) -> bool {
    let has_start = job.has(&["startDate"]);
    if !has_start {
        let detail = "This job has no start: put its month into startDate, as in 2021-03. \
                      Systems count the years of experience from it.";
        findings.push(Code::WorkDatesMissing, job.around("startDate"), detail);
    }
    has_start
}

fn has_date(school: &Entry<'_>, findings: &mut Findings) -> bool {
    let has_date = school.has(&["startDate", "endDate"]);
    if !has_date {
        let detail = "This entry has no date: put the year of the degree into endDate.";
        findings.push(Code::EducationDatesMissing, school.around("endDate"), detail);
    }
    has_date
}

/// When a job was, in months since year 0.
struct Period<'a> {
    pointer: &'a str,
    start: When<'a>,
    /// Without one it goes on.
    end: Option<When<'a>>,
}

/// A date as it is written, and the first and last month that it may mean.
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

    /// The last month of it; none if it goes on.
    fn last_month(&self) -> Option<i32> {
        self.end.as_ref().map(|end| end.last_month)
    }

    /// Whether it both began and ended after `other`.
    fn is_later(&self, other: &Self) -> bool {
        let ended_later = match (self.last_month(), other.last_month()) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(own), Some(others)) => own > others,
        };
        self.start.first_month > other.start.last_month && ended_later
    }

    fn tell_years_only(&self, findings: &mut Findings) {
        let dates = [("startDate", Some(&self.start)), ("endDate", self.end.as_ref())];
        for (member, date) in dates {
            if let Some(date) = date.filter(|date| date.first_month != date.last_month) {
                let detail = format!(
                    "{} is a year only, and may be read as up to a year less of experience: add \
                     the month.",
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

/// Whether each job is followed by an earlier one.
fn in_order(periods: &[Period<'_>], findings: &mut Findings) -> Share {
    let mut right = 0;
    for pair in periods.windows(2) {
        let [before, after] = pair else { continue };
        if after.is_later(before) {
            let detail = format!(
                "This job began {}, after the one above it ({}): put the newest job first, systems \
                 take it for the present one.",
                after.start.text, before.start.text
            );
            findings.push(Code::DatesOrder, after.pointer, detail);
        } else {
            right += 1;
        }
    }
    if periods.len() < 2 { Share::WHOLE } else { Share::of(right, periods.len() - 1) }
}

/// The times between jobs, and jobs that go on beside later ones.
fn tell_gaps(periods: &[Period<'_>], findings: &mut Findings) {
    let mut sorted: Vec<_> = periods.iter().collect();
    sorted.sort_by_key(|period| period.start.first_month);
    // The end that is the latest so far; none once a job goes on.
    let mut latest: Option<&When<'_>> = None;
    for (at, period) in sorted.iter().enumerate() {
        if let Some(end) = latest {
            let gap_months = period.start.first_month - end.last_month - 1;
            if gap_months > MAX_GAP_MONTHS {
                let detail = format!(
                    "Between {} and {} are {gap_months} months without a job: people ask. Add what \
                     you did, or say a word about it in the summary.",
                    end.text, period.start.text
                );
                findings.push(Code::WorkGap, format!("{}/startDate", period.pointer), detail);
            }
        }
        let Some(end) = &period.end else {
            let rest = sorted.get(at + 1..).unwrap_or_default();
            if rest.iter().any(|later| later.start.first_month > period.start.last_month) {
                let detail = "This job has no end, and a later one has begun: if it has ended, add \
                              its endDate.";
                findings.push(Code::WorkEndMissing, period.pointer, detail);
            }
            return;
        };
        if latest.is_none_or(|latest| latest.last_month < end.last_month) {
            latest = Some(end);
        }
    }
}
