//! The Envoy plugin.
