//! What pages of other origins may read: without it, no browser can use the server.

use crate::check::{Outcome, checks, demand};
use crate::client::{Client, not_offered};
use crate::server::ORIGIN;
use crate::wire::Answer;

checks! {
    Care "Fetch: CORS" ["creation"] answers_expose_their_headers_to_pages;
    Care "Fetch: CORS" ["creation"] refusals_are_readable_by_pages;
    Care "Fetch: CORS" [] a_preflight_lets_pages_send_what_the_protocol_needs;
    Care "Resumable Uploads for HTTP" ["creation", "@ours"]
        answers_expose_the_headers_of_the_draft_too;
}

/// What clients in pages read.
const READ: [&str; 11] = [
    "upload-offset",
    "location",
    "upload-length",
    "tus-version",
    "tus-resumable",
    "tus-max-size",
    "tus-extension",
    "upload-metadata",
    "upload-defer-length",
    "upload-concat",
    "upload-expires",
];
/// What clients in pages send.
const SENT: &str = "content-type,tus-resumable,upload-length,upload-metadata,upload-offset,\
                    upload-defer-length,upload-concat";

/// That pages of other origins are served at all is the operator's choice.
fn allowed(answer: &Answer) -> Outcome<Vec<String>> {
    let origin = answer.header("Access-Control-Allow-Origin");
    let is_allowed = origin == Some("*") || origin == Some(ORIGIN);
    if !is_allowed {
        return Err(not_offered("no page of another origin may read answers"));
    }
    Ok(answer.list("Access-Control-Expose-Headers"))
}

fn expect_exposed(answer: &Answer, wanted: &[&str]) -> Outcome {
    let exposed = allowed(answer)?;
    let has = |name: &&&str| exposed.iter().any(|held| held == **name || held == "*");
    let missing: Vec<_> = wanted.iter().filter(|name| !has(name)).collect();
    demand!(
        missing.is_empty(),
        "Access-Control-Expose-Headers lacks {missing:?}"
    );
    Ok(())
}

fn created(client: &Client<'_>) -> Outcome<Answer> {
    let headers = [("Upload-Length", "10"), ("Origin", ORIGIN)];
    let answer = client.try_to_create(&headers)?;
    client.created(&answer)?;
    Ok(answer)
}

fn answers_expose_their_headers_to_pages(client: &Client<'_>) -> Outcome {
    let answer = created(client)?;
    expect_exposed(&answer, &READ)?;
    let place = client.created(&answer)?;
    let head = client.request("HEAD", &place).header("Origin", ORIGIN);
    expect_exposed(&head.send()?, &READ)?;
    let patch = client.patching(&place, "0").header("Origin", ORIGIN);
    expect_exposed(&patch.body(b"a few\n").send()?, &READ)
}

fn refusals_are_readable_by_pages(client: &Client<'_>) -> Outcome {
    let answer = created(client)?;
    allowed(&answer)?;
    let place = client.created(&answer)?;
    let patch = client.patching(&place, "7").header("Origin", ORIGIN);
    let answer = patch.body(b"a few\n").send()?;
    let (status, origin) = (answer.status, answer.header("Access-Control-Allow-Origin"));
    demand!(
        origin.is_some(),
        "{status} says no Access-Control-Allow-Origin"
    );
    Ok(())
}

fn a_preflight_lets_pages_send_what_the_protocol_needs(client: &Client<'_>) -> Outcome {
    for method in ["POST", "HEAD", "PATCH", "DELETE"] {
        let preflight = client
            .request("OPTIONS", &client.target.base)
            .without("Tus-Resumable")
            .without("Authorization")
            .header("Origin", ORIGIN)
            .header("Access-Control-Request-Method", method)
            .header("Access-Control-Request-Headers", SENT);
        let answer = preflight.send()?;
        allowed(&answer)?;
        let methods = answer.list("Access-Control-Allow-Methods");
        let is_simple = matches!(method, "POST" | "HEAD");
        let wanted = method.to_ascii_lowercase();
        let has = methods.iter().any(|held| *held == wanted || held == "*");
        demand!(
            is_simple || has,
            "{method}: Access-Control-Allow-Methods is {methods:?}"
        );
        let headers = answer.list("Access-Control-Allow-Headers");
        let missing = SENT.split(',').find(|name| {
            let has = |held: &String| held == name || held == "*";
            !headers.iter().any(has)
        });
        demand!(
            missing.is_none(),
            "Access-Control-Allow-Headers lacks {missing:?}"
        );
    }
    Ok(())
}

fn answers_expose_the_headers_of_the_draft_too(client: &Client<'_>) -> Outcome {
    let wanted = [
        "upload-complete",
        "upload-limit",
        "upload-draft-interop-version",
    ];
    expect_exposed(&created(client)?, &wanted)
}
