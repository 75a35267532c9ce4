//! Creations that bring bytes along.

use crate::check::{Outcome, checks, demand};
use crate::client::{Client, OFFSET_BYTES, not_offered, text};
use crate::wire::{Answer, Wire};

checks! {
    Must "Creation With Upload" ["creation-with-upload"] the_first_bytes_come_with_the_creation;
    Must "Creation With Upload" ["creation-with-upload"] all_bytes_come_with_the_creation;
    Must "Creation With Upload" ["creation-with-upload", "creation-defer-length"]
        a_creation_of_deferred_length_brings_bytes;
    Must "Creation With Upload" ["creation-with-upload"] a_creation_brings_bytes_in_chunks;
    Care "Creation With Upload" ["creation-with-upload"]
        bytes_of_another_media_type_are_not_taken_with_a_creation;
    Must "RFC 9110: Expect" ["creation-with-upload"] the_client_is_told_to_go_on;
    Care "RFC 9110: Expect" ["creation-with-upload"]
        a_refused_creation_does_not_ask_for_its_body;
}

fn expect_offset_said(answer: &Answer, expected: usize) -> Outcome {
    let said = answer.header("Upload-Offset");
    demand!(
        answer.number("Upload-Offset") == Some(expected as u64),
        "the creation says Upload-Offset {said:?}, not {expected}"
    );
    Ok(())
}

fn the_first_bytes_come_with_the_creation(client: &Client<'_>) -> Outcome {
    let bytes = text("a start", 90);
    let headers = [("Upload-Length", "90"), ("Content-Type", OFFSET_BYTES)];
    let request = client.creation(&headers).body(&bytes[..40]);
    let answer = client.send_creation(request)?;
    let place = client.created(&answer)?;
    expect_offset_said(&answer, 40)?;
    client.expect_offset(&place, 40)?;
    client.append(&place, 40, &bytes[40..])?;
    client.expect_stored(&place, &bytes)
}

fn all_bytes_come_with_the_creation(client: &Client<'_>) -> Outcome {
    let bytes = text("a whole", 300_000);
    let headers = [("Upload-Length", "300000"), ("Content-Type", OFFSET_BYTES)];
    let answer = client.send_creation(client.creation(&headers).body(&bytes))?;
    let place = client.created(&answer)?;
    expect_offset_said(&answer, bytes.len())?;
    client.expect_offset(&place, bytes.len())?;
    client.expect_stored(&place, &bytes)
}

fn a_creation_of_deferred_length_brings_bytes(client: &Client<'_>) -> Outcome {
    let bytes = text("a start", 90);
    let headers = [("Upload-Defer-Length", "1"), ("Content-Type", OFFSET_BYTES)];
    let request = client.creation(&headers).body(&bytes[..40]);
    let answer = client.send_creation(request)?;
    let place = client.created(&answer)?;
    expect_offset_said(&answer, 40)?;
    client.expect_offset(&place, 40)?;
    let request = client.patching(&place, "40").header("Upload-Length", "90");
    let status = request.body(&bytes[40..]).send()?.status;
    demand!(status == 204, "the rest is answered {status}, not 204");
    client.expect_offset(&place, 90)
}

fn a_creation_brings_bytes_in_chunks(client: &Client<'_>) -> Outcome {
    let bytes = text("chunks", 20_000);
    let headers = [("Upload-Length", "20000"), ("Content-Type", OFFSET_BYTES)];
    let request = client.creation(&headers).chunked(&bytes, &[]);
    let answer = client.send_creation(request)?;
    let place = client.created(&answer)?;
    expect_offset_said(&answer, bytes.len())?;
    client.expect_offset(&place, bytes.len())
}

/// It may be refused, or be a creation whose body means nothing.
fn bytes_of_another_media_type_are_not_taken_with_a_creation(client: &Client<'_>) -> Outcome {
    let headers = [("Upload-Length", "90"), ("Content-Type", "text/plain")];
    let request = client.creation(&headers).body(&text("another", 40));
    let answer = client.send_creation(request)?;
    match answer.status {
        201 => client.expect_offset(&client.created(&answer)?, 0),
        _ => client.expect_refused(Ok(answer)),
    }
}

fn the_client_is_told_to_go_on(client: &Client<'_>) -> Outcome {
    let bytes = text("a start", 40);
    let headers = [
        ("Upload-Length", "40"),
        ("Content-Type", OFFSET_BYTES),
        ("Content-Length", "40"),
        ("Expect", "100-continue"),
    ];
    let mut wire = Wire::connect(&client.target.base)?;
    wire.write(&client.creation(&headers).head())?;
    let told = wire.any_answer("POST")?;
    let status = told.status;
    demand!(status == 100, "the headers are answered {status}, not 100");
    wire.write(&bytes)?;
    let answer = wire.answer("POST")?;
    client.expect_offset(&client.created(&answer)?, 40)
}

fn a_refused_creation_does_not_ask_for_its_body(client: &Client<'_>) -> Outcome {
    let maximum = client.target.offer.size_max;
    let maximum = maximum.ok_or_else(|| not_offered("no Tus-Max-Size"))?;
    let headers = [
        ("Upload-Length", &*maximum.saturating_add(1).to_string()),
        ("Content-Type", OFFSET_BYTES),
        ("Content-Length", "40"),
        ("Expect", "100-continue"),
    ];
    let mut wire = Wire::connect(&client.target.base)?;
    wire.write(&client.creation(&headers).head())?;
    let status = wire.any_answer("POST")?.status;
    demand!(status == 413, "the headers are answered {status}, not 413");
    Ok(())
}
