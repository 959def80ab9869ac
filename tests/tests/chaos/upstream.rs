//! The upstream answers every request with 200 and records the payer and the time.

use super::history::{Passed, Payer};
use super::load::{SENT, USER};
use harness::clock::Stopwatch;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

/// The requests that arrived.
#[derive(Debug, Default)]
pub(super) struct Record {
    passed: Mutex<BTreeMap<Payer, Vec<Passed>>>,
}

impl Record {
    /// Returns the requests to `path`, by payer.
    pub(super) fn of(&self, path: &str) -> BTreeMap<Payer, Vec<Passed>> {
        let passed = self.passed.lock().unwrap();
        passed
            .iter()
            .filter(|(payer, _)| payer.0 == path)
            .map(|(p, all)| (p.clone(), all.clone()))
            .collect()
    }

    fn note(&self, request: &Request<Incoming>, arrived: Duration) {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let Some((user, sent)) = header(USER).zip(header(SENT)) else { return };
        let sent = Duration::from_micros(sent.parse().unwrap());
        let payer = (request.uri().path().to_owned(), user.to_owned());
        self.passed.lock().unwrap().entry(payer).or_default().push(Passed { sent, arrived });
    }
}

/// Serves until the runtime ends.
pub(super) async fn serve(listener: TcpListener, record: Arc<Record>, clock: Stopwatch) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let record = record.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            record.note(&request, clock.elapsed());
            async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok\n")))) }
        });
        let connection = hyper::server::conn::http1::Builder::new();
        tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
    }
}
