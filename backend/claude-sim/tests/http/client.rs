//! A server for one test, and a client for it.

use claude_sim::canonical::sorted;
use claude_sim::server::Running;
use claude_sim::sim::Settings;
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// The timeout of every operation, generous enough for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Headers that differ from run to run or only describe the body's framing.
const NOT_SHOWN: [&str; 3] = ["content-length", "date", "transfer-encoding"];

/// A server and an HTTP client.
pub(crate) struct Sim {
    /// The server, within this process.
    pub(crate) running: Running,
    http: Client,
}

/// A complete response.
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) text: String,
}

/// Returns a valid request for an answer in JSON.
pub(crate) fn request() -> Value {
    json!({
        "model": "claude-sonnet-5-5",
        "max_tokens": 4096,
        "system": [{
            "type": "text",
            "text": "Score résumés for a recruiter.",
            "cache_control": { "type": "ephemeral", "ttl": "1h" },
        }],
        "messages": [{ "role": "user", "content": "<resume>{\"basics\":{\"summary\":\"Led Rust teams\"}}</resume>" }],
        "output_config": { "effort": "low", "format": { "type": "json_schema", "schema": {
            "type": "object",
            "additionalProperties": false,
            "required": ["score", "summary"],
            "properties": {
                "score": { "type": "integer", "description": "From 0 to 100" },
                "summary": { "type": "string" },
            },
        } } },
        "metadata": { "user_id": "0123456789abcdef" },
    })
}

/// Returns the request with another schema.
pub(crate) fn asking_for(schema: &Value) -> Value {
    with(&["output_config", "format", "schema"], schema.clone())
}

/// Returns the request without a schema.
pub(crate) fn in_prose() -> Value {
    with(&["output_config"], json!({ "effort": "low" }))
}

/// Returns the request with the member at `path` set, or removed if `value` is null.
pub(crate) fn with(path: &[&str], value: Value) -> Value {
    let mut body = request();
    let (last, parents) = path.split_last().unwrap();
    let mut place = &mut body;
    for name in parents {
        place = &mut place[*name];
    }
    let members = place.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(*last);
    } else {
        members.insert((*last).to_owned(), value);
    }
    body
}

/// Asks for a streamed answer.
pub(crate) fn streamed(mut body: Value) -> Value {
    body["stream"] = true.into();
    body
}

impl Sim {
    /// Starts a server.
    pub(crate) async fn start() -> Self {
        let running = Running::start(Settings::default()).await.unwrap();
        Self { running, http: client() }
    }

    /// Builds a `POST /v1/messages` with the required headers.
    pub(crate) fn post(&self, body: &Value) -> RequestBuilder {
        self.bare(body.to_string())
            .header("x-api-key", "key")
            .header("anthropic-version", "2023-06-01")
            .header("content-type", "application/json")
    }

    /// Builds a `POST /v1/messages` without headers.
    pub(crate) fn bare(&self, body: impl Into<String>) -> RequestBuilder {
        self.http.post(self.running.url() + "/v1/messages").body(body.into())
    }

    /// Sends `body` and returns the response.
    pub(crate) async fn ask(&self, body: &Value) -> Reply {
        Reply::of(self.post(body)).await
    }

    /// Sends a request to `/sim/…`.
    pub(crate) async fn control(&self, method: &str, path: &str, body: &Value) -> Reply {
        let url = format!("{}{path}", self.running.url());
        Reply::of(self.http.request(method.parse().unwrap(), url).json(body)).await
    }

    /// Injects a fault.
    pub(crate) async fn fault(&self, fault: &Value) {
        let reply = self.control("POST", "/sim/faults", fault).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }

    /// Sends `body` as a streaming request and returns its events.
    pub(crate) async fn stream(&self, body: &Value) -> Events {
        let response = self.post(&streamed(body.clone())).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        Events { response, buffer: String::new() }
    }
}

/// Builds an HTTP client with a timeout.
pub(crate) fn client() -> Client {
    Client::builder().timeout(PATIENCE).build().unwrap()
}

impl Reply {
    /// Sends a request and reads the response.
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    /// Parses the body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// Formats the error in the body: `429 rate_limit_error: …`.
    pub(crate) fn error(&self) -> String {
        let body = self.json();
        assert_eq!(body["type"], "error");
        assert_eq!(body["request_id"], self.headers["request-id"].to_str().unwrap());
        let error = &body["error"];
        let text = |name: &str| error[name].as_str().unwrap().to_owned();
        format!("{} {}: {}", self.status, text("type"), text("message"))
    }

    /// Returns the answer's text.
    pub(crate) fn answer(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text);
        let body = self.json();
        let blocks = body["content"].as_array().unwrap();
        let text = blocks.iter().find(|block| block["type"] == "text").unwrap();
        text["text"].as_str().unwrap().to_owned()
    }

    /// Formats the response: status, headers and body.
    pub(crate) fn show(&self) -> String {
        format!("{}\n{}\n{:#}", self.status, shown(&self.headers), sorted(&self.json()))
    }
}

/// Formats the headers without times.
pub(crate) fn shown(headers: &HeaderMap) -> String {
    let mut text = String::new();
    for (name, value) in headers {
        let value = if name.as_str().ends_with("-reset") { "…" } else { value.to_str().unwrap() };
        if !NOT_SHOWN.contains(&name.as_str()) {
            writeln!(text, "{name}: {value}").unwrap();
        }
    }
    text
}

/// The events of a streamed answer.
pub(crate) struct Events {
    /// The response.
    pub(crate) response: Response,
    buffer: String,
}

impl Events {
    /// Returns the next event's name and data, `None` at the end, or an error if the stream is cut.
    pub(crate) async fn next(&mut self) -> Result<Option<(String, Value)>, String> {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let (name, data) = event.split_once('\n').unwrap();
                let name = name.strip_prefix("event: ").unwrap().to_owned();
                let data: Value =
                    serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
                assert_eq!(data["type"], name.as_str());
                self.buffer = rest.to_owned();
                return Ok(Some((name, data)));
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.buffer.push_str(std::str::from_utf8(&chunk).unwrap()),
                Ok(None) if self.buffer.is_empty() => return Ok(None),
                Ok(None) => panic!("incomplete event: {}", self.buffer),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Returns all events, and true if the stream was cut.
    pub(crate) async fn all(mut self) -> (Vec<(String, Value)>, bool) {
        let mut events = Vec::new();
        loop {
            match self.next().await {
                Ok(Some(event)) => events.push(event),
                Ok(None) => return (events, false),
                Err(_) => return (events, true),
            }
        }
    }
}

/// Joins the texts of the deltas of this kind.
pub(crate) fn join_deltas(events: &[(String, Value)], delta: &str, member: &str) -> String {
    let deltas = events.iter().map(|(_, data)| &data["delta"]);
    let texts = deltas.filter(|found| found["type"] == delta);
    texts.map(|found| found[member].as_str().unwrap()).collect()
}
