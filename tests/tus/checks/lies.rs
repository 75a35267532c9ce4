//! Bodies that are longer, shorter or framed otherwise than was said.

use crate::check::{Outcome, checks, demand};
use crate::client::{Client, OFFSET_BYTES, text};
use crate::wire::{Answer, NoAnswer, Place, Request, Wire};

checks! {
    Must "Core: Upload-Length" ["creation"] a_body_beyond_the_length_is_refused;
    Must "Core: Upload-Length" ["creation"] a_chunked_body_beyond_the_length_is_refused;
    Must "Core: Upload-Length" ["creation-with-upload"]
        a_creation_that_brings_more_than_its_length_is_refused;
    Must "Core: Upload-Length" ["creation-with-upload"]
        a_creation_that_brings_more_in_chunks_is_refused;
    Must "Core: Upload-Length" ["creation-defer-length"]
        a_body_beyond_a_length_that_comes_with_it_is_refused;
    Must "RFC 9112: Content-Length" ["creation"] bytes_behind_a_body_are_no_part_of_it;
    Care "RFC 9112: Chunked" ["creation"] a_malformed_chunk_adds_nothing;
    Care "RFC 9112: Transfer-Encoding" ["creation"] a_body_with_two_framings_is_not_read_as_two;
    Care "RFC 9110: Content-Encoding" ["creation"] a_compressed_body_is_refused_or_kept_as_it_is;
}

/// Demands that too many bytes were refused, and that the upload does not hold more than it may.
/// It may be gone: who lies once is not asked again.
fn expect_cut_off(
    client: &Client<'_>,
    place: &Place,
    answer: Result<Answer, NoAnswer>,
    length: u64,
) -> Outcome {
    client.expect_refused(answer)?;
    let answer = client.head(place)?;
    if matches!(answer.status, 403 | 404 | 410) {
        return Ok(());
    }
    let offset = client.offset(place)?;
    demand!(offset <= length, "{offset} bytes of {length} are kept");
    Ok(())
}

fn a_body_beyond_the_length_is_refused(client: &Client<'_>) -> Outcome {
    let bytes = text("too much", 101);
    for start in [0, 60] {
        let place = client.create(100)?;
        client.append(&place, 0, &bytes[..start])?;
        let request = client.patching(&place, &start.to_string());
        let answer = request.body(&bytes[start..]).send();
        expect_cut_off(client, &place, answer, 100)?;
    }
    Ok(())
}

fn a_chunked_body_beyond_the_length_is_refused(client: &Client<'_>) -> Outcome {
    let place = client.create(100)?;
    let request = client.patching(&place, "0");
    let answer = request.chunked(&text("too much", 20_000), &[]).send();
    expect_cut_off(client, &place, answer, 100)
}

/// An answer to a creation that must not be made, or must not hold more than it may.
fn expect_creation_cut_off(client: &Client<'_>, request: Request) -> Outcome {
    let answer = client.send_creation(request);
    let status = answer.as_ref().map(|answer| answer.status);
    demand!(status != Ok(201), "it is answered 201");
    client.expect_refused(answer.map_err(|_| NoAnswer::Closed))
}

fn a_creation_that_brings_more_than_its_length_is_refused(client: &Client<'_>) -> Outcome {
    let headers = [("Upload-Length", "100"), ("Content-Type", OFFSET_BYTES)];
    let request = client.creation(&headers).body(&text("too much", 101));
    expect_creation_cut_off(client, request)
}

fn a_creation_that_brings_more_in_chunks_is_refused(client: &Client<'_>) -> Outcome {
    let headers = [("Upload-Length", "100"), ("Content-Type", OFFSET_BYTES)];
    let request = client.creation(&headers);
    expect_creation_cut_off(client, request.chunked(&text("too much", 20_000), &[]))
}

fn a_body_beyond_a_length_that_comes_with_it_is_refused(client: &Client<'_>) -> Outcome {
    let place = client.create_with(&[("Upload-Defer-Length", "1")])?;
    let request = client.patching(&place, "0").header("Upload-Length", "100");
    let answer = request.body(&text("too much", 101)).send();
    expect_cut_off(client, &place, answer, 100)
}

/// What comes behind may spoil the connection before the body is answered.
fn bytes_behind_a_body_are_no_part_of_it(client: &Client<'_>) -> Outcome {
    let place = client.create(100)?;
    let request = client.patching(&place, "0").without("Connection");
    let request = request.header("Content-Length", "10");
    match request.body(&text("too much", 40)).send() {
        Ok(answer) if answer.status == 204 => client.expect_offset(&place, 10),
        other => {
            client.expect_refused(other)?;
            let offset = client.offset(&place)?;
            demand!(offset <= 10, "{offset} bytes of a body of 10 are kept");
            Ok(())
        }
    }
}

fn a_malformed_chunk_adds_nothing(client: &Client<'_>) -> Outcome {
    for chunk in [
        "zz\r\nmore\n\r\n0\r\n\r\n",
        "-5\r\nmore\n\r\n0\r\n\r\n",
        "+5\r\nmore\n\r\n0\r\n\r\n",
    ] {
        let place = client.create(100)?;
        let request = client.patching(&place, "0");
        let request = request.header("Transfer-Encoding", "chunked");
        let mut wire = Wire::connect(&place)?;
        wire.write(&request.head())?;
        // The server may have hung up already.
        let _ = wire.write(chunk.as_bytes());
        wire.cut();
        client.expect_offset(&place, 0)?;
    }
    // 2^64 + 5: five bytes, if it wraps around.
    let place = client.create(100)?;
    let request = client
        .patching(&place, "0")
        .header("Transfer-Encoding", "chunked");
    let mut wire = Wire::connect(&place)?;
    wire.write(&request.head())?;
    let _ = wire.write(b"10000000000000005\r\nmore\n\r\n0\r\n\r\n");
    wire.cut();
    client.expect_offset(&place, 0)
}

/// To refuse it is best; else the chunks are the body, and what a reader by length would take for
/// the next request is not one.
fn a_body_with_two_framings_is_not_read_as_two(client: &Client<'_>) -> Outcome {
    let (place, other) = (client.create(100)?, client.create(100)?);
    let hidden = client.patching(&other, "0").header("Content-Length", "5");
    let mut body = b"5\r\nmore\n\r\n0\r\n\r\n".to_vec();
    body.extend(hidden.head());
    body.extend(b"more\n");
    let request = client.patching(&place, "0").without("Connection");
    let request = request.header("Transfer-Encoding", "chunked");
    let request = request.header("Content-Length", &body.len().to_string());
    match request.body(&body).send() {
        Ok(answer) if answer.status == 204 => client.expect_offset(&place, 5)?,
        answer => {
            client.expect_refused(answer)?;
            client.expect_offset(&place, 0)?;
        }
    }
    client.expect_offset(&other, 0)
}

/// Ten bytes that a decoder would make a thousand of.
fn a_compressed_body_is_refused_or_kept_as_it_is(client: &Client<'_>) -> Outcome {
    let place = client.create(100)?;
    let request = client
        .patching(&place, "0")
        .header("Content-Encoding", "gzip");
    let answer = request.body(&text("a body", 10)).send();
    match answer {
        Ok(answer) if answer.status == 204 => client.expect_offset(&place, 10),
        other => client.expect_refused(other),
    }
}
