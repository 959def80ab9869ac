//! Request limits: concurrency, duration, and panics. Requests that wait for a model have separate
//! limits, so that they can't crowd out the others.
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

/// The most concurrent requests, except those that wait for a model.
const MAX_REQUESTS: usize = 512;
/// The time limit of a request, including its body.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The most concurrent requests that wait for a model, including streams.
const MAX_MODEL_REQUESTS: usize = 256;
/// The time limit of a request that waits for a model. Less than a gateway's idle timeout for
/// streams (`stream_idle_timeout` in `envoy/envoy.yaml`, 300 s).
pub(crate) const MODEL_TIMEOUT: Duration = Duration::from_secs(290);

/// A request slot. A handler that continues after the reply's head holds it until the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Permit {
    _held: Option<Arc<OwnedSemaphorePermit>>,
}

impl Permit {
    /// Returns the request's slot.
    #[must_use]
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }
}

/// Limits `routes` to 512 concurrent requests of 30 s each.
pub(crate) fn limit_requests<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    limit(routes, MAX_REQUESTS, TIMEOUT)
}

/// Limits `routes` that wait for a model to 256 concurrent requests of 290 s each.
pub(crate) fn limit_model_requests<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
) -> Router<S> {
    limit(routes, MAX_MODEL_REQUESTS, MODEL_TIMEOUT)
}

/// Limits each request of `routes` to 30 s.
pub(crate) fn limit_duration<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.layer(from_fn_with_state(TIMEOUT, with_timeout))
}

/// Applies both limits in one layer, because every layer boxes the request's future.
fn limit<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    at_once: usize,
    longest: Duration,
) -> Router<S> {
    let permits = Arc::new(Semaphore::new(at_once));
    routes.layer(from_fn_with_state(Bounds { permits, longest }, admit_or_reject))
}

#[derive(Clone)]
struct Bounds {
    permits: Arc<Semaphore>,
    longest: Duration,
}

/// Rejects requests beyond the limit at once. A queue would only make every request late.
async fn admit_or_reject(
    State(Bounds { permits, longest }): State<Bounds>,
    mut request: Request,
    next: Next,
) -> Response {
    match permits.try_acquire_owned() {
        Ok(permit) => {
            let permit = Permit { _held: Some(Arc::new(permit)) };
            request.extensions_mut().insert(permit.clone());
            let response = with_timeout(State(longest), request, next).await;
            drop(permit);
            response
        }
        Err(_none) => ApiError::Busy.into_response(),
    }
}

/// Ends a request that exceeds the time limit.
async fn with_timeout(State(longest): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(longest, next.run(request)).await {
        Ok(response) => response,
        Err(_elapsed) => ApiError::TimedOut(longest).into_response(),
    }
}

/// Returns a layer that answers for a handler that panicked.
pub(crate) fn catch_panic() -> CatchPanicLayer<fn(Box<dyn Any + Send>) -> Response> {
    CatchPanicLayer::custom(panicked)
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a payload that is not text");
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
    async fn a_panic_becomes_a_500() {
        async fn panics() {
            panic!("on purpose");
        }
        let routes = Router::new().route("/", get(panics)).layer(catch_panic());
        assert_eq!(status_of(routes).await, StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_hangs_times_out() {
        for (layer, longest) in [
            (limit_requests as fn(Router) -> Router, TIMEOUT),
            (limit_model_requests, MODEL_TIMEOUT),
            (limit_duration, TIMEOUT),
        ] {
            let begun = Instant::now();
            let routes = layer(Router::new().route("/", get(pending::<()>)));
            assert_eq!(status_of(routes).await, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(begun.elapsed(), longest);
        }
    }

    #[tokio::test]
    async fn a_request_beyond_the_limit_is_rejected() {
        let Waiting { router, begun, end } = waiting();
        let routes = limit(router, 1, TIMEOUT);

        let first = tokio::spawn(status_of(routes.clone()));
        begun.notified().await;
        assert_eq!(status_of(routes.clone()).await, StatusCode::SERVICE_UNAVAILABLE);
        end.notify_one();
        assert_eq!(first.await.unwrap(), StatusCode::OK);
        end.notify_one();
        assert_eq!(status_of(routes).await, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_handler_can_hold_its_slot_after_the_head() {
        let (keep, kept) = std::sync::mpsc::channel();
        let handler = move |request: Request| async move {
            let _test_over = keep.send(Permit::of(request.extensions()));
        };
        let routes = limit(Router::new().route("/", get(handler)), 1, TIMEOUT);
        assert_eq!(status_of(routes.clone()).await, StatusCode::OK);
        assert_eq!(status_of(routes.clone()).await, StatusCode::SERVICE_UNAVAILABLE);
        drop(kept.recv());
        assert_eq!(status_of(routes).await, StatusCode::OK);
    }
}
