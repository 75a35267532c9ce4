//! A file on a socket over a slow link, beside a chat: the short form of what `frontdesk-loadtest
//! upload` measures. Here only that both go on, and in order.

use frontdesk_loadtest::options::UploadOptions;
use frontdesk_loadtest::steady::Target;
use frontdesk_loadtest::token::{COMPANY, Tokens};
use frontdesk_loadtest::upload;

use clap::Parser;
use frontdesk_protocol::CompanyId;

use crate::support::token::SECRET;
use crate::support::{Bus, Site, in_both_buses};

in_both_buses!(a_file_and_a_chat_share_a_slow_link);

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: UploadOptions,
}

async fn a_file_and_a_chat_share_a_slow_link(bus: Bus) {
    let company = CompanyId::new(COMPANY).expect("a valid id");
    let site = Site::with(bus, |config| config.provision.companies.push(company)).await;
    let target = Target {
        address: site.address,
        pid: None,
        tokens: Tokens::Secret(SECRET.to_owned()),
    };
    let line = "upload --shape 4 --secs 1 --idle-secs 0.5";
    let options = Line::parse_from(line.split(' ')).options;
    // It has a runtime of its own.
    let loading = tokio::task::spawn_blocking(move || upload::run(&options, &target));
    let report = loading.await.expect("it ends").expect("it can be loaded");
    assert!(
        report.findings().is_clean(),
        "{:?}",
        report.findings().examples()
    );
    let figures = report.figures();
    let figure = |name: &str| {
        let found = figures.iter().find(|figure| figure.name == name);
        found.map_or(0.0, |figure| figure.value)
    };
    assert_eq!(figure("chat_messages_count"), 30.0, "each was answered");
    // What the link lets through in a second, and what its buffers held.
    let came = figure("upload_bytes");
    assert!((10_000.0..3_000_000.0).contains(&came), "{came} bytes came");
}
