//! Renders Envoy's configuration with other ports, hosts and policies.
//!
//! `envoy/envoy.yaml`, and `envoy/tollgate.yaml` which Envoy watches, are the only description of the
//! gateway; with the dynamic module, `envoy/envoy-module.yaml` and `envoy/tollgate-module.yaml`.
//! `cargo xtask up`, the tests and the container image run copies made by [`render`], as JSON with
//! some values changed. A value to change must already exist; otherwise the error names the missing
//! place. For the dynamic module, they also pass it the metadata that the policy reads ([`metadata`]).

mod document;
pub mod filter;
pub mod metadata;

pub use document::{at, named, read_yaml};

use crate::paths;
use anyhow::{Context, Result};
use limits::policy::Policy;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The form in which Envoy runs Tollgate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Front {
    /// The Wasm filter, with a shim.
    #[default]
    Wasm,
    /// The dynamic module, which counts in the ledger itself.
    Module,
}

impl Front {
    /// Returns Envoy's file.
    #[must_use]
    pub const fn config(self) -> &'static str {
        match self {
            Self::Wasm => "envoy/envoy.yaml",
            Self::Module => "envoy/envoy-module.yaml",
        }
    }

    /// Returns the filter's file.
    fn filter(self) -> &'static str {
        match self {
            Self::Wasm => FILTER_FILE,
            Self::Module => "envoy/tollgate-module.yaml",
        }
    }
}

/// The changes to make to `envoy/envoy.yaml`. `None` keeps the value in the file.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The files to start from.
    pub front: Front,
    /// The path of the dynamic module.
    pub module: Option<PathBuf>,
    /// The ledger's URL, for the dynamic module.
    pub ledger: Option<String>,
    /// The endpoint that the gateway listens on.
    pub gateway: Endpoint,
    /// The endpoint of Envoy's admin interface.
    pub admin: Endpoint,
    /// The shim's endpoint.
    pub shim: Endpoint,
    /// The backend's endpoint.
    pub backend: Endpoint,
    /// The path of the filter's `.wasm`.
    pub wasm: Option<PathBuf>,
    /// The policy document.
    pub policy: Option<Value>,
    /// The path of the access log, which goes to stdout otherwise.
    pub access_log: Option<PathBuf>,
    /// The number of proxies in front of this one that append to `X-Forwarded-For`.
    pub trusted_hops: Option<u32>,
}

/// A host and a port. `None` keeps the value in the file.
#[derive(Debug, Clone, Default)]
pub struct Endpoint {
    /// An address, or a name if the cluster resolves names.
    pub host: Option<String>,
    /// A TCP port.
    pub port: Option<u16>,
}

impl From<u16> for Endpoint {
    fn from(port: u16) -> Self {
        Self { host: None, port: Some(port) }
    }
}

/// The rendered files of an Envoy.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// Envoy's configuration, which refers to [`FILTER_FILE`].
    pub envoy: Value,
    /// The content of the filter's file, or `None` for an Envoy without the filter.
    pub filter: Option<Value>,
}

/// Creates the configuration of an Envoy without the filter.
impl From<Value> for Rendered {
    fn from(envoy: Value) -> Self {
        Self { envoy, filter: None }
    }
}

/// The filter's file, which Envoy watches.
pub const FILTER_FILE: &str = "envoy/tollgate.yaml";

impl Rendered {
    /// Returns the policy in the filter's file.
    ///
    /// # Errors
    /// Fails if there is no filter's file, or no policy in it.
    pub fn policy(&mut self) -> Result<&mut Value> {
        filter::policy(self.filter.as_mut().context("this Envoy has no filter")?)
    }

    /// Makes Envoy watch the filter's file at `path`.
    ///
    /// # Errors
    /// Fails if the configuration does not watch a filter's file.
    pub fn watch(&mut self, path: &Path) -> Result<()> {
        let filters = at(http_connection_manager(&mut self.envoy)?, "/http_filters")?;
        let filter = named(filters, "tollgate")?;
        *at(filter, "/config_discovery/config_source/path_config_source/path")? = json!(path);
        Ok(())
    }
}

/// Renders `envoy/envoy.yaml` and `envoy/tollgate.yaml` with `options`. Paths in them stay relative
/// to the repository's root.
///
/// # Errors
/// Fails if a file cannot be read, is not valid YAML, or lacks a value to change.
pub fn render(options: &Options) -> Result<Rendered> {
    let path = paths::root().join(options.front.config());
    let mut envoy = read_yaml(&path)?;
    change(&mut envoy, options)
        .with_context(|| format!("{} is not as expected", path.display()))?;
    let policy = options.policy.as_ref();
    if let (Front::Module, Some(policy)) = (options.front, policy) {
        let filters = at(http_connection_manager(&mut envoy)?, "/http_filters")?;
        metadata::pass(filters, metadata::namespaces(policy))?;
    }
    let filter = filter::render(options.front.filter(), |file| match options.front {
        Front::Wasm => filter::change(file, options.wasm.as_deref(), policy),
        Front::Module => {
            let (module, ledger) = (options.module.as_deref(), options.ledger.as_deref());
            filter::change_module(file, module, ledger, policy)
        }
    })?;
    Ok(Rendered { envoy, filter: Some(filter) })
}

/// Reads the policy document in `path` and checks it as the filter does.
///
/// # Errors
/// Fails if the file cannot be read, is not valid YAML (with line and column), or is not a valid
/// policy (with the place in the document).
pub fn read_policy(path: &Path) -> Result<Value> {
    let policy = read_yaml(path)?;
    Policy::from_value(policy.clone())
        .with_context(|| format!("invalid policy {}", path.display()))?;
    Ok(policy)
}

/// Applies `options` to `config`.
fn change(config: &mut Value, options: &Options) -> Result<()> {
    set_address(at(config, "/admin/address")?, &options.admin)?;
    set_address(at(config, "/static_resources/listeners/0/address")?, &options.gateway)?;
    let shim = (options.front == Front::Wasm).then_some(("tollgate", &options.shim));
    for (name, endpoint) in shim.into_iter().chain([("backend", &options.backend)]) {
        let cluster = named(at(config, "/static_resources/clusters")?, name)?;
        let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";
        set_address(at(cluster, address)?, endpoint)
            .with_context(|| format!("the cluster {name}"))?;
    }
    let (code, file) = match options.front {
        Front::Wasm => (&options.wasm, "/typed_config/config/vm_config/code/local/filename"),
        Front::Module => {
            (&options.module, "/typed_config/dynamic_module_config/module/local/filename")
        }
    };
    if let Some(code) = code {
        *at(connection_limit(config)?, file)? = json!(code);
    }
    change_http(http_connection_manager(config)?, options)
}

fn change_http(http: &mut Value, options: &Options) -> Result<()> {
    if let Some(hops) = options.trusted_hops {
        *at(http, "/xff_num_trusted_hops")? = json!(hops);
    }
    if let Some(path) = &options.access_log {
        let log = at(http, "/access_log/0")?;
        *at(log, "/name")? = json!("envoy.access_loggers.file");
        let typed = at(log, "/typed_config")?;
        *at(typed, "/@type")? =
            json!("type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog");
        let typed = typed.as_object_mut().context("/access_log/0/typed_config is not an object")?;
        typed.insert("path".to_owned(), json!(path));
    }
    Ok(())
}

/// Returns the HTTP connection manager in `config`.
///
/// # Errors
/// Fails if `config` is not laid out like `envoy/envoy.yaml`.
pub fn http_connection_manager(config: &mut Value) -> Result<&mut Value> {
    let filters = at(config, "/static_resources/listeners/0/filter_chains/0/filters")?;
    let manager = named(filters, "envoy.filters.network.http_connection_manager")?;
    at(manager, "/typed_config")
}

/// Returns the greatest number of connections of an address in `config`.
///
/// # Errors
/// Fails if `config` is not laid out like a file of `front`.
pub fn max_per_address(config: &mut Value, front: Front) -> Result<&mut Value> {
    let configuration = match front {
        Front::Wasm => "/typed_config/config/configuration/value",
        Front::Module => "/typed_config/filter_config/value",
    };
    at(at(connection_limit(config)?, configuration)?, "/max_per_address")
}

/// Returns the filter in `config` that limits the connections of an address.
fn connection_limit(config: &mut Value) -> Result<&mut Value> {
    let filters = at(config, "/static_resources/listeners/0/filter_chains/0/filters")?;
    named(filters, "tollgate.connections")
}

fn set_address(address: &mut Value, endpoint: &Endpoint) -> Result<()> {
    if let Some(host) = &endpoint.host {
        *at(address, "/socket_address/address")? = json!(host);
    }
    if let Some(port) = endpoint.port {
        *at(address, "/socket_address/port_value")? = json!(port);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            gateway: 1.into(),
            admin: 2.into(),
            shim: 3.into(),
            backend: Endpoint { host: Some("api".to_owned()), port: Some(4) },
            wasm: Some("/x.wasm".into()),
            policy: Some(json!({ "version": 1 })),
            access_log: Some("/x.log".into()),
            trusted_hops: Some(1),
            ..Options::default()
        }
    }

    fn filter_file() -> Value {
        read_yaml(&paths::root().join(FILTER_FILE)).unwrap()
    }

    fn file() -> Value {
        read_yaml(&paths::root().join("envoy/envoy.yaml")).unwrap()
    }

    #[test]
    fn without_options_nothing_changes() {
        let rendered = render(&Options::default()).unwrap();
        assert_eq!(rendered.envoy, file());
        assert_eq!(rendered.filter, Some(filter_file()));
    }

    #[test]
    fn each_option_changes_one_place_and_nothing_else() {
        let mut rendered = render(&options()).unwrap();
        rendered.watch(Path::new("/x.json")).unwrap();
        let Rendered { envoy: mut config, filter: Some(mut tollgate) } = rendered else { panic!() };
        let listener = "/static_resources/listeners/0/address/socket_address";
        assert_eq!(
            config.pointer(listener),
            Some(&json!({ "address": "127.0.0.1", "port_value": 1 }))
        );
        assert_eq!(config.pointer("/admin/address/socket_address/port_value"), Some(&json!(2)));
        let clusters = at(&mut config, "/static_resources/clusters").unwrap();
        let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        let shim = named(clusters, "tollgate").unwrap();
        assert_eq!(
            shim.pointer(address),
            Some(&json!({ "address": "127.0.0.1", "port_value": 3 }))
        );
        let backend = named(clusters, "backend").unwrap();
        assert_eq!(backend.pointer(address), Some(&json!({ "address": "api", "port_value": 4 })));
        assert_eq!(filter::policy(&mut tollgate).unwrap(), &json!({ "version": 1 }));
        let http = http_connection_manager(&mut config).unwrap();
        assert_eq!(http.pointer("/access_log/0/typed_config/path"), Some(&json!("/x.log")));
        assert_eq!(http.pointer("/xff_num_trusted_hops"), Some(&json!(1)));

        // Changing the values back restores the file.
        let (mut original, mut kept) = (file(), filter_file());
        let policy = filter::policy(&mut kept).unwrap().clone();
        let wasm = Path::new("target/wasm/tollgate_filter.wasm");
        filter::change(&mut tollgate, Some(wasm), Some(&policy)).unwrap();
        assert_eq!(tollgate, filter_file());
        change(
            &mut config,
            &Options {
                gateway: 10_000.into(),
                admin: 9901.into(),
                shim: 8081.into(),
                backend: Endpoint { host: Some("127.0.0.1".to_owned()), port: Some(8000) },
                wasm: Some(wasm.to_owned()),
                trusted_hops: Some(0),
                ..Options::default()
            },
        )
        .unwrap();
        let http = http_connection_manager(&mut config).unwrap();
        let kept = http_connection_manager(&mut original).unwrap();
        *at(http, "/access_log").unwrap() = kept["access_log"].clone();
        let mut config = Rendered::from(config);
        config.watch(Path::new(FILTER_FILE)).unwrap();
        assert_eq!(config.envoy, file());
    }

    #[test]
    fn a_missing_place_is_named() {
        for (place, key, expected) in [
            ("", "admin", "/admin/address is missing"),
            (
                "/static_resources/listeners/0",
                "address",
                "/static_resources/listeners/0/address is missing",
            ),
            ("/static_resources/clusters/0", "name", "the element named backend is missing"),
            ("/static_resources", "clusters", "/static_resources/clusters is missing"),
        ] {
            let mut config = file();
            at(&mut config, place).unwrap().as_object_mut().unwrap().remove(key).unwrap();
            assert_eq!(change(&mut config, &options()).unwrap_err().to_string(), expected);
        }
        let mut rendered = Rendered::from(file());
        let filters = at(http_connection_manager(&mut rendered.envoy).unwrap(), "/http_filters");
        filters.unwrap().as_array_mut().unwrap().clear();
        let missing = rendered.watch(Path::new("x")).unwrap_err();
        assert_eq!(missing.to_string(), "the element named tollgate is missing");
        let missing = filter::change(&mut json!({}), None, None).unwrap_err();
        assert_eq!(missing.to_string(), "/resources/0/typed_config/config is missing");
    }

    #[test]
    fn an_invalid_policy_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let check = |text: &str, expected: &str| {
            let path = dir.path().join("policy.yaml");
            std::fs::write(&path, text).unwrap();
            let error = format!("{:#}", read_policy(&path).unwrap_err());
            let expected = expected.replace("FILE", &path.display().to_string());
            assert!(error.starts_with(&expected), "{error}");
        };
        check(
            "version: 1\nrules: [\n",
            "FILE is not valid YAML: line 2 column 8: unclosed bracket",
        );
        check("- a\n- b\n", "invalid policy FILE: policy: invalid type: list");
        let shipped = std::fs::read_to_string(paths::root().join("envoy/policy.yaml")).unwrap();
        check(
            &shipped.replace("limit: 5,", "limit: -1,"),
            "invalid policy FILE: buckets.auth.limit: ",
        );
        std::fs::write(dir.path().join("policy.yaml"), &shipped).unwrap();
        read_policy(&dir.path().join("policy.yaml")).unwrap();
        let gone = read_policy(&dir.path().join("gone")).unwrap_err();
        assert_eq!(gone.to_string(), format!("cannot read {}/gone", dir.path().display()));
    }
}
