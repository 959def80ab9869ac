//! Where log lines go: to Envoy's log, a panic's last words too.

use crate::abi;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::panic;

struct Envoy;

/// Has what is logged from now on go there.
pub(crate) fn begin() {
    // Fails where there is a logger already, which is as good.
    if log::set_logger(&Envoy).is_ok() {
        log::set_max_level(LevelFilter::Info);
        panic::set_hook(Box::new(|panic| abi::log(Level::Error, &panic.to_string())));
    }
}

impl Log for Envoy {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            abi::log(record.level(), &record.args().to_string());
        }
    }

    fn flush(&self) {}
}
