//! What a test's calls leave in metrics and logs. Both are the thread's own, and so is a test's
//! runtime.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use tracing::subscriber::DefaultGuard;

/// The metrics of everything that this thread does while `recording` lives.
pub(crate) struct Metrics(PrometheusHandle);

/// A recorder, and what it has recorded.
pub(crate) fn metrics() -> (PrometheusRecorder, Metrics) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = Metrics(recorder.handle());
    (recorder, metrics)
}

impl Metrics {
    /// The lines of the metric, in order.
    pub(crate) fn lines(&self, name: &str) -> String {
        let rendered = self.0.render();
        let mut lines: Vec<_> = rendered
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])))
            .collect();
        lines.sort_unstable();
        lines.join("\n")
    }

    /// All of it.
    pub(crate) fn all(&self) -> String {
        self.0.render()
    }
}

/// A log of everything, whatever its level.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Logs what this thread does for as long as the guard lives.
    pub(crate) fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        (log, guard)
    }

    /// What was logged so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
