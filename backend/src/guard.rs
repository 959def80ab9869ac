//! What bounds each request: how many at once, how long, and that a panic stays its own.

use crate::respond::ApiError;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

/// The most requests served at once.
const MAX_REQUESTS: usize = 512;
/// The longest a request may take, its body included.
const TIMEOUT: Duration = Duration::from_secs(30);

/// `routes`, bounded.
#[must_use]
pub fn guarded(routes: Router) -> Router {
    bounded(routes, MAX_REQUESTS, TIMEOUT)
}

fn bounded(routes: Router, max_requests: usize, timeout: Duration) -> Router {
    let permits = Arc::new(Semaphore::new(max_requests));
    routes
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(move |request, next| in_time(timeout, request, next)))
        .layer(from_fn_with_state(permits, in_turn))
}

async fn in_time(timeout: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_elapsed) => ApiError::TimedOut.into_response(),
    }
}

/// Refuses rather than queues: a queue would only make everyone late.
async fn in_turn(State(permits): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match permits.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_none) => ApiError::Busy.into_response(),
    }
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("not a text");
    ApiError::Panicked(text.to_owned()).into_response()
}
