//! A small HTTP client for the operator's commands and the container's healthcheck.
//!
//! Called by [`crate::run`] and [`crate::operator`]. Plain HTTP: the admin port is on loopback, or
//! behind whatever the operator trusts.

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

/// For an answer, the connection included.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer: all overrides there may be.
const MAX_ANSWER_BYTES: usize = 8 << 20;

/// Whether the shim at `url` is healthy.
pub(crate) async fn healthcheck(url: &Uri) -> anyhow::Result<()> {
    let (status, body) = send(url, Method::GET, None, Vec::new()).await?;
    if status == StatusCode::OK { Ok(()) } else { bail!("{url} answered {}", told(status, &body)) }
}

/// Asks the admin API at `base`; the reply's body if it is 200.
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
        bail!("{url} answered {}", told(status, &body))
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
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body =
            body.map_err(|error| anyhow::anyhow!("the answer of {url} broke off: {error}"))?;
        anyhow::Ok((status, body.to_bytes().to_vec()))
    };
    timeout(PATIENCE, exchange)
        .await
        .with_context(|| format!("{url} did not answer within {PATIENCE:?}"))?
}

/// What an answer that is no 200 says, in a line.
fn told(status: StatusCode, body: &[u8]) -> String {
    let Ok(problem) = limits::json::parse::<Problem>(body) else { return status.to_string() };
    let errors =
        problem.errors.iter().map(|error| format!(" {}: {}.", error.pointer, error.detail));
    format!("{status}: {}{}", problem.detail, errors.collect::<String>())
}
