//! A route for tests: it says when it has begun, and waits to be told to end.

use axum::Router;
use axum::routing::get;
use std::sync::Arc;
use tokio::sync::Notify;

/// The only route of a router, and its two signals.
pub(crate) struct Waiting {
    pub(crate) router: Router,
    pub(crate) begun: Arc<Notify>,
    pub(crate) end: Arc<Notify>,
}

/// `GET /`, which answers `done`.
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
