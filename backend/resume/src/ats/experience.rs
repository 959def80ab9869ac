//! Whether each job says where, as what, and what was done. Called by [`super::score`].

use super::finding::{Code, Findings};
use super::part::Share;
use super::view::{Entry, View};

/// The jobs. Who has none can make up for a part of it with projects or volunteer work.
pub(super) fn judge(view: &View<'_>, findings: &mut Findings) -> Share {
    let jobs = view.section("work");
    if jobs.is_empty() {
        let detail = "There is no job: list internships, freelance work and holiday jobs too, each \
                      as an entry of work.";
        findings.push(Code::WorkEmpty, view.around("work"), detail);
        let has_other = ["projects", "volunteer"].iter().any(|name| !view.section(name).is_empty());
        return Share::mean(&[(2, Share::all_if(has_other)), (8, Share::NONE)]);
    }
    let there: usize = jobs.iter().map(|job| members(job, findings)).sum();
    Share::mean(&[(4, Share::WHOLE), (6, Share::of(there, jobs.len() * 3))])
}

/// How many of the three a job has.
fn members(job: &Entry<'_>, findings: &mut Findings) -> usize {
    let has_text = job.has(&["summary", "description"]) || !job.list("highlights").is_empty();
    let checks = [
        (
            job.has(&["name"]),
            Code::WorkNameMissing,
            "name",
            "This job names no employer: put it into name.",
        ),
        (
            job.has(&["position"]),
            Code::WorkPositionMissing,
            "position",
            "This job names no position: put your title into position.",
        ),
        (
            has_text,
            Code::WorkTextMissing,
            "highlights",
            "This job does not say what you did: add two to five highlights.",
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
