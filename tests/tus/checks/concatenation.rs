//! `Upload-Concat`: one upload made of several.

use std::net::TcpListener;

use crate::check::{Outcome, checks, demand};
use crate::client::{Client, METADATA, SOON, text};
use crate::wire::{Answer, Place, soon};

checks! {
    Must "Concatenation" ["concatenation"] a_partial_upload_says_that_it_is_one;
    Must "Concatenation" ["concatenation"] a_final_upload_is_as_long_as_its_parts;
    Must "Concatenation" ["concatenation"] a_final_upload_says_what_it_was_made_of;
    Must "Concatenation" ["concatenation"] parts_are_joined_in_the_order_of_the_list;
    Must "Concatenation" ["concatenation"] parts_may_be_named_by_absolute_and_relative_addresses;
    Must "Concatenation" ["concatenation"] a_patch_of_a_final_upload_is_403_and_changes_nothing;
    Must "Concatenation" ["concatenation"] metadata_of_parts_is_not_that_of_the_final_upload;
    Care "Concatenation" ["concatenation"] a_final_upload_with_a_length_is_400;
    Care "Concatenation" ["concatenation"] a_part_may_stand_twice_in_one_list;
    Care "Concatenation" ["concatenation"] parts_may_be_used_again;
    Care "Concatenation" ["concatenation"] an_unfinished_part_is_refused_unless_that_is_offered;
    Care "Concatenation" ["concatenation"] a_part_that_is_no_partial_upload_is_refused;
    Care "Concatenation" ["concatenation"] a_part_that_is_nowhere_is_refused;
    Care "Concatenation" ["concatenation"] a_part_on_another_host_is_not_fetched;
    Care "Concatenation" ["concatenation"] a_list_that_is_none_is_refused;
}

/// A finished part.
fn part(client: &Client<'_>, bytes: &[u8]) -> Outcome<Place> {
    let length = bytes.len().to_string();
    let place = client.create_with(&[("Upload-Concat", "partial"), ("Upload-Length", &length)])?;
    client.append(&place, 0, bytes)?;
    Ok(place)
}

fn list(parts: &[&Place]) -> String {
    let urls: Vec<String> = parts.iter().map(|part| part.url()).collect();
    format!("final;{}", urls.join(" "))
}

fn join(client: &Client<'_>, list: &str) -> Outcome<Answer> {
    client.try_to_create(&[("Upload-Concat", list)])
}

/// What HEAD says of a final upload once its parts are joined.
fn joined(client: &Client<'_>, place: &Place) -> Outcome<Answer> {
    let answer = soon(SOON, || {
        let answer = client.head(place).ok()?;
        let (offset, length) = ("Upload-Offset", "Upload-Length");
        let is_done =
            answer.number(offset).is_some() && answer.header(offset) == answer.header(length);
        is_done.then_some(answer)
    });
    let unequal = || "Upload-Offset and Upload-Length do not become equal".to_owned();
    Ok(answer.ok_or_else(unequal)?)
}

fn expect_joined(client: &Client<'_>, list: &str, expected: &[u8]) -> Outcome {
    let place = client.created(&join(client, list)?)?;
    let length = joined(client, &place)?.number("Upload-Length");
    let count = expected.len();
    demand!(
        length == Some(count as u64),
        "Upload-Length is {length:?}, not {count}"
    );
    client.expect_stored(&place, expected)
}

fn a_partial_upload_says_that_it_is_one(client: &Client<'_>) -> Outcome {
    let place = client.create_with(&[("Upload-Concat", "partial"), ("Upload-Length", "90")])?;
    for offset in [0, 30] {
        client.append(&place, offset, &text("a part", 30))?;
        let answer = client.head(&place)?;
        let said = answer.header("Upload-Concat");
        demand!(
            said == Some("partial"),
            "Upload-Concat is {said:?}, not partial"
        );
    }
    client.expect_offset(&place, 60)
}

fn a_final_upload_is_as_long_as_its_parts(client: &Client<'_>) -> Outcome {
    let (first, second) = (text("first", 40), text("second", 70));
    let parts = [&part(client, &first)?, &part(client, &second)?];
    expect_joined(client, &list(&parts), &[first, second].concat())
}

fn a_final_upload_says_what_it_was_made_of(client: &Client<'_>) -> Outcome {
    let parts = [&part(client, &text("a part", 40))?];
    let list = list(&parts);
    let place = client.created(&join(client, &list)?)?;
    let answer = joined(client, &place)?;
    let said = answer.header("Upload-Concat");
    demand!(
        said == Some(&*list),
        "Upload-Concat is {said:?}, not `{list}`"
    );
    Ok(())
}

fn parts_are_joined_in_the_order_of_the_list(client: &Client<'_>) -> Outcome {
    let (first, second) = (text("first", 40), text("second", 70));
    let (one, other) = (part(client, &first)?, part(client, &second)?);
    expect_joined(client, &list(&[&other, &one]), &[second, first].concat())
}

fn parts_may_be_named_by_absolute_and_relative_addresses(client: &Client<'_>) -> Outcome {
    let (first, second) = (text("first", 40), text("second", 70));
    let (one, other) = (part(client, &first)?, part(client, &second)?);
    let list = format!("final;{} {}", one.path, other.url());
    expect_joined(client, &list, &[first, second].concat())
}

fn a_patch_of_a_final_upload_is_403_and_changes_nothing(client: &Client<'_>) -> Outcome {
    let bytes = text("a part", 40);
    let parts = [&part(client, &bytes)?];
    let place = client.created(&join(client, &list(&parts))?)?;
    joined(client, &place)?;
    let status = client.patch(&place, 40, b"more\n")?.status;
    demand!(status == 403, "it is answered {status}, not 403");
    client.expect_offset(&place, 40)?;
    client.expect_stored(&place, &bytes)
}

fn metadata_of_parts_is_not_that_of_the_final_upload(client: &Client<'_>) -> Outcome {
    let metadata = format!("{METADATA},part YmVmb3Jl");
    let place = client.create_with(&[
        ("Upload-Concat", "partial"),
        ("Upload-Length", "6"),
        ("Upload-Metadata", &metadata),
    ])?;
    client.append(&place, 0, b"a few\n")?;
    let place = client.created(&join(client, &list(&[&place]))?)?;
    let answer = joined(client, &place)?;
    let said = answer.header("Upload-Metadata").unwrap_or_default();
    demand!(
        !said.contains("part YmVmb3Jl"),
        "Upload-Metadata is `{said}`"
    );
    Ok(())
}

fn a_final_upload_with_a_length_is_400(client: &Client<'_>) -> Outcome {
    let list = list(&[&part(client, &text("a part", 40))?]);
    let headers = [("Upload-Concat", &*list), ("Upload-Length", "40")];
    let status = client.try_to_create(&headers)?.status;
    demand!(status == 400, "it is answered {status}, not 400");
    Ok(())
}

fn a_part_may_stand_twice_in_one_list(client: &Client<'_>) -> Outcome {
    let bytes = text("a part", 40);
    let place = part(client, &bytes)?;
    expect_joined(
        client,
        &list(&[&place, &place]),
        &[&*bytes, &bytes].concat(),
    )
}

fn parts_may_be_used_again(client: &Client<'_>) -> Outcome {
    let bytes = text("a part", 40);
    let list = list(&[&part(client, &bytes)?]);
    expect_joined(client, &list, &bytes)?;
    expect_joined(client, &list, &bytes)
}

fn an_unfinished_part_is_refused_unless_that_is_offered(client: &Client<'_>) -> Outcome {
    let place = client.create_with(&[("Upload-Concat", "partial"), ("Upload-Length", "90")])?;
    client.append(&place, 0, &text("a part", 30))?;
    let answer = join(client, &list(&[&place]))?;
    match client.target.offer.has("concatenation-unfinished") {
        true => client.created(&answer).map(drop),
        false => client.expect_refused(Ok(answer)),
    }
}

fn a_part_that_is_no_partial_upload_is_refused(client: &Client<'_>) -> Outcome {
    let bytes = text("a whole", 40);
    let place = client.create(bytes.len())?;
    client.append(&place, 0, &bytes)?;
    client.expect_refused(Ok(join(client, &list(&[&place]))?))
}

fn a_part_that_is_nowhere_is_refused(client: &Client<'_>) -> Outcome {
    let base = &client.target.base;
    let missing = base.below("/0123456789abcdef0123456789abcdef");
    let there = part(client, &text("a part", 40))?;
    client.expect_refused(Ok(join(client, &list(&[&there, &missing]))?))
}

/// A server that fetches what it is told to fetch reads what its host may read.
fn a_part_on_another_host_is_not_fetched(client: &Client<'_>) -> Outcome {
    let asked = |error: std::io::Error| error.to_string();
    let other = TcpListener::bind("127.0.0.1:0").map_err(asked)?;
    other.set_nonblocking(true).map_err(asked)?;
    let address = other.local_addr().map_err(asked)?;
    let list = format!("final;http://{address}/0123456789abcdef0123456789abcdef");
    let answer = join(client, &list)?;
    demand!(other.accept().is_err(), "the server connects to {address}");
    client.expect_refused(Ok(answer))
}

fn a_list_that_is_none_is_refused(client: &Client<'_>) -> Outcome {
    for value in ["final", "final;", "final; ", "partially", "", "partial;/a"] {
        let headers = [("Upload-Concat", value), ("Upload-Length", "40")];
        let length = usize::from(!value.starts_with("final")) + 1;
        let answer = client.try_to_create(&headers[..length])?;
        let refused = client.expect_refused(Ok(answer));
        demand!(refused.is_ok(), "`{value}`: {refused:?}");
    }
    Ok(())
}
