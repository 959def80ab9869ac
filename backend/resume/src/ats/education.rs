//! Scores the degrees and their schools. Called by [`super::score`].

use super::finding::{Code, Findings};
use super::part::Share;
use super::view::View;

/// Scores the education. Certificates partly make up for a missing education.
pub(super) fn judge(view: &View<'_>, findings: &mut Findings) -> Share {
    let schools = view.section("education");
    if schools.is_empty() {
        let detail = "There is no education, which many systems filter by. Add your highest \
                      degree, or your school or training.";
        findings.push(Code::EducationEmpty, view.around("education"), detail);
        let has_certificate = !view.section("certificates").is_empty();
        return Share::mean(&[(3, Share::all_if(has_certificate)), (7, Share::NONE)]);
    }
    let mut there = 0;
    for school in &schools {
        if school.has(&["institution"]) {
            there += 1;
        } else {
            let detail = "This entry has no school. Add it as institution.";
            findings.push(Code::EducationInstitutionMissing, school.around("institution"), detail);
        }
        if school.has(&["studyType", "area"]) {
            there += 1;
        } else {
            let detail = "This entry has no degree. Add it as studyType (\"Bachelor\"), and its \
                          field as area.";
            findings.push(Code::EducationDegreeMissing, school.around("studyType"), detail);
        }
    }
    Share::mean(&[(5, Share::WHOLE), (5, Share::of(there, schools.len() * 2))])
}
