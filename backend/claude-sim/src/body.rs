//! Reads a request body, bounded in size and time.
//!
//! Called by [`crate::routes`] before anything else is checked.

use crate::refusal::{Kind, Refusal};
use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use serde_json::Value;
use std::time::Duration;

/// The largest body, in bytes: the service's limit for this route.
pub(crate) const MAX_BYTES: usize = 32 * 1024 * 1024;
/// The most bytes read of an overlarge body. Closing the connection while the client is still
/// sending would lose the response.
const MAX_DRAINED_BYTES: usize = 2 * MAX_BYTES;
/// The timeout for receiving the body.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Reads the whole body.
///
/// # Errors
/// Fails if the body is too large, too slow or incomplete.
pub(crate) async fn read(body: Body) -> Result<Bytes, Refusal> {
    let too_slow = |_elapsed| Refusal::new(Kind::Timeout, "The request body took too long");
    tokio::time::timeout(READ_TIMEOUT, whole(body)).await.map_err(too_slow)?
}

async fn whole(mut body: Body) -> Result<Bytes, Refusal> {
    let broken = |_error| Refusal::new(Kind::InvalidRequest, "The request body ended early");
    let mut kept = Vec::new();
    let mut read_bytes = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        read_bytes += data.len();
        if read_bytes > MAX_DRAINED_BYTES {
            break;
        }
        if read_bytes <= MAX_BYTES {
            kept.extend_from_slice(&data);
        }
    }
    if read_bytes > MAX_BYTES {
        return Err(Refusal::new(Kind::TooLarge, "Request exceeds the maximum size"));
    }
    Ok(kept.into())
}

/// Parses `bytes` as JSON.
///
/// # Errors
/// Fails if they are not valid JSON.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| {
        let message = format!("The request body is not valid JSON: {error}");
        Refusal::new(Kind::InvalidRequest, message)
    })
}
