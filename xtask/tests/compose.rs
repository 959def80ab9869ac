//! Tests of `docker-compose.yml` and `deploy/docker/Dockerfile` without a container engine.
//!
//! They check that files, stages, ports, variables and commands exist and match. They also run the
//! containers' commands as processes on loopback, with the same environment except for addresses and
//! folders, and with the containers' own health checks. The build's script runs unchanged.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test helpers"
)]

#[path = "compose/build.rs"]
mod build;
#[path = "compose/files.rs"]
mod files;
#[path = "compose/running.rs"]
mod running;
#[path = "compose/variables.rs"]
mod variables;

use files::{Compose, Dockerfile, Ignored, Mount, ROOT_FILES, networks, strings, text};
use harness::clock::Deadline;
use harness::stack::server::READY_LIMIT;
use harness::{envoy_config, paths};
use running::Stack;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use xtask::print_config::{ENVOY_NAME, FILTER_NAME};
use xtask::up::ports;

const SERVICES: [&str; 9] = [
    "backend",
    "cache",
    "claude-sim",
    "gateway",
    "gateway-module",
    "ledger",
    "policy",
    "policy-module",
    "shim",
];
/// The services of the profile `module`. The others always run.
const OF_MODULE: [&str; 2] = ["gateway-module", "policy-module"];
/// The services that end by themselves.
const ENDING: [&str; 2] = ["policy", "policy-module"];
/// The data folder in the official Redis image, and its owner.
const REDIS_DATA: (&str, &str) = ("/data", "999:999");

#[test]
fn the_compose_file_has_only_known_services_and_keys() {
    let compose = Compose::read();
    assert_eq!(compose.services().collect::<Vec<_>>(), SERVICES);
    let known = BTreeSet::from([
        "build",
        "cap_drop",
        "command",
        "depends_on",
        "environment",
        "healthcheck",
        "image",
        "logging",
        "network_mode",
        "networks",
        "ports",
        "profiles",
        "read_only",
        "restart",
        "security_opt",
        "stop_grace_period",
        "tmpfs",
        "user",
        "volumes",
    ]);
    for (name, service) in compose.all() {
        for key in service.as_object().unwrap().keys() {
            assert!(known.contains(key.as_str()), "{name}: {key}");
        }
    }
}

#[test]
fn every_service_is_hardened() {
    let compose = Compose::read();
    for (name, service) in compose.all() {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(strings(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        let user = text(&service["user"]);
        let ids: Vec<u32> = user.split(':').map(|id| id.parse().unwrap()).collect();
        assert!(ids.len() == 2 && ids.iter().all(|&id| id > 0), "{name} runs as {user}");
    }
}

#[test]
fn services_wait_until_their_dependencies_are_healthy() {
    let compose = Compose::read();
    let needs = |name: &str| -> Vec<String> {
        let Some(needs) = compose.service(name)["depends_on"].as_object() else {
            return Vec::new();
        };
        for (other, how) in needs {
            // This service ends by itself, so it has no health check.
            if ENDING.contains(&other.as_str()) {
                assert_eq!(how["condition"], "service_completed_successfully", "{name} on {other}");
                continue;
            }
            assert_eq!(how["condition"], "service_healthy", "{name} on {other}");
            assert!(compose.service(other)["healthcheck"]["test"].is_array(), "{other}");
        }
        needs.keys().cloned().collect()
    };
    assert_eq!(needs("gateway"), ["backend", "policy", "shim"]);
    assert_eq!(needs("gateway-module"), ["backend", "ledger", "policy-module"]);
    for policy in ENDING {
        assert!(compose.service(policy).get("depends_on").is_none());
        assert!(compose.service(policy).get("healthcheck").is_none());
    }
    assert_eq!(needs("shim"), ["ledger"]);
    assert_eq!(needs("backend"), ["cache", "claude-sim"]);
    assert!(needs("claude-sim").is_empty());
    for gateway in ["gateway", "gateway-module"] {
        assert!(compose.service(gateway)["healthcheck"]["test"].is_array());
    }
    // With a restart policy, a service that ends by itself would never complete.
    for (name, service) in compose.all() {
        let restart = if ENDING.contains(&name) { "no" } else { "unless-stopped" };
        assert_eq!(service["restart"], restart, "{name}");
    }
}

/// Without the profile, nothing of the dynamic module is built or started.
#[test]
fn the_module_has_a_profile_on_which_nothing_else_depends() {
    let compose = Compose::read();
    for (name, service) in compose.all() {
        let profiles = files::list(service, "profiles");
        let expected: &[&str] = if OF_MODULE.contains(&name) { &["module"] } else { &[] };
        assert_eq!(profiles, expected, "{name}");
        let needs = service["depends_on"].as_object();
        let of_module = |other: &&String| OF_MODULE.contains(&other.as_str());
        let needs_module = needs.is_some_and(|needs| needs.keys().any(|other| of_module(&other)));
        assert_eq!(needs_module, name == "gateway-module", "{name}");
        let builds_module = service["build"]["target"] == "gateway-module";
        assert_eq!(builds_module, name == "gateway-module", "{name}");
    }
    // The module's own stage builds it.
    let dockerfile = Dockerfile::read();
    assert!(!dockerfile.stage("build").join(" ").contains("target/module/"));
    assert_eq!(dockerfile.image("build-module"), "build");
}

#[test]
fn only_the_gateways_are_published_and_their_admin_ports_to_this_machine_only() {
    let compose = Compose::read();
    let gateways = ["gateway", "gateway-module"];
    for name in SERVICES.into_iter().filter(|name| !gateways.contains(name)) {
        assert!(compose.service(name).get("ports").is_none(), "{name}");
    }
    for (at, name) in (0..).zip(gateways) {
        let (gateway, admin) = (ports::GATEWAY, ports::ADMIN);
        let expected =
            [format!("{}:{gateway}", gateway + at), format!("127.0.0.1:{}:{admin}", admin + at)];
        assert_eq!(strings(&compose.service(name)["ports"]), expected);
    }
    // Each of these is on an isolated network with its only clients.
    for (name, network, asked_by) in [
        ("ledger", "ledger", &["gateway-module", "shim"][..]),
        ("cache", "cache", &["backend"]),
        ("claude-sim", "claude", &["backend"]),
    ] {
        assert_eq!(networks(compose.service(name)), [network]);
        // `internal` alone would leave the host reachable.
        let network_is = &compose.0["networks"][network];
        assert_eq!(network_is["internal"], true);
        let mode = "com.docker.network.bridge.gateway_mode_ipv4";
        assert_eq!(network_is["driver_opts"][mode], "isolated");
        let on_it: BTreeSet<_> = asked_by.iter().copied().chain([name]).collect();
        assert_eq!(on_network(&compose, network), on_it);
    }
    for policy in ENDING {
        assert_eq!(compose.service(policy)["network_mode"], "none");
    }
}

/// Returns the services on `network`.
fn on_network<'a>(compose: &'a Compose, network: &str) -> BTreeSet<&'a str> {
    let on_it = |(_, service): &(&str, &Value)| networks(service).contains(&network.to_owned());
    compose.all().filter(on_it).map(|(name, _)| name).collect()
}

/// Anyone who reaches the admin interface can stop the gateway and read the policy's salt.
#[test]
fn only_this_machine_reaches_the_admin_interface() {
    let (compose, dockerfile) = (Compose::read(), Dockerfile::read());
    for (name, own, others) in [
        ("gateway", "admin", &["front"][..]),
        ("gateway-module", "admin-module", &["front", "ledger"]),
    ] {
        let gateway = compose.service(name);
        assert_eq!(on_network(&compose, own), BTreeSet::from([name]));
        let all: Vec<_> = std::iter::once(own).chain(others.iter().copied()).collect();
        assert_eq!(networks(gateway), all);
        // It listens only on its address in that network. In the image it listens on loopback.
        assert_eq!(dockerfile.envoy_config(name).admin_address, "127.0.0.1");
        let address = text(&gateway["networks"][own]["ipv4_address"]);
        let command = strings(&gateway["command"]);
        let at = command.iter().position(|word| word == "--config-yaml").unwrap();
        let admin = format!("admin: {{address: {{socket_address: {{address: {address}}}}}}}");
        assert_eq!(command[at + 1], admin);
        let network = &compose.0["networks"][own];
        let subnet = text(&network["ipam"]["config"][0]["subnet"]);
        let (start, bits) = subnet.split_once('/').unwrap();
        let number = |address: &str| u32::from(address.parse::<std::net::Ipv4Addr>().unwrap());
        let mask = u32::MAX << (32 - bits.parse::<u32>().unwrap());
        assert_eq!(number(&address) & mask, number(start), "{address} is not in {subnet}");
        // The first addresses are the network's and the host's; the last one is for broadcasts.
        assert!((2..!mask).contains(&(number(&address) & !mask)), "{address}");
        // Ports are mapped to the network with the highest priority, which must not be internal.
        assert!(network.get("internal").is_none());
        assert_eq!(gateway["networks"][own]["gw_priority"], 1);
        for other in others {
            assert!(gateway["networks"][*other].get("gw_priority").is_none());
        }
    }
}

/// Docker's defaults are too slow at the start.
#[test]
fn health_checks_are_frequent_at_the_start_and_rare_afterwards() {
    let compose = Compose::read();
    let checked: Vec<_> = compose.all().filter(|(_, is)| is.get("healthcheck").is_some()).collect();
    assert_eq!(checked.len(), SERVICES.len() - ENDING.len());
    for (name, service) in checked {
        let mut times = service["healthcheck"].clone();
        times.as_object_mut().unwrap().remove("test");
        let expected = json!({
            "interval": "10s", "timeout": "2s", "retries": 3,
            "start_period": "60s", "start_interval": "250ms",
        });
        assert_eq!(times, expected, "{name}");
    }
}

#[test]
fn logs_are_bounded_and_the_backend_has_time_to_drain() {
    let compose = Compose::read();
    for (name, service) in compose.all() {
        let expected =
            json!({ "driver": "json-file", "options": { "max-size": "10m", "max-file": "3" } });
        assert_eq!(service["logging"], expected, "{name}");
    }
    // The backend drains for 10 s, which is also Docker's default for the whole stop.
    assert_eq!(compose.service("backend")["stop_grace_period"], "15s");
}

#[test]
fn networks_volumes_and_mounted_folders_exist() {
    let compose = Compose::read();
    let dockerfile = Dockerfile::read();
    for (name, service) in compose.all() {
        for network in networks(service) {
            assert!(compose.0["networks"].get(&network).is_some(), "{name}: {network}");
        }
        for Mount { source, target, read_only } in files::mounts(service) {
            assert!(compose.0["volumes"].get(&source).is_some(), "{name}: {source}");
            if read_only {
                continue;
            }
            // The folder must belong to the service's user, or it could not write there.
            let user = text(&service["user"]);
            if service.get("build").is_none() {
                assert_eq!((target.as_str(), user.as_str()), REDIS_DATA, "{name}");
                continue;
            }
            let stage = text(&service["build"]["target"]);
            let copied = dockerfile.stage(&stage).iter().any(|line| {
                line.starts_with("COPY ")
                    && line.ends_with(&format!(" {target}"))
                    && line.contains(&format!("--chown={user} "))
            });
            assert!(copied, "{name}: {target} of {user}");
        }
    }
}

#[test]
fn images_are_pinned_and_compatible() {
    let compose = Compose::read();
    let dockerfile = Dockerfile::read();
    let mut images = vec![text(&compose.service("ledger")["image"])];
    assert_eq!(compose.service("cache")["image"], images[0].as_str());
    let from_others =
        |stage: &&str| dockerfile.stages().any(|other| dockerfile.image(stage) == other);
    let stages = dockerfile.stages().filter(|stage| !from_others(stage));
    images.extend(stages.map(|stage| dockerfile.image(stage)));
    for image in &images {
        let (_, tag) = image.split_once(':').unwrap_or_else(|| panic!("{image} has no tag"));
        assert!(tag != "latest" && !tag.is_empty(), "{image}");
    }
    for gateway in ["gateway", "gateway-module"] {
        assert_eq!(dockerfile.image(gateway), "envoyproxy/envoy:v1.40.0");
    }
    assert!("1.40.0".starts_with(harness::setup::servers::ENVOY_VERSION));
    // Programs must run on the Debian release that they are built on.
    let rust = env!("CARGO_PKG_RUST_VERSION");
    assert_eq!(dockerfile.image("build"), format!("rust:{rust}-bookworm"));
    assert_eq!(dockerfile.image("shim"), "debian:bookworm-slim");
    assert_eq!(dockerfile.image("backend"), "debian:bookworm-slim");
    assert_eq!(dockerfile.image("claude-sim"), "debian:bookworm-slim");
}

#[test]
fn files_stages_and_users_match() {
    let compose = Compose::read();
    let dockerfile = Dockerfile::read();
    let stages = ["build", "build-module"].map(|stage| dockerfile.stage(stage).join("\n") + "\n");
    let build = stages.concat();
    for (name, target) in [
        ("backend", "backend"),
        ("claude-sim", "claude-sim"),
        ("gateway", "gateway"),
        ("gateway-module", "gateway-module"),
        ("policy", "shim"),
        ("policy-module", "shim"),
        ("shim", "shim"),
    ] {
        let service = compose.service(name);
        assert_eq!(service["build"]["context"], ".");
        assert_eq!(service["build"]["dockerfile"], "deploy/docker/Dockerfile");
        assert_eq!(service["build"]["target"], target);
        // Equal arguments let all services share one build.
        assert_eq!(service["build"]["args"], json!({ "CHECKOUT": "${PWD:-default}" }), "{name}");
        let stage = dockerfile.stage(target);
        assert!(stage.contains(&format!("USER {}", text(&service["user"]))), "{name}");
        for line in stage.iter().filter(|line| line.starts_with("COPY ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let from = if target == "gateway-module" { "build-module" } else { "build" };
            assert_eq!(words[1], format!("--from={from}"), "{line}");
            for source in words[2..words.len() - 1].iter().filter(|word| word.starts_with("/out/"))
            {
                let file = source.rsplit('/').next().unwrap();
                let made = [format!("/{file} "), format!("/out/{file}"), format!("/{file}\n")];
                let is_config = [ENVOY_NAME, FILTER_NAME].contains(&file);
                let is_made = is_config || made.iter().any(|made| build.contains(made));
                assert!(is_made, "{source} is never created");
            }
        }
    }
}

#[test]
fn the_builds_files_and_commands_exist() {
    let dockerfile = Dockerfile::read();
    let ignored = Ignored::read();
    let manifest = std::fs::read_to_string(paths::root().join("Cargo.toml")).unwrap();
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    let members: Vec<String> = serde_json::from_str(members).unwrap();
    assert!(members.len() > 5, "{members:?}");
    let manifests = members.into_iter().map(|member| format!("{member}/Cargo.toml"));
    for file in ROOT_FILES.map(str::to_owned).into_iter().chain(manifests) {
        assert!(paths::root().join(&file).exists(), "{file}");
        assert!(!ignored.has(&file), "{file} is excluded from the build");
    }
    let chores = dockerfile.chores();
    assert_eq!(chores.len(), 4, "{chores:?}");
    for chore in &chores {
        files::parse_chore(chore);
    }
    // The paths of the release build's programs.
    let build = dockerfile.stage("build").join("\n");
    for name in ["tollgate", "tollgate-backend", "claude-sim"] {
        assert!(build.contains(&format!("target/release/{name} ")), "{name}");
    }
    let wasm = harness::wasm::path();
    let wasm = wasm.strip_prefix(paths::root()).unwrap().to_str().unwrap().to_owned();
    assert!(build.contains(&wasm), "{wasm}");
    let module = dockerfile.stage("build-module").join("\n");
    assert!(module.contains("cp target/module/libtollgate_module.so /out/"), "{module}");
}

/// Secrets, databases and build outputs in a checkout must not get into an image's layers.
#[test]
fn other_files_are_excluded_from_the_build() {
    let ignored = Ignored::read();
    for file in [
        ".env",
        ".env.production",
        ".envrc",
        "backend/.env",
        "backend/tests/.env.local",
        ".git/config",
        "key.pem",
        "secrets/key",
        "docker-compose.override.yml",
        "deploy/docker/secret",
        "target/debug/tollgate",
        "tests/fuzz/target/x",
        "backend/target/x",
        "tollgate.db",
        "backend/tollgate.db-wal",
    ] {
        assert!(ignored.has(file), "{file} gets into the build");
    }
}

/// The build relies only on file times set by its script, in a cache that belongs to the checkout. It
/// fetches the target before copying the checkout, so that changes do not fetch it again.
#[test]
fn each_checkout_has_its_own_build_cache() {
    let dockerfile = Dockerfile::read();
    let build = dockerfile.stage("build");
    let at = |start: &str| build.iter().position(|line| line.starts_with(start)).unwrap();
    let target = format!("RUN rustup target add {}", harness::setup::wasm_target::TARGET);
    assert!(at(&target) < at("COPY "), "{build:?}");
    assert!(at("COPY ") < at("ARG CHECKOUT=default") && at("ARG ") < at("RUN --mount"));
    let run = &build[at("RUN --mount")];
    let mounts: Vec<_> = run.split(' ').filter(|word| word.starts_with("--mount=")).collect();
    assert_eq!(
        mounts[1..],
        ["--mount=type=cache,id=tollgate-target-${CHECKOUT},target=/src/target,sharing=locked"]
    );
    // The module's stage has the same cache.
    let module = dockerfile.stage("build-module");
    assert_eq!(module[0], "ARG CHECKOUT=default");
    let same: Vec<_> = module[1].split(' ').filter(|word| word.starts_with("--mount=")).collect();
    assert_eq!(same, mounts);
    let script = "sh deploy/docker/build.sh cargo run --package xtask -- build --module --release";
    assert!(module[1].contains(script), "{module:?}");
    // Without the script, cargo would rely on the times of the checkout's files. `cargo xtask` would
    // print nothing while it builds xtask.
    let first = run.split(' ').find(|word| !word.starts_with("--") && *word != "RUN").unwrap();
    let script = "sh deploy/docker/build.sh cargo run --package xtask -- build --release && ";
    assert!(first == "sh" && run.contains(script), "{run}");
}

#[test]
fn the_gateways_configurations_have_the_services_and_the_published_ports() {
    let dockerfile = Dockerfile::read();
    for (name, copied, (wasm, module), watched, out) in [
        (
            "gateway",
            "--from=build /out/envoy.json /out/tollgate_filter.wasm",
            (Some("/etc/envoy/tollgate_filter.wasm"), None),
            "tollgate.json",
            "/out",
        ),
        (
            "gateway-module",
            "--from=build-module /out/module/envoy.json /out/libtollgate_module.so",
            (None, Some("/etc/envoy/libtollgate_module.so")),
            "tollgate-module.json",
            "/out/module",
        ),
    ] {
        let flags = dockerfile.envoy_config(name);
        let copied = format!("COPY {copied} /etc/envoy/");
        assert!(dockerfile.stage(name).contains(&copied), "{name} has no {copied}");
        let text = |path: &Option<std::path::PathBuf>| {
            path.as_ref().map(|path| path.to_str().unwrap().to_owned())
        };
        assert_eq!(text(&flags.wasm).as_deref(), wasm);
        assert_eq!(text(&flags.module).as_deref(), module);
        assert_eq!(text(&flags.policy).unwrap(), "envoy/policy.yaml");
        assert_eq!(text(&flags.filter_file).unwrap(), format!("/etc/envoy/policy/{watched}"));
        assert_eq!(flags.out.to_str(), Some(out));
        let filter_file = dockerfile
            .stage(name)
            .iter()
            .any(|line| line.contains(&format!(" {out}/{FILTER_NAME} /etc/envoy/policy/")));
        assert!(filter_file, "{name}");
        // The service's environment names the module's ledger.
        assert_eq!(flags.ledger, None);
        let mut rendered = files::in_root(&flags).config().unwrap();
        let own =
            rendered.filter.as_ref().unwrap().pointer("/resources/0/typed_config/filter_config");
        assert!(own.is_none_or(|own| own["value"].get("ledger").is_none()), "{own:?}");
        assert_eq!(own.is_some(), module.is_some());
        let config = &mut rendered.envoy;
        let listen = |pointer: &str| config.pointer(pointer).unwrap().clone();
        let listener = listen("/static_resources/listeners/0/address/socket_address");
        assert_eq!(listener["address"], "0.0.0.0");
        assert_eq!(listener["port_value"], ports::GATEWAY);
        let admin = listen("/admin/address/socket_address");
        assert_eq!(admin["address"], "127.0.0.1");
        assert_eq!(admin["port_value"], ports::ADMIN);
        let shim = module.is_none().then_some(("tollgate", "shim", ports::SHIM));
        for (cluster, service, port) in
            shim.into_iter().chain([("backend", "backend", ports::BACKEND)])
        {
            let clusters = envoy_config::at(config, "/static_resources/clusters").unwrap();
            let cluster = envoy_config::named(clusters, cluster).unwrap();
            let address =
                "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
            let address = cluster.pointer(address).unwrap();
            assert_eq!(address["address"], service);
            assert_eq!(address["port_value"], port);
            // The address is a name, which Envoy must resolve repeatedly.
            assert_eq!(cluster["type"], "STRICT_DNS");
        }
    }
}

#[test]
fn services_can_reach_each_other() {
    let compose = Compose::read();
    let shim = &compose.service("shim")["environment"];
    let backend = &compose.service("backend")["environment"];
    assert_eq!(shim["TOLLGATE_LISTEN"], format!("0.0.0.0:{}", ports::SHIM));
    assert_eq!(backend["LISTEN_ADDR"], format!("0.0.0.0:{}", ports::BACKEND));
    for (one, other) in [
        ("shim", "ledger"),
        ("backend", "cache"),
        ("backend", "claude-sim"),
        ("gateway", "shim"),
        ("gateway", "backend"),
        ("gateway-module", "backend"),
        ("gateway-module", "ledger"),
    ] {
        let has = networks(compose.service(one));
        let shared = networks(compose.service(other)).iter().any(|network| has.contains(network));
        assert!(shared, "{one} and {other} share no network");
    }
    let claude = &compose.service("claude-sim")["environment"];
    assert_eq!(claude["CLAUDE_SIM_LISTEN"], format!("0.0.0.0:{}", ports::CLAUDE));
    // The database is in the volume.
    assert!(text(&backend["DATABASE_URL"]).ends_with(":-sqlite:///data/tollgate.db}"));
    assert_eq!(strings(&compose.service("backend")["volumes"]), ["backend-data:/data"]);
}

/// A policy's service writes the file that its gateway watches. The gateway can neither write there nor
/// fill a new volume with files of another owner.
#[test]
fn each_gateway_watches_the_file_that_its_policys_service_writes() {
    let (compose, dockerfile) = (Compose::read(), Dockerfile::read());
    for (gateway, policy, template, copied) in [
        (
            "gateway",
            "policy",
            "/etc/tollgate/tollgate.json",
            "/out/tollgate.json /out/policy.yaml /out/policy.variables /etc/tollgate/",
        ),
        (
            "gateway-module",
            "policy-module",
            "/etc/tollgate/tollgate-module.json",
            "/out/module/tollgate.json /etc/tollgate/tollgate-module.json",
        ),
    ] {
        let [written] = &files::mounts(compose.service(policy))[..] else { panic!("one volume") };
        let [watched] = &files::mounts(compose.service(gateway))[..] else { panic!("one volume") };
        assert_eq!(written.source, watched.source);
        assert!(watched.read_only && !written.read_only);
        assert_eq!(compose.service(gateway)["volumes"][0]["volume"]["nocopy"], true);
        let filter_file = dockerfile.envoy_config(gateway).filter_file.unwrap();
        let name = filter_file.strip_prefix(&watched.target).unwrap().to_str().unwrap();
        let command = strings(&compose.service(policy)["command"]);
        assert_eq!(command.last(), Some(&format!("{}/{name}", written.target)));
        // The input files are in the image.
        assert!(dockerfile.stage("shim").contains(&format!("COPY --from=build {copied}")));
        for file in [template, "/etc/tollgate/policy.yaml", "@/etc/tollgate/policy.variables"] {
            assert!(command.iter().any(|word| word == file), "{file}");
        }
    }
}

#[test]
fn the_docs_name_the_stacks_command_and_ports() {
    let read = |file: &str| std::fs::read_to_string(paths::root().join(file)).unwrap();
    assert!(read("README.md").contains("docker compose up"), "the command");
    let known = [ports::GATEWAY, ports::ADMIN, ports::SHIM, ports::BACKEND, ports::CLAUDE];
    let pages = read("docs/demo/companion-api.md") + &read("docs/demo/claude-sim.md");
    let mut found = BTreeSet::new();
    for (at, host) in pages.match_indices("127.0.0.1:").chain(pages.match_indices("localhost:")) {
        let rest = &pages[at + host.len()..];
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        found.insert(digits.parse::<u16>().unwrap());
    }
    assert!(found.contains(&ports::GATEWAY), "{found:?}");
    assert!(found.iter().all(|port| known.contains(port)), "{found:?}");
}

/// Docker's port mapping keeps the addresses of IPv4 clients, contrary to earlier notes. The
/// gateway cannot use the host's network in addition to its own.
#[test]
fn the_notes_on_client_addresses_are_correct() {
    for file in ["docs/operate/install.md", "docker-compose.yml"] {
        let text = std::fs::read_to_string(paths::root().join(file)).unwrap();
        let text = text.replace("\n# ", " ");
        for right in ["IPv4 clients", "own clients share one address", "all IPv6 clients"] {
            assert!(text.contains(right), "{file}: {right}");
        }
    }
}

/// Calls to the shim are not authenticated, so the network must keep others away from it.
#[test]
fn the_docs_warn_that_the_shims_port_is_only_for_the_gateway_and_the_backend() {
    let read = |file: &str| std::fs::read_to_string(paths::root().join(file)).unwrap();
    let compose = read("docker-compose.yml").replace("\n  # ", " ");
    for text in [read("README.md"), read("docs/operate/security.md")] {
        assert!(text.contains("no authentication and no TLS"), "{text}");
    }
    for text in [compose, variables::help()] {
        assert!(text.contains("has no authentication"), "{text}");
        assert!(text.contains("anyone's limits"), "{text}");
    }
    let compose = Compose::read();
    let callers = BTreeSet::from(["backend", "gateway", "gateway-module", "shim"]);
    assert_eq!(on_network(&compose, "front"), callers);
}

/// With a private salt, the stack starts in any environment, and the backend reports the usage that
/// the gateway counts.
#[test]
fn a_private_salt_is_shared_by_the_policy_and_the_backend() {
    tests::midnight::wait_if_near();
    let salt = "0123456789abcdef0123456789abcdef";
    let stack = Stack::start(&[("TOLLGATE_SALT", salt), ("ENVIRONMENT", "production")]);
    assert_eq!(stack.policy()["salt"], salt);
    let client = tests::client::Client::of(stack.gateway().addr());
    let token = tests::gateway::token_from(
        &tests::client::Client::of(stack.backend().addr()),
        "ada@example.com",
    );
    // The request is charged although the route does not exist. It gets 503 while the ledger takes
    // longer than 50 ms.
    let deadline = Deadline::after(READY_LIMIT);
    while client.post("/api/ai/nothing", &json!({}), Some(&token)).status == 503 {
        assert!(!deadline.has_passed(), "the ledger decides nothing");
    }
    // A request that timed out can have been charged too. With different salts, the backend would see 0.
    let usage = client.get("/api/usage", Some(&token));
    let used = usage.json()["ai_daily"]["used"].as_u64();
    assert!(used.is_some_and(|used| used >= 1), "{}", usage.as_text());
}

/// The gateway waits for the policy's service, which refuses the publicly known salt.
#[test]
fn outside_development_the_stack_does_not_start_with_a_publicly_known_salt() {
    for salt in ["", "tollgate-development"] {
        let stack = Stack::new(&[("TOLLGATE_SALT", salt), ("ENVIRONMENT", "production")]);
        let error = stack.run("policy").unwrap_err().to_string();
        assert!(error.contains("ENVIRONMENT is \"production\": expected a private"), "{error}");

        assert!(stack.policy_file().is_err(), "the policy was written");
    }
}

/// Runs the commands, variables and health checks of all containers as processes on loopback, with a
/// limit from the environment that reaches a client.
#[test]
fn the_containers_commands_become_healthy_and_serve() {
    let mut stack = Stack::start(&[("PUBLIC_RATE_LIMIT_PER_MINUTE", "7")]);
    for name in ["ledger", "cache", "shim", "claude-sim", "backend", "gateway"] {
        assert!(stack.is_healthy(name), "{name}");
    }
    let reply = stack.gateway().get("/").unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
    // On a busy machine, the shipped policy's 50 ms can pass without a decision.
    let client = tests::client::Client::of(stack.gateway().addr());
    let deadline = Deadline::after(READY_LIMIT);
    let mut reply = client.get("/", None);
    while reply.header("tollgate-verdict") == "degraded" && !deadline.has_passed() {
        reply = client.get("/", None);
    }
    assert_eq!(reply.header("x-ratelimit-limit"), "7", "{}", reply.as_text());
    // The ledger must never evict counters or lose them in a restart. The cache can.
    for (name, setting, expected) in [
        ("ledger", "maxmemory-policy", "noeviction"),
        ("ledger", "appendonly", "yes"),
        ("cache", "maxmemory-policy", "allkeys-lru"),
        ("cache", "appendonly", "no"),
    ] {
        assert_eq!(stack.setting(name, setting), expected, "{name}: {setting}");
    }
    for name in ["ledger", "cache"] {
        assert_ne!(stack.setting(name, "maxmemory"), "0", "{name}");
    }
    assert!(stack.keys("ledger") > 0, "the request was not counted in the ledger");
    assert!(stack.gateway().get("/api/pricing").unwrap().status == 200);
    assert!(stack.keys("cache") > 0, "the prices were not cached");
    assert!(stack.admin_answers(), "the admin interface is not at the compose file's address");
    // The gateway is healthy only while requests get through to the backend.
    stack.kill("backend");
    assert!(!stack.is_healthy("gateway"));
    // Every health check must be able to fail.
    for name in ["gateway", "backend", "claude-sim", "shim", "cache", "ledger"] {
        stack.kill(name);
        assert!(!stack.is_healthy(name), "{name} was killed but is healthy");
    }
}

/// The gateway with the dynamic module needs no shim, and both gateways count in the same ledger.
#[test]
fn the_modules_gateway_shares_the_ledger() {
    let mut stack = Stack::start(&[("PUBLIC_RATE_LIMIT_PER_MINUTE", "7")]);
    stack.add_module();
    assert!(stack.is_healthy("gateway-module"));
    // Uses up the limit at the first gateway. On a busy machine, the shipped policy's 50 ms can pass
    // without a decision.
    let client = |addr| tests::client::Client::of(addr);
    let (first, second) = (client(stack.gateway().addr()), client(stack.module_gateway().addr()));
    let deadline = Deadline::after(READY_LIMIT);
    let status = |client: &tests::client::Client| loop {
        let reply = client.get("/", None);
        if reply.header("tollgate-verdict") != "degraded" {
            assert_eq!(reply.header("x-ratelimit-limit"), "7", "{}", reply.as_text());
            return reply.status;
        }
        assert!(!deadline.has_passed(), "the ledger decides nothing");
    };
    while status(&first) != 429 {
        assert!(!deadline.has_passed(), "the first gateway refuses nothing");
    }
    stack.kill("shim");
    assert_eq!(status(&second), 429);
    // The health check must be able to fail.
    stack.kill("gateway-module");
    assert!(!stack.is_healthy("gateway-module"));
    assert!(stack.is_healthy("gateway"));
}
