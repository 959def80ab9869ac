//! A client for the Claude Messages API with bounds on everything, retries, a circuit breaker and
//! cost accounting.
//!
//! It knows nothing about the program around it and reads no environment variables.
//!
//! - Plain answers ([`Client::send`]) and streams ([`Client::stream`]), answers that follow a JSON
//!   Schema, and [prompt caching](System::cached).
//! - Errors by [`Kind`], with the service's request id and the time to wait before a retry.
//! - The retry rules of the official clients, a circuit breaker, and pacing by the service's rate
//!   limit headers. Concurrent and queued calls are bounded, and users share them fairly.
//!   Everything has a timeout.
//! - Tokens and cost for each answer ([`Answer::usage`], [`Answer::cost_micro_usd`], [`Prices`])
//!   and in metrics ([`describe_metrics`]). Logs contain request ids but never prompts, answers or
//!   the API key.
//!
//! A call's path, file after file: [`Client`] (`client`) turns a `request` into JSON. `call` waits
//! for a slot (`slots`) and for the checks in `shared` (`pace` and `breaker`), then sends the
//! request through `http` (`connect`), which parses the response's `head`. `plain`, or `stream`
//! with `sse` and `assembly`, reads the answer (`wire`). After a failure `retry` decides. `meter`
//! counts. `retry`, `breaker`, `pace`, `prices`, `sse` and `assembly` are pure: they are passed the
//! time, and only `clock` reads one.
//!
//! # Example
//!
//! ```
//! use claude::{Client, Effort, Event, Request, Settings, System};
//! # use std::io::{BufRead, BufReader, Read, Write};
//! # let service = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let base_url = format!("http://{}", service.local_addr()?);
//! # std::thread::spawn(move || -> std::io::Result<()> {
//! #     loop {
//! #         let (mut connection, _) = service.accept()?;
//! #         let mut lines = BufReader::new(connection.try_clone()?);
//! #         let mut length = 0;
//! #         loop {
//! #             let mut line = String::new();
//! #             lines.read_line(&mut line)?;
//! #             if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
//! #                 length = value.trim().parse().unwrap_or(0);
//! #             }
//! #             if line.trim().is_empty() { break; }
//! #         }
//! #         let mut asked = vec![0; length];
//! #         lines.read_exact(&mut asked)?;
//! #         let usage = r#"{"input_tokens":20,"output_tokens":5}"#;
//! #         let (kind, body) = if String::from_utf8_lossy(&asked).contains("\"stream\":true") {
//! #             ("text/event-stream", format!("data: {{\"type\":\"message_start\",\"message\":{{\"model\":\"m\",\"usage\":{usage}}}}}\n\n\
//! #                 data: {{\"type\":\"content_block_delta\",\"delta\":{{\"type\":\"text_delta\",\"text\":\"Paris\"}}}}\n\n\
//! #                 data: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\"}}}}\n\n\
//! #                 data: {{\"type\":\"message_stop\"}}\n\n"))
//! #         } else {
//! #             ("application/json", format!(r#"{{"model":"claude-haiku-5-5","content":[{{"type":"text","text":"Paris"}}],"stop_reason":"end_turn","usage":{usage}}}"#))
//! #         };
//! #         write!(connection, "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())?;
//! #     }
//! # });
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//!
//! // Or "https://api.anthropic.com", with the key from wherever the program keeps it.
//! let client = Client::new(Settings::new(base_url.parse()?, "sk-ant-…".replace('…', "0").parse()?))?;
//!
//! let request = Request {
//!     model: "claude-haiku-5-5".to_owned(),
//!     max_tokens: 256,
//!     effort: Some(Effort::Low),
//!     system: vec![System { text: "Answer in one word.".to_owned(), cached: true }],
//!     content: "What is the capital of France?".to_owned(),
//!     schema: None,
//!     user_id: None,
//! };
//! let answer = client.send(&request).await?;
//! assert_eq!(answer.text, "Paris");
//! assert!(answer.stop_reason.is_complete());
//! assert_eq!(answer.cost_micro_usd, 5); // 20 × 0.10 + 5 × 0.50 $ per million, rounded up
//!
//! let mut stream = client.stream(&request).await?;
//! while let Some(event) = stream.next().await {
//!     match event? {
//!         Event::Text(more) => print!("{more}"),
//!         Event::Done(answer) => println!(" ({} tokens)", answer.usage.output_tokens),
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod api_key;
mod assembly;
mod breaker;
mod call;
mod client;
mod clock;
mod connect;
mod error;
mod head;
mod http;
mod kind;
mod meter;
mod pace;
mod plain;
mod prices;
mod request;
mod retry;
mod settings;
mod shared;
mod silence;
mod slots;
mod sse;
mod stop_reason;
mod stream;
mod usage;
mod wire;

pub use answer::{Answer, Event};
pub use api_key::{ApiKey, BadApiKey};
pub use breaker::{BreakerSettings, Health};
pub use client::Client;
pub use connect::BuildError;
pub use error::ClaudeError;
pub use kind::Kind;
pub use meter::{
    BREAKER_OPEN, BREAKER_OPENED, COST, IN_FLIGHT, REQUESTS, RETRIES, SECONDS, TOKENS, UNPRICED,
    WAITING, describe_metrics,
};
pub use prices::{BadPrices, Prices};
pub use request::{BadEffort, Effort, Request, System};
pub use settings::{BASE_URL, Settings};
pub use stop_reason::StopReason;
pub use stream::{AnswerStream, Bill};
pub use usage::Usage;
