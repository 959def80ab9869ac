//! The correspondence of gRPC statuses and HTTP statuses.
//!
//! Called by the filter: to answer gRPC clients, and to read the outcome of gRPC responses.
//!
//! # Source
//! gRPC statuses: <https://grpc.github.io/grpc/core/md_doc_statuscodes.html>. Their HTTP
//! equivalents: `google/rpc/code.proto`.

/// Returns true if `content_type` is that of a gRPC message, by Envoy's rule.
#[must_use]
pub fn is_grpc(content_type: &[u8]) -> bool {
    let rest = content_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

/// The gRPC status of a refusal for an invalid request: INVALID_ARGUMENT.
pub(crate) const INVALID: i32 = 3;
/// The gRPC status of a refusal because the ledger is unavailable.
pub(crate) const UNAVAILABLE: i32 = 14;

/// Returns the gRPC status of a denial with this HTTP status.
///
/// It is RESOURCE_EXHAUSTED, which clients do not retry at once, even for a 503. Only the statuses
/// that say that waiting does not help have their own.
#[must_use]
pub(crate) const fn of_denial(http_status: u16) -> i32 {
    match http_status {
        401 => 16, // UNAUTHENTICATED
        403 => 7,  // PERMISSION_DENIED
        _ => 8,    // RESOURCE_EXHAUSTED
    }
}

/// Returns the HTTP status that `grpc_status`, in decimal digits, stands for; 500 if it is not a
/// gRPC status.
#[must_use]
pub fn to_http(grpc_status: &[u8]) -> u16 {
    let code = str::from_utf8(grpc_status).ok().and_then(|text| text.trim().parse().ok());
    match code {
        Some(0) => 200,
        Some(1) => 499,          // CANCELLED
        Some(3 | 9 | 11) => 400, // INVALID_ARGUMENT, FAILED_PRECONDITION, OUT_OF_RANGE
        Some(4) => 504,          // DEADLINE_EXCEEDED
        Some(5) => 404,          // NOT_FOUND
        Some(6 | 10) => 409,     // ALREADY_EXISTS, ABORTED
        Some(7) => 403,          // PERMISSION_DENIED
        Some(8) => 429,          // RESOURCE_EXHAUSTED
        Some(12) => 501,         // UNIMPLEMENTED
        Some(14) => 503,         // UNAVAILABLE
        Some(16) => 401,         // UNAUTHENTICATED
        // UNKNOWN, INTERNAL, DATA_LOSS, and anything else.
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_content_type_may_name_a_format() {
        let check = |text: &str, expected: bool| {
            assert_eq!(is_grpc(text.as_bytes()), expected, "{text}");
        };
        check("application/grpc", true);
        check("application/grpc+proto", true);
        check("application/grpc;x=1", false);
        check("application/grpc-web", false);
        check("application/json", false);
        check("", false);
    }

    #[test]
    fn statuses_are_converted_in_both_directions() {
        let check = |text: &str, expected: u16| assert_eq!(to_http(text.as_bytes()), expected);
        check("0", 200);
        check("8", 429);
        check("14", 503);
        check("16", 401);
        check("13", 500);
        check("99", 500);
        check("", 500);
        assert_eq!([429, 503, 302, 403, 401].map(of_denial), [8, 8, 8, 7, 16]);
    }
}
