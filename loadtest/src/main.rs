//! `frontdesk-loadtest`: options in, a report out, and a non-zero exit when the server broke its
//! word.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use frontdesk_loadtest::options::SteadyOptions;
use frontdesk_loadtest::report::Summary;
use frontdesk_loadtest::server::{self, Launch, Server};
use frontdesk_loadtest::steady::{self, Target};
use frontdesk_loadtest::token::Tokens;

/// Loads a frontdesk server and checks every delivery.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// Rooms of a fixed size, each with a steady flow of messages.
    Steady(SteadyOptions),
}

fn main() -> ExitCode {
    let Scenario::Steady(options) = Arguments::parse().scenario;
    match run(&options) {
        Ok(summary) => {
            match options.json {
                true => println!("{}", summary.to_json()),
                false => println!("{summary}"),
            }
            match summary.findings().is_clean() {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            }
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &SteadyOptions) -> Result<Summary, String> {
    options.check()?;
    let mut summary = Summary::default();
    match &options.address {
        Some(address) => {
            let target = target(options, address)?;
            for _ in 0..options.runs {
                summary.add(&steady::run(options, &target)?);
            }
        }
        None => {
            eprintln!("no --address: building the server (cargo build --release -p frontdesk)");
            let launch = Launch {
                binary: server::build()?,
                engine: options.engine.clone(),
                durability: options.durability.clone(),
            };
            for _ in 0..options.runs {
                // Each run has a server and a store of its own, so that runs are alike.
                let server = Server::start(&launch)?;
                eprintln!("loading a server on {}", server.target.address);
                summary.add(&steady::run(options, &server.target)?);
            }
        }
    }
    Ok(summary)
}

/// The server that the options name.
fn target(options: &SteadyOptions, address: &str) -> Result<Target, String> {
    let address = address.trim_start_matches("http://").trim_end_matches('/');
    let address: SocketAddr = address
        .parse()
        .map_err(|_| format!("--address {address} is not IP:PORT"))?;
    let tokens = match (&options.secret, &options.tokens) {
        (Some(secret), _) => Tokens::Secret(secret.clone()),
        (None, Some(file)) => {
            let lines = std::fs::read_to_string(file)
                .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            Tokens::Lines(lines.lines().map(str::to_owned).collect())
        }
        (None, None) => return Err("--address needs --secret or --tokens".to_owned()),
    };
    Ok(Target {
        address,
        pid: options.pid,
        tokens,
    })
}
