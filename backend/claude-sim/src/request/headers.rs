//! Checks the required headers: API key, version and content type.

use crate::refusal::{Kind, Refusal};
use axum::http::{HeaderMap, header};

/// The valid API versions.
const VERSIONS: [&str; 2] = ["2023-06-01", "2023-01-01"];
/// The prefix and the minimum length of a real key.
const REAL_KEY: (&str, usize) = ("sk-ant-", 64);

/// Checks the required headers.
///
/// # Errors
/// Fails on the first missing or invalid header.
pub fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(key) = text("x-api-key").filter(|key| !key.is_empty()) else {
        return Err(Refusal::new(Kind::Authentication, "x-api-key header is required"));
    };
    if key.starts_with(REAL_KEY.0) && key.len() >= REAL_KEY.1 {
        return Err(Refusal::new(
            Kind::Authentication,
            "this is claude-sim; do not send it a real API key. To use the real service, set \
             ANTHROPIC_BASE_URL=https://api.anthropic.com",
        ));
    }
    match text("anthropic-version") {
        None => return Err(Refusal::at("anthropic-version", "header is required")),
        Some(version) if !VERSIONS.contains(&version) => {
            let message = format!("\"{version}\" is not a valid version");
            return Err(Refusal::at("anthropic-version", message));
        }
        Some(_) => {}
    }
    let declared = text(header::CONTENT_TYPE.as_str()).and_then(|text| text.split(';').next());
    match declared.map(str::trim) {
        Some(declared) if declared.eq_ignore_ascii_case("application/json") => Ok(()),
        _ => Err(Refusal::at("content-type", "expected application/json")),
    }
}
