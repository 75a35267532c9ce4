//! Lengths that are said later.

use crate::check::{Outcome, checks, demand};
use crate::client::{Client, not_offered, text};
use crate::wire::{Answer, Place};

checks! {
    Must "Creation: Upload-Defer-Length" ["creation-defer-length"]
        a_deferred_length_is_shown_as_deferred;
    Should "Creation: Upload-Defer-Length" ["creation-defer-length"]
        a_deferral_other_than_1_is_400;
    Must "Creation: Upload-Defer-Length" ["creation-defer-length"]
        a_length_stays_deferred_until_it_is_said;
    Must "Creation: Upload-Defer-Length" ["creation-defer-length"]
        a_patch_says_the_deferred_length;
    Must "Creation: Upload-Defer-Length" ["creation-defer-length"]
        the_length_may_come_with_the_last_bytes;
    Care "Creation: Upload-Defer-Length" ["creation-defer-length"]
        the_length_may_come_after_the_last_bytes;
    Must "Creation: Upload-Defer-Length" ["creation-defer-length"]
        a_length_that_was_said_does_not_change;
    Must "Creation: Upload-Length" ["creation"] a_length_of_the_creation_does_not_change;
    Care "Creation: Upload-Length" ["creation-defer-length"]
        a_length_below_the_offset_is_refused;
    Must "Core: PATCH" ["creation-defer-length"] a_conflicting_patch_does_not_say_the_length;
    Must "Creation: POST" ["creation-defer-length"] a_length_beyond_the_maximum_said_later_is_413;
}

fn deferred(client: &Client<'_>) -> Outcome<Place> {
    client.create_with(&[("Upload-Defer-Length", "1")])
}

/// A PATCH that says how long the upload is.
fn patch_with_length(
    client: &Client<'_>,
    place: &Place,
    (offset, bytes): (usize, &[u8]),
    length: usize,
) -> Outcome<Answer> {
    let request = client.patching(place, &offset.to_string());
    let request = request.header("Upload-Length", &length.to_string());
    Ok(request.body(bytes).send()?)
}

fn expect_length(client: &Client<'_>, place: &Place, length: Option<&str>) -> Outcome {
    let answer = client.head(place)?;
    let said = answer.header("Upload-Length");
    let deferred = answer.header("Upload-Defer-Length");
    let expected = if length.is_none() { Some("1") } else { None };
    demand!(
        said == length && deferred == expected,
        "HEAD says Upload-Length {said:?} and Upload-Defer-Length {deferred:?}, \
         not {length:?} and {expected:?}"
    );
    Ok(())
}

fn a_deferred_length_is_shown_as_deferred(client: &Client<'_>) -> Outcome {
    let place = deferred(client)?;
    client.expect_offset(&place, 0)?;
    expect_length(client, &place, None)
}

fn a_deferral_other_than_1_is_400(client: &Client<'_>) -> Outcome {
    for value in ["0", "2", "true", "-1", "1,1", "1.0"] {
        let status = client
            .try_to_create(&[("Upload-Defer-Length", value)])?
            .status;
        demand!(status == 400, "`{value}` is answered {status}, not 400");
    }
    Ok(())
}

fn a_length_stays_deferred_until_it_is_said(client: &Client<'_>) -> Outcome {
    let place = deferred(client)?;
    client.append(&place, 0, &text("later", 30))?;
    client.expect_offset(&place, 30)?;
    expect_length(client, &place, None)
}

fn a_patch_says_the_deferred_length(client: &Client<'_>) -> Outcome {
    let bytes = text("later", 90);
    let place = deferred(client)?;
    client.append(&place, 0, &bytes[..30])?;
    let status = patch_with_length(client, &place, (30, &bytes[30..60]), 90)?.status;
    demand!(status == 204, "it is answered {status}, not 204");
    expect_length(client, &place, Some("90"))?;
    client.append(&place, 60, &bytes[60..])?;
    client.expect_stored(&place, &bytes)
}

fn the_length_may_come_with_the_last_bytes(client: &Client<'_>) -> Outcome {
    let bytes = text("later", 90);
    let place = deferred(client)?;
    let status = patch_with_length(client, &place, (0, &bytes), 90)?.status;
    demand!(status == 204, "it is answered {status}, not 204");
    client.expect_offset(&place, 90)?;
    expect_length(client, &place, Some("90"))
}

fn the_length_may_come_after_the_last_bytes(client: &Client<'_>) -> Outcome {
    let place = deferred(client)?;
    client.append(&place, 0, &text("later", 90))?;
    let status = patch_with_length(client, &place, (90, b""), 90)?.status;
    demand!(status == 204, "it is answered {status}, not 204");
    client.expect_offset(&place, 90)?;
    expect_length(client, &place, Some("90"))
}

fn expect_kept(client: &Client<'_>, place: &Place, other: usize) -> Outcome {
    // Whether the request is refused or the header ignored, the length stays.
    patch_with_length(client, place, (30, b""), other)?;
    expect_length(client, place, Some("90"))
}

fn a_length_that_was_said_does_not_change(client: &Client<'_>) -> Outcome {
    let place = deferred(client)?;
    let first = patch_with_length(client, &place, (0, &text("later", 30)), 90)?.status;
    demand!(first == 204, "it is answered {first}, not 204");
    expect_kept(client, &place, 120)?;
    expect_kept(client, &place, 30)
}

fn a_length_of_the_creation_does_not_change(client: &Client<'_>) -> Outcome {
    let place = client.create(90)?;
    client.append(&place, 0, &text("at once", 30))?;
    expect_kept(client, &place, 120)?;
    expect_kept(client, &place, 30)
}

fn a_length_below_the_offset_is_refused(client: &Client<'_>) -> Outcome {
    let place = deferred(client)?;
    client.append(&place, 0, &text("later", 30))?;
    let answer = patch_with_length(client, &place, (30, b""), 20)?;
    client.expect_refused(Ok(answer))
}

fn a_conflicting_patch_does_not_say_the_length(client: &Client<'_>) -> Outcome {
    let place = deferred(client)?;
    let status = patch_with_length(client, &place, (30, b"more\n"), 90)?.status;
    demand!(status == 409, "it is answered {status}, not 409");
    expect_length(client, &place, None)
}

fn a_length_beyond_the_maximum_said_later_is_413(client: &Client<'_>) -> Outcome {
    let maximum = client.target.offer.size_max;
    let maximum = maximum.ok_or_else(|| not_offered("no Tus-Max-Size"))?;
    let too_much = usize::try_from(maximum.saturating_add(1)).unwrap_or(usize::MAX);
    let place = deferred(client)?;
    let status = patch_with_length(client, &place, (0, b"a few\n"), too_much)?.status;
    demand!(
        status == 413,
        "{too_much} bytes are answered {status}, not 413"
    );
    Ok(())
}
