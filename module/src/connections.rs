//! Limits each client's open connections, over all workers of this process: a network filter with a
//! configuration of its own. Requests never come here.
//!
//! Called by the network filter's hooks. A connection takes the lock as it opens and as it ends.

use crate::abi::network::{Counter, Downstream, NetworkConfiguration};
use crate::sync::{Mutex, MutexGuard};
use limits::connections::{Connections, Limit, Place};
use serde_json::Value;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as StaticMutex, PoisonError, Weak};

const REFUSED: &str = "tollgate.connections_refused";
/// The details of a connection that was closed because its client has reached the limit:
/// `%CONNECTION_TERMINATION_DETAILS%`.
const TOO_MANY: &str = "tollgate_too_many_connections";
/// The details of a connection that Tollgate failed.
const FAILED: &str = "tollgate_fault";

/// A configured network filter.
pub(crate) struct Limiter {
    limit: Limit,
    open: Arc<Open>,
    refused: Option<Counter>,
}

/// The open connections of all network filters with one name.
type Open = Mutex<Connections>;

/// The open connections, by the filter's name. They outlive a configuration while one of its
/// connections is open, so that a changed listener counts on.
static OPEN: StaticMutex<BTreeMap<Vec<u8>, Weak<Open>>> = StaticMutex::new(BTreeMap::new());

/// A connection, as Envoy knows it by a pointer. Its place is free once it is dropped.
pub(crate) struct Connection {
    limiter: Arc<Limiter>,
    place: Cell<Option<Place>>,
}

impl Limiter {
    /// Creates a limiter for the JSON document in `text`. `name`: the network filter's.
    ///
    /// # Errors
    /// Fails with a sentence about what is wrong.
    pub(crate) fn configure(
        configuration: &mut NetworkConfiguration<'_>,
        name: &[u8],
        text: &[u8],
    ) -> Result<Arc<Self>, String> {
        let document: Value = serde_json::from_slice(text)
            .map_err(|error| format!("expected JSON with `max_per_address`: {error}"))?;
        let limit = Limit::from_value(&document).map_err(|error| error.to_string())?;
        let refused = configuration.define_counter(REFUSED);
        Ok(Arc::new(Self { limit, open: open_of(name), refused }))
    }

    /// Locks the count, even after a panic, which cannot leave it half changed.
    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the open connections of the filters named `name`, and forgets names that nobody uses.
fn open_of(name: &[u8]) -> Arc<Open> {
    let mut all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|_, open| open.strong_count() > 0);
    let known = all.get(name).and_then(Weak::upgrade);
    known.unwrap_or_else(|| {
        let new = Arc::new(Open::default());
        all.insert(name.to_vec(), Arc::downgrade(&new));
        new
    })
}

impl Connection {
    pub(crate) fn new(limiter: &Arc<Limiter>) -> Self {
        Self { limiter: Arc::clone(limiter), place: Cell::new(None) }
    }

    /// Counts the new connection. Closes it and returns false if its client has reached the limit.
    pub(crate) fn opens(&self, downstream: &mut Downstream<'_>) -> bool {
        let limiter = &self.limiter;
        let place = {
            let address = downstream.address().unwrap_or_default();
            limiter.lock().open(limiter.limit, address)
        };
        let is_open = place.is_some();
        self.place.set(place);
        #[cfg(feature = "planted-panic")]
        if is_open {
            crate::planted::on_connection(downstream.address().unwrap_or_default());
        }
        if !is_open {
            if let Some(refused) = limiter.refused {
                downstream.count(refused);
            }
            downstream.close(TOO_MANY);
        }
        is_open
    }

    /// Closes a connection that Tollgate failed.
    pub(crate) fn fails(&self, downstream: &mut Downstream<'_>) {
        downstream.close(FAILED);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.limiter.lock().close(place);
        }
    }
}
