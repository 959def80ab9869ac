//! The `tollgate` binary. All of its code is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    shim::run(std::env::args_os())
}
