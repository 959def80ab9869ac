//! Asks a shim over HTTP/2, for a module that should not know Redis's password.

use crate::connection::Headers;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use limits::gate::SettleResult;
use limits::wire::{self, DecideBody, DecideReply, Decision, Settle, SettleBody};
use std::time::Duration;

/// The longest reply, which is larger than that to the largest batch.
const MAX_REPLY_BYTES: usize = 8 << 20;
/// The interval at which an idle connection is tested, and the time for an answer, so that a shim that
/// vanished is noticed before a request asks it.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// A connection to a shim, which is opened again after it broke.
pub(crate) struct Shim {
    client: Client<HttpConnector, Full<Bytes>>,
    /// `http://host:port`
    base: Uri,
}

/// A reply of the shim's own.
struct Reply {
    status: StatusCode,
    body: Bytes,
}

impl Shim {
    /// Prepares a connection to the shim at `base`. `connect`: the time to connect in.
    pub(crate) fn new(base: Uri, connect: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(connect));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .http2_only(true)
            .http2_keep_alive_interval(HEARTBEAT)
            .http2_keep_alive_timeout(HEARTBEAT)
            .http2_keep_alive_while_idle(true)
            .build(connector);
        Self { client, base }
    }

    /// Decides requests, in order. `None` if the shim did not.
    pub(crate) async fn decide(
        &self,
        requests: Vec<wire::Request>,
        headers: Headers,
    ) -> Option<Vec<Decision>> {
        let body = serde_json::to_vec(&DecideBody { requests }).ok()?;
        let reply = self.ask(Method::POST, wire::DECIDE_PATH, headers, body).await?;
        if reply.status != StatusCode::OK {
            return None;
        }
        serde_json::from_slice::<DecideReply>(&reply.body).ok().map(|reply| reply.decisions)
    }

    /// Applies settles.
    pub(crate) async fn settle(&self, settles: Vec<Settle>) -> SettleResult {
        let Ok(body) = serde_json::to_vec(&SettleBody { settles }) else {
            return SettleResult::Rejected;
        };
        let reply = self.ask(Method::POST, wire::SETTLE_PATH, Vec::new(), body).await;
        match reply.map(|reply| reply.status) {
            Some(StatusCode::OK) => SettleResult::Accepted,
            // The shim was too busy; the same settles can succeed later.
            Some(StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS) => SettleResult::Lost,
            Some(status) if status.is_client_error() => SettleResult::Rejected,
            _ => SettleResult::Lost,
        }
    }

    /// Returns true if the shim can decide.
    pub(crate) async fn is_up(&self) -> bool {
        let reply = self.ask(Method::GET, wire::HEALTH_PATH, Vec::new(), Vec::new()).await;
        reply.is_some_and(|reply| reply.status == StatusCode::OK)
    }

    /// Sends a request once. `None` if there was no reply, or not one of a shim.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: Headers,
        body: Vec<u8>,
    ) -> Option<Reply> {
        let uri = format!("{}{path}", self.base.to_string().trim_end_matches('/'));
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::from(body)).ok()?;
        let response = self.client.request(request).await.ok()?;
        let marker = response.headers().get(wire::MARKER_HEADER)?;
        if marker != wire::MARKER_VALUE {
            return None;
        }
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_REPLY_BYTES).collect().await.ok()?;
        Some(Reply { status, body: body.to_bytes() })
    }
}
