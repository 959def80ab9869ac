//! A request's body, bounded in size and time.
//!
//! Read by [`crate::routes`] before anything else is looked at.

use crate::refusal::{Kind, Refusal};
use axum::body::{Body, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;
use std::time::Duration;

/// The largest body, in bytes: as the service's own limit for this route.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;
/// How long a client may take to send it.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// The whole body.
///
/// # Errors
/// Where it is too large, too slow, or breaks off.
pub async fn read(body: Body) -> Result<Bytes, Refusal> {
    let whole = Limited::new(body, MAX_BYTES).collect();
    match tokio::time::timeout(READ_TIMEOUT, whole).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Refusal::new(Kind::TooLarge, "Request exceeds the maximum size"))
        }
        Ok(Err(_broken)) => {
            Err(Refusal::new(Kind::InvalidRequest, "The request body could not be read"))
        }
        Err(_elapsed) => Err(Refusal::new(Kind::Timeout, "The request body took too long")),
    }
}

/// `bytes` as JSON.
///
/// # Errors
/// Where they are none.
pub fn parse(bytes: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| {
        let message = format!("The request body is not valid JSON: {error}");
        Refusal::new(Kind::InvalidRequest, message)
    })
}
