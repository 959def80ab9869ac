//! The JSON Resume schema (<https://jsonresume.org/schema>), versions 1.0.0 and 1.2.1, as Rust
//! data.
//!
//! Read by [`super::check`] for validation and by [`super::openapi`] for documentation. The
//! versions differ in only two ways: 1.0.0 allows no additional top-level members and requires a
//! certificate's date to be a full date.

/// The required shape of a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// Any string.
    Text,
    /// A year, a month or a day.
    Date,
    /// A year, a month or a day; in version 1.0.0, a day.
    CertificateDate,
    /// An absolute `http` or `https` URL.
    Url,
    /// An e-mail address.
    Email,
    /// An array whose items have this shape.
    List(&'static Shape),
    /// An object. It can have additional members, which are kept unchanged.
    Object(Members),
}

/// An object's members, all optional.
pub(crate) type Members = &'static [(&'static str, Shape)];

use Shape::{CertificateDate, Date, Email, List, Object, Text, Url};

const TEXTS: Shape = List(&Text);

/// The members of the document.
pub(crate) const RESUME: Members = &[
    ("$schema", Url),
    ("basics", Object(BASICS)),
    ("work", List(&Object(WORK))),
    ("volunteer", List(&Object(VOLUNTEER))),
    ("education", List(&Object(EDUCATION))),
    ("awards", List(&Object(AWARD))),
    ("certificates", List(&Object(CERTIFICATE))),
    ("publications", List(&Object(PUBLICATION))),
    ("skills", List(&Object(SKILL))),
    ("languages", List(&Object(&[("language", Text), ("fluency", Text)]))),
    ("interests", List(&Object(&[("name", Text), ("keywords", TEXTS)]))),
    ("references", List(&Object(&[("name", Text), ("reference", Text)]))),
    ("projects", List(&Object(PROJECT))),
    ("meta", Object(&[("canonical", Url), ("version", Text), ("lastModified", Text)])),
];

const BASICS: Members = &[
    ("name", Text),
    ("label", Text),
    ("image", Text),
    ("email", Email),
    ("phone", Text),
    ("url", Url),
    ("summary", Text),
    ("location", Object(LOCATION)),
    ("profiles", List(&Object(&[("network", Text), ("username", Text), ("url", Url)]))),
];

const LOCATION: Members = &[
    ("address", Text),
    ("postalCode", Text),
    ("city", Text),
    ("countryCode", Text),
    ("region", Text),
];

const WORK: Members = &[
    ("name", Text),
    ("location", Text),
    ("description", Text),
    ("position", Text),
    ("url", Url),
    ("startDate", Date),
    ("endDate", Date),
    ("summary", Text),
    ("highlights", TEXTS),
];

const VOLUNTEER: Members = &[
    ("organization", Text),
    ("position", Text),
    ("url", Url),
    ("startDate", Date),
    ("endDate", Date),
    ("summary", Text),
    ("highlights", TEXTS),
];

const EDUCATION: Members = &[
    ("institution", Text),
    ("url", Url),
    ("area", Text),
    ("studyType", Text),
    ("startDate", Date),
    ("endDate", Date),
    ("score", Text),
    ("courses", TEXTS),
];

const AWARD: Members = &[("title", Text), ("date", Date), ("awarder", Text), ("summary", Text)];

const CERTIFICATE: Members =
    &[("name", Text), ("date", CertificateDate), ("url", Url), ("issuer", Text)];

const PUBLICATION: Members =
    &[("name", Text), ("publisher", Text), ("releaseDate", Date), ("url", Url), ("summary", Text)];

const SKILL: Members = &[("name", Text), ("level", Text), ("keywords", TEXTS)];

const PROJECT: Members = &[
    ("name", Text),
    ("description", Text),
    ("highlights", TEXTS),
    ("keywords", TEXTS),
    ("startDate", Date),
    ("endDate", Date),
    ("url", Url),
    ("roles", TEXTS),
    ("entity", Text),
    ("type", Text),
];

/// The version of the schema a document claims to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// 1.0.0.
    V1_0,
    /// 1.2.1, or another later one.
    Later,
    /// Not specified. The document can have anything either version allows, except additional
    /// top-level members: a misspelled `wrok` would silently be missing from every export.
    Unspecified,
}

impl Version {
    /// Reads the version from `$schema`, a URL like
    /// `https://raw.githubusercontent.com/jsonresume/resume-schema/v1.2.1/schema.json`.
    pub(super) fn of_schema(schema: Option<&str>) -> Self {
        let Some(schema) = schema else { return Self::Unspecified };
        let mut parts = schema.split(['/', '@']);
        let version = parts.find_map(|part| {
            let version = part.strip_prefix('v').unwrap_or(part);
            version.starts_with("1.").then_some(version)
        });
        match version {
            Some(version) if version.starts_with("1.0.") => Self::V1_0,
            Some(_) => Self::Later,
            None => Self::Unspecified,
        }
    }

    /// Returns true if the document can have additional top-level members.
    pub(super) fn is_open(self) -> bool {
        self == Self::Later
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_schema_url() {
        let check = |schema: Option<&str>, expected| {
            assert_eq!(Version::of_schema(schema), expected, "{schema:?}");
        };
        let repository = "https://raw.githubusercontent.com/jsonresume/resume-schema";
        check(Some(&format!("{repository}/v1.0.0/schema.json")), Version::V1_0);
        check(Some(&format!("{repository}/v1.2.1/schema.json")), Version::Later);
        check(Some("https://unpkg.com/@jsonresume/schema@1.2.1/schema.json"), Version::Later);
        check(Some(&format!("{repository}/master/schema.json")), Version::Unspecified);
        check(None, Version::Unspecified);
    }
}
