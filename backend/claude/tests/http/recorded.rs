//! What a test's calls leave in metrics and logs. Both are the thread's own, and so is a test's
//! runtime.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Once;

/// The metrics of what this thread does while its recorder is set.
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

thread_local! {
    /// What this thread has logged, since a test asked for it.
    static LOGGED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// A log of everything that this thread does, whatever its level.
pub(crate) struct Log(());

impl Log {
    /// Begins to log. There is one subscriber for all threads, and it is never taken away:
    /// `tracing` remembers for the whole process who was interested in an event when it first came,
    /// and with a subscriber for each test that could be nobody.
    pub(crate) fn start() -> Self {
        static SUBSCRIBED: Once = Once::new();
        SUBSCRIBED.call_once(|| {
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_ansi(false)
                .with_writer(|| ThreadsOwn)
                .init();
        });
        LOGGED.set(Some(Vec::new()));
        Self(())
    }

    /// What was logged so far.
    pub(crate) fn text(&self) -> String {
        LOGGED.with_borrow(|logged| String::from_utf8(logged.clone().unwrap()).unwrap())
    }
}

/// Writes to the log of its thread, if that keeps one.
struct ThreadsOwn;

impl Write for ThreadsOwn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| {
            if let Some(logged) = logged {
                logged.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
