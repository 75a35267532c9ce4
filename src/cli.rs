//! The command line: what can be asked of the program, and how the answer ends.
//!
//! Invariants: standard output carries only what was asked for, so that
//! `TOKEN=$(frontdesk token …)` works; exit code 2 says that the caller should change something,
//! 1 that we failed.
//! Never: does the work of a command; it only hands settings to who does.

use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, Parser, Subcommand};
use frontdesk_protocol::command::{Card, Role};
use frontdesk_protocol::{CompanyId, PersonId, Timestamp};
use frontdesk_storage::Moved;

use crate::auth::{Authenticator, Grant};
use crate::bots::prompts;
use crate::config::{self, Flags, Loaded, Sources};
use crate::{node, transfer};

/// A realtime customer-chat server.
#[derive(Debug, Parser)]
#[command(name = "frontdesk", version, about, disable_help_subcommand = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be asked of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until told to stop.
    Serve(ServeArguments),
    /// Print a token for trying the server out.
    Token(TokenArguments),
    /// Print every setting and where it came from.
    Config(ConfigArguments),
    /// What clients offer before a conversation with a bot begins.
    Prompts(PromptsArguments),
    /// Write everything a stopped node keeps to one file.
    Export(ExportArguments),
    /// Fill an empty store from a file that export wrote.
    Import(ImportArguments),
}

/// Where settings are.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArguments {
    /// TOML file with settings.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// How to serve.
#[derive(Debug, Args)]
pub struct ServeArguments {
    #[command(flatten)]
    settings: ConfigArguments,
    /// Address to listen on, as IP:PORT; may be repeated, port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: Vec<String>,
    /// Folder of the store.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Make a company and a room to try, and print links that open as two people.
    #[arg(long)]
    demo: bool,
}

/// Whom a token is for.
#[derive(Debug, Args)]
pub struct TokenArguments {
    #[command(flatten)]
    settings: ConfigArguments,
    /// Company id.
    #[arg(long)]
    company: CompanyId,
    /// Person id.
    #[arg(long, value_name = "ID")]
    user: PersonId,
    /// visitor, agent, admin or superadmin.
    #[arg(long, default_value = "visitor", value_parser = parse_role)]
    role: Role,
    /// E-mail address.
    #[arg(long)]
    email: Option<String>,
    /// Full name.
    #[arg(long)]
    name: Option<String>,
    /// How long the token is valid: a number with s, m, h or d.
    #[arg(long, default_value = "1h", value_parser = parse_ttl_s)]
    ttl: u64,
}

/// What to do with prompts.
#[derive(Debug, Args)]
pub struct PromptsArguments {
    #[command(subcommand)]
    command: PromptsCommand,
}

/// What can be done with prompts.
#[derive(Debug, Subcommand)]
pub enum PromptsCommand {
    /// Put prompts into the store of a stopped node.
    Seed(SeedArguments),
}

/// Which prompts, and for whom.
#[derive(Debug, Args)]
pub struct SeedArguments {
    #[command(flatten)]
    settings: ConfigArguments,
    /// Folder of the store.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Company whose prompts are replaced; may be repeated. Without it every company that has none.
    #[arg(long, value_name = "ID")]
    company: Vec<CompanyId>,
    /// JSON file with a list of {title, text, order?, is_active?}; without it the usual five.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What to write out.
#[derive(Debug, Args)]
pub struct ExportArguments {
    #[command(flatten)]
    settings: ConfigArguments,
    /// Folder of the store.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// File to write; must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// What to read in.
#[derive(Debug, Args)]
pub struct ImportArguments {
    #[command(flatten)]
    settings: ConfigArguments,
    /// File that export wrote.
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// Folder of the new store; must be empty or missing.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Engine of the new store: fjall or sled.
    #[arg(long)]
    engine: Option<String>,
    /// The copy replaces a store that went on after it: clients drop what they cached.
    #[arg(long)]
    as_restore: bool,
}

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller should change the settings.
    #[error("{0}")]
    Settings(#[from] config::Error),
    /// The caller should change what was asked.
    #[error("{0}")]
    Usage(String),
    /// Our side broke.
    #[error("{0}")]
    Fault(String),
}

impl Error {
    /// What the program exits with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Settings(_) | Error::Usage(_) => 2,
            Error::Fault(_) => 1,
        }
    }

    fn fault(error: impl std::fmt::Display) -> Self {
        Self::Fault(error.to_string())
    }
}

/// Does what was asked, to its end.
pub fn run(arguments: Arguments) -> Result<(), Error> {
    match arguments.command {
        Command::Serve(arguments) => serve(arguments),
        Command::Token(arguments) => print(&token(&arguments, wall_clock())?),
        Command::Config(arguments) => {
            print(load(&arguments, Flags::default())?.to_string().trim_end())
        }
        Command::Prompts(arguments) => match arguments.command {
            PromptsCommand::Seed(arguments) => seed(arguments),
        },
        Command::Export(arguments) => export(arguments),
        Command::Import(arguments) => import(arguments),
    }
}

fn load(arguments: &ConfigArguments, flags: Flags) -> Result<Loaded, Error> {
    Ok(config::load(&Sources::of_program(
        arguments.config.clone(),
        flags,
    ))?)
}

fn serve(arguments: ServeArguments) -> Result<(), Error> {
    let flags = Flags {
        listen: arguments.listen,
        path: arguments.data,
        ..Flags::default()
    };
    let loaded = load(&arguments.settings, flags)?;
    crate::telemetry::init(&loaded.config.telemetry).map_err(Error::fault)?;
    match crate::node::run(loaded, arguments.demo) {
        Err(error) if error.is_refusal() => Err(Error::Usage(error.to_string())),
        ended => ended.map_err(Error::fault),
    }
}

fn token(arguments: &TokenArguments, now: Timestamp) -> Result<String, Error> {
    let settings = load(&arguments.settings, Flags::default())?.config.auth;
    let authenticator = Authenticator::new(&settings);
    if !authenticator.has_keys() {
        let hint = "no key to sign with: set FRONTDESK_AUTH__JWT_SECRET or auth.jwt_secret";
        return Err(Error::Usage(hint.to_owned()));
    }
    let grant = Grant {
        company: arguments.company.clone(),
        person: arguments.user.clone(),
        role: arguments.role,
        card: Card {
            name: arguments.name.as_deref().map(Into::into),
            email: arguments.email.as_deref().map(Into::into),
            ..Card::default()
        },
        ttl_s: arguments.ttl,
    };
    authenticator.mint(&grant, now).map_err(Error::fault)
}

fn seed(arguments: SeedArguments) -> Result<(), Error> {
    let flags = Flags {
        path: arguments.data,
        ..Flags::default()
    };
    let config = load(&arguments.settings, flags)?.config;
    let seeded = (|| {
        let entries = match &arguments.file {
            Some(file) => prompts::read(file)?,
            None => prompts::usual(),
        };
        let runtime = tokio::runtime::Runtime::new().map_err(|source| node::Error::Io {
            what: "cannot start the runtime",
            source,
        })?;
        let store = node::open_store(&config)?;
        let provided = &config.provision.companies;
        runtime.block_on(prompts::seed(store, provided, arguments.company, entries))
    })();
    match seeded {
        Ok(seeded) => {
            let names: Vec<&str> = seeded.iter().map(CompanyId::as_str).collect();
            print(&format!(
                "prompts of {} companies: {}",
                names.len(),
                names.join(" ")
            ))
        }
        Err(error) if error.is_refusal() => Err(Error::Usage(error.to_string())),
        Err(error) => Err(Error::fault(error)),
    }
}

fn export(arguments: ExportArguments) -> Result<(), Error> {
    let flags = Flags {
        path: arguments.data,
        ..Flags::default()
    };
    let folder = load(&arguments.settings, flags)?.config.storage.path;
    moved(transfer::export(&folder, &arguments.out))
}

fn import(arguments: ImportArguments) -> Result<(), Error> {
    let flags = Flags {
        path: arguments.data,
        engine: arguments.engine,
        ..Flags::default()
    };
    let storage = load(&arguments.settings, flags)?.config.storage;
    let (input, folder) = (&arguments.input, &storage.path);
    moved(transfer::import(
        input,
        folder,
        storage.engine,
        arguments.as_restore,
    ))
}

fn moved(outcome: Result<Moved, transfer::Error>) -> Result<(), Error> {
    match outcome {
        Ok(moved) => print(&format!(
            "{} rows, engine {}",
            moved.row_count,
            moved.engine.as_str()
        )),
        Err(error) if error.is_refusal() => Err(Error::Usage(error.to_string())),
        Err(error) => Err(Error::fault(error)),
    }
}

/// One answer on standard output. A reader that has seen enough, such as `head`, is no failure.
fn print(text: &str) -> Result<(), Error> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::fault(error)),
        _ => Ok(()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a token is made for the time outside"
)]
fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    Timestamp(u64::try_from(millis).unwrap_or(u64::MAX))
}

fn parse_role(text: &str) -> Result<Role, String> {
    const EXPECTED: &str = "expected visitor, agent, admin or superadmin";
    match Role::parse(text) {
        Some(Role::Bot) => Err(format!("no token makes a bot: {EXPECTED}")),
        Some(role) => Ok(role),
        None => Err(EXPECTED.to_owned()),
    }
}

/// `90s`, `15m`, `1h`, `7d`; a number alone is seconds.
fn parse_ttl_s(text: &str) -> Result<u64, String> {
    let wrong = || format!("expected a number with s, m, h or d, found {text:?}");
    let digits_end = text.find(|letter: char| !letter.is_ascii_digit());
    let (digits, unit) = text.split_at(digits_end.unwrap_or(text.len()));
    let unit_s = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    match number.checked_mul(unit_s) {
        None | Some(0) => Err(wrong()),
        Some(seconds) => Ok(seconds),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_lifetime_is_a_number_with_a_unit() {
        for (text, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("15m", 900),
            ("1h", 3_600),
            ("7d", 604_800),
        ] {
            assert_eq!(parse_ttl_s(text), Ok(seconds));
        }
        for wrong in [
            "",
            "h",
            "1w",
            "-1h",
            "0",
            "1.5h",
            "99999999999999999999d",
            "1 h",
        ] {
            assert!(parse_ttl_s(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_printed_token_verifies_against_the_same_settings() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.toml");
        std::fs::write(&file, "[auth]\njwt_secret = \"s\"\n").unwrap();
        let file = file.to_str().unwrap();
        let words = "frontdesk token --company TES001 --user 5 --role AGENT --name Ann --ttl 2m";
        let words = words.split(' ').chain(["--config", file]);
        let Command::Token(arguments) = Arguments::parse_from(words).command else {
            panic!("the words name the token command");
        };
        let now = Timestamp(1_800_000_000_000);
        let token = token(&arguments, now).unwrap();
        let settings = load(&arguments.settings, Flags::default())
            .unwrap()
            .config
            .auth;
        let verified = Authenticator::new(&settings).verify(&token, now).unwrap();
        let principal = verified.principal();
        assert_eq!(principal.company.as_str(), "TES001");
        assert_eq!(
            (principal.person.as_str(), principal.role),
            ("5", Role::Agent)
        );
        assert_eq!(principal.card.name.as_deref(), Some("Ann"));
        assert_eq!(verified.expires_at(), Timestamp(now.0 + 120_000));
    }

    #[test]
    fn a_wrong_word_is_told_before_anything_is_done() {
        for words in [
            "frontdesk",
            "frontdesk serve --listn x",
            "frontdesk token --company TES001",
            "frontdesk token --company a-b --user 5",
            "frontdesk token --company TES001 --user 5 --role boss",
            "frontdesk token --company TES001 --user 5 --role bot",
            "frontdesk import --data d",
        ] {
            let error = Arguments::try_parse_from(words.split(' ')).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{words}");
        }
    }
}
