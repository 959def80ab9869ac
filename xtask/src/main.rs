//! `cargo xtask …`: the repository's own chores, which the library implements.

use clap::Parser;
use harness::signals;
use std::process::ExitCode;
use xtask::cli::{self, Cli};
use xtask::up::detach::ERROR;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match signals::note_interrupts().and_then(|()| cli::run(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{ERROR}{error:#}");
            ExitCode::FAILURE
        }
    }
}
