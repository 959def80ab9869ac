//! The metrics and logs of a test. Both are per thread, as is each test's runtime.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Once;

/// The metrics recorded on this thread while its recorder is set.
pub(crate) struct Metrics(PrometheusHandle);

/// Returns a recorder and a handle to its metrics.
pub(crate) fn metrics() -> (PrometheusRecorder, Metrics) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = Metrics(recorder.handle());
    (recorder, metrics)
}

impl Metrics {
    /// Returns the sorted lines of one metric.
    pub(crate) fn lines(&self, name: &str) -> String {
        let rendered = self.0.render();
        let mut lines: Vec<_> = rendered
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])))
            .collect();
        lines.sort_unstable();
        lines.join("\n")
    }

    /// Returns all metrics.
    pub(crate) fn all(&self) -> String {
        self.0.render()
    }
}

thread_local! {
    /// This thread's log, if a test has started one.
    static LOGGED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// This thread's log, at all levels.
pub(crate) struct Log(());

impl Log {
    /// Starts logging. All threads share one subscriber, which is never removed: `tracing` caches
    /// for the whole process whether any subscriber was interested in an event when it first fired.
    /// With a subscriber per test, the answer could be none.
    pub(crate) fn start() -> Self {
        static SUBSCRIBED: Once = Once::new();
        SUBSCRIBED.call_once(|| {
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_ansi(false)
                .with_writer(|| ThreadLog)
                .init();
        });
        LOGGED.set(Some(Vec::new()));
        Self(())
    }

    /// Returns the log so far.
    pub(crate) fn text(&self) -> String {
        LOGGED.with_borrow(|logged| String::from_utf8(logged.clone().unwrap()).unwrap())
    }
}

/// Writes to the current thread's log, if started.
struct ThreadLog;

impl Write for ThreadLog {
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
