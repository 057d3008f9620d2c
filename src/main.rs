//! The binary: parse the command and run it.

use std::process::ExitCode;

fn main() -> ExitCode {
    pixedge::codec::malloc::tune();
    pixedge::cli::run()
}
