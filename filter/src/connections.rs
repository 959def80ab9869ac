//! Limits how many connections a client has open at this worker. It is a network filter of its own,
//! with a root context of its own: HTTP streams never come here. Called by [`crate::plugin`].

use crate::abi;
use crate::configuration;
use crate::host;
use limits::connections::Connections;
use limits::gate::MetricKind;

/// The `root_id` of the plugin in Envoy's listener.
pub(crate) const ROOT_ID: &[u8] = b"tollgate.connections";
const REFUSED: &str = "tollgate.connections_refused";

pub(crate) struct Limiter {
    connections: Connections,
    /// Envoy's number of the metric, once it has been used.
    refused: Option<u32>,
}

impl Limiter {
    /// Reads the plugin's configuration, of this `size`. `None`, and a line in Envoy's log, if it
    /// has a mistake.
    pub(crate) fn configured(size: usize) -> Option<Self> {
        let bytes = abi::plugin_configuration(size).unwrap_or_default();
        match Connections::from_value(configuration::document(&bytes)) {
            Ok(connections) => Some(Self { connections, refused: None }),
            Err(error) => {
                log::error!("tollgate: the limit of connections is refused: {error}");
                None
            }
        }
    }

    /// Closes the new connection `id` if its client has as many as it may have. Returns whether it
    /// did.
    pub(crate) fn opened(&mut self, id: u32) -> bool {
        let address = host::property("source\0address").unwrap_or_default();
        if self.connections.open(id, &address) {
            return false;
        }
        self.refused = self.refused.or_else(|| host::define_metric(MetricKind::Counter, REFUSED));
        if let Some(refused) = self.refused {
            host::add_to_metric(MetricKind::Counter, refused, 1);
        }
        host::tell("close a connection", abi::close_connection());
        true
    }

    pub(crate) fn closed(&mut self, id: u32) {
        self.connections.close(id);
    }
}
