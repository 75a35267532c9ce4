//! `Upload-Checksum`: chunks that arrive as they were sent, or not at all.

use crate::check::{Outcome, checks, demand};
use crate::client::{Client, OFFSET_BYTES, not_offered, text};
use crate::digest;
use crate::wire::{Answer, Place, Wire};

checks! {
    Must "Checksum" ["checksum"] sha1_is_among_the_algorithms;
    Must "Checksum" ["checksum"] names_of_algorithms_are_lower_case;
    Must "Checksum" ["creation", "checksum"] a_chunk_with_its_sha1_is_taken;
    Must "Checksum" ["creation", "checksum"] a_chunk_with_its_checksum_by_any_algorithm_is_taken;
    Must "Checksum" ["creation", "checksum"] a_chunk_with_another_sha1_is_460_and_discarded;
    Must "Checksum" ["creation", "checksum"]
        a_chunk_with_another_checksum_by_any_algorithm_is_460_and_discarded;
    Must "Checksum" ["creation", "checksum"] a_discarded_chunk_leaves_the_ones_before_it;
    Must "Checksum" ["creation", "checksum"] a_discarded_chunk_may_be_sent_again;
    Must "Checksum" ["creation", "checksum"] an_unknown_algorithm_is_400_and_the_chunk_discarded;
    Care "Checksum" ["creation", "checksum"] a_checksum_that_is_none_is_refused;
    Care "Checksum" ["creation", "checksum"] a_long_chunk_with_another_sha1_is_discarded;
    Care "Checksum" ["creation", "checksum"] a_cut_chunk_with_a_checksum_is_discarded;
    Care "Creation With Upload" ["creation-with-upload", "checksum"]
        a_checksum_of_a_creation_is_verified;
    Must "Checksum: trailer" ["creation", "checksum", "checksum-trailer"]
        a_checksum_may_come_as_a_trailer;
    Must "Checksum: trailer" ["creation", "checksum", "checksum-trailer"]
        another_checksum_as_a_trailer_is_460_and_discarded;
}

/// A chunk, and one that differs from it in a byte.
fn chunk() -> (Vec<u8>, Vec<u8>) {
    let bytes = text("a checksum", 500);
    let mut other = bytes.clone();
    other[250] ^= 1;
    (bytes, other)
}

/// Algorithms that the server lists and this suite knows.
fn algorithms<'a>(client: &Client<'a>) -> Vec<&'a str> {
    let listed = client.target.offer.algorithms.iter().map(String::as_str);
    listed
        .filter(|name| digest::of(name, b"").is_some())
        .collect()
}

fn sum(algorithm: &str, bytes: &[u8]) -> Outcome<String> {
    let unknown = || not_offered("an algorithm that this suite does not know");
    digest::header(algorithm, bytes).ok_or_else(unknown)
}

fn send(
    client: &Client<'_>,
    place: &Place,
    (offset, bytes): (usize, &[u8]),
    checksum: &str,
) -> Outcome<Answer> {
    let request = client.patching(place, &offset.to_string());
    let request = request.header("Upload-Checksum", checksum);
    Ok(request.body(bytes).send()?)
}

fn sha1_is_among_the_algorithms(client: &Client<'_>) -> Outcome {
    let listed = &client.target.offer.algorithms;
    let has = listed.iter().any(|name| name == "sha1");
    demand!(has, "Tus-Checksum-Algorithm lists {listed:?}, without sha1");
    Ok(())
}

fn names_of_algorithms_are_lower_case(client: &Client<'_>) -> Outcome {
    let options = client.request("OPTIONS", &client.target.base);
    let answer = options.without("Tus-Resumable").send()?;
    let said = answer.header("Tus-Checksum-Algorithm").unwrap_or_default();
    let is_lower = said.is_ascii() && !said.bytes().any(|byte| byte.is_ascii_uppercase());
    demand!(is_lower, "Tus-Checksum-Algorithm is `{said}`");
    Ok(())
}

fn expect_taken(client: &Client<'_>, algorithm: &str) -> Outcome {
    let (bytes, _) = chunk();
    let place = client.create(bytes.len())?;
    let status = send(client, &place, (0, &bytes), &sum(algorithm, &bytes)?)?.status;
    demand!(status == 204, "{algorithm} is answered {status}, not 204");
    client.expect_offset(&place, bytes.len())
}

fn expect_460(client: &Client<'_>, algorithm: &str) -> Outcome {
    let (bytes, other) = chunk();
    let place = client.create(bytes.len())?;
    let status = send(client, &place, (0, &other), &sum(algorithm, &bytes)?)?.status;
    demand!(
        status == 460,
        "{algorithm} of other bytes is answered {status}, not 460"
    );
    client.expect_offset(&place, 0)
}

fn a_chunk_with_its_sha1_is_taken(client: &Client<'_>) -> Outcome {
    expect_taken(client, "sha1")
}

fn a_chunk_with_its_checksum_by_any_algorithm_is_taken(client: &Client<'_>) -> Outcome {
    let known = algorithms(client);
    known
        .into_iter()
        .try_for_each(|name| expect_taken(client, name))
}

fn a_chunk_with_another_sha1_is_460_and_discarded(client: &Client<'_>) -> Outcome {
    expect_460(client, "sha1")
}

fn a_chunk_with_another_checksum_by_any_algorithm_is_460_and_discarded(
    client: &Client<'_>,
) -> Outcome {
    let known = algorithms(client);
    known
        .into_iter()
        .try_for_each(|name| expect_460(client, name))
}

fn a_discarded_chunk_leaves_the_ones_before_it(client: &Client<'_>) -> Outcome {
    let (bytes, other) = chunk();
    let place = client.create(3 * bytes.len())?;
    client.append(&place, 0, &bytes)?;
    let at = bytes.len();
    let status = send(client, &place, (at, &other), &sum("sha1", &bytes)?)?.status;
    demand!(status == 460, "other bytes are answered {status}, not 460");
    client.expect_offset(&place, at)
}

fn a_discarded_chunk_may_be_sent_again(client: &Client<'_>) -> Outcome {
    let (bytes, other) = chunk();
    let place = client.create(bytes.len())?;
    let sha1 = sum("sha1", &bytes)?;
    send(client, &place, (0, &other), &sha1)?;
    let status = send(client, &place, (0, &bytes), &sha1)?.status;
    demand!(
        status == 204,
        "the right bytes are answered {status}, not 204"
    );
    client.expect_offset(&place, bytes.len())?;
    client.expect_stored(&place, &bytes)
}

fn an_unknown_algorithm_is_400_and_the_chunk_discarded(client: &Client<'_>) -> Outcome {
    let (bytes, _) = chunk();
    let place = client.create(bytes.len())?;
    let checksum = format!("md0 {}", digest::base64(&[7; 16]));
    let status = send(client, &place, (0, &bytes), &checksum)?.status;
    demand!(status == 400, "it is answered {status}, not 400");
    client.expect_offset(&place, 0)
}

fn a_checksum_that_is_none_is_refused(client: &Client<'_>) -> Outcome {
    let (bytes, _) = chunk();
    let place = client.create(bytes.len())?;
    let right = sum("sha1", &bytes)?;
    let doubled = format!("{right} {right}");
    let short = format!("sha1 {}", digest::base64(b"short"));
    for checksum in ["sha1", "sha1 ***", &*short, "", &*doubled] {
        let answer = send(client, &place, (0, &bytes), checksum)?;
        let status = answer.status;
        demand!(
            matches!(status, 400 | 460),
            "`{checksum}` is answered {status}"
        );
        client.expect_offset(&place, 0)?;
    }
    Ok(())
}

/// Longer than what servers hold in memory for one request.
const LONG: usize = 5 * 1024 * 1024;

fn a_long_chunk_with_another_sha1_is_discarded(client: &Client<'_>) -> Outcome {
    let bytes = text("a long chunk", LONG);
    let place = client.create(bytes.len())?;
    let status = send(client, &place, (0, &bytes), &sum("sha1", b"other bytes")?)?.status;
    demand!(status == 460, "it is answered {status}, not 460");
    client.expect_offset(&place, 0)?;
    let status = send(client, &place, (0, &bytes), &sum("sha1", &bytes)?)?.status;
    demand!(
        status == 204,
        "the right checksum is answered {status}, not 204"
    );
    client.expect_offset(&place, bytes.len())
}

/// Nobody can say whether what came of it is right.
fn a_cut_chunk_with_a_checksum_is_discarded(client: &Client<'_>) -> Outcome {
    let (bytes, _) = chunk();
    let place = client.create(bytes.len())?;
    let head = client
        .patching(&place, "0")
        .header("Upload-Checksum", &sum("sha1", &bytes)?)
        .header("Content-Length", &bytes.len().to_string())
        .head();
    let mut wire = Wire::connect(&place)?;
    wire.write(&head)?;
    wire.write(&bytes[..300])?;
    wire.cut();
    client.expect_offset(&place, 0)
}

fn a_checksum_of_a_creation_is_verified(client: &Client<'_>) -> Outcome {
    let (bytes, other) = chunk();
    let creation = |sent: &[u8]| -> Outcome<Answer> {
        let headers = [
            ("Upload-Length", "900"),
            ("Content-Type", OFFSET_BYTES),
            ("Upload-Checksum", &*sum("sha1", &bytes)?),
        ];
        client.send_creation(client.creation(&headers).body(sent))
    };
    let right = creation(&bytes)?;
    client.expect_offset(&client.created(&right)?, bytes.len())?;
    let status = creation(&other)?.status;
    demand!(status == 460, "other bytes are answered {status}, not 460");
    Ok(())
}

fn with_trailer(client: &Client<'_>, place: &Place, bytes: &[u8], sum: &str) -> Outcome<Answer> {
    let request = client
        .patching(place, "0")
        .header("Trailer", "Upload-Checksum");
    Ok(request.chunked(bytes, &[("Upload-Checksum", sum)]).send()?)
}

fn a_checksum_may_come_as_a_trailer(client: &Client<'_>) -> Outcome {
    let (bytes, _) = chunk();
    let place = client.create(bytes.len())?;
    let status = with_trailer(client, &place, &bytes, &sum("sha1", &bytes)?)?.status;
    demand!(status == 204, "it is answered {status}, not 204");
    client.expect_offset(&place, bytes.len())
}

fn another_checksum_as_a_trailer_is_460_and_discarded(client: &Client<'_>) -> Outcome {
    let (bytes, other) = chunk();
    let place = client.create(bytes.len())?;
    let status = with_trailer(client, &place, &other, &sum("sha1", &bytes)?)?.status;
    demand!(status == 460, "it is answered {status}, not 460");
    client.expect_offset(&place, 0)
}
