//! Bounds on answers: how many unread bytes a peer may leave lying, and for how long.
//!
//! [`super::server`] puts every answer of its port through [`bound`].

use super::fair::{Fair, Share};
use super::guests::{Asking, Guest, Untaken};
use super::refused::Refused;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// Bytes of answers that clients have not taken, of all peers.
pub(super) const MAX_UNTAKEN_BYTES: usize = 256 << 20;
/// An answer is handed out in pieces of this size, so that the rest of it is counted here.
const PIECE_BYTES: usize = 16 << 10;

/// A whole answer, handed out piece by piece. While any of it is here, it counts as not taken.
struct Held {
    bytes: Bytes,
    _share: Share,
    _untaken: Untaken,
    _asking: Asking,
}

/// Counts an answer until the client has taken it. Returns 503 instead if its peer leaves too much
/// lying.
pub(super) async fn bound(
    response: Response,
    asking: Asking,
    guest: &Arc<Guest>,
    untaken: &Fair,
    now: Instant,
) -> Response {
    let (head, body) = response.into_parts();
    // What we answer is in memory already, so this neither waits nor fails.
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut share = untaken.share(guest.peer());
    if !share.grow(bytes.len()) {
        return Refused::unavailable("Too many answers wait to be read by this client.")
            .into_response();
    }
    let held = Held { bytes, _share: share, _untaken: guest.answer(now), _asking: asking };
    Response::from_parts(head, Body::new(held))
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.bytes.len().min(PIECE_BYTES);
        let piece = self.bytes.split_to(length);
        Poll::Ready((length > 0).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
