//! A store of many companies: made by a program of the server's package, exported and imported by
//! the server itself.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::clock::Clock;
use crate::options::CompaniesOptions;
use crate::report::Report;
use crate::server::{self, Launch};

/// What everybody's password is.
pub(super) const PASSWORD: &str = "a password for measuring";

/// E-mail address of the admin of the company of this number.
pub(super) fn admin(number: u64) -> String {
    format!("admin@company-{number}.example")
}

const NS_PER_US: f64 = 1e3;

/// Makes the store `many` by way of others in `folder`.
pub(super) fn seed(
    options: &CompaniesOptions,
    launch: &Launch,
    folder: &Path,
    many: &Path,
    report: &mut Report,
) -> Result<(), String> {
    let seeder = match &options.seeder {
        Some(seeder) => seeder.clone(),
        None => {
            eprintln!("no --seeder: building one (cargo build --release --example seed)");
            server::build("--example", "seed")?
        }
    };
    let (seeded, file) = (folder.join("seeded"), folder.join("export"));
    let (companies, agents) = (options.companies.to_string(), options.agents.to_string());
    let mut command = Command::new(seeder);
    command.args(["--companies", &companies, "--agents", &agents]);
    command
        .args(["--password", PASSWORD, "--store"])
        .arg(&seeded);
    report.add("seed_us", run("seed", command)?);

    let mut command = Command::new(&launch.binary);
    command.arg("export").arg("--data").arg(&seeded);
    command.arg("--out").arg(&file);
    report.add("export_us", run("export", command)?);
    let size = std::fs::metadata(&file).map_err(|error| format!("no export: {error}"))?;
    report.add("export_bytes", size.len() as f64);

    let mut command = Command::new(&launch.binary);
    command.arg("import").arg("--in").arg(&file);
    command.arg("--data").arg(many);
    if let Some(engine) = &launch.engine {
        command.args(["--engine", engine]);
    }
    report.add("import_us", run("import", command)?);
    // The disk may be small: only the import is needed from here on.
    drop(std::fs::remove_dir_all(&seeded));
    drop(std::fs::remove_file(&file));
    Ok(())
}

/// Runs a step to its end; how long it took, microseconds.
fn run(step: &str, mut command: Command) -> Result<f64, String> {
    let clock = Clock::start();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status = status.map_err(|error| format!("cannot {step}: {error}"))?;
    match status.success() {
        true => Ok(clock.now_ns() as f64 / NS_PER_US),
        false => Err(format!("{step} failed: {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_is_an_error() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        assert!(run("seed", shell("exit 0")).is_ok_and(|us| us > 0.0));
        let failed = run("seed", shell("exit 3")).expect_err("it failed");
        assert!(failed.starts_with("seed failed"), "{failed}");
    }
}
