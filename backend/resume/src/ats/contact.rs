//! Whether the person is named and can be reached. Called by [`super::score`].

use super::finding::{Code, Findings};
use super::part::Share;
use super::view::View;

/// The basics, the location and the profiles. The name and the address weigh more than the rest.
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
            "There is no name: put it into basics.name.",
        ),
        (
            3,
            basics.has(&["email"]),
            Code::ContactEmailMissing,
            basics.around("email"),
            "There is no e-mail address, and nobody can answer: put one into basics.email.",
        ),
        (
            2,
            basics.has(&["phone"]),
            Code::ContactPhoneMissing,
            basics.around("phone"),
            "There is no telephone number: put one into basics.phone, with its country code.",
        ),
        (
            1,
            location.has(&["city", "region", "countryCode"]),
            Code::ContactLocationMissing,
            location.pointer,
            "There is no place, and systems filter by it: put at least the city into \
             basics.location.",
        ),
        (
            1,
            has_link,
            Code::ContactLinkMissing,
            basics.pointer.clone(),
            "There is no link: add a page of yours or a profile with its URL.",
        ),
        (
            1,
            basics.has(&["label"]),
            Code::ContactLabelMissing,
            basics.around("label"),
            "There is no title: put the one that you apply for, as in \"Backend engineer\", into \
             basics.label.",
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
