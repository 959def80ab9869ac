//! Whether a degree is named, and where it is from. Called by [`super::score`].

use super::finding::{Code, Findings};
use super::part::Share;
use super::view::View;

/// The education. Who has none can make up for a part of it with certificates.
pub(super) fn judge(view: &View<'_>, findings: &mut Findings) -> Share {
    let schools = view.section("education");
    if schools.is_empty() {
        let detail = "There is no education: many systems file by it. Add your highest degree, or \
                      the school or training that you went through.";
        findings.push(Code::EducationEmpty, view.around("education"), detail);
        let has_certificate = !view.section("certificates").is_empty();
        return Share::mean(&[(3, Share::all_if(has_certificate)), (7, Share::NONE)]);
    }
    let mut there = 0;
    for school in &schools {
        if school.has(&["institution"]) {
            there += 1;
        } else {
            let detail = "This entry does not say which school: put it into institution.";
            findings.push(Code::EducationInstitutionMissing, school.around("institution"), detail);
        }
        if school.has(&["studyType", "area"]) {
            there += 1;
        } else {
            let detail = "This entry names no degree: put it into studyType (\"Bachelor\"), and \
                          its field into area.";
            findings.push(Code::EducationDegreeMissing, school.around("studyType"), detail);
        }
    }
    Share::mean(&[(5, Share::WHOLE), (5, Share::of(there, schools.len() * 2))])
}
