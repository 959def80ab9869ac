//! `--help` of a program and of each of its commands.

use clap::Command;

/// Returns the help texts of `command` and of all commands below it, each under a heading.
pub(super) fn help(mut command: Command) -> String {
    // Sets the full names (`tollgate policy check`), and adds no arguments that were not declared.
    command.build();
    let mut sections = Vec::new();
    collect(&mut command, &mut sections);
    sections.join("\n\n")
}

fn collect(command: &mut Command, sections: &mut Vec<String>) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    // Descriptions on lines of their own are short enough for a page, and the environment of this
    // process is not the reader's.
    let mut shown = command.clone().next_line_help(true).mut_args(|arg| arg.hide_env_values(true));
    let help = shown.render_help().to_string();
    let help: Vec<_> = help.lines().map(str::trim_end).collect();
    sections.push(format!("### `{name}`\n\n```text\n{}\n```", help.join("\n").trim_end()));
    for below in command.get_subcommands_mut().filter(|below| below.get_name() != "help") {
        collect(below, sections);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    #[test]
    fn each_command_has_a_section() {
        let below = Command::new("check").about("Check it").arg(Arg::new("file").required(true));
        let sections = help(Command::new("tool").about("A tool").subcommand(below));
        let headings: Vec<_> = sections.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(headings, ["### `tool`", "### `tool check`"]);
        assert!(sections.contains("Usage: tool check <file>"), "{sections}");
    }
}
