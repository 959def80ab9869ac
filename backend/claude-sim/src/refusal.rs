//! Error responses: the service's error types, their statuses and their JSON.
//!
//! Raised by [`crate::request`] and [`crate::body`], sent by [`crate::routes`].

use axum::http::StatusCode;
use serde_json::{Value, json};

/// The service's error types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request is invalid.
    InvalidRequest,
    /// The API key is missing or invalid.
    Authentication,
    /// The account has no credit left.
    Billing,
    /// The API key lacks permission.
    Permission,
    /// The model or route does not exist.
    NotFound,
    /// The request conflicts with another.
    Conflict,
    /// The body is too large.
    TooLarge,
    /// Too many requests or tokens.
    RateLimit,
    /// The service failed.
    Api,
    /// The service took too long.
    Timeout,
    /// The service is overloaded.
    Overloaded,
}

/// Every kind with its status and name.
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
    /// Returns the kind's status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        let known = KINDS.iter().find(|(kind, ..)| *kind == self);
        let status = known.and_then(|(_, status, _)| StatusCode::from_u16(*status).ok());
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Returns the error's `type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or("api_error", |(.., name)| *name)
    }

    /// Returns the kind with `status`, or else the general one for client or server errors.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        let known = KINDS.iter().map(|(kind, ..)| *kind).find(|kind| kind.status() == status);
        let by_class = || if status.is_server_error() { Self::Api } else { Self::InvalidRequest };
        known.unwrap_or_else(by_class)
    }
}

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", kind.name())]
pub struct Refusal {
    /// The error's kind.
    pub kind: Kind,
    /// The status, usually the kind's.
    pub status: StatusCode,
    /// The message, which begins with the place of the error.
    pub message: String,
}

impl Refusal {
    /// Builds an error with the kind's status.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, status: kind.status(), message: message.into() }
    }

    /// Builds an invalid request error at `place`.
    #[must_use]
    pub fn at(place: &str, message: impl AsRef<str>) -> Self {
        Self::new(Kind::InvalidRequest, format!("{place}: {}", message.as_ref()))
    }

    /// Returns the response body.
    #[must_use]
    pub fn body(&self, request_id: &str) -> Value {
        error_body(self.kind.name(), &self.message, None, request_id)
    }
}

/// Returns `{"type":"error",…}`, for a response body or a stream event.
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
    fn each_kind_maps_to_its_status_and_back() {
        for (kind, _, name) in KINDS {
            assert_eq!(Kind::of_status(kind.status()), kind);
            assert_eq!(kind.name(), name);
        }
        assert_eq!(Kind::Overloaded.status().as_u16(), 529);
        assert_eq!(Kind::of_status(StatusCode::BAD_GATEWAY), Kind::Api);
        assert_eq!(Kind::of_status(StatusCode::GONE), Kind::InvalidRequest);
    }

    #[test]
    fn an_error_has_the_services_format() {
        let body = Refusal::at("max_tokens", "Field required").body("req_1");
        let expected = json!({
            "type": "error",
            "error": { "type": "invalid_request_error", "message": "max_tokens: Field required" },
            "request_id": "req_1",
        });
        assert_eq!(body, expected);
    }
}
