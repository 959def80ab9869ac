//! What bounds each request: how many at once, how long, and that a panic stays its own. Those that
//! wait for a model have bounds of their own, so that they take no place from others.
//!
//! Layers of [`crate::router`].

use crate::respond::ApiError;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::Extensions;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::catch_panic::CatchPanicLayer;

/// The most requests served at once, but for those that wait for a model.
const MAX_REQUESTS: usize = 512;
/// The longest a request may take, its body included.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The most requests that wait for a model at once, streams included.
const MAX_MODEL_REQUESTS: usize = 256;
/// The longest that a request may wait for a model: less than a gateway lets a stream idle
/// (`stream_idle_timeout` in `envoy/envoy.yaml`, 300 s).
pub(crate) const MODEL_TIMEOUT: Duration = Duration::from_secs(290);

/// A place among those served. Whoever goes on after the reply's head keeps it until the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Permit {
    _held: Option<Arc<OwnedSemaphorePermit>>,
}

impl Permit {
    /// The place that the request has been given.
    #[must_use]
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }
}

/// `routes`, with at most 512 requests served at once, each in 30 s.
pub(crate) fn bounded<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    limited(routes, MAX_REQUESTS, TIMEOUT)
}

/// `routes` that wait for a model: at most 256 requests at once, each in 290 s.
pub(crate) fn bounded_for_models<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    limited(routes, MAX_MODEL_REQUESTS, MODEL_TIMEOUT)
}

/// `routes`, each request in 30 s.
pub(crate) fn in_time<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.layer(from_fn_with_state(TIMEOUT, ended_in_time))
}

/// One layer for both bounds: each layer takes a request's future into a box of its own.
fn limited<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    at_once: usize,
    longest: Duration,
) -> Router<S> {
    let permits = Arc::new(Semaphore::new(at_once));
    routes.layer(from_fn_with_state(Bounds { permits, longest }, in_turn))
}

#[derive(Clone)]
struct Bounds {
    permits: Arc<Semaphore>,
    longest: Duration,
}

/// Refuses rather than queues: a queue would only make everyone late.
async fn in_turn(
    State(Bounds { permits, longest }): State<Bounds>,
    mut request: Request,
    next: Next,
) -> Response {
    match permits.try_acquire_owned() {
        Ok(permit) => {
            let permit = Permit { _held: Some(Arc::new(permit)) };
            request.extensions_mut().insert(permit.clone());
            let response = ended_in_time(State(longest), request, next).await;
            drop(permit);
            response
        }
        Err(_none) => ApiError::Busy.into_response(),
    }
}

/// Ends a request that takes too long.
async fn ended_in_time(State(longest): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(longest, next.run(request)).await {
        Ok(response) => response,
        Err(_elapsed) => ApiError::TimedOut(longest).into_response(),
    }
}

/// Answers for a handler that panicked.
pub(crate) fn catch_panic() -> CatchPanicLayer<fn(Box<dyn Any + Send>) -> Response> {
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
    use axum::routing::get;
    use std::future::pending;
    use tokio::time::Instant;
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
        for (bounded, longest) in [
            (bounded as fn(Router) -> Router, TIMEOUT),
            (bounded_for_models, MODEL_TIMEOUT),
            (in_time, TIMEOUT),
        ] {
            let begun = Instant::now();
            let routes = bounded(Router::new().route("/", get(pending::<()>)));
            assert_eq!(status_of(routes).await, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(begun.elapsed(), longest);
        }
    }

    #[tokio::test]
    async fn one_request_too_many_is_refused_and_the_next_is_not() {
        let Waiting { router, begun, end } = waiting();
        let routes = limited(router, 1, TIMEOUT);

        let first = tokio::spawn(status_of(routes.clone()));
        begun.notified().await;
        assert_eq!(status_of(routes.clone()).await, StatusCode::SERVICE_UNAVAILABLE);
        end.notify_one();
        assert_eq!(first.await.unwrap(), StatusCode::OK);
        end.notify_one();
        assert_eq!(status_of(routes).await, StatusCode::OK);
    }

    #[tokio::test]
    async fn who_goes_on_after_the_head_keeps_the_place() {
        let (keep, kept) = std::sync::mpsc::channel();
        let handler = move |request: Request| async move {
            let _test_over = keep.send(Permit::of(request.extensions()));
        };
        let routes = limited(Router::new().route("/", get(handler)), 1, TIMEOUT);
        assert_eq!(status_of(routes.clone()).await, StatusCode::OK);
        assert_eq!(status_of(routes.clone()).await, StatusCode::SERVICE_UNAVAILABLE);
        drop(kept.recv());
        assert_eq!(status_of(routes).await, StatusCode::OK);
    }
}
