//! `frontdesk-loadtest`: options in, a report out, and a non-zero exit when the server broke its
//! word.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use frontdesk_loadtest::options::{
    CompaniesOptions, CrmOptions, ListsOptions, LoginsOptions, ServerOptions, SteadyOptions,
    UploadOptions,
};
use frontdesk_loadtest::report::{Report, Summary};
use frontdesk_loadtest::server::{Launch, Server};
use frontdesk_loadtest::steady::{self, Target};
use frontdesk_loadtest::token::Tokens;
use frontdesk_loadtest::{companies, crm, lists, logins, upload};

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
    /// One person's long list of conversations, read while nothing happens and under load.
    Lists(ListsOptions),
    /// Conversations with a bot, over HTTP and sockets in turn.
    Crm(CrmOptions),
    /// More logins than one thread can hash, beside a steady chat.
    Logins(LoginsOptions),
    /// An installation of many companies, and an empty one.
    Companies(CompaniesOptions),
    /// Files: one beside a chat on a slow link, one over tus, or many at once.
    Upload(UploadOptions),
}

impl Scenario {
    fn server(&self) -> &ServerOptions {
        match self {
            Scenario::Steady(options) => &options.server,
            Scenario::Lists(options) => &options.server,
            Scenario::Crm(options) => &options.server,
            Scenario::Logins(options) => &options.server,
            Scenario::Companies(options) => &options.server,
            Scenario::Upload(options) => &options.server,
        }
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Scenario::Steady(options) => options.check(),
            Scenario::Lists(options) => options.check(),
            Scenario::Crm(options) => options.check(),
            Scenario::Logins(options) => options.check(),
            Scenario::Companies(options) => options.check(),
            Scenario::Upload(options) => options.check(),
        }
    }

    /// Runs once, on a server that is started for it.
    fn run(&self, launch: &Launch) -> Result<Report, String> {
        match self {
            Scenario::Logins(options) => logins::run(options, launch),
            Scenario::Companies(options) => companies::run(options, launch),
            Scenario::Upload(options) => {
                let server = Server::start(&upload::prepare(launch))?;
                upload::run(options, &server.target)
            }
            Scenario::Steady(_) | Scenario::Lists(_) | Scenario::Crm(_) => {
                // Each run has a server and a store of its own, so that runs are alike.
                let server = Server::start(launch)?;
                eprintln!("loading a server on {}", server.target.address);
                self.run_on(&server.target)
            }
        }
    }

    /// Runs once, on this server.
    fn run_on(&self, target: &Target) -> Result<Report, String> {
        match self {
            Scenario::Steady(options) => steady::run(options, target),
            Scenario::Lists(options) => lists::run(options, target),
            Scenario::Crm(options) => crm::run(options, target),
            Scenario::Upload(options) => upload::run(options, target),
            Scenario::Logins(_) | Scenario::Companies(_) => {
                Err("this scenario starts servers of its own".to_owned())
            }
        }
    }
}

fn main() -> ExitCode {
    let scenario = Arguments::parse().scenario;
    match run(&scenario) {
        Ok(summary) => {
            match scenario.server().json {
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

fn run(scenario: &Scenario) -> Result<Summary, String> {
    scenario.check()?;
    let options = scenario.server();
    let mut summary = Summary::default();
    match &options.address {
        Some(address) => {
            let target = target(options, address)?;
            for _ in 0..options.runs {
                summary.add(&scenario.run_on(&target)?);
            }
        }
        None => {
            let launch = Launch::of(options)?;
            for _ in 0..options.runs {
                summary.add(&scenario.run(&launch)?);
            }
        }
    }
    Ok(summary)
}

/// The server that the options name.
fn target(options: &ServerOptions, address: &str) -> Result<Target, String> {
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
