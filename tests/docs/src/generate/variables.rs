//! The environment variables that each program reads.

use super::table::{code, one_line, table};
use anyhow::{Context, Result};
use clap::{Arg, Command};
use std::collections::BTreeMap;
use std::path::Path;

/// The list of the variables that set values of the policy.
const POLICY_VARIABLES: &str = "envoy/policy.variables";

/// Returns a table of the variables that `command` and the commands below it read.
pub(super) fn of_command(command: Command) -> String {
    let mut found = Vec::new();
    let name = command.get_name();
    add(&command, name, &mut found);
    for below in command.get_subcommands() {
        add_all(below, below.get_name(), &mut found);
    }
    let rows: Vec<_> = found
        .into_iter()
        .map(|found| {
            let commands: Vec<_> = found.commands.iter().map(|name| code(name)).collect();
            [found.variable, found.flag, commands.join(", "), found.default, found.meaning]
        })
        .collect();
    table(["Variable", "Flag", "Commands", "Default", "Meaning"], &rows)
}

/// A variable, as a row of the table.
struct Found {
    variable: String,
    flag: String,
    commands: Vec<String>,
    default: String,
    meaning: String,
}

/// Adds the variables of `command` and of the commands below it, as read by the command `name`.
fn add_all(command: &Command, name: &str, found: &mut Vec<Found>) {
    add(command, name, found);
    command.get_subcommands().for_each(|below| add_all(below, name, found));
}

/// Adds the variables of `command`, as read by the command `name`.
fn add(command: &Command, name: &str, found: &mut Vec<Found>) {
    for arg in command.get_arguments() {
        let Some(variable) = arg.get_env() else { continue };
        let variable = code(&variable.to_string_lossy());
        match found.iter_mut().find(|known| known.variable == variable) {
            Some(known) if known.commands.iter().any(|known| known == name) => {}
            Some(known) => known.commands.push(name.to_owned()),
            None => found.push(Found {
                variable,
                flag: code(&arg.get_long().map(|long| format!("--{long}")).unwrap_or_default()),
                commands: vec![name.to_owned()],
                default: code(&default(arg)),
                meaning: meaning(arg),
            }),
        }
    }
}

fn default(arg: &Arg) -> String {
    let values: Vec<_> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    values.join(" ")
}

fn meaning(arg: &Arg) -> String {
    one_line(&arg.get_help().map(ToString::to_string).unwrap_or_default())
}

/// Returns a table of the backend's variables.
///
/// # Errors
/// Fails if the list of the policy's variables cannot be read.
pub(super) fn of_backend(root: &Path) -> Result<String> {
    let shared = policy_variables(root)?;
    let rows = backend::config::VARIABLES.map(|variable| {
        let also = if shared.contains_key(variable.name) { " Sets the policy too." } else { "" };
        let meaning = format!("{}{also}", one_line(variable.meaning));
        [code(variable.name), code(variable.default), meaning]
    });
    Ok(table(["Variable", "Default", "Meaning"], &rows))
}

/// Returns a table of the variables that `envoy/policy.variables` writes into the policy.
///
/// # Errors
/// Fails if the list cannot be read.
pub(super) fn of_policy(root: &Path) -> Result<String> {
    let rows: Vec<_> = policy_variables(root)?
        .into_iter()
        .map(|(variable, paths)| {
            let paths: Vec<_> = paths.iter().map(|path| code(path)).collect();
            [code(&variable), paths.join(", ")]
        })
        .collect();
    Ok(table(["Variable", "Written to"], &rows))
}

/// Reads the policy's variables, with the paths that each sets.
fn policy_variables(root: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let list = std::fs::read_to_string(root.join(POLICY_VARIABLES))
        .with_context(|| format!("cannot read {POLICY_VARIABLES}"))?;
    let mut variables = BTreeMap::<String, Vec<String>>::new();
    let entries = list.lines().filter(|line| !line.starts_with('#'));
    for (path, variable) in entries.filter_map(|line| line.split_once('=')) {
        variables.entry(variable.trim().to_owned()).or_default().push(path.trim().to_owned());
    }
    Ok(variables)
}
