//! What the tests ask, and of whom.

use crate::service::Service;
use claude::{Answer, AnswerStream, ClaudeError, Client, Event, Request, Settings};
use tokio::task::JoinHandle;

/// The key that nobody else may see.
pub(crate) const KEY: &str = "sk-ant-the-key-itself";

/// Settings for the service.
pub(crate) fn settings(service: &Service) -> Settings {
    Settings::new(service.url.parse().unwrap(), KEY.parse().unwrap())
}

/// A client of the service.
pub(crate) fn client(service: &Service) -> Client {
    Client::new(settings(service)).unwrap()
}

/// A client that does not try again.
pub(crate) fn client_without_retries(service: &Service) -> Client {
    Client::new(Settings { max_retries: 0, ..settings(service) }).unwrap()
}

/// A question.
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

/// The error of a call that fails.
pub(crate) async fn error_of(client: &Client) -> ClaudeError {
    client.send(&question()).await.expect_err("a call that fails")
}

/// A call that is under way by itself.
pub(crate) fn asking(client: &Client) -> JoinHandle<Result<Answer, ClaudeError>> {
    let client = client.clone();
    tokio::spawn(async move { client.send(&question()).await })
}

/// All that comes of a stream.
pub(crate) async fn all_of(mut stream: AnswerStream) -> Vec<Result<Event, ClaudeError>> {
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        events.push(event);
    }
    events
}
