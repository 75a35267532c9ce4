//! A conformance suite for servers of tus 1.0, resumable uploads over HTTP.
//!
//! It tests the server that `TUS_URL` names, or starts our own; docs/TUS_SUITE.md says how to use
//! it. Each check is a fact with a name, a level (MUST, SHOULD, or care: what the protocol leaves
//! open and a careful server does) and the section it stands in.
//!
//! Invariants: a check needs no other and leaves nothing behind; our own server offers every
//! extension and passes every check; every server passes every MUST of what it offers.
//!
//! Never: uses a client that repairs what it sends, or reads more of a server than its answers.

#![allow(clippy::print_stdout, reason = "it is its own test harness")]

mod check;
mod checks;
mod client;
mod digest;
mod report;
mod server;
mod target;
mod wire;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use check::{Check, Outcome, Shortfall};
use client::Client;
use report::{Made, Report};
use target::Target;

/// What our own server must offer.
const OURS: [&str; 7] = [
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "checksum",
    "expiration",
    "termination",
    "concatenation",
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_chosen = chooser(&arguments);
    let chosen: Vec<_> = checks::all()
        .filter(|(group, check)| is_chosen(group, check))
        .collect();
    if arguments.iter().any(|argument| argument == "--list") {
        for (group, check) in chosen {
            println!("{group}::{}: test", check.name);
        }
        return ExitCode::SUCCESS;
    }
    let target = match Target::find() {
        Ok(target) => target,
        Err(what) => {
            println!("there is nothing to test: {what}");
            return ExitCode::FAILURE;
        }
    };
    let report = run(&target, &chosen);
    if report.is_good() && report.made.is_empty() && report.unchosen_count == 0 {
        return ExitCode::FAILURE;
    }
    let is_good = report.is_good();
    target.stop();
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Which checks the arguments choose, as those of other test targets do: by a part of the name.
fn chooser(arguments: &[String]) -> impl Fn(&str, &Check) -> bool {
    let is_exact = arguments.iter().any(|argument| argument == "--exact");
    let mut parts = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            // Their values are no names.
            "--test-threads" | "--color" | "--format" | "--skip" | "--logfile" => drop(rest.next()),
            flag if flag.starts_with('-') => {}
            part => parts.push(part.to_owned()),
        }
    }
    move |group, check| {
        let name = format!("{group}::{}", check.name);
        let fits = |part: &String| {
            if is_exact {
                name == *part
            } else {
                name.contains(part)
            }
        };
        parts.is_empty() || parts.iter().any(fits)
    }
}

fn run(target: &Target, chosen: &[(&'static str, &'static Check)]) -> Report {
    let is_ours = target.is_ours();
    let mut report = Report {
        made: Vec::new(),
        is_ours,
        unchosen_count: checks::all().count() - chosen.len(),
    };
    println!(
        "\nrunning {} checks against {}",
        chosen.len(),
        target.base.url()
    );
    println!("it offers {}", target.offer.extensions.join(","));
    for (group, check) in chosen {
        let outcome = make(target, check);
        let made = Made {
            group,
            check,
            outcome,
        };
        println!("test {} ... {}", made.name(), made.word(is_ours));
        // Each line is seen as it comes, even through a pipe.
        let _ = std::io::stdout().flush();
        report.made.push(made);
    }
    println!(
        "\n{}\n{}\n{}\n",
        report.table(),
        report.sums(),
        report.result()
    );
    report
}

/// Makes one check, as a client of its own.
fn make(target: &Target, check: &Check) -> Outcome {
    for need in check.needs {
        if *need == "@ours" && !target.is_ours() {
            return Err(Shortfall::NotOffered("only our own server must".to_owned()));
        }
        if target.offer.has(need) || *need == "@ours" {
            continue;
        }
        let what = format!("{need} is not among its extensions");
        let is_owed = target.is_ours() && OURS.contains(need);
        return Err(match is_owed {
            true => Shortfall::Failed(what),
            false => Shortfall::NotOffered(what),
        });
    }
    let client = Client::new(target, target.headers_of(check.name));
    let outcome = catch_unwind(AssertUnwindSafe(|| (check.run)(&client)));
    client.tidy_up();
    outcome.unwrap_or_else(|_| Err(Shortfall::Failed("the check itself broke".to_owned())))
}
