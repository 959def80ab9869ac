//! `docker-compose.yml` and `deploy/docker/Dockerfile`, checked without a container engine.
//!
//! What they name must exist and agree: files, stages, ports, variables, commands. And what they
//! run is run here, as processes on loopback: the same commands with the same environment, but for
//! addresses and folders, must come up healthy by the same health checks. The build's script runs as
//! it is.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests"
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

const SERVICES: [&str; 7] =
    ["backend", "cache", "claude-sim", "gateway", "ledger", "policy", "shim"];
/// Who has this folder in the image that is not ours, and owns it there.
const REDIS_DATA: (&str, &str) = ("/data", "999:999");

#[test]
fn the_stack_has_its_seven_services_and_nothing_unknown() {
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
fn services_wait_for_the_health_of_what_they_need() {
    let compose = Compose::read();
    let needs = |name: &str| -> Vec<String> {
        let Some(needs) = compose.service(name)["depends_on"].as_object() else {
            return Vec::new();
        };
        for (other, how) in needs {
            // What ends by itself has no health.
            if other == "policy" {
                assert_eq!(how["condition"], "service_completed_successfully", "{name} on {other}");
                continue;
            }
            assert_eq!(how["condition"], "service_healthy", "{name} on {other}");
            assert!(compose.service(other)["healthcheck"]["test"].is_array(), "{other}");
        }
        needs.keys().cloned().collect()
    };
    assert_eq!(needs("gateway"), ["backend", "policy", "shim"]);
    assert!(compose.service("policy").get("depends_on").is_none());
    assert!(compose.service("policy").get("healthcheck").is_none());
    assert_eq!(needs("shim"), ["ledger"]);
    assert_eq!(needs("backend"), ["cache", "claude-sim"]);
    assert!(needs("claude-sim").is_empty());
    assert!(compose.service("gateway")["healthcheck"]["test"].is_array());
    // Started again for as long as it ends, it would never have ended.
    for (name, service) in compose.all() {
        let restart = if name == "policy" { "no" } else { "unless-stopped" };
        assert_eq!(service["restart"], restart, "{name}");
    }
}

#[test]
fn only_the_gateway_is_published_and_its_admin_port_to_this_machine_only() {
    let compose = Compose::read();
    for name in SERVICES.into_iter().filter(|name| *name != "gateway") {
        assert!(compose.service(name).get("ports").is_none(), "{name}");
    }
    let (gateway, admin) = (ports::GATEWAY, ports::ADMIN);
    assert_eq!(
        strings(&compose.service("gateway")["ports"]),
        [format!("{gateway}:{gateway}"), format!("127.0.0.1:{admin}:{admin}")]
    );
    // Each of these is on a network that leads nowhere, with the one that asks it.
    for (name, network, asked_by) in [
        ("ledger", "ledger", "shim"),
        ("cache", "cache", "backend"),
        ("claude-sim", "claude", "backend"),
    ] {
        assert_eq!(networks(compose.service(name)), [network]);
        // Alone, the first would leave it the way to the machine that it runs on.
        let network_is = &compose.0["networks"][network];
        assert_eq!(network_is["internal"], true);
        let mode = "com.docker.network.bridge.gateway_mode_ipv4";
        assert_eq!(network_is["driver_opts"][mode], "isolated");
        assert_eq!(on_network(&compose, network), BTreeSet::from([name, asked_by]));
    }
    assert_eq!(compose.service("policy")["network_mode"], "none");
}

/// The services on `network`.
fn on_network<'a>(compose: &'a Compose, network: &str) -> BTreeSet<&'a str> {
    let on_it = |(_, service): &(&str, &Value)| networks(service).contains(&network.to_owned());
    compose.all().filter(on_it).map(|(name, _)| name).collect()
}

/// By the admin interface, others could end the gateway and read the policy's salt.
#[test]
fn only_this_machine_reaches_the_admin_interface() {
    let compose = Compose::read();
    let gateway = compose.service("gateway");
    assert_eq!(on_network(&compose, "admin"), BTreeSet::from(["gateway"]));
    assert_eq!(networks(gateway), ["admin", "front"]);
    // It listens on its address there alone: in the image, on loopback.
    assert_eq!(Dockerfile::read().envoy_config().admin_address, "127.0.0.1");
    let address = text(&gateway["networks"]["admin"]["ipv4_address"]);
    let command = strings(&gateway["command"]);
    let at = command.iter().position(|word| word == "--config-yaml").unwrap();
    let admin = format!("admin: {{address: {{socket_address: {{address: {address}}}}}}}");
    assert_eq!(command[at + 1], admin);
    let network = &compose.0["networks"]["admin"];
    let subnet = text(&network["ipam"]["config"][0]["subnet"]);
    let (start, bits) = subnet.split_once('/').unwrap();
    let number = |address: &str| u32::from(address.parse::<std::net::Ipv4Addr>().unwrap());
    let mask = u32::MAX << (32 - bits.parse::<u32>().unwrap());
    assert_eq!(number(&address) & mask, number(start), "{address} is not in {subnet}");
    // The first address is the machine's own, the last one everyone's.
    assert!((2..!mask).contains(&(number(&address) & !mask)), "{address}");
    // Ports are mapped to the network with the highest priority, which must lead to the machine.
    assert!(network.get("internal").is_none());
    assert_eq!(gateway["networks"]["admin"]["gw_priority"], 1);
    assert!(gateway["networks"]["front"].get("gw_priority").is_none());
}

/// Seldom enough to cost nothing, and soon enough to be of use: Docker's own defaults are neither.
#[test]
fn health_is_asked_often_at_the_start_and_seldom_after_it() {
    let compose = Compose::read();
    let checked: Vec<_> = compose.all().filter(|(_, is)| is.get("healthcheck").is_some()).collect();
    assert_eq!(checked.len(), SERVICES.len() - 1);
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
fn logs_have_a_bound_and_a_drain_has_time() {
    let compose = Compose::read();
    for (name, service) in compose.all() {
        let expected =
            json!({ "driver": "json-file", "options": { "max-size": "10m", "max-file": "3" } });
        assert_eq!(service["logging"], expected, "{name}");
    }
    // The backend gives requests 10 s, which is Docker's default for all of it.
    assert_eq!(compose.service("backend")["stop_grace_period"], "15s");
}

#[test]
fn networks_and_volumes_are_declared_and_folders_exist_in_the_image() {
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
            // With the owner that the service runs as, or it could not write there.
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
fn images_are_pinned_and_fit_each_other() {
    let compose = Compose::read();
    let dockerfile = Dockerfile::read();
    let mut images = vec![text(&compose.service("ledger")["image"])];
    assert_eq!(compose.service("cache")["image"], images[0].as_str());
    images.extend(dockerfile.stages().map(|stage| dockerfile.image(stage)));
    for image in &images {
        let (_, tag) = image.split_once(':').unwrap_or_else(|| panic!("{image} has no tag"));
        assert!(tag != "latest" && !tag.is_empty(), "{image}");
    }
    assert_eq!(dockerfile.image("gateway"), "envoyproxy/envoy:v1.40.0");
    assert!("1.40.0".starts_with(harness::setup::servers::ENVOY_VERSION));
    // What is built against one Debian's libraries runs on the same.
    let rust = env!("CARGO_PKG_RUST_VERSION");
    assert_eq!(dockerfile.image("build"), format!("rust:{rust}-bookworm"));
    assert_eq!(dockerfile.image("shim"), "debian:bookworm-slim");
    assert_eq!(dockerfile.image("backend"), "debian:bookworm-slim");
    assert_eq!(dockerfile.image("claude-sim"), "debian:bookworm-slim");
}

#[test]
fn files_stages_and_users_exist_and_agree() {
    let compose = Compose::read();
    let dockerfile = Dockerfile::read();
    let build = dockerfile.stage("build").join("\n");
    for (name, target) in [
        ("backend", "backend"),
        ("claude-sim", "claude-sim"),
        ("gateway", "gateway"),
        ("policy", "shim"),
        ("shim", "shim"),
    ] {
        let service = compose.service(name);
        assert_eq!(service["build"]["context"], ".");
        assert_eq!(service["build"]["dockerfile"], "deploy/docker/Dockerfile");
        assert_eq!(service["build"]["target"], target);
        // The same for all, or the build would run once for each.
        assert_eq!(service["build"]["args"], json!({ "CHECKOUT": "${PWD:-default}" }), "{name}");
        let stage = dockerfile.stage(target);
        assert!(stage.contains(&format!("USER {}", text(&service["user"]))), "{name}");
        for line in stage.iter().filter(|line| line.starts_with("COPY ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(words[1], "--from=build", "{line}");
            for source in words[2..words.len() - 1].iter().filter(|word| word.starts_with("/out/"))
            {
                let file = source.rsplit('/').next().unwrap();
                let made = [format!("/{file} "), format!("/out/{file}"), format!("/{file}\n")];
                let is_config = [ENVOY_NAME, FILTER_NAME].contains(&file);
                let is_made = is_config || made.iter().any(|made| build.contains(made));
                assert!(is_made, "{source} is never made");
            }
        }
    }
}

#[test]
fn the_build_finds_its_files_and_its_commands() {
    let dockerfile = Dockerfile::read();
    let ignored = Ignored::read();
    let manifest = std::fs::read_to_string(paths::root().join("Cargo.toml")).unwrap();
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    let members: Vec<String> = serde_json::from_str(members).unwrap();
    assert!(members.len() > 5, "{members:?}");
    let manifests = members.into_iter().map(|member| format!("{member}/Cargo.toml"));
    for file in ROOT_FILES.map(str::to_owned).into_iter().chain(manifests) {
        assert!(paths::root().join(&file).exists(), "{file}");
        assert!(!ignored.has(&file), "{file} is kept from the build");
    }
    let chores = dockerfile.chores();
    assert_eq!(chores.len(), 2, "{chores:?}");
    for chore in &chores {
        files::parse_chore(chore);
    }
    // What the release build makes, and where.
    let build = dockerfile.stage("build").join("\n");
    for name in ["tollgate", "tollgate-backend", "claude-sim"] {
        assert!(build.contains(&format!("target/release/{name} ")), "{name}");
    }
    let wasm = harness::wasm::path();
    let wasm = wasm.strip_prefix(paths::root()).unwrap().to_str().unwrap().to_owned();
    assert!(build.contains(&wasm), "{wasm}");
}

/// Whatever lies about in a checkout stays out of the images' layers: secrets, databases, what was
/// built.
#[test]
fn the_build_gets_nothing_else() {
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

/// The build trusts no times but those that its script has set, in a cache of the checkout's own; and
/// it fetches the target before anything of the checkout, whose every change would have it do so again.
#[test]
fn the_build_trusts_no_cache_of_another_checkout() {
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
    // What is not built through the script would be built by the times of the checkout's files. And
    // not by `cargo xtask`, which is silent while it builds xtask.
    let first = run.split(' ').find(|word| !word.starts_with("--") && *word != "RUN").unwrap();
    let script = "sh deploy/docker/build.sh cargo run --package xtask -- build --release && ";
    assert!(first == "sh" && run.contains(script), "{run}");
}

#[test]
fn the_gateways_configuration_names_the_services_and_the_published_ports() {
    let dockerfile = Dockerfile::read();
    let flags = dockerfile.envoy_config();
    let wasm = flags.wasm.clone().unwrap();
    assert!(
        dockerfile.stage("gateway").contains(
            &"COPY --from=build /out/envoy.json /out/tollgate_filter.wasm /etc/envoy/".to_owned()
        ),
        "the filter is copied to where the configuration looks for it"
    );
    assert_eq!(wasm.to_str(), Some("/etc/envoy/tollgate_filter.wasm"));
    assert_eq!(flags.policy.as_deref().and_then(|path| path.to_str()), Some("envoy/policy.yaml"));
    assert!(
        dockerfile
            .stage("gateway")
            .contains(&"COPY --from=build /out/tollgate.json /etc/envoy/policy/".to_owned())
    );
    let watched = flags.filter_file.as_deref().and_then(|path| path.to_str());
    assert_eq!(watched, Some("/etc/envoy/policy/tollgate.json"));
    assert_eq!(flags.out.to_str(), Some("/out"));
    let mut config = files::in_root(&flags).config().unwrap().envoy;
    let listen = |pointer: &str| config.pointer(pointer).unwrap().clone();
    let listener = listen("/static_resources/listeners/0/address/socket_address");
    assert_eq!(listener["address"], "0.0.0.0");
    assert_eq!(listener["port_value"], ports::GATEWAY);
    let admin = listen("/admin/address/socket_address");
    assert_eq!(admin["address"], "127.0.0.1");
    assert_eq!(admin["port_value"], ports::ADMIN);
    for (cluster, service, port) in
        [("tollgate", "shim", ports::SHIM), ("backend", "backend", ports::BACKEND)]
    {
        let clusters = envoy_config::at(&mut config, "/static_resources/clusters").unwrap();
        let cluster = envoy_config::named(clusters, cluster).unwrap();
        let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        let address = cluster.pointer(address).unwrap();
        assert_eq!(address["address"], service);
        assert_eq!(address["port_value"], port);
        // A name, not an address: Envoy has to resolve it, again and again.
        assert_eq!(cluster["type"], "STRICT_DNS");
    }
}

#[test]
fn services_find_each_other() {
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
    ] {
        let has = networks(compose.service(one));
        let shared = networks(compose.service(other)).iter().any(|network| has.contains(network));
        assert!(shared, "{one} and {other} share no network");
    }
    let claude = &compose.service("claude-sim")["environment"];
    assert_eq!(claude["CLAUDE_SIM_LISTEN"], format!("0.0.0.0:{}", ports::CLAUDE));
    // Where the database is kept is where the volume is.
    assert!(text(&backend["DATABASE_URL"]).ends_with(":-sqlite:///data/tollgate.db}"));
    assert_eq!(strings(&compose.service("backend")["volumes"]), ["backend-data:/data"]);
}

/// The policy's service writes where the gateway looks, and the gateway cannot write there, nor fill
/// a new volume with files of another owner.
#[test]
fn the_gateway_watches_what_the_policys_service_writes() {
    let (compose, dockerfile) = (Compose::read(), Dockerfile::read());
    let [written] = &files::mounts(compose.service("policy"))[..] else { panic!("one volume") };
    let [watched] = &files::mounts(compose.service("gateway"))[..] else { panic!("one volume") };
    assert_eq!(written.source, watched.source);
    assert!(watched.read_only && !written.read_only);
    assert_eq!(compose.service("gateway")["volumes"][0]["volume"]["nocopy"], true);
    let filter_file = dockerfile.envoy_config().filter_file.unwrap();
    let name = filter_file.strip_prefix(&watched.target).unwrap().to_str().unwrap();
    let command = strings(&compose.service("policy")["command"]);
    assert_eq!(command.last(), Some(&format!("{}/{name}", written.target)));
    // What it is made of is in the image.
    let copied = "COPY --from=build /out/tollgate.json /out/policy.yaml /out/policy.variables /etc/tollgate/".to_owned();
    assert!(dockerfile.stage("shim").contains(&copied));
    for file in [
        "/etc/tollgate/tollgate.json",
        "/etc/tollgate/policy.yaml",
        "@/etc/tollgate/policy.variables",
    ] {
        assert!(command.iter().any(|word| word == file), "{file}");
    }
}

#[test]
fn the_readme_tells_the_same_command_and_ports() {
    let readme = std::fs::read_to_string(paths::root().join("README.md")).unwrap();
    assert!(readme.contains("docker compose up"), "the command");
    // The last is where `tollgate serve` has its admin API, which the stack does not open.
    let known = [
        ports::GATEWAY,
        ports::ADMIN,
        ports::SHIM,
        ports::BACKEND,
        ports::CLAUDE,
        ports::REDIS,
        8082,
    ];
    let mut found = BTreeSet::new();
    for (at, host) in readme.match_indices("127.0.0.1:").chain(readme.match_indices("localhost:")) {
        let rest = &readme[at + host.len()..];
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        found.insert(digits.parse::<u16>().unwrap());
    }
    assert!(found.contains(&ports::GATEWAY), "{found:?}");
    assert!(found.iter().all(|port| known.contains(port)), "{found:?}");
}

/// What was wrong there once: Docker's port mapping keeps IPv4 clients apart, and the gateway cannot have
/// the machine's network beside its own.
#[test]
fn what_is_told_of_clients_addresses_is_so() {
    for file in ["README.md", "docker-compose.yml"] {
        let told = std::fs::read_to_string(paths::root().join(file)).unwrap();
        let told = told.replace("\n# ", " ");
        for wrong in
            ["all clients have one address", "every client that comes", "network_mode: host"]
        {
            assert!(!told.contains(wrong), "{file}: {wrong}");
        }
        for right in ["IPv4 clients", "own clients share one address", "all IPv6 clients"] {
            assert!(told.contains(right), "{file}: {right}");
        }
    }
}

/// Until calls are authenticated, the network has to keep others away from the shim.
#[test]
fn the_shims_port_is_said_to_be_for_the_gateway_and_the_backend_only() {
    let read = |file: &str| std::fs::read_to_string(paths::root().join(file)).unwrap();
    let compose = read("docker-compose.yml").replace("\n  # ", " ");
    for told in [read("README.md"), compose, variables::help()] {
        for part in ["backend reach ", "asks for no password", "anyone's limits"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
    let compose = Compose::read();
    assert_eq!(on_network(&compose, "front"), BTreeSet::from(["backend", "gateway", "shim"]));
}

/// With a salt of one's own, what is counted under it is what the backend tells of, and the
/// environment may be any.
#[test]
fn a_salt_of_ones_own_is_the_policys_and_the_backends() {
    tests::midnight::wait_if_near();
    let salt = "0123456789abcdef0123456789abcdef";
    let stack = Stack::start(&[("TOLLGATE_SALT", salt), ("ENVIRONMENT", "production")]);
    assert_eq!(stack.policy()["salt"], salt);
    let client = tests::client::Client::of(stack.gateway().addr());
    let token = tests::gateway::token_from(
        &tests::client::Client::of(stack.backend().addr()),
        "ada@example.com",
    );
    // Charged whether or not there is such a route; refused while the ledger takes longer than 50 ms.
    let deadline = Deadline::after(READY_LIMIT);
    while client.post("/api/ai/nothing", &json!({}), Some(&token)).status == 503 {
        assert!(!deadline.has_passed(), "nothing is decided");
    }
    // One that was refused for want of time may have been charged; with another salt, none would be.
    let usage = client.get("/api/usage", Some(&token));
    let used = usage.json()["ai_daily"]["used"].as_u64();
    assert!(used.is_some_and(|used| used >= 1), "{}", usage.as_text());
}

/// The gateway waits for the policy's service, which refuses what everyone knows.
#[test]
fn outside_development_the_stack_does_not_start_with_a_salt_that_everyone_knows() {
    for salt in ["", "tollgate-development"] {
        let stack = Stack::new(&[("TOLLGATE_SALT", salt), ("ENVIRONMENT", "production")]);
        let error = stack.run("policy").unwrap_err().to_string();
        assert!(error.contains("ENVIRONMENT is \"production\": expected a private"), "{error}");

        assert!(stack.policy_file().is_err(), "and nothing is put in force");
    }
}

/// The commands, variables and health checks of all containers, as processes on loopback, and a
/// limit on its way from the environment to a client.
#[test]
fn the_containers_commands_come_up_healthy_and_serve() {
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
    // What counts forgets nothing to make room, nor when it starts again. What only saves work may.
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
    assert!(stack.keys("ledger") > 0, "the limit was counted there");
    assert!(stack.gateway().get("/api/pricing").unwrap().status == 200);
    assert!(stack.keys("cache") > 0, "and prices are kept here");
    assert!(stack.admin_answers(), "the admin interface is where the compose file puts it");
    // The gateway is healthy as long as requests get through to the backend.
    stack.kill("backend");
    assert!(!stack.is_healthy("gateway"));
    // A health check that could not fail would be none.
    for name in ["gateway", "backend", "claude-sim", "shim", "cache", "ledger"] {
        stack.kill(name);
        assert!(!stack.is_healthy(name), "{name} is dead");
    }
}
