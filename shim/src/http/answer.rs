//! Bounds the responses that clients have not read yet, in bytes and in time.
//!
//! [`super::server`] passes every response through [`bound`].

use super::fair::{Fair, Share};
use super::guests::{ActiveRequest, Guest, Unread};
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

/// The most unread bytes of responses, over all peers.
pub(super) const MAX_UNREAD_BYTES: usize = 256 << 20;
/// The size of the pieces in which a response is passed to hyper. The rest stays here and counts as
/// unread.
const PIECE_BYTES: usize = 16 << 10;

/// A response body that is passed on piece by piece and counts as unread until the last one.
struct Held {
    bytes: Bytes,
    _share: Share,
    _unread: Unread,
    _request: ActiveRequest,
}

/// Counts a response against the unread bytes of its peer until the client has read it. Returns 503
/// instead if the peer has too many unread bytes already.
pub(super) async fn bound(
    response: Response,
    request: ActiveRequest,
    guest: &Arc<Guest>,
    unread: &Fair,
    now: Instant,
) -> Response {
    let (head, body) = response.into_parts();
    // Our responses are complete in memory, so this neither waits nor fails.
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut share = unread.share(guest.peer());
    if !share.grow(bytes.len()) {
        return Refused::unavailable("This client has too many unread responses.").into_response();
    }
    let held = Held { bytes, _share: share, _unread: guest.answer(now), _request: request };
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
