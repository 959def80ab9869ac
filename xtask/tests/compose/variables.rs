//! The containers' environment: each variable that the book lists, by its own name, in the
//! services that read it.

use crate::files::{Compose, text};
use harness::{binaries, command, paths};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

/// The variables that the images fix, and why.
const FIXED: [(&str, &str); 8] = [
    ("TOLLGATE_LISTEN", "where others look for it"),
    ("LISTEN_ADDR", "where others look for it"),
    ("CLAUDE_SIM_LISTEN", "where others look for it"),
    ("TOLLGATE_URL", "there is one shim"),
    ("TOLLGATE_ADMIN_TOKEN", "the stack has no operator's port"),
    ("TOLLGATE_ADMIN_LISTEN", "the stack has no operator's port"),
    ("JWT_ISSUER", "as in Envoy's configuration, which is in the image"),
    ("JWT_AUDIENCE", "as in Envoy's configuration, which is in the image"),
];

/// Returns the variables that the book lists, and the services that read each.
fn listed() -> BTreeMap<String, BTreeSet<&'static str>> {
    let page = std::fs::read_to_string(paths::root().join("docs/reference/variables.md")).unwrap();
    let mut service = "";
    let mut listed = BTreeMap::<String, BTreeSet<&str>>::new();
    for line in page.lines() {
        match line {
            "## tollgate" => service = "shim",
            "## tollgate-backend" => service = "backend",
            "## claude-sim" => service = "claude-sim",
            "## The policy" => service = "policy",
            _ => {}
        }
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let Some(name) = cells.get(1).and_then(|cell| cell.strip_prefix('`')) else { continue };
        // The operator's commands do not run in the stack.
        if service == "shim" && !cells[3].contains("`serve`") {
            continue;
        }
        listed.entry(name.trim_end_matches('`').to_owned()).or_default().insert(service);
    }
    listed.get_mut("ENVIRONMENT").unwrap().insert("policy");
    listed.get_mut("TOLLGATE_LEDGER").unwrap().insert("gateway-module");
    for services in listed.values_mut().filter(|services| services.contains("policy")) {
        services.insert("policy-module");
    }
    listed
}

/// Returns the variables that services take from outside, with the default in each service.
fn taken(compose: &Compose) -> BTreeMap<String, BTreeMap<&str, String>> {
    let mut taken = BTreeMap::<String, BTreeMap<&str, String>>::new();
    for (service, is) in compose.all() {
        for (name, value) in is["environment"].as_object().into_iter().flatten() {
            let value = text(value);
            let start = format!("${{{name}:-");
            let default = value.strip_prefix(&start).and_then(|rest| rest.strip_suffix('}'));
            match default {
                Some(default) => {
                    let default = default.to_owned();
                    taken.entry(name.clone()).or_default().insert(service, default);
                }
                None => assert!(!value.contains('$'), "{service}: {name}: {value}"),
            }
        }
    }
    taken
}

#[test]
fn each_listed_variable_reaches_the_services_that_read_it() {
    let (compose, listed) = (Compose::read(), listed());
    let taken = taken(&compose);
    assert!(listed.len() > 40, "{listed:?}");
    for (name, why) in FIXED {
        assert!(listed.contains_key(name), "{name} is not listed ({why})");
        assert!(!taken.contains_key(name), "{name} can be set after all ({why})");
    }
    for (name, readers) in listed.iter().filter(|(name, _)| !is_fixed(name)) {
        let given = taken.get(name).map(|services| services.keys().copied().collect());
        assert_eq!(given.as_ref(), Some(readers), "{name}");
    }
    let unlisted: Vec<_> = taken.keys().filter(|name| !listed.contains_key(*name)).collect();
    assert!(unlisted.is_empty(), "the book does not list {unlisted:?}");
}

fn is_fixed(name: &str) -> bool {
    FIXED.iter().any(|(fixed, _)| *fixed == name)
}

/// By default, limits are the policy's and other settings are the programs', except for addresses and
/// paths in the stack.
#[test]
fn unset_variables_have_the_programs_defaults() {
    let compose = Compose::read();
    let placed = [
        ("ANTHROPIC_API_KEY", "claude-sim"),
        ("ANTHROPIC_BASE_URL", "http://claude-sim:8090"),
        ("DATABASE_URL", "sqlite:///data/tollgate.db"),
        ("REDIS_URL", "redis://cache:6391"),
        ("TOLLGATE_LEDGER", "redis://ledger:6390"),
        // The policy has the backend's default too, since they must agree.
        ("TOLLGATE_SALT", limits::policy::DEVELOPMENT_SALT),
    ];
    let help = help();
    for (name, services) in taken(&compose) {
        for (service, unless) in services {
            let place = placed.iter().find(|(placed, _)| *placed == name);
            match (place, unless.as_str()) {
                (Some((_, place)), unless) => assert_eq!(unless, *place, "{name}"),
                // These services treat an empty variable as unset.
                (None, "") => {
                    assert!(["backend", "policy", "policy-module"].contains(&service), "{name}");
                }
                (None, unless) => {
                    let expected = format!("[env: {name}=] [default: {unless}]");
                    assert!(help.contains(&expected), "{name}: {expected} is not in\n{help}");
                }
            }
        }
    }
}

/// Returns the help texts of the programs with flags, each in one line.
pub(crate) fn help() -> String {
    let binaries = binaries::build().unwrap();
    let programs = [(binaries.shim, &["serve", "--help"][..]), (binaries.claude_sim, &["--help"])];
    let texts = programs.map(|(program, args)| {
        let mut run = Command::new(program);
        let output = command::output(run.args(args).env_clear(), Duration::from_secs(30)).unwrap();
        output.split_whitespace().collect::<Vec<_>>().join(" ")
    });
    texts.join(" ")
}

/// A variable that sets a limit reaches both the policy and the backend, if the backend reports it.
#[test]
fn limits_come_from_the_environment_by_their_own_names() {
    let listed = listed();
    let set = harness::variables::list().unwrap().into_iter().map(|(_, variable)| variable);
    let names: BTreeSet<_> = set.chain(["ENVIRONMENT".to_owned()]).collect();
    assert_eq!(names.len(), 10, "{names:?}");
    for name in &names {
        let policies = "policy policy-module";
        let all = format!("backend {policies}");
        let readers = if name.ends_with("_PER_MINUTE") { policies } else { &all };
        let found: Vec<_> = listed[name].iter().copied().collect();
        assert_eq!(found.join(" "), readers, "{name}");
    }
    let counted = listed.values().filter(|readers| readers.contains("policy")).count();
    assert_eq!(counted, names.len());
}

/// A program that reads a variable refuses an invalid value and names the variable.
#[test]
fn every_variable_is_read_by_its_program() {
    let compose = Compose::read();
    let binaries = binaries::build().unwrap();
    let shipped = |name| paths::root().join(name).into_os_string();
    let (policy, filter) = (shipped("envoy/policy.yaml"), shipped("envoy/tollgate.yaml"));
    let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let mut apply = words(&["policy", "apply", "--set-env"]);
    apply
        .extend([format!("@{}", harness::variables::file().display()).into(), "--template".into()]);
    apply.extend([filter, policy, "no/such/folder/tollgate.json".into()]);
    for (name, program, args) in [
        ("shim", &binaries.shim, words(&["serve"])),
        ("policy", &binaries.shim, apply),
        ("backend", &binaries.backend, words(&[])),
        ("claude-sim", &binaries.claude_sim, words(&[])),
    ] {
        let variables = compose.service(name)["environment"].as_object().unwrap();
        for variable in variables.keys() {
            let mut run = Command::new(program);
            run.args(&args).env_clear().env(variable, "?! ?!").current_dir(std::env::temp_dir());
            let error = command::output(&mut run, Duration::from_secs(30)).unwrap_err().to_string();
            let named = |after| error.contains(&format!("{variable}{after}"));
            assert!([":", ")", " "].into_iter().any(named), "{variable}: {error}");
            assert!(!error.contains("took longer"), "{variable}: {error}");
        }
    }
}
