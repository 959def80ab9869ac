//! `cargo xtask …`: the repository's own chores. See the library for what they do.

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use xtask::up::detach::ERROR;
use xtask::{down, setup, signals, test, up};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The repository's own chores")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Fetch what this machine lacks; silent when there is nothing to do
    Setup,
    /// Build everything and run the stack on loopback
    Up(up::Up),
    /// End a running stack
    Down(down::Down),
    /// Check formatting, lints and docs, build everything, and run all tests
    Test(test::Test),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match signals::note_interrupts().and_then(|()| run(&cli.chore)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{ERROR}{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: &Chore) -> Result<()> {
    match chore {
        Chore::Setup => setup::all(),
        Chore::Up(flags) => up::run(flags),
        Chore::Down(flags) => down::run(flags),
        Chore::Test(flags) => test::run(flags),
    }
}
