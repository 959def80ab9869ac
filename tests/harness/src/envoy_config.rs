//! Envoy's configuration for other ports, hosts and policies than those of `envoy/envoy.yaml`.
//!
//! That file, and `envoy/tollgate.yaml` which it has Envoy watch, are the only description of the
//! gateway. `cargo xtask up`, the tests and the container image run what [`render`] makes of them:
//! copies with single values changed, as JSON. Each place that is changed must be there: a file of
//! another structure is refused, naming the place.

pub mod filter;

use crate::paths;
use anyhow::{Context, Result, anyhow};
use limits::policy::Policy;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What differs from `envoy/envoy.yaml`.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where the gateway listens.
    pub gateway: Endpoint,
    /// Where Envoy's admin interface listens.
    pub admin: Endpoint,
    /// Where the shim is.
    pub shim: Endpoint,
    /// Where the backend is.
    pub backend: Endpoint,
    /// The filter's file.
    pub wasm: Option<PathBuf>,
    /// The policy.
    pub policy: Option<Value>,
    /// The file that the access log goes to, instead of stdout.
    pub access_log: Option<PathBuf>,
    /// How many proxies before this one append to `X-Forwarded-For`.
    pub trusted_hops: Option<u32>,
}

/// A host and a port; what is `None` stays as it is in the file.
#[derive(Debug, Clone, Default)]
pub struct Endpoint {
    /// An address, or a name where the cluster resolves names.
    pub host: Option<String>,
    /// A TCP port.
    pub port: Option<u16>,
}

impl From<u16> for Endpoint {
    fn from(port: u16) -> Self {
        Self { host: None, port: Some(port) }
    }
}

/// What an Envoy runs with.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// Its configuration, which names [`FILTER_FILE`] as the filter's.
    pub envoy: Value,
    /// The filter's file, if it has the filter.
    pub filter: Option<Value>,
}

/// An Envoy without the filter.
impl From<Value> for Rendered {
    fn from(envoy: Value) -> Self {
        Self { envoy, filter: None }
    }
}

/// The file that `envoy/envoy.yaml` has Envoy watch.
pub const FILTER_FILE: &str = "envoy/tollgate.yaml";

impl Rendered {
    /// The policy that the filter's file gives it.
    ///
    /// # Errors
    /// Where there is none.
    pub fn policy(&mut self) -> Result<&mut Value> {
        filter::policy(self.filter.as_mut().context("it has no filter")?)
    }

    /// Has Envoy look for the filter's file at `path`.
    ///
    /// # Errors
    /// Where the configuration has no place for that.
    pub fn watch(&mut self, path: &Path) -> Result<()> {
        let filters = at(http_connection_manager(&mut self.envoy)?, "/http_filters")?;
        let filter = named(filters, "tollgate")?;
        *at(filter, "/config_discovery/config_source/path_config_source/path")? = json!(path);
        Ok(())
    }
}

/// `envoy/envoy.yaml` and `envoy/tollgate.yaml`, changed as `options` say. Paths in them stay
/// relative to the repository's root.
///
/// # Errors
/// Where a file cannot be read, is no YAML, or has not the place of something to change.
pub fn render(options: &Options) -> Result<Rendered> {
    let path = paths::root().join("envoy/envoy.yaml");
    let mut envoy = read_yaml(&path)?;
    change(&mut envoy, options)
        .with_context(|| format!("{} is not as expected", path.display()))?;
    let filter = filter::render(options.wasm.as_deref(), options.policy.as_ref())?;
    Ok(Rendered { envoy, filter: Some(filter) })
}

/// The policy document in `path`, which the filter would take.
///
/// # Errors
/// Where it cannot be read, is no YAML (names the line and column), or is no policy (names the
/// place in the document).
pub fn read_policy(path: &Path) -> Result<Value> {
    let policy = read_yaml(path)?;
    Policy::from_value(policy.clone())
        .with_context(|| format!("the policy {} is refused", path.display()))?;
    Ok(policy)
}

/// Changes `config` as `options` say.
fn change(config: &mut Value, options: &Options) -> Result<()> {
    set_address(at(config, "/admin/address")?, &options.admin)?;
    set_address(at(config, "/static_resources/listeners/0/address")?, &options.gateway)?;
    for (name, endpoint) in [("tollgate", &options.shim), ("backend", &options.backend)] {
        let cluster = named(at(config, "/static_resources/clusters")?, name)?;
        let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";
        set_address(at(cluster, address)?, endpoint)
            .with_context(|| format!("the cluster {name}"))?;
    }
    if let Some(wasm) = &options.wasm {
        let file = "/typed_config/config/vm_config/code/local/filename";
        *at(connection_limit(config)?, file)? = json!(wasm);
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
        let typed = typed.as_object_mut().context("/access_log/0/typed_config is no object")?;
        typed.insert("path".to_owned(), json!(path));
    }
    Ok(())
}

/// The part of `config` that says how HTTP is handled.
///
/// # Errors
/// Where it is not where it is in `envoy/envoy.yaml`.
pub fn http_connection_manager(config: &mut Value) -> Result<&mut Value> {
    let filters = at(config, "/static_resources/listeners/0/filter_chains/0/filters")?;
    let manager = named(filters, "envoy.filters.network.http_connection_manager")?;
    at(manager, "/typed_config")
}

/// The part of `config` that limits the connections of an address.
///
/// # Errors
/// Where it is not where it is in `envoy/envoy.yaml`.
pub fn connection_limit(config: &mut Value) -> Result<&mut Value> {
    let filters = at(config, "/static_resources/listeners/0/filter_chains/0/filters")?;
    named(filters, "tollgate.connections")
}

/// The place `pointer` (a JSON pointer) of `value`.
///
/// # Errors
/// Where there is none.
pub fn at<'a>(value: &'a mut Value, pointer: &str) -> Result<&'a mut Value> {
    value.pointer_mut(pointer).ok_or_else(|| anyhow!("it has no {pointer}"))
}

/// The element of the list `list` whose `name` is `name`.
///
/// # Errors
/// Where there is none.
pub fn named<'a>(list: &'a mut Value, name: &str) -> Result<&'a mut Value> {
    let list =
        list.as_array_mut().with_context(|| format!("no list where {name} is looked for"))?;
    let found = list.iter_mut().find(|element| element.get("name").is_some_and(|n| n == name));
    found.with_context(|| format!("it has nothing named {name}"))
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

/// Any YAML document, as JSON.
///
/// # Errors
/// Where `path` cannot be read, or is no YAML: names the line and column.
pub fn read_yaml(path: &Path) -> Result<Value> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_saphyr::from_str(&text).map_err(|error| {
        // Its first line says what and where; then it draws a picture.
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        anyhow!("{} is no YAML: {}", path.display(), line.trim_start_matches("error: "))
    })
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
    fn each_option_changes_its_place_and_nothing_else() {
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

        // Rendered back with the file's own values, it is the file again.
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
                policy: None,
                access_log: None,
                trusted_hops: Some(0),
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
            ("", "admin", "it has no /admin/address"),
            (
                "/static_resources/listeners/0",
                "address",
                "it has no /static_resources/listeners/0/address",
            ),
            ("/static_resources/clusters/0", "name", "it has nothing named backend"),
            ("/static_resources", "clusters", "it has no /static_resources/clusters"),
        ] {
            let mut config = file();
            at(&mut config, place).unwrap().as_object_mut().unwrap().remove(key).unwrap();
            assert_eq!(change(&mut config, &options()).unwrap_err().to_string(), expected);
        }
        let mut rendered = Rendered::from(file());
        let filters = at(http_connection_manager(&mut rendered.envoy).unwrap(), "/http_filters");
        filters.unwrap().as_array_mut().unwrap().clear();
        let missing = rendered.watch(Path::new("x")).unwrap_err();
        assert_eq!(missing.to_string(), "it has nothing named tollgate");
        let missing = filter::change(&mut json!({}), None, None).unwrap_err();
        assert_eq!(missing.to_string(), "it has no /resources/0/typed_config/config");
    }

    #[test]
    fn a_file_that_is_no_policy_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let check = |text: &str, expected: &str| {
            let path = dir.path().join("policy.yaml");
            std::fs::write(&path, text).unwrap();
            let error = format!("{:#}", read_policy(&path).unwrap_err());
            let expected = expected.replace("FILE", &path.display().to_string());
            assert!(error.starts_with(&expected), "{error}");
        };
        check("version: 1\nrules: [\n", "FILE is no YAML: line 2 column 8: unclosed bracket");
        check("- a\n- b\n", "the policy FILE is refused: policy: invalid type: sequence");
        let shipped = std::fs::read_to_string(paths::root().join("envoy/policy.yaml")).unwrap();
        check(
            &shipped.replace("limit: 5,", "limit: 0,"),
            "the policy FILE is refused: buckets.auth.limit: ",
        );
        std::fs::write(dir.path().join("policy.yaml"), &shipped).unwrap();
        read_policy(&dir.path().join("policy.yaml")).unwrap();
        let gone = read_policy(&dir.path().join("gone")).unwrap_err();
        assert_eq!(gone.to_string(), format!("cannot read {}/gone", dir.path().display()));
    }
}
