//! A small HTTP client for the operator's commands and the container's health check.
//!
//! Called by [`crate::run`] and [`crate::operator`]. It speaks plain HTTP: the admin port is on
//! loopback or on a network that the operator trusts.

use crate::secret::Token;
use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use limits::problem::Problem;
use std::time::Duration;
use tokio::time::timeout;

/// The timeout of an exchange, including the connection.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest response: a full list of overrides fits in it.
const MAX_RESPONSE_BYTES: usize = 8 << 20;

/// Checks the health endpoint at `url`.
///
/// # Errors
/// Fails if it does not answer 200 within 5 s.
pub(crate) async fn healthcheck(url: &Uri) -> anyhow::Result<()> {
    let (status, body) = send(url, Method::GET, None, Vec::new()).await?;
    if status == StatusCode::OK {
        Ok(())
    } else {
        bail!("{url} answered {}", summary(status, &body))
    }
}

/// Sends a request to the admin API at `base`, a POST if there is a `body`, and returns the
/// response's body.
///
/// # Errors
/// Fails if the API does not answer 200 within 5 s.
pub(crate) async fn ask(
    base: &Uri,
    path: &str,
    token: &Token,
    body: Option<Vec<u8>>,
) -> anyhow::Result<Vec<u8>> {
    let url: Uri = format!("{}{path}", base.to_string().trim_end_matches('/')).parse()?;
    let method = if body.is_some() { Method::POST } else { Method::GET };
    let (status, body) = send(&url, method, Some(token), body.unwrap_or_default()).await?;
    if status == StatusCode::OK {
        Ok(body)
    } else {
        bail!("{url} answered {}", summary(status, &body))
    }
}

async fn send(
    url: &Uri,
    method: Method,
    token: Option<&Token>,
    body: Vec<u8>,
) -> anyhow::Result<(StatusCode, Vec<u8>)> {
    let mut request = Request::builder().method(method).uri(url);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, token.bearer());
    }
    let request = request.body(Full::new(Bytes::from(body)))?;
    let exchange = async {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            anyhow::anyhow!("cannot reach {url}: {}", cause.unwrap_or_else(|| error.to_string()))
        })?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_RESPONSE_BYTES).collect().await;
        let body =
            body.map_err(|error| anyhow::anyhow!("cannot read the response of {url}: {error}"))?;
        anyhow::Ok((status, body.to_bytes().to_vec()))
    };
    timeout(TIMEOUT, exchange)
        .await
        .with_context(|| format!("{url} did not answer within {TIMEOUT:?}"))?
}

/// Summarizes an error response in one line.
fn summary(status: StatusCode, body: &[u8]) -> String {
    let Ok(problem) = limits::json::parse::<Problem>(body) else { return status.to_string() };
    let errors =
        problem.errors.iter().map(|error| format!(" {}: {}.", error.pointer, error.detail));
    format!("{status}: {}{}", problem.detail, errors.collect::<String>())
}
