//! Scores the name and contact details. Called by [`super::score`].

use super::finding::{Code, Findings};
use super::part::Share;
use super::view::View;

/// Scores the basics, the location and the profiles. Name, e-mail address and phone number weigh
/// more than the rest.
pub(super) fn judge(view: &View<'_>, findings: &mut Findings) -> Share {
    let basics = view.basics();
    let location = basics.entry("location");
    let has_link =
        basics.has(&["url"]) || basics.entries("profiles").iter().any(|p| p.has(&["url"]));
    let checks = [
        (
            2,
            basics.has(&["name"]),
            Code::ContactNameMissing,
            basics.around("name"),
            "There is no name. Add it as basics.name.",
        ),
        (
            3,
            basics.has(&["email"]),
            Code::ContactEmailMissing,
            basics.around("email"),
            "There is no e-mail address, so nobody can reply. Add it as basics.email.",
        ),
        (
            2,
            basics.has(&["phone"]),
            Code::ContactPhoneMissing,
            basics.around("phone"),
            "There is no phone number. Add it as basics.phone, with the country code.",
        ),
        (
            1,
            location.has(&["city", "region", "countryCode"]),
            Code::ContactLocationMissing,
            location.pointer,
            "There is no location. Applicant tracking systems filter by it, so add at least the city to \
             basics.location.",
        ),
        (
            1,
            has_link,
            Code::ContactLinkMissing,
            basics.pointer.clone(),
            "There is no link. Add your website, or a profile with its URL.",
        ),
        (
            1,
            basics.has(&["label"]),
            Code::ContactLabelMissing,
            basics.around("label"),
            "There is no job title. Add the one you are applying for as basics.label, such as \
             \"Backend engineer\".",
        ),
    ];
    let mut shares = Vec::new();
    for (weight, is_there, code, pointer, detail) in checks {
        if !is_there {
            findings.push(code, pointer, detail);
        }
        shares.push((weight, Share::all_if(is_there)));
    }
    Share::mean(&shares)
}
