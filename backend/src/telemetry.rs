//! Metrics: names, label values and setup.
//!
//! `main` installs the recorder, and `crate::trace` counts each request ([`count`]). `GET /metrics`
//! renders everything that the service counts through the `metrics` crate.

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

/// Answered requests, by method, route and status class.
pub const REQUESTS: &str = "backend_http_requests_total";
/// The time until the response starts, by route.
pub const REQUEST_SECONDS: &str = "backend_http_request_seconds";
/// Requests whose response has not started.
pub const IN_FLIGHT: &str = "backend_http_in_flight_requests";
/// Always 1. The label has the version.
pub const BUILD: &str = "backend_build_info";

/// The bucket bounds of all histograms in seconds. A health check takes microseconds, a model tens
/// of seconds.
const SECONDS: [f64; 14] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
/// The suffix of histograms in seconds.
const SECONDS_SUFFIX: &str = "_seconds";
/// The interval at which histograms are compacted. In between they grow with every sample.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
/// The label of unknown routes and methods. Clients choose both, so they must not become labels.
const NONE: &str = "none";

/// A metrics setup that failed.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The buckets of a histogram are invalid.
    #[error("histogram buckets: {0}")]
    Buckets(#[from] BuildError),
    /// The process already has a recorder.
    #[error("metrics are already set up")]
    AlreadySetUp,
}

/// Installs the metrics recorder, and returns the handle that renders them.
///
/// # Errors
/// [`TelemetryError::AlreadySetUp`] on the second call.
pub fn install() -> Result<PrometheusHandle, TelemetryError> {
    let by_suffix = Matcher::Suffix(SECONDS_SUFFIX.to_owned());
    let recorder =
        PrometheusBuilder::new().set_buckets_for_metric(by_suffix, &SECONDS)?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| TelemetryError::AlreadySetUp)?;
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
        "Answered requests, by method, route and status class"
    );
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "Time until the response starts, by route");
    describe_gauge!(IN_FLIGHT, Unit::Count, "Requests whose response has not started");
    describe_gauge!(BUILD, Unit::Count, "Always 1; the label has the version");
    claude::describe_metrics();
    ai::meter::describe();
    cache::meter::describe();
}

/// Compacts histograms forever.
pub async fn upkeep(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_INTERVAL).await;
        handle.run_upkeep();
    }
}

/// Counts a request and measures the time until its response starts. A client that disconnects
/// before that affects only the in-flight gauge.
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

/// Counts a request as in flight until dropped.
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

/// Returns the method's label.
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

/// Returns the status class.
fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
