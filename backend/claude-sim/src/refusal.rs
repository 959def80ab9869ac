//! What is answered instead of a message: the service's error types, their statuses and shape.
//!
//! Raised by [`crate::request`] and [`crate::body`], told by [`crate::routes`].

use axum::http::StatusCode;
use serde_json::{Value, json};

/// The service's types of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request is wrong.
    InvalidRequest,
    /// No key, or one that is no good.
    Authentication,
    /// There is nothing left to pay with.
    Billing,
    /// The key may not do this.
    Permission,
    /// No such model or route.
    NotFound,
    /// Something else happened at the same time.
    Conflict,
    /// The body is too large.
    TooLarge,
    /// Too many requests or tokens.
    RateLimit,
    /// The service failed.
    Api,
    /// The service took too long.
    Timeout,
    /// The service has too much to do.
    Overloaded,
}

/// Every kind, its status and its name.
const KINDS: [(Kind, u16, &str); 11] = [
    (Kind::InvalidRequest, 400, "invalid_request_error"),
    (Kind::Authentication, 401, "authentication_error"),
    (Kind::Billing, 402, "billing_error"),
    (Kind::Permission, 403, "permission_error"),
    (Kind::NotFound, 404, "not_found_error"),
    (Kind::Conflict, 409, "conflict_error"),
    (Kind::TooLarge, 413, "request_too_large"),
    (Kind::RateLimit, 429, "rate_limit_error"),
    (Kind::Timeout, 504, "timeout_error"),
    (Kind::Api, 500, "api_error"),
    (Kind::Overloaded, 529, "overloaded_error"),
];

impl Kind {
    /// The status that it comes with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        let known = KINDS.iter().find(|(kind, ..)| *kind == self);
        let status = known.and_then(|(_, status, _)| StatusCode::from_u16(*status).ok());
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Its name, as in an error's `type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or("api_error", |(.., name)| *name)
    }

    /// The one that comes with `status`; where there is none, by its hundreds.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        let known = KINDS.iter().map(|(kind, ..)| *kind).find(|kind| kind.status() == status);
        let by_hundreds =
            || if status.is_server_error() { Self::Api } else { Self::InvalidRequest };
        known.unwrap_or_else(by_hundreds)
    }
}

/// A request that is not answered with a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", kind.name())]
pub struct Refusal {
    /// What is wrong, as a type.
    pub kind: Kind,
    /// The status, where it is another than the kind's own.
    pub status: StatusCode,
    /// What is wrong, in words: the place first.
    pub message: String,
}

impl Refusal {
    /// Of this kind, with the kind's own status.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, status: kind.status(), message: message.into() }
    }

    /// The request is wrong at `place`.
    #[must_use]
    pub fn at(place: &str, message: impl AsRef<str>) -> Self {
        Self::new(Kind::InvalidRequest, format!("{place}: {}", message.as_ref()))
    }

    /// The body that tells it.
    #[must_use]
    pub fn body(&self, request_id: &str) -> Value {
        error_body(self.kind.name(), &self.message, None, request_id)
    }
}

/// `{"type":"error",…}`, as a reply's body or as an event in a stream.
#[must_use]
pub(crate) fn error_body(
    name: &str,
    message: &str,
    details: Option<&Value>,
    request_id: &str,
) -> Value {
    let mut error = json!({ "type": name, "message": message });
    if let (Some(details), Some(members)) = (details, error.as_object_mut()) {
        members.insert("details".to_owned(), details.clone());
    }
    json!({ "type": "error", "error": error, "request_id": request_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_status_and_is_found_by_it() {
        for (kind, _, name) in KINDS {
            assert_eq!(Kind::of_status(kind.status()), kind);
            assert_eq!(kind.name(), name);
        }
        assert_eq!(Kind::Overloaded.status().as_u16(), 529);
        assert_eq!(Kind::of_status(StatusCode::BAD_GATEWAY), Kind::Api);
        assert_eq!(Kind::of_status(StatusCode::GONE), Kind::InvalidRequest);
    }

    #[test]
    fn an_error_has_the_services_shape() {
        let body = Refusal::at("max_tokens", "Field required").body("req_1");
        let expected = json!({
            "type": "error",
            "error": { "type": "invalid_request_error", "message": "max_tokens: Field required" },
            "request_id": "req_1",
        });
        assert_eq!(body, expected);
    }
}
