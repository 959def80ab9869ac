//! HTTP: sends one request and reads the response's head and body, all within bounds.
//!
//! Called by [`crate::call`], [`crate::plain`] and [`crate::stream`]. Knows nothing about messages.

use crate::api_key::ApiKey;
use crate::clock;
use crate::connect::{BuildError, Connector, connector, messages_uri, trusted};
use crate::error::ClaudeError;
use crate::head::Head;
use crate::kind::Kind;
use crate::settings::Settings;
use crate::wire::ErrorBody;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The API version this client speaks.
const VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");
const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("tollgate-claude/", env!("CARGO_PKG_VERSION")));
/// The largest error body that is parsed, in bytes.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// The timeout for reading an error body.
const ERROR_TIMEOUT: Duration = Duration::from_secs(5);
/// The time after which an idle connection is closed.
const KEEP_IDLE: Duration = Duration::from_secs(60);

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// Connections to the service.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client<Connector, Full<Bytes>>,
    messages: Uri,
    api_key: ApiKey,
}

/// A response whose head has arrived.
#[derive(Debug)]
pub(crate) struct Reply {
    status: u16,
    content_type: Option<HeaderValue>,
    pub(crate) head: Head,
    pub(crate) body: Incoming,
}

impl Http {
    pub(crate) fn new(settings: &Settings) -> Result<Self, BuildError> {
        let messages = messages_uri(&settings.base_url)?;
        let trusted = trusted(settings.base_url.scheme() == "https")?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEEP_IDLE)
            .pool_max_idle_per_host(settings.max_concurrent.max(1))
            .build(connector(trusted, settings.connect_timeout)?);
        Ok(Self { client, messages, api_key: settings.api_key.clone() })
    }

    /// Posts `body` and waits for the response head until `by`.
    pub(crate) async fn post(&self, body: Bytes, by: Instant) -> Result<Reply, ClaudeError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.messages.clone();
        request.headers_mut().extend([
            (X_API_KEY, self.api_key.header()),
            (ANTHROPIC_VERSION, VERSION),
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::USER_AGENT, USER_AGENT),
        ]);
        let sent = timeout_at(by, self.client.request(request)).await;
        let response = sent.map_err(|_elapsed| timed_out("a response"))?.map_err(|error| {
            let kind = if error.is_connect() { Kind::Connect } else { Kind::Broken };
            ClaudeError::new(kind, Chain(&error))
        })?;
        let (parts, body) = response.into_parts();
        Ok(Reply {
            status: parts.status.as_u16(),
            content_type: parts.headers.get(header::CONTENT_TYPE).cloned(),
            head: Head::read(&parts.headers, clock::today()),
            body,
        })
    }
}

impl Reply {
    pub(crate) const fn is_answer(&self) -> bool {
        self.status == 200
    }

    pub(crate) const fn is_limited(&self) -> bool {
        self.status == 429
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.content_type
            .as_ref()
            .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
    }

    /// Reads the body of an error response and converts it into an error.
    pub(crate) async fn into_error(mut self) -> ClaudeError {
        let by = clock::now() + ERROR_TIMEOUT;
        let body = collected(&mut self.body, MAX_ERROR_BYTES, by).await;
        let parsed: Option<ErrorBody> =
            body.ok().and_then(|body| serde_json::from_slice(&body).ok());
        let error = match &parsed {
            Some(parsed) if parsed.error.is_spend_limit() => {
                ClaudeError::new(Kind::SpendLimit, parsed.error.message())
            }
            Some(ErrorBody { error, .. }) => {
                let kind = Kind::from_service(Some(self.status), error.name.as_deref());
                ClaudeError::new(kind, error.message())
            }
            None => {
                let kind = Kind::from_service(Some(self.status), None);
                ClaudeError::new(
                    kind,
                    "expected an answer or an error of the service, found neither",
                )
            }
        };
        let named_in_body = parsed.as_ref().and_then(|body| body.request_id.as_deref());
        error
            .with_status(self.status)
            .with_request_id(self.head.request_id.as_deref().or(named_in_body))
            .with_retry_after(self.head.retry_after)
            .with_should_retry(self.head.should_retry)
    }
}

/// Reads the rest of a body, at most `max_bytes`, until `by`.
pub(crate) async fn collected(
    body: &mut Incoming,
    max_bytes: usize,
    by: Instant,
) -> Result<Vec<u8>, ClaudeError> {
    let mut bytes = Vec::new();
    while let Some(piece) = piece(body, by).await? {
        if bytes.len().saturating_add(piece.len()) > max_bytes {
            let expected = format_args!("expected an answer of at most {max_bytes} bytes");
            return Err(ClaudeError::new(Kind::AnswerTooLarge, expected));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Reads the next chunk of a body until `by`. Returns `None` at its end.
pub(crate) async fn piece(body: &mut Incoming, by: Instant) -> Result<Option<Bytes>, ClaudeError> {
    loop {
        let frame = timeout_at(by, body.frame())
            .await
            .map_err(|_elapsed| timed_out("more of the response"))?;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(ClaudeError::new(Kind::Broken, Chain(&error))),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn timed_out(expected: &str) -> ClaudeError {
    ClaudeError::new(Kind::TimedOut, format_args!("expected {expected} in time"))
}

/// Displays an error with its causes.
struct Chain<'a>(&'a dyn Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
