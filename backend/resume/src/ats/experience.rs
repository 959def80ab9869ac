//! Scores each job's employer, position and description. Called by [`super::score`].

use super::finding::{Code, Findings};
use super::part::Share;
use super::view::{Entry, View};

/// Scores the jobs. Projects or volunteer work partly make up for missing jobs.
pub(super) fn judge(view: &View<'_>, findings: &mut Findings) -> Share {
    let jobs = view.section("work");
    if jobs.is_empty() {
        let detail = "There are no jobs. Add each as an entry of work, including internships, \
                      freelance work and summer jobs.";
        findings.push(Code::WorkEmpty, view.around("work"), detail);
        let has_other = ["projects", "volunteer"].iter().any(|name| !view.section(name).is_empty());
        return Share::mean(&[(2, Share::all_if(has_other)), (8, Share::NONE)]);
    }
    let there: usize = jobs.iter().map(|job| members(job, findings)).sum();
    Share::mean(&[(4, Share::WHOLE), (6, Share::of(there, jobs.len() * 3))])
}

/// Returns how many of employer, position and description a job has.
fn members(job: &Entry<'_>, findings: &mut Findings) -> usize {
    let has_text = job.has(&["summary", "description"]) || !job.list("highlights").is_empty();
    let checks = [
        (
            job.has(&["name"]),
            Code::WorkNameMissing,
            "name",
            "This job has no employer. Add it as name.",
        ),
        (
            job.has(&["position"]),
            Code::WorkPositionMissing,
            "position",
            "This job has no position. Add your title as position.",
        ),
        (
            has_text,
            Code::WorkTextMissing,
            "highlights",
            "This job does not say what you did. Add two to five highlights.",
        ),
    ];
    let mut there = 0;
    for (is_there, code, member, detail) in checks {
        if is_there {
            there += 1;
        } else {
            findings.push(code, job.around(member), detail);
        }
    }
    there
}
