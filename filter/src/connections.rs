//! Limits each client's open connections at this worker. This is a separate network filter with its
//! own root context; HTTP streams never come here.

use crate::shared::Shared;
use crate::{configuration, direct, host};
use limits::connections::{Connections, Limit, Place};
use limits::gate::MetricKind;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, RootContext, StreamContext};
use proxy_wasm::types::{Action, ContextType};
use std::rc::Rc;

/// The plugin's `root_id` in Envoy's listener.
pub(crate) const ROOT_ID: &[u8] = b"tollgate.connections";
const REFUSED: &str = "tollgate.connections_refused";

/// The root context, with the configured limit.
#[derive(Default)]
pub(crate) struct Root {
    limiter: Option<Rc<Shared<Limiter>>>,
}

/// A connection's context.
struct Connection {
    limiter: Option<Rc<Shared<Limiter>>>,
    /// Its place, while it is open and counted.
    place: Option<Place>,
}

/// The open connections of a root context.
struct Limiter {
    limit: Limit,
    connections: Connections,
    /// Envoy's id of the metric, once it has been used.
    refused: Option<u32>,
}

impl Context for Root {}

impl RootContext for Root {
    /// Reads the limit. Returns false, and logs an error, if it is invalid.
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        match Limit::from_value(&configuration::document(&bytes)) {
            Ok(limit) => {
                let connections = Connections::default();
                let limiter = Limiter { limit, connections, refused: None };
                self.limiter = Some(Rc::new(Shared::new(limiter)));
            }
            Err(error) => log::error!("tollgate: the connection limit is refused: {error}"),
        }
        self.limiter.is_some()
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::StreamContext)
    }

    fn create_stream_context(&self, _id: u32) -> Option<Box<dyn StreamContext>> {
        Some(Box::new(Connection { limiter: self.limiter.clone(), place: None }))
    }
}

impl Connection {
    fn with<R>(&self, act: impl FnOnce(&mut Limiter) -> R) -> Option<R> {
        self.limiter.as_ref().and_then(|limiter| limiter.with(act))
    }
}

impl Context for Connection {
    fn on_done(&mut self) -> bool {
        if let Some(place) = self.place.take() {
            self.with(|limiter| limiter.connections.close(place));
        }
        true
    }
}

impl StreamContext for Connection {
    fn on_new_connection(&mut self) -> Action {
        match self.with(Limiter::open) {
            Some(None) => Action::Pause,
            Some(place) => {
                self.place = place;
                Action::Continue
            }
            None => Action::Continue,
        }
    }
}

impl Limiter {
    /// Counts a new connection. Closes it and returns `None` if its client has reached its limit.
    fn open(&mut self) -> Option<Place> {
        let address = direct::property("source\0address").unwrap_or_default();
        if let Some(place) = self.connections.open(self.limit, &address) {
            return Some(place);
        }
        self.refused = self.refused.or_else(|| host::define_metric(MetricKind::Counter, REFUSED));
        if let Some(refused) = self.refused {
            host::add_to_metric(MetricKind::Counter, refused, 1);
        }
        host::log_failure("close a connection", hostcalls::close_downstream());
        None
    }
}
