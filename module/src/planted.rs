//! Panics where a request's header or a connection's address asks for it. Only for tests: the feature
//! `planted-panic` exists in `tests/module/Cargo.toml` and not in the module's own manifest.

use crate::abi::stream::{Part, Stream};
use std::sync::atomic::{AtomicBool, Ordering};

/// The header that names a place.
const HEADER: &str = "x-planted-panic";

/// The client whose connections panic.
const ADDRESS: &[u8] = b"127.0.0.250";

/// Set once a request has asked for a panic on the module's thread.
static IS_DUE_ON_THREAD: AtomicBool = AtomicBool::new(false);

/// A place that a request can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The hook of the request's headers, before anything else.
    Arrival,
    /// The same, while the lock is held and the request waits.
    Lock,
    /// The hook that resumes the request.
    Wake,
}

/// Panics if the request of `stream` asks for it.
#[expect(clippy::panic, reason = "this is the panic that is planted")]
pub(crate) fn at(place: Place, stream: &Stream<'_>) {
    let headers = stream.headers(Part::Request);
    let asked = headers.first(HEADER).unwrap_or_default();
    if asked == b"thread" {
        IS_DUE_ON_THREAD.store(true, Ordering::SeqCst);
    }
    let here: &[u8] = match place {
        Place::Arrival => b"arrival",
        Place::Lock => b"lock",
        Place::Wake => b"wake",
    };
    if asked == here {
        panic!("planted: {place:?}");
    }
}

/// Panics if a new connection is from [`ADDRESS`].
#[expect(clippy::panic, reason = "this is the panic that is planted")]
pub(crate) fn on_connection(address: &[u8]) {
    if address == ADDRESS {
        panic!("planted: a connection");
    }
}

/// Panics on the module's thread if a request has asked for it, once.
#[expect(clippy::panic, reason = "this is the panic that is planted")]
pub(crate) fn on_thread() {
    if IS_DUE_ON_THREAD.swap(false, Ordering::SeqCst) {
        panic!("planted: the module's thread");
    }
}
