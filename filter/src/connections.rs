//! Limits each client's open connections at this worker. This is a separate network filter with its
//! own root context; HTTP streams never come here.

use crate::shared::Shared;
use crate::{configuration, direct, host};
use limits::connections::Connections;
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
    id: u32,
    limiter: Option<Rc<Shared<Limiter>>>,
}

/// The open connections of a root context.
struct Limiter {
    connections: Connections,
    /// Envoy's id of the metric, once it has been used.
    refused: Option<u32>,
}

impl Context for Root {}

impl RootContext for Root {
    /// Reads the limit. Returns false, and logs an error, if it is invalid.
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        match Connections::from_value(configuration::document(&bytes)) {
            Ok(connections) => {
                let limiter = Limiter { connections, refused: None };
                self.limiter = Some(Rc::new(Shared::new(limiter)));
            }
            Err(error) => log::error!("tollgate: the connection limit is refused: {error}"),
        }
        self.limiter.is_some()
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::StreamContext)
    }

    fn create_stream_context(&self, id: u32) -> Option<Box<dyn StreamContext>> {
        Some(Box::new(Connection { id, limiter: self.limiter.clone() }))
    }
}

impl Connection {
    fn with<R>(&self, act: impl FnOnce(&mut Limiter) -> R) -> Option<R> {
        self.limiter.as_ref().and_then(|limiter| limiter.with(act))
    }
}

impl Context for Connection {
    fn on_done(&mut self) -> bool {
        self.with(|limiter| limiter.connections.close(self.id));
        true
    }
}

impl StreamContext for Connection {
    fn on_new_connection(&mut self) -> Action {
        let is_refused = self.with(|limiter| limiter.refuses(self.id)).unwrap_or(false);
        if is_refused { Action::Pause } else { Action::Continue }
    }
}

impl Limiter {
    /// Closes the new connection `id` if its client has reached its limit. Returns true if it did.
    fn refuses(&mut self, id: u32) -> bool {
        let address = direct::property("source\0address").unwrap_or_default();
        if self.connections.open(id, &address) {
            return false;
        }
        self.refused = self.refused.or_else(|| host::define_metric(MetricKind::Counter, REFUSED));
        if let Some(refused) = self.refused {
            host::add_to_metric(MetricKind::Counter, refused, 1);
        }
        host::log_failure("close a connection", hostcalls::close_downstream());
        true
    }
}
