//! Readers of `docker-compose.yml`, `.dockerignore` and `deploy/docker/Dockerfile`.

use harness::{envoy_config, paths};
use serde_json::Value;
use std::collections::BTreeMap;
use xtask::cli::{Chore, Cli};
use xtask::print_config::PrintConfig;
use xtask::up::FrontFlag;

/// The files that the build reads, besides the workspace's members.
pub(crate) const ROOT_FILES: [&str; 10] = [
    ".cargo/config.toml",
    "Cargo.lock",
    "Cargo.toml",
    "deploy/docker/build.sh",
    "envoy/envoy-module.yaml",
    "envoy/envoy.yaml",
    "envoy/policy.schema.json",
    "envoy/policy.yaml",
    "envoy/tollgate-module.yaml",
    "envoy/tollgate.yaml",
];

/// The compose file.
pub(crate) struct Compose(pub(crate) Value);

impl Compose {
    pub(crate) fn read() -> Self {
        Self(envoy_config::read_yaml(&paths::root().join("docker-compose.yml")).unwrap())
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = &str> {
        self.all().map(|(name, _)| name)
    }

    /// Returns all services, sorted by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Value)> {
        let services = self.0["services"].as_object().unwrap();
        services
            .iter()
            .map(|(name, service)| (name.as_str(), service))
            .collect::<BTreeMap<_, _>>()
            .into_iter()
    }

    pub(crate) fn service(&self, name: &str) -> &Value {
        self.0["services"].get(name).unwrap_or_else(|| panic!("service {name} is missing"))
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("expected a string, found {value}")).to_owned()
}

pub(crate) fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .unwrap_or_else(|| panic!("expected a list, found {value}"))
        .iter()
        .map(text)
        .collect()
}

/// Returns the strings under `key`, or an empty list if it is missing.
pub(crate) fn list(value: &Value, key: &str) -> Vec<String> {
    value.get(key).map(strings).unwrap_or_default()
}

/// Returns the networks of a service, from the short form, a list, or the long form, an object.
pub(crate) fn networks(service: &Value) -> Vec<String> {
    match service.get("networks") {
        Some(Value::Object(networks)) => networks.keys().cloned().collect(),
        _ => list(service, "networks"),
    }
}

/// The rules of `.dockerignore`, which exclude files from the build.
pub(crate) struct Ignored(Vec<String>);

impl Ignored {
    pub(crate) fn read() -> Self {
        let text = std::fs::read_to_string(paths::root().join(".dockerignore")).unwrap();
        let rules = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(rules.map(str::to_owned).collect())
    }

    /// Returns true if `path` or one of its folders is excluded. The last matching rule decides. Only
    /// the patterns used in the file are supported: `*`, `**/NAME`, `**/*.END` and `**/START*`.
    pub(crate) fn has(&self, path: &str) -> bool {
        let matches = |rule: &str| {
            let is_name = |name: &str, pattern: &str| match pattern.split_once('*') {
                Some((start, end)) => name.starts_with(start) && name.ends_with(end),
                None => name == pattern,
            };
            match rule.strip_prefix("**/") {
                Some(pattern) => path.split('/').any(|name| is_name(name, pattern)),
                None if rule == "*" => true,
                None => {
                    assert!(!rule.contains('*'), "unsupported pattern: {rule}");
                    path == rule || path.starts_with(&format!("{rule}/"))
                }
            }
        };
        self.0.iter().fold(false, |ignored, rule| match rule.strip_prefix('!') {
            Some(rule) if matches(rule) => false,
            None if matches(rule) => true,
            _ => ignored,
        })
    }
}

/// A mounted volume.
pub(crate) struct Mount {
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) read_only: bool,
}

/// Returns the volumes of a service, from the short form, `source:target`, or the long form.
pub(crate) fn mounts(service: &Value) -> Vec<Mount> {
    let volumes = service.get("volumes").and_then(Value::as_array).cloned().unwrap_or_default();
    let mount = |volume: &Value| match volume.as_str() {
        Some(short) => {
            let (source, target) = short.split_once(':').unwrap();
            Mount { source: source.to_owned(), target: target.to_owned(), read_only: false }
        }
        None => {
            assert_eq!(volume["type"], "volume");
            let read_only = volume["read_only"] == true;
            Mount { source: text(&volume["source"]), target: text(&volume["target"]), read_only }
        }
    };
    volumes.iter().map(mount).collect()
}

/// The Dockerfile's stages, each with name, image and instructions.
pub(crate) struct Dockerfile(Vec<(String, String, Vec<String>)>);

impl Dockerfile {
    pub(crate) fn read() -> Self {
        let text = std::fs::read_to_string(paths::root().join("deploy/docker/Dockerfile")).unwrap();
        let lines: Vec<&str> =
            text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        let joined = lines.join("\n").replace("\\\n", " ");
        let mut stages: Vec<(String, String, Vec<String>)> = Vec::new();
        for line in joined.lines().filter(|line| !line.trim().is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["FROM", image, "AS", name] => {
                    stages.push(((*name).to_owned(), (*image).to_owned(), Vec::new()));
                }
                ["FROM", ..] => panic!("a stage without a name: {line}"),
                _ => stages.last_mut().unwrap().2.push(words.join(" ")),
            }
        }
        Self(stages)
    }

    pub(crate) fn stages(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, ..)| name.as_str())
    }

    pub(crate) fn image(&self, stage: &str) -> String {
        self.find(stage).1.clone()
    }

    /// Returns the instructions of a stage, without comments, one line each.
    pub(crate) fn stage(&self, stage: &str) -> &[String] {
        &self.find(stage).2
    }

    /// Returns the list of an instruction, such as `["tollgate"]` for `ENTRYPOINT ["tollgate"]`. It is
    /// empty if the stage has no such instruction.
    pub(crate) fn exec_form(&self, stage: &str, instruction: &str) -> Vec<String> {
        let found = self.stage(stage).iter().find_map(|line| line.strip_prefix(instruction));
        found.map(|list| serde_json::from_str(list).unwrap()).unwrap_or_default()
    }

    /// Returns the arguments of each `cargo xtask` in the build, up to a redirection. `cargo run
    /// --package xtask --` counts too.
    pub(crate) fn chores(&self) -> Vec<Vec<String>> {
        let build = [self.stage("build"), self.stage("build-module")].concat().join(" && ");
        let build = build.replace("cargo run --package xtask -- ", "cargo xtask ");
        let commands = build.split("&&").filter_map(|command| command.split("cargo xtask ").nth(1));
        let words = commands.map(|args| args.split_whitespace().take_while(|word| *word != ">"));
        words.map(|words| words.map(str::to_owned).collect()).collect()
    }

    /// Returns the flags with which the build renders the configuration of the service `gateway`.
    pub(crate) fn envoy_config(&self, gateway: &str) -> PrintConfig {
        let front = match gateway {
            "gateway" => FrontFlag::Wasm,
            "gateway-module" => FrontFlag::Module,
            other => panic!("{other} is not a gateway"),
        };
        let mut chores = self.chores().into_iter().map(|chore| parse_chore(&chore));
        let found = chores.find_map(|chore| match chore {
            Chore::EnvoyConfig(flags) if flags.front == front => Some(flags),
            _ => None,
        });
        found.expect("the build renders a configuration")
    }

    fn find(&self, stage: &str) -> &(String, String, Vec<String>) {
        let found = self.0.iter().find(|(name, ..)| name == stage);
        found.unwrap_or_else(|| panic!("stage {stage} is missing"))
    }
}

/// Parses arguments as `cargo xtask` does.
pub(crate) fn parse_chore(args: &[String]) -> Chore {
    Cli::of(args).unwrap_or_else(|error| panic!("{error}")).chore
}

/// Returns `flags` with absolute paths. In the build they are relative to the repository's root.
pub(crate) fn in_root(flags: &PrintConfig) -> PrintConfig {
    let policy = flags.policy.as_ref().map(|policy| paths::root().join(policy));
    PrintConfig { policy, ..flags.clone() }
}
