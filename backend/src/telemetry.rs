//! Metrics: their names, the bounds of their labels, and how they are set up.
//!
//! `main` installs them once; `crate::trace` has each request counted ([`count`]); `GET /metrics` renders all
//! that any part of the service counts through the `metrics` crate.

use crate::{ai, cache, clock};
use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::time::Duration;

/// Requests answered, by method, route and status class.
pub const REQUESTS: &str = "backend_http_requests_total";
/// Time until an answer began, by route.
pub const REQUEST_SECONDS: &str = "backend_http_request_seconds";
/// Requests whose answer has not begun.
pub const IN_FLIGHT: &str = "backend_http_in_flight_requests";
/// Always 1; its label is the version.
pub const BUILD: &str = "backend_build_info";

/// Where the buckets of every histogram in seconds end: a health check takes microseconds, what
/// asks a model takes tens of seconds.
const SECONDS: [f64; 14] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
/// How the names of histograms in seconds end.
const SECONDS_SUFFIX: &str = "_seconds";
/// How often histograms are condensed; between, they grow with every reading.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
/// The route of what has none, and the method that nobody has heard of: clients choose both.
const NONE: &str = "none";

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The buckets of a histogram are wrong.
    #[error("histogram buckets: {0}")]
    Buckets(#[from] BuildError),
    /// This process has a recorder already.
    #[error("metrics were set up before")]
    SetUpBefore,
}

/// Makes this process's metrics and returns what renders them.
///
/// # Errors
/// [`TelemetryError::SetUpBefore`] for the second call.
pub fn install() -> Result<PrometheusHandle, TelemetryError> {
    let by_suffix = Matcher::Suffix(SECONDS_SUFFIX.to_owned());
    let recorder =
        PrometheusBuilder::new().set_buckets_for_metric(by_suffix, &SECONDS)?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| TelemetryError::SetUpBefore)?;
    describe();
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    gauge!(IN_FLIGHT).set(0.0);
    Ok(handle)
}

/// Describes the metrics to the recorder in use.
pub fn describe() {
    describe_counter!(
        REQUESTS,
        Unit::Count,
        "Requests answered, by method, route and status class"
    );
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "Time until an answer began, by route");
    describe_gauge!(IN_FLIGHT, Unit::Count, "Requests whose answer has not begun");
    describe_gauge!(BUILD, Unit::Count, "Always 1; its label is the version");
    claude::describe_metrics();
    ai::meter::describe();
    cache::meter::describe();
}

/// Condenses histograms, for ever.
pub async fn upkeep(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_INTERVAL).await;
        handle.run_upkeep();
    }
}

/// Counts the request and how long its answer took to begin. A client that leaves before is
/// counted by nothing but the number in flight.
pub async fn count(request: Request, next: Next) -> Response {
    let start = clock::start();
    let in_flight = InFlight::begin();
    let method = method(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    drop(in_flight);
    let route = route.as_ref().map_or(NONE, MatchedPath::as_str).to_owned();
    let class = class(response.status());
    histogram!(REQUEST_SECONDS, "route" => route.clone()).record(start.elapsed());
    counter!(REQUESTS, "method" => method, "route" => route, "status" => class).increment(1);
    response
}

/// A request whose answer has not begun, however it ends.
struct InFlight;

impl InFlight {
    fn begin() -> Self {
        gauge!(IN_FLIGHT).increment(1.0);
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        gauge!(IN_FLIGHT).decrement(1.0);
    }
}

/// The method as a label: one of those that routes have.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => NONE,
    }
}

/// The status as a label.
fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
