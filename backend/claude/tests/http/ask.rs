//! Clients and requests shared by the tests.

use crate::service::Service;
use claude::{Answer, AnswerStream, ClaudeError, Client, Event, Request, Settings};
use tokio::task::JoinHandle;

/// The API key, which must not leak.
pub(crate) const KEY: &str = "sk-ant-the-key-itself";

/// Returns default settings for `service`.
pub(crate) fn settings(service: &Service) -> Settings {
    Settings::new(service.url.parse().unwrap(), KEY.parse().unwrap())
}

/// Builds a client with default settings.
pub(crate) fn client(service: &Service) -> Client {
    Client::new(settings(service)).unwrap()
}

/// Builds a client that does not retry.
pub(crate) fn client_without_retries(service: &Service) -> Client {
    Client::new(Settings { max_retries: 0, ..settings(service) }).unwrap()
}

/// Returns a minimal request.
pub(crate) fn question() -> Request {
    Request {
        model: "claude-haiku-5-5".to_owned(),
        max_tokens: 256,
        effort: None,
        system: Vec::new(),
        content: "What is the question itself?".to_owned(),
        schema: None,
        user_id: None,
    }
}

/// Sends a request that must fail, and returns its error.
pub(crate) async fn error_of(client: &Client) -> ClaudeError {
    client.send(&question()).await.expect_err("the call should fail")
}

/// Sends a request in a separate task.
pub(crate) fn spawn_call(client: &Client) -> JoinHandle<Result<Answer, ClaudeError>> {
    let client = client.clone();
    tokio::spawn(async move { client.send(&question()).await })
}

/// Collects all items of a stream.
pub(crate) async fn all_of(mut stream: AnswerStream) -> Vec<Result<Event, ClaudeError>> {
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        events.push(event);
    }
    events
}
