//! The program: arguments, settings, the command, an exit code.

use std::process::ExitCode;

use clap::Parser;
use frontdesk::cli;

/// Sockets allocate small and free from other threads; the system's allocator keeps what they
/// leave.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run(cli::Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("frontdesk: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
