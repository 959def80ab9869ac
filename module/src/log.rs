//! Passes the ledger's log lines to Envoy's log.

use crate::abi::{LogLevel, log};
use std::io;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Installs the logger of the process, once.
pub(crate) fn install() {
    let logger = tracing_subscriber::fmt()
        .with_max_level(Level::INFO)
        .with_ansi(false)
        .without_time()
        .with_level(false)
        .with_writer(EnvoyLog);
    // Fails if the module is loaded twice; the first logger stays.
    let _already_installed = logger.try_init();
}

struct EnvoyLog;

/// Writes each line at a level.
struct Lines(LogLevel);

impl<'a> MakeWriter<'a> for EnvoyLog {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        Lines(LogLevel::Info)
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Lines {
        Lines(match *meta.level() {
            Level::ERROR => LogLevel::Error,
            Level::WARN => LogLevel::Warn,
            Level::INFO => LogLevel::Info,
            Level::DEBUG => LogLevel::Debug,
            Level::TRACE => LogLevel::Trace,
        })
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        log(self.0, &format!("tollgate: {}", String::from_utf8_lossy(bytes.trim_ascii_end())));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
