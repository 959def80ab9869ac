//! Reads a request's body, so far as it is not too long.
//!
//! Called by [`super::calls`] and [`crate::admin`].

use super::fair::Share;
use super::refused::Refused;
use axum::body::{Body, HttpBody};
use http_body_util::BodyExt;
use limits::wire::MAX_BODY_BYTES;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// What is read of a body that is too long, and for how long: an HTTP/1.1 client that is still
/// writing when the connection closes would not see why.
const MAX_DISCARDED_BYTES: usize = 16 << 20;
const MAX_DISCARDING: Duration = Duration::from_secs(1);

/// Room made for a body before any of it is there, at most.
const FIRST_BYTES: u64 = 64 << 10;

/// The whole body, at most [`MAX_BODY_BYTES`] and complete by `deadline`. What it takes is taken
/// from `room`.
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

/// Reads on for a while and throws it away.
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
    // Whether it was read to its end makes no difference to the answer.
    let _ = timeout(MAX_DISCARDING, discard).await;
    Refused::too_large()
}
