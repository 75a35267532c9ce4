//! PATCH: bytes at an offset, whole, wrong or cut short.

use crate::check::{Outcome, checks, demand};
use crate::client::{Client, OFFSET_BYTES, text};
use crate::wire::{Place, Wire};

checks! {
    Must "Core: PATCH" ["creation"] a_patch_is_204_with_the_new_offset;
    Must "Core: PATCH" ["creation"] patches_add_up;
    Must "Core: PATCH" ["creation"] a_patch_of_no_bytes_is_204_at_the_same_offset;
    Must "Core: PATCH" ["creation"] a_patch_before_the_offset_is_409_and_changes_nothing;
    Must "Core: PATCH" ["creation"] a_patch_behind_the_offset_is_409_and_changes_nothing;
    Must "Core: PATCH" ["creation"] a_finished_upload_takes_no_more;
    Must "RFC 9112: Transfer-Encoding" ["creation"] a_body_may_come_in_chunks;
    Should "Core: PATCH" ["creation"] a_patch_of_another_media_type_is_415;
    Should "Core: PATCH" ["creation"] a_patch_without_a_media_type_is_415;
    Must "Core: PATCH" ["creation"] a_patch_of_another_media_type_changes_nothing;
    Care "Core: PATCH" ["creation"] a_patch_without_an_offset_is_400;
    Should "Core: PATCH" [] a_patch_of_nothing_is_404;
    Should "Core: PATCH" ["creation"] what_came_before_a_cut_is_kept;
    Must "Core: PATCH" ["creation"] an_upload_goes_on_where_a_cut_left_it;
    Should "Core: PATCH" ["creation"] a_chunked_body_that_is_cut_is_kept_up_to_the_cut;
}

fn a_patch_is_204_with_the_new_offset(client: &Client<'_>) -> Outcome {
    let bytes = text("a patch", 300);
    let place = client.create(bytes.len() + 1)?;
    client.append(&place, 0, &bytes)?;
    client.expect_offset(&place, bytes.len())
}

fn patches_add_up(client: &Client<'_>) -> Outcome {
    let bytes = text("pieces", 700_000);
    let place = client.create(bytes.len())?;
    let mut offset = 0;
    for piece in bytes.chunks(256 * 1024) {
        client.append(&place, offset, piece)?;
        offset += piece.len();
        client.expect_offset(&place, offset)?;
    }
    client.expect_stored(&place, &bytes)
}

fn a_patch_of_no_bytes_is_204_at_the_same_offset(client: &Client<'_>) -> Outcome {
    let place = client.create(30)?;
    client.append(&place, 0, b"")?;
    client.append(&place, 0, b"a few\n")?;
    client.append(&place, 6, b"")?;
    client.expect_offset(&place, 6)
}

fn expect_conflict(client: &Client<'_>, offset: usize) -> Outcome {
    let place = client.create(100)?;
    client.append(&place, 0, &text("an offset", 20))?;
    let status = client.patch(&place, offset, b"more\n")?.status;
    demand!(
        status == 409,
        "PATCH at {offset} of 20 is answered {status}, not 409"
    );
    client.expect_offset(&place, 20)
}

fn a_patch_before_the_offset_is_409_and_changes_nothing(client: &Client<'_>) -> Outcome {
    expect_conflict(client, 0)?;
    expect_conflict(client, 19)
}

fn a_patch_behind_the_offset_is_409_and_changes_nothing(client: &Client<'_>) -> Outcome {
    expect_conflict(client, 21)?;
    // Behind its end as well.
    expect_conflict(client, 1000)
}

fn a_finished_upload_takes_no_more(client: &Client<'_>) -> Outcome {
    let bytes = text("an end", 50);
    let place = client.create(bytes.len())?;
    client.append(&place, 0, &bytes)?;
    let answer = client.patching(&place, "50").body(b"more\n").send();
    client.expect_refused(answer)?;
    client.expect_offset(&place, bytes.len())?;
    client.expect_stored(&place, &bytes)
}

fn a_body_may_come_in_chunks(client: &Client<'_>) -> Outcome {
    let bytes = text("chunks", 30_000);
    let place = client.create(bytes.len())?;
    let answer = client.patching(&place, "0").chunked(&bytes, &[]).send()?;
    let status = answer.status;
    demand!(status == 204, "it is answered {status}, not 204");
    client.expect_offset(&place, bytes.len())?;
    client.expect_stored(&place, &bytes)
}

/// The status of a PATCH with this media type, and the upload.
fn typed(client: &Client<'_>, media_type: Option<&str>) -> Outcome<(u16, Place)> {
    let place = client.create(50)?;
    let request = client.patching(&place, "0").without("Content-Type");
    let request = match media_type {
        Some(media_type) => request.header("Content-Type", media_type),
        None => request,
    };
    let status = request.body(b"a few words\n").send()?.status;
    Ok((status, place))
}

fn a_patch_of_another_media_type_is_415(client: &Client<'_>) -> Outcome {
    let (status, _) = typed(client, Some("text/plain"))?;
    demand!(status == 415, "it is answered {status}, not 415");
    Ok(())
}

fn a_patch_without_a_media_type_is_415(client: &Client<'_>) -> Outcome {
    let (status, place) = typed(client, None)?;
    demand!(status == 415, "it is answered {status}, not 415");
    client.expect_offset(&place, 0)
}

fn a_patch_of_another_media_type_changes_nothing(client: &Client<'_>) -> Outcome {
    let (status, place) = typed(client, Some("application/octet-stream"))?;
    demand!((400..500).contains(&status), "it is answered {status}");
    client.expect_offset(&place, 0)
}

fn a_patch_without_an_offset_is_400(client: &Client<'_>) -> Outcome {
    let place = client.create(50)?;
    let request = client.patching(&place, "0").without("Upload-Offset");
    let status = request.body(b"a few words\n").send()?.status;
    demand!(status == 400, "it is answered {status}, not 400");
    client.expect_offset(&place, 0)
}

fn a_patch_of_nothing_is_404(client: &Client<'_>) -> Outcome {
    let base = &client.target.base;
    let missing = base.below("/0123456789abcdef0123456789abcdef");
    let status = client.patch(&missing, 0, b"a few words\n")?.status;
    demand!(status == 404, "it is answered {status}, not 404");
    Ok(())
}

/// Bytes of an upload whose connection is cut, and how many of them come through before.
const WHOLE: usize = 100_000;
const BEFORE_THE_CUT: usize = 60_000;

/// Sends a part of a body and hangs up; the offset after that.
fn cut(client: &Client<'_>, bytes: &[u8], head: &[u8], place: &Place) -> Outcome<u64> {
    let mut wire = Wire::connect(place)?;
    wire.write(head)?;
    wire.write(bytes)?;
    wire.cut();
    client.offset(place)
}

fn cut_patch(client: &Client<'_>, bytes: &[u8]) -> Outcome<(Place, u64)> {
    let place = client.create(bytes.len())?;
    let length = bytes.len().to_string();
    let request = client.patching(&place, "0");
    let head = request.header("Content-Length", &length).head();
    let offset = cut(client, &bytes[..BEFORE_THE_CUT], &head, &place)?;
    Ok((place, offset))
}

fn what_came_before_a_cut_is_kept(client: &Client<'_>) -> Outcome {
    let (_, offset) = cut_patch(client, &text("a cut", WHOLE))?;
    demand!(
        offset == BEFORE_THE_CUT as u64,
        "{BEFORE_THE_CUT} bytes came before the cut, {offset} are kept"
    );
    Ok(())
}

fn an_upload_goes_on_where_a_cut_left_it(client: &Client<'_>) -> Outcome {
    let bytes = text("a cut", WHOLE);
    let (place, offset) = cut_patch(client, &bytes)?;
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    demand!(
        offset <= BEFORE_THE_CUT,
        "{offset} bytes are kept, more than were sent"
    );
    client.append(&place, offset, &bytes[offset..])?;
    client.expect_offset(&place, bytes.len())?;
    client.expect_stored(&place, &bytes)
}

fn a_chunked_body_that_is_cut_is_kept_up_to_the_cut(client: &Client<'_>) -> Outcome {
    let bytes = text("a cut", WHOLE);
    let place = client.create(bytes.len())?;
    let head = client
        .request("PATCH", &place)
        .header("Content-Type", OFFSET_BYTES)
        .header("Upload-Offset", "0")
        .header("Transfer-Encoding", "chunked")
        .head();
    let mut body = format!("{BEFORE_THE_CUT:x}\r\n").into_bytes();
    body.extend(&bytes[..BEFORE_THE_CUT]);
    body.extend(b"\r\n");
    let offset = cut(client, &body, &head, &place)?;
    demand!(
        offset == BEFORE_THE_CUT as u64,
        "{BEFORE_THE_CUT} bytes came before the cut, {offset} are kept"
    );
    Ok(())
}
