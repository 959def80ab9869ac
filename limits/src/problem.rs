//! HTTP error bodies: `application/problem+json` (RFC 9457).

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The media type of a [`Problem`].
pub const CONTENT_TYPE: &str = "application/problem+json";

/// The problem type of a request denied by a limit or quota, from the IANA registry
/// (draft-ietf-httpapi-ratelimit-headers).
pub(crate) const QUOTA_EXCEEDED: &str =
    "https://iana.org/assignments/http-problem-types#quota-exceeded";

/// The problem type of a request denied by a block for repeated refusals, from the same registry.
pub(crate) const ABNORMAL_USAGE: &str =
    "https://iana.org/assignments/http-problem-types#abnormal-usage-detected";

/// A problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A URI that identifies the kind of problem; `about:blank` if the status says it all.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The kind of problem in words; the same for every occurrence.
    pub title: Cow<'static, str>,
    /// The HTTP status, 400..=599.
    pub status: u16,
    /// A description of this occurrence, and what to do.
    pub detail: Cow<'static, str>,
    /// A URI that identifies what the problem is about: for a refusal, the counter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The invalid parts of the request, if any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<PlacedError>,
    /// The buckets that denied the request, if a limit was exceeded.
    #[serde(default, rename = "violated-policies", skip_serializing_if = "Vec::is_empty")]
    pub violated_policies: Vec<String>,
}

/// One mistake in a request's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedError {
    /// The location as a JSON pointer (RFC 6901) into the body; empty for the whole body.
    pub pointer: String,
    /// The message: what was expected, and what was found.
    pub detail: String,
}

impl Problem {
    /// Creates a problem of type `about:blank`.
    pub fn new(
        status: u16,
        title: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            kind: Cow::Borrowed("about:blank"),
            title: title.into(),
            status,
            detail: detail.into(),
            instance: None,
            errors: Vec::new(),
            violated_policies: Vec::new(),
        }
    }

    /// Adds a mistake at `pointer`.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(PlacedError { pointer: pointer.into(), detail: detail.into() });
        self
    }
}
