//! The kinds of failure and their consequences.
//!
//! Part of every [`crate::ClaudeError`]. The rules of [`crate::retry`] and [`crate::breaker`]
//! depend on it.

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 400: the request is invalid.
    InvalidRequest,
    /// 401: the API key is invalid.
    Authentication,
    /// 402: a billing problem.
    Billing,
    /// 403: the API key lacks permission.
    Permission,
    /// 404: the model or the endpoint does not exist.
    NotFound,
    /// 409: the request conflicts with another.
    Conflict,
    /// The request is too large: 413, or rejected before sending.
    RequestTooLarge,
    /// 429: too many requests or tokens.
    RateLimited,
    /// 429 for the rest of the month: the spend limit is reached.
    SpendLimit,
    /// Another 5xx status: the service failed.
    Service,
    /// 504 and 408: the service took too long.
    ServiceTimedOut,
    /// 529: the service is overloaded.
    Overloaded,
    /// Another status.
    OtherStatus,
    /// The connection failed.
    Connect,
    /// The connection ended before the answer did.
    Broken,
    /// Nothing arrived for too long, or the whole answer did not arrive in time.
    TimedOut,
    /// The answer exceeds the size limit.
    AnswerTooLarge,
    /// The response could not be parsed as an answer.
    NotUnderstood,
    /// All slots are taken and the queue is full, or no slot became free in time. Nothing was sent.
    Busy,
    /// The service's rate limits are exhausted for longer than a call may wait. Nothing was sent.
    Paced,
    /// The circuit breaker is open after recent failures. Nothing was sent.
    BreakerOpen,
}

/// The effect of a failure on later calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// No effect: the service works, and the request was at fault.
    None,
    /// The service may be down.
    Failure,
    /// No call will succeed until a human steps in.
    Trip,
    /// The failure says nothing about the service.
    Unknown,
}

impl Kind {
    /// Returns the name used in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Authentication => "authentication",
            Self::Billing => "billing",
            Self::Permission => "permission",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::RequestTooLarge => "request_too_large",
            Self::RateLimited => "rate_limited",
            Self::SpendLimit => "spend_limit",
            Self::Service => "service",
            Self::ServiceTimedOut => "service_timed_out",
            Self::Overloaded => "overloaded",
            Self::OtherStatus => "other_status",
            Self::Connect => "connect",
            Self::Broken => "broken",
            Self::TimedOut => "timed_out",
            Self::AnswerTooLarge => "answer_too_large",
            Self::NotUnderstood => "not_understood",
            Self::Busy => "busy",
            Self::Paced => "paced",
            Self::BreakerOpen => "breaker_open",
        }
    }

    /// Returns true if the same request may succeed later without any change.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        matches!(
            self,
            Self::Conflict
                | Self::RateLimited
                | Self::Service
                | Self::ServiceTimedOut
                | Self::Overloaded
                | Self::Connect
                | Self::Broken
                | Self::TimedOut
                | Self::NotUnderstood
                | Self::Busy
                | Self::Paced
                | Self::BreakerOpen
        )
    }

    /// Classifies an error sent by the service by its `type`, or else by its status. Errors within
    /// a stream have no status.
    pub(crate) fn from_service(status: Option<u16>, name: Option<&str>) -> Self {
        match name.unwrap_or_default() {
            "invalid_request_error" => Self::InvalidRequest,
            "authentication_error" => Self::Authentication,
            "billing_error" => Self::Billing,
            "permission_error" => Self::Permission,
            "not_found_error" => Self::NotFound,
            "conflict_error" => Self::Conflict,
            "request_too_large" => Self::RequestTooLarge,
            "rate_limit_error" => Self::RateLimited,
            "api_error" => Self::Service,
            "timeout_error" => Self::ServiceTimedOut,
            "overloaded_error" => Self::Overloaded,
            _ => status.map_or(Self::Service, Self::of_status),
        }
    }

    fn of_status(status: u16) -> Self {
        match status {
            400 | 422 => Self::InvalidRequest,
            401 => Self::Authentication,
            402 => Self::Billing,
            403 => Self::Permission,
            404 => Self::NotFound,
            409 => Self::Conflict,
            413 => Self::RequestTooLarge,
            429 => Self::RateLimited,
            408 | 504 => Self::ServiceTimedOut,
            529 => Self::Overloaded,
            500..=599 => Self::Service,
            _ => Self::OtherStatus,
        }
    }

    pub(crate) const fn consequence(self) -> Consequence {
        match self {
            Self::InvalidRequest
            | Self::NotFound
            | Self::Conflict
            | Self::RequestTooLarge
            | Self::RateLimited
            | Self::OtherStatus
            | Self::AnswerTooLarge => Consequence::None,
            Self::Service
            | Self::ServiceTimedOut
            | Self::Overloaded
            | Self::Connect
            | Self::Broken
            | Self::TimedOut
            | Self::NotUnderstood => Consequence::Failure,
            Self::Authentication | Self::Billing | Self::Permission | Self::SpendLimit => {
                Consequence::Trip
            }
            Self::Busy | Self::Paced | Self::BreakerOpen => Consequence::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_classified_by_its_type_or_else_its_status() {
        let check = |status, name, expected| {
            assert_eq!(Kind::from_service(status, name), expected, "{status:?} {name:?}");
        };
        let table = [
            (400, "invalid_request_error", Kind::InvalidRequest),
            (401, "authentication_error", Kind::Authentication),
            (402, "billing_error", Kind::Billing),
            (403, "permission_error", Kind::Permission),
            (404, "not_found_error", Kind::NotFound),
            (409, "conflict_error", Kind::Conflict),
            (413, "request_too_large", Kind::RequestTooLarge),
            (429, "rate_limit_error", Kind::RateLimited),
            (500, "api_error", Kind::Service),
            (504, "timeout_error", Kind::ServiceTimedOut),
            (529, "overloaded_error", Kind::Overloaded),
        ];
        for (status, name, kind) in table {
            check(Some(status), Some(name), kind);
            check(Some(status), None, kind);
            check(Some(status), Some("some_new_error"), kind);
            check(None, Some(name), kind);
        }
        check(Some(408), None, Kind::ServiceTimedOut);
        check(Some(502), None, Kind::Service);
        check(Some(302), None, Kind::OtherStatus);
        check(Some(418), None, Kind::OtherStatus);
        check(None, None, Kind::Service);
    }
}
