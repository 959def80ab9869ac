//! The `tollgate` binary; all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    shim::run(std::env::args_os())
}
