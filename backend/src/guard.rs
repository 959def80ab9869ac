//! What bounds each request: how many at once, how long, and that a panic stays its own.
//!
//! Layers of [`crate::router`].

use crate::respond::ApiError;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
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

/// `routes`, with at most 512 requests served at once.
pub fn bounded_in_number<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.layer(from_fn_with_state(Arc::new(Semaphore::new(MAX_REQUESTS)), in_turn))
}

/// Refuses rather than queues: a queue would only make everyone late.
async fn in_turn(State(permits): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match permits.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_none) => ApiError::Busy.into_response(),
    }
}

/// Ends a request that takes too long.
pub async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_elapsed) => ApiError::TimedOut.into_response(),
    }
}

/// Answers for a handler that panicked.
pub fn catch_panic() -> CatchPanicLayer<fn(Box<dyn Any + Send>) -> Response> {
    CatchPanicLayer::custom(panicked)
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("not a text");
    ApiError::Panicked(text.to_owned()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waiting::{Waiting, waiting};
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use std::future::pending;
    use tower::ServiceExt;

    async fn status_of(routes: Router) -> StatusCode {
        routes.oneshot(Request::new(Body::empty())).await.unwrap().status()
    }

    #[tokio::test]
    async fn a_panic_is_answered() {
        async fn panics() {
            panic!("on purpose");
        }
        let routes = Router::new().route("/", get(panics)).layer(catch_panic());
        assert_eq!(status_of(routes).await, StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_hangs_is_ended() {
        let routes = Router::new().route("/", get(pending::<()>)).layer(from_fn(in_time));
        assert_eq!(status_of(routes).await, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn one_request_too_many_is_refused_and_the_next_is_not() {
        let Waiting { router, begun, end } = waiting();
        let permits = Arc::new(Semaphore::new(1));
        let routes = router.layer(from_fn_with_state(permits, in_turn));

        let first = tokio::spawn(status_of(routes.clone()));
        begun.notified().await;
        assert_eq!(status_of(routes.clone()).await, StatusCode::SERVICE_UNAVAILABLE);
        end.notify_one();
        assert_eq!(first.await.unwrap(), StatusCode::OK);
        end.notify_one();
        assert_eq!(status_of(routes).await, StatusCode::OK);
    }
}
