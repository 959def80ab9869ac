//! A test route that signals when it begins, and waits for a signal to end.

use axum::Router;
use axum::routing::get;
use std::sync::Arc;
use tokio::sync::Notify;

/// A router with this route, and its two signals.
pub(crate) struct Waiting {
    pub(crate) router: Router,
    pub(crate) begun: Arc<Notify>,
    pub(crate) end: Arc<Notify>,
}

/// Creates the route, `GET /`, which answers `done`.
pub(crate) fn waiting() -> Waiting {
    let (begun, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (begun, end) = (Arc::clone(&begun), Arc::clone(&end));
        move || async move {
            begun.notify_one();
            end.notified().await;
            "done"
        }
    };
    Waiting { router: Router::new().route("/", get(handler)), begun, end }
}
