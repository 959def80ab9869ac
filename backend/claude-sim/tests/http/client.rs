//! A server of a test's own, and what it answers.

use claude_sim::canonical::sorted;
use claude_sim::server::Running;
use claude_sim::sim::Settings;
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// How long anything may take before a test fails: far more than it does, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Headers that differ from run to run, or say only how the body is framed.
const NOT_SHOWN: [&str; 3] = ["content-length", "date", "transfer-encoding"];

/// The server.
pub(crate) struct Sim {
    /// Within this process.
    pub(crate) running: Running,
    http: Client,
}

/// A whole reply.
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) text: String,
}

/// A request without a mistake, for an answer in JSON.
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

/// The same, asking for an answer of this schema.
pub(crate) fn asking_for(schema: &Value) -> Value {
    with(&["output_config", "format", "schema"], schema.clone())
}

/// The same without a schema.
pub(crate) fn in_prose() -> Value {
    with(&["output_config"], json!({ "effort": "low" }))
}

/// The same, with the member at `path` set; null takes it away.
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

/// The same as events.
pub(crate) fn streamed(mut body: Value) -> Value {
    body["stream"] = true.into();
    body
}

impl Sim {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        let running = Running::start(Settings::default()).await.unwrap();
        Self { running, http: client() }
    }

    /// `POST /v1/messages`, with the headers that it needs.
    pub(crate) fn post(&self, body: &Value) -> RequestBuilder {
        self.bare(body.to_string())
            .header("x-api-key", "key")
            .header("anthropic-version", "2023-06-01")
            .header("content-type", "application/json")
    }

    /// `POST /v1/messages`, without a header.
    pub(crate) fn bare(&self, body: impl Into<String>) -> RequestBuilder {
        self.http.post(self.running.url() + "/v1/messages").body(body.into())
    }

    /// What is answered to `body`.
    pub(crate) async fn ask(&self, body: &Value) -> Reply {
        Reply::of(self.post(body)).await
    }

    /// `GET`, `POST` or `DELETE` of `/sim/…`.
    pub(crate) async fn control(&self, method: &str, path: &str, body: &Value) -> Reply {
        let url = format!("{}{path}", self.running.url());
        Reply::of(self.http.request(method.parse().unwrap(), url).json(body)).await
    }

    /// Has this go wrong.
    pub(crate) async fn fault(&self, fault: &Value) {
        let reply = self.control("POST", "/sim/faults", fault).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }

    /// The answer to `body`, once its events have begun to come.
    pub(crate) async fn stream(&self, body: &Value) -> Events {
        let response = self.post(&streamed(body.clone())).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        Events { response, buffer: String::new() }
    }
}

/// One that waits, but not for ever.
pub(crate) fn client() -> Client {
    Client::builder().timeout(PATIENCE).build().unwrap()
}

impl Reply {
    /// What comes back.
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The body's error: `429 rate_limit_error: …`.
    pub(crate) fn error(&self) -> String {
        let body = self.json();
        assert_eq!(body["type"], "error");
        assert_eq!(body["request_id"], self.headers["request-id"].to_str().unwrap());
        let error = &body["error"];
        let text = |name: &str| error[name].as_str().unwrap().to_owned();
        format!("{} {}: {}", self.status, text("type"), text("message"))
    }

    /// The text of the answer.
    pub(crate) fn answer(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text);
        let body = self.json();
        let blocks = body["content"].as_array().unwrap();
        let text = blocks.iter().find(|block| block["type"] == "text").unwrap();
        text["text"].as_str().unwrap().to_owned()
    }

    /// The whole reply: status, headers, body.
    pub(crate) fn show(&self) -> String {
        format!("{}\n{}\n{:#}", self.status, shown(&self.headers), sorted(&self.json()))
    }
}

/// The headers, without the time of day.
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

/// The events of an answer, as they come.
pub(crate) struct Events {
    /// Where they come from.
    pub(crate) response: Response,
    buffer: String,
}

impl Events {
    /// The next one: its name and its data. `None` at the end, an error where it is cut.
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
                Ok(None) => panic!("half an event: {}", self.buffer),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// All that come, and whether they were cut.
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

/// The texts of the deltas of this kind, put together.
pub(crate) fn put_together(events: &[(String, Value)], delta: &str, member: &str) -> String {
    let deltas = events.iter().map(|(_, data)| &data["delta"]);
    let texts = deltas.filter(|found| found["type"] == delta);
    texts.map(|found| found[member].as_str().unwrap()).collect()
}
