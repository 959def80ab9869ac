//! `cargo xtask envoy-config`: writes the gateway's configuration with other addresses.
//!
//! For the container image, and for people who run Envoy in other ways. There are two files: Envoy's
//! configuration, and the filter's file with the policy, which Envoy watches.

use crate::up::FrontFlag;
use crate::up::ports::{ADMIN, BACKEND, GATEWAY, SHIM};
use anyhow::Result;
use clap::Args;
use harness::envoy_config::{Endpoint, Front, Options, Rendered, filter, read_policy, render};
use std::path::PathBuf;

/// The flags of `cargo xtask envoy-config`.
#[derive(Debug, Clone, Args)]
pub struct PrintConfig {
    /// The form in which Envoy runs Tollgate
    #[arg(long, value_enum, default_value_t = FrontFlag::Wasm)]
    pub front: FrontFlag,
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
    /// The path at which Envoy finds the filter's .wasm
    #[arg(long, value_name = "FILE")]
    pub wasm: Option<PathBuf>,
    /// The path at which Envoy finds the dynamic module
    #[arg(long, value_name = "FILE")]
    pub module: Option<PathBuf>,
    /// The dynamic module's ledger [default: the one that Envoy's variable TOLLGATE_LEDGER names]
    #[arg(long, value_name = "URL")]
    pub ledger: Option<String>,
    /// The policy to use instead of the one in envoy/tollgate.yaml
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// The path at which Envoy finds the filter's file [default: the path it is written to]
    #[arg(long, value_name = "FILE")]
    pub filter_file: Option<PathBuf>,
    /// The folder for envoy.json and the filter's tollgate.json
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Writes the configuration.
///
/// # Errors
/// Same as [`PrintConfig::config`]. Also fails if a file cannot be written.
pub fn run(flags: &PrintConfig) -> Result<()> {
    let config = flags.config()?;
    let file = |name| flags.out.join(name);
    filter::put(&config.envoy, &file(ENVOY_NAME))?;
    config.filter.map_or(Ok(()), |content| filter::put(&content, &file(FILTER_NAME)))
}

/// The file name of Envoy's configuration.
pub const ENVOY_NAME: &str = "envoy.json";
/// The file name of the filter's file.
pub const FILTER_NAME: &str = "tollgate.json";

impl PrintConfig {
    /// Renders the configuration that the flags describe.
    ///
    /// # Errors
    /// Same as [`render`], [`read_policy`], [`filter::remove_ledger`] and [`Rendered::watch`].
    pub fn config(&self) -> Result<Rendered> {
        let endpoint =
            |host: &str, port| Endpoint { host: Some(host.to_owned()), port: Some(port) };
        let front = self.front.front();
        let mut config = render(&Options {
            front,
            module: self.module.clone(),
            ledger: self.ledger.clone(),
            gateway: endpoint(&self.address, self.gateway_port),
            admin: endpoint(&self.admin_address, self.admin_port),
            shim: endpoint(&self.shim_host, self.shim_port),
            backend: endpoint(&self.backend_host, self.backend_port),
            wasm: self.wasm.clone(),
            policy: self.policy.as_deref().map(read_policy).transpose()?,
            ..Options::default()
        })?;
        if let (Front::Module, None, Some(file)) = (front, &self.ledger, &mut config.filter) {
            filter::remove_ledger(file)?;
        }
        let watched = self.filter_file.clone().unwrap_or_else(|| self.out.join(FILTER_NAME));
        config.watch(&watched)?;
        Ok(config)
    }
}
