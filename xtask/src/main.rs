//! `cargo xtask …`: the repository's own chores. See the library for what they do.

use std::process::ExitCode;

fn main() -> ExitCode {
    let result = xtask::signals::note_interrupts().and_then(|()| xtask::setup::all());
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
