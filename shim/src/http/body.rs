//! Reads request bodies, up to a maximum length.
//!
//! Called by [`super::calls`] and [`crate::admin`].

use super::fair::Share;
use super::refused::Refused;
use axum::body::{Body, HttpBody};
use http_body_util::BodyExt;
use limits::wire::MAX_BODY_BYTES;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// The most bytes discarded of a body that is too long. Some must be read before the connection
/// closes: an HTTP/1.1 client that is still writing would not see the response.
const MAX_DISCARDED_BYTES: usize = 16 << 20;
/// The longest time spent on discarding a body.
const MAX_DISCARDING: Duration = Duration::from_secs(1);

/// The most memory allocated for a body before any of it has arrived.
const FIRST_BYTES: u64 = 64 << 10;

/// Reads a whole body and charges its length to `room`.
///
/// # Errors
/// Refuses a body that is longer than [`MAX_BODY_BYTES`], exceeds `room`, breaks off, or is not
/// complete by `deadline`.
pub(crate) async fn read(
    body: Body,
    deadline: Instant,
    room: &mut Share,
) -> Result<Vec<u8>, Refused> {
    timeout_at(deadline, collect(body, room)).await.unwrap_or_else(|_| Err(Refused::slow_body()))
}

async fn collect(mut body: Body, room: &mut Share) -> Result<Vec<u8>, Refused> {
    let announced = body.size_hint().lower();
    if announced > MAX_BODY_BYTES as u64 {
        return Err(refuse(body).await);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(announced.min(FIRST_BYTES)).unwrap_or(0));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refused::broken_body())?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > MAX_BODY_BYTES {
            return Err(refuse(body).await);
        }
        if !room.grow(data.len()) {
            return Err(Refused::overloaded());
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

/// Discards the rest of a body, within bounds, and returns the refusal.
async fn refuse(mut body: Body) -> Refused {
    let discard = async {
        let mut left = MAX_DISCARDED_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len().max(1)));
            if left == 0 {
                break;
            }
        }
    };
    // The refusal is the same if the body's end was not reached.
    let _ = timeout(MAX_DISCARDING, discard).await;
    Refused::too_large()
}
