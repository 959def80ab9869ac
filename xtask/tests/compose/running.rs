//! Runs the containers' commands as processes, with this machine's addresses and folders in place of the
//! containers'.

use crate::files::{Compose, Dockerfile, in_root, strings, text};
use harness::clock::Deadline;
use harness::envoy_config::filter;
use harness::stack::process::{Process, Spec};
use harness::stack::server::{Probe, READY_LIMIT};
use harness::stack::{Port, Server, health};
use harness::{binaries, command, envoy_config, setup, wasm};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use xtask::print_config;
use xtask::print_config::FILTER_NAME;
use xtask::up::ports;

/// The port of the backend's Redis. (`cargo xtask up` has one Redis for both.)
const CACHE_PORT: u16 = 6391;

/// The admin interface's address in the gateway's image: loopback too, but a different address than the
/// compose file's.
const IMAGE_ADMIN: &str = "127.0.0.77";

/// The services as processes.
pub(crate) struct Stack {
    /// The variables for the compose file's `${NAME:-default}`.
    variables: BTreeMap<&'static str, &'static str>,
    compose: Compose,
    dockerfile: Dockerfile,
    /// Replacements of text in the containers' words, applied in order.
    words: Vec<(String, String)>,
    /// Replacements in the words of the gateway with the dynamic module, applied first.
    module_words: Vec<(String, String)>,
    /// Replacements of ports. Only whole words are replaced, since a port can be part of any number.
    ports: BTreeMap<String, String>,
    /// Programs by their names in the images.
    programs: BTreeMap<&'static str, PathBuf>,
    servers: BTreeMap<&'static str, Server>,
    /// The reserved ports of services that have not been started.
    free: BTreeMap<&'static str, Port>,
    dir: TempDir,
}

impl Stack {
    /// Starts all services in the order of their dependencies. Each starts once its dependencies are
    /// healthy or have succeeded. `variables` are the variables for the compose file.
    pub(crate) fn start(variables: &[(&'static str, &'static str)]) -> Self {
        let mut stack = Self::new(variables);
        let mut port = |name| stack.free.remove(name).unwrap();
        let (ledger, cache, shim, claude) =
            (port("ledger"), port("cache"), port("shim"), port("claude-sim"));
        let (backend, gateway, admin) = (port("backend"), port("gateway"), port("admin"));
        stack.launch("ledger", ledger, None);
        stack.launch("cache", cache, None);
        stack.launch("shim", shim, None);
        stack.launch("claude-sim", claude, None);
        stack.launch("backend", backend, None);
        stack.run("policy").unwrap();
        stack.launch("gateway", gateway, Some(admin));
        stack
    }

    /// Starts the services of the profile `module` beside the others.
    pub(crate) fn add_module(&mut self) {
        let (gateway, admin) = (Port::free().unwrap(), Port::free().unwrap());
        let networks = &self.compose.service("gateway-module")["networks"];
        let address = text(&networks["admin-module"]["ipv4_address"]);
        let dir = |name: &str| self.dir.path().join(name);
        self.module_words = vec![
            ("/etc/envoy/".to_owned(), format!("{}/", dir("module").display())),
            (format!("/{}", ports::GATEWAY), format!("/{}", gateway.number())),
            (address, "127.0.0.1".to_owned()),
        ];
        let mut flags = in_root(&self.dockerfile.envoy_config("gateway-module"));
        for host in [&mut flags.address, &mut flags.backend_host] {
            *host = "127.0.0.1".to_owned();
        }
        flags.admin_address = IMAGE_ADMIN.to_owned();
        flags.backend_port = self.backend().addr().port();
        flags.gateway_port = gateway.number();
        flags.admin_port = admin.number();
        flags.module = Some(binaries::build_module().unwrap());
        flags.out = dir("module");
        let watched = flags.filter_file.unwrap();
        let name = watched.file_name().unwrap();
        flags.filter_file = Some(dir("policy").join(name));
        std::fs::create_dir(&flags.out).unwrap();
        print_config::run(&flags).unwrap();
        std::fs::rename(flags.out.join(FILTER_NAME), dir("image").join(name)).unwrap();
        self.run("policy-module").unwrap();
        self.launch("gateway-module", gateway, Some(admin));
    }

    /// Prepares the services without starting any.
    pub(crate) fn new(variables: &[(&'static str, &'static str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let binaries = binaries::build().unwrap();
        let redis = setup::PinnedRedis::Redis7.program().unwrap();
        let programs = BTreeMap::from([
            ("redis-cli", redis.with_file_name("redis-cli")),
            ("redis-server", redis),
            ("tollgate", binaries.shim),
            ("tollgate-backend", binaries.backend),
            ("claude-sim", binaries.claude_sim),
            ("envoy", setup::envoy().unwrap()),
        ]);
        let (compose, dockerfile) = (Compose::read(), Dockerfile::read());
        let mut stack = Self {
            variables: variables.iter().copied().collect(),
            compose,
            dockerfile,
            words: Vec::new(),
            module_words: Vec::new(),
            ports: BTreeMap::new(),
            programs,
            servers: BTreeMap::new(),
            free: BTreeMap::new(),
            dir,
        };
        let port = || Port::free().unwrap();
        let (ledger, shim, backend, gateway, admin) = (port(), port(), port(), port(), port());
        let (cache, claude) = (port(), port());
        stack.map_words([&ledger, &cache, &shim, &backend, &claude, &gateway]);
        stack.write_config(&[&shim, &backend, &gateway, &admin]);
        stack.free = BTreeMap::from([
            ("ledger", ledger),
            ("cache", cache),
            ("shim", shim),
            ("claude-sim", claude),
            ("backend", backend),
            ("gateway", gateway),
            ("admin", admin),
        ]);
        stack
    }

    pub(crate) fn gateway(&self) -> &Server {
        &self.servers["gateway"]
    }

    pub(crate) fn module_gateway(&self) -> &Server {
        &self.servers["gateway-module"]
    }

    pub(crate) fn backend(&self) -> &Server {
        &self.servers["backend"]
    }

    /// Returns the policy that its service has written for the gateway.
    pub(crate) fn policy(&self) -> Value {
        filter::policy(&mut self.policy_file().unwrap()).unwrap().clone()
    }

    pub(crate) fn policy_file(&self) -> anyhow::Result<Value> {
        envoy_config::read_yaml(&self.dir.path().join("policy").join(FILTER_NAME))
    }

    /// Returns true if Envoy's admin interface answers at the compose file's address, and not at the
    /// image's.
    pub(crate) fn admin_answers(&self) -> bool {
        let admin = self.gateway().admin_addr().unwrap();
        let in_image = SocketAddr::new(IMAGE_ADMIN.parse().unwrap(), admin.port());
        health::is_ok(admin, "/ready") && TcpStream::connect(in_image).is_err()
    }

    pub(crate) fn kill(&mut self, name: &str) {
        self.servers.get_mut(name).unwrap().kill();
    }

    /// Returns the value of a Redis setting.
    pub(crate) fn setting(&self, name: &str, setting: &str) -> String {
        let [_, found]: [String; 2] = self.ask(name, &["CONFIG", "GET", setting]);
        found
    }

    /// Returns the number of keys in a Redis.
    pub(crate) fn keys(&self, name: &str) -> usize {
        self.ask(name, &["DBSIZE"])
    }

    fn ask<T: redis::FromRedisValue>(&self, name: &str, words: &[&str]) -> T {
        let url = format!("redis://{}", self.servers[name].addr());
        let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
        redis::cmd(words[0]).arg(&words[1..]).query(&mut connection).unwrap()
    }

    /// Runs the container's health check and returns true if it succeeds.
    pub(crate) fn is_healthy(&self, name: &str) -> bool {
        let check = strings(&self.compose.service(name)["healthcheck"]["test"]);
        let mut command = match check[0].as_str() {
            "CMD" => {
                let program = self.program(&check[1]);
                let mut command = Command::new(program);
                command.args(check[2..].iter().map(|word| self.local(name, word)));
                command
            }
            "CMD-SHELL" => {
                let mut command = Command::new("sh");
                command.args(["-c", &self.local(name, &check[1])]);
                command
            }
            other => panic!("expected a health check with CMD or CMD-SHELL, found {other}"),
        };
        // Programs must be on the PATH, as in the container.
        let folder = self.programs["redis-cli"].parent().unwrap();
        command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
        for (variable, value) in self.environment(name) {
            command.env(variable, value);
        }
        command::output(&mut command, Duration::from_secs(30)).is_ok()
    }

    /// Runs a service that ends by itself, and returns its output.
    pub(crate) fn run(&self, name: &str) -> anyhow::Result<String> {
        let words = self.words_of(name);
        let mut command = Command::new(self.program(&words[0]));
        command.args(words[1..].iter().map(|word| self.local(name, word)));
        command.env_clear().envs(self.environment(name));
        command::output(&mut command, Duration::from_secs(30))
    }

    fn launch(&mut self, name: &'static str, port: Port, admin: Option<Port>) {
        let words = self.words_of(name);
        let spec = Spec {
            name: name.to_owned(),
            program: self.program(&words[0]),
            args: words[1..].iter().map(|word| self.local(name, word).into()).collect(),
            env: self.environment(name).map(|(name, value)| (name, Some(value))).collect(),
            dir: self.dir.path().to_owned(),
            log: self.dir.path().join(format!("{name}.log")),
        };
        // The probe is not used. The container's health check determines readiness.
        let server = Server::start(spec, port, admin, Probe::Ping).unwrap();
        self.servers.insert(name, server);
        let mut server = self.servers.remove(name).unwrap();
        let process: &mut Process = &mut server;
        process.wait_until(Deadline::after(READY_LIMIT), || self.is_healthy(name)).unwrap();
        self.servers.insert(name, server);
    }

    /// Returns the container's command line.
    fn words_of(&self, name: &str) -> Vec<String> {
        let mut words = self.dockerfile_words(name);
        if let Some(command) = self.compose.service(name).get("command") {
            words.extend(strings(command));
        }
        words
    }

    /// Returns the image's part of the command line: its entry point, and its default arguments unless
    /// the compose file has others.
    fn dockerfile_words(&self, name: &str) -> Vec<String> {
        let service = self.compose.service(name);
        if service.get("build").is_none() {
            return Vec::new();
        }
        let stage = text(&service["build"]["target"]);
        let mut words = self.dockerfile.exec_form(&stage, "ENTRYPOINT ");
        assert!(!words.is_empty(), "{name} has no entry point");
        if service.get("command").is_none() {
            words.extend(self.dockerfile.exec_form(&stage, "CMD "));
        }
        words
    }

    fn environment(&self, name: &str) -> impl Iterator<Item = (String, OsString)> {
        let environment = self.compose.service(name)["environment"].as_object().cloned();
        let pairs: Vec<_> = environment
            .unwrap_or_default()
            .into_iter()
            .map(|(variable, value)| {
                (variable, self.local(name, &self.interpolated(&value)).into())
            })
            .collect();
        pairs.into_iter()
    }

    /// Expands `${NAME:-default}` like compose: to the variable's value, or to the default if it is
    /// empty or unset.
    fn interpolated(&self, value: &Value) -> String {
        let value = text(value);
        let inner = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let parts = inner.and_then(|inner| inner.split_once(":-"));
        parts.map_or(value.clone(), |(name, default)| {
            let set = self.variables.get(name).copied().filter(|value| !value.is_empty());
            set.unwrap_or(default).to_owned()
        })
    }

    /// Returns the path of the program `name` in the image, which is ours or the system's.
    fn program(&self, name: &str) -> PathBuf {
        match self.programs.get(name) {
            Some(program) => program.clone(),
            None => {
                harness::env::on_path(name).unwrap_or_else(|| panic!("{name} is not on the PATH"))
            }
        }
    }

    /// Replaces the addresses, folders and ports of the container `name` in `word` with this machine's.
    fn local(&self, name: &str, word: &str) -> String {
        if let Some(port) = self.ports.get(word) {
            return port.clone();
        }
        let own = self.module_words.iter().filter(|_| name == "gateway-module");
        own.chain(&self.words).fold(word.to_owned(), |word, (from, to)| word.replace(from, to))
    }

    fn map_words(&mut self, [ledger, cache, shim, backend, claude, gateway]: [&Port; 6]) {
        let admin = text(&self.compose.service("gateway")["networks"]["admin"]["ipv4_address"]);
        let dir = self.dir.path().display();
        self.words = vec![
            ("/data/".to_owned(), format!("{dir}/")),
            ("/etc/envoy/".to_owned(), format!("{dir}/")),
            ("/etc/tollgate/".to_owned(), format!("{dir}/image/")),
            ("/policy/".to_owned(), format!("{dir}/policy/")),
            (format!("ledger:{}", ports::REDIS), ledger.addr().to_string()),
            (format!("cache:{CACHE_PORT}"), cache.addr().to_string()),
            (format!("0.0.0.0:{}", ports::SHIM), shim.addr().to_string()),
            (format!("127.0.0.1:{}", ports::SHIM), shim.addr().to_string()),
            (format!("shim:{}", ports::SHIM), shim.addr().to_string()),
            (format!("0.0.0.0:{}", ports::BACKEND), backend.addr().to_string()),
            (format!("0.0.0.0:{}", ports::CLAUDE), claude.addr().to_string()),
            (format!("claude-sim:{}", ports::CLAUDE), claude.addr().to_string()),
            (admin, "127.0.0.1".to_owned()),
            (format!("/{}", ports::GATEWAY), format!("/{}", gateway.number())),
            (format!("-p {}", ports::REDIS), format!("-p {}", ledger.number())),
            (format!("-p {CACHE_PORT}"), format!("-p {}", cache.number())),
        ];
        for (port, here) in [(ports::REDIS, ledger), (CACHE_PORT, cache)] {
            self.ports.insert(port.to_string(), here.number().to_string());
        }
    }

    /// Writes the gateway's configuration as the image's build does.
    fn write_config(&self, [shim, backend, gateway, admin]: &[&Port; 4]) {
        let mut flags = in_root(&self.dockerfile.envoy_config("gateway"));
        for host in [&mut flags.address, &mut flags.shim_host, &mut flags.backend_host] {
            *host = "127.0.0.1".to_owned();
        }
        flags.admin_address = IMAGE_ADMIN.to_owned();
        flags.shim_port = shim.number();
        flags.backend_port = backend.number();
        flags.gateway_port = gateway.number();
        flags.admin_port = admin.number();
        flags.wasm = Some(wasm::build().unwrap());
        flags.out = self.dir.path().to_owned();
        let dir = |name: &str| self.dir.path().join(name);
        flags.filter_file = Some(dir("policy").join(FILTER_NAME));
        print_config::run(&flags).unwrap();
        // The folders of the policy's service: its image, and the volume that it shares with the gateway.

        for name in ["image", "policy"] {
            std::fs::create_dir(dir(name)).unwrap();
        }
        std::fs::rename(dir(FILTER_NAME), dir("image").join(FILTER_NAME)).unwrap();
        std::fs::copy(flags.policy.unwrap(), dir("image").join("policy.yaml")).unwrap();
        let variables = dir("image").join("policy.variables");
        std::fs::copy(harness::variables::file(), variables).unwrap();
    }
}
