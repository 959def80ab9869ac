//! `cargo xtask envoy-config`: the gateway's configuration for other addresses, for the container
//! image and for whoever runs Envoy some other way.

use crate::envoy_config::{Endpoint, Options, read_policy, render};
use crate::up::ports::{ADMIN, BACKEND, GATEWAY, SHIM};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;

/// The flags of `cargo xtask envoy-config`.
#[derive(Debug, Clone, Args)]
pub struct PrintConfig {
    /// The address that the gateway listens on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub address: String,
    /// The gateway's port
    #[arg(long, value_name = "PORT", default_value_t = GATEWAY)]
    pub gateway_port: u16,
    /// The address that Envoy's admin interface listens on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub admin_address: String,
    /// Envoy's admin port
    #[arg(long, value_name = "PORT", default_value_t = ADMIN)]
    pub admin_port: u16,
    /// The shim's host
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub shim_host: String,
    /// The shim's port
    #[arg(long, value_name = "PORT", default_value_t = SHIM)]
    pub shim_port: u16,
    /// The backend's host
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub backend_host: String,
    /// The backend's port
    #[arg(long, value_name = "PORT", default_value_t = BACKEND)]
    pub backend_port: u16,
    /// The filter's file, where Envoy finds it
    #[arg(long, value_name = "FILE")]
    pub wasm: Option<PathBuf>,
    /// Another policy than the one in envoy/envoy.yaml
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

/// Prints the configuration on stdout.
///
/// # Errors
/// As [`PrintConfig::config`].
pub fn run(flags: &PrintConfig) -> Result<()> {
    let config = serde_json::to_string_pretty(&flags.config()?).context("the configuration")?;
    println!("{config}");
    Ok(())
}

impl PrintConfig {
    /// The configuration that these flags describe.
    ///
    /// # Errors
    /// As [`render`] and [`read_policy`].
    pub fn config(&self) -> Result<Value> {
        let endpoint =
            |host: &str, port| Endpoint { host: Some(host.to_owned()), port: Some(port) };
        render(&Options {
            gateway: endpoint(&self.address, self.gateway_port),
            admin: endpoint(&self.admin_address, self.admin_port),
            shim: endpoint(&self.shim_host, self.shim_port),
            backend: endpoint(&self.backend_host, self.backend_port),
            wasm: self.wasm.clone(),
            policy: self.policy.as_deref().map(read_policy).transpose()?,
            access_log: None,
            trusted_hops: None,
        })
    }
}
