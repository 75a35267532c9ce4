//! Numbers that are none, or too large for what holds them.
//!
//! The protocol says only that lengths and offsets are integers that are not negative. A server
//! that reads `5,5` as 5 or wraps 2^64 around keeps books that nobody else agrees with.

use crate::check::{Outcome, checks, demand};
use crate::client::{Client, text};

checks! {
    Care "Core: Upload-Length" ["creation"] a_negative_length_is_refused;
    Care "Core: Upload-Length" ["creation"] a_length_with_a_sign_is_refused;
    Care "Core: Upload-Length" ["creation"] a_length_that_is_a_list_is_refused;
    Care "Core: Upload-Length" ["creation"] a_length_that_is_no_whole_number_is_refused;
    Care "Core: Upload-Length" ["creation"] a_length_that_is_empty_is_refused;
    Care "Core: Upload-Length" ["creation"] a_length_of_2_to_the_63_is_refused;
    Care "Core: Upload-Length" ["creation"] a_length_of_2_to_the_64_is_refused;
    Care "Core: Upload-Length" ["creation"] a_length_of_a_hundred_digits_is_refused;
    Care "Core: Upload-Length" ["creation"] two_lengths_are_refused;
    Must "Core: Upload-Offset" ["creation"] an_offset_that_is_no_number_changes_nothing;
    Must "Core: Upload-Offset" ["creation"] an_offset_beyond_64_bits_changes_nothing;
    Care "Core: Upload-Offset" ["creation"] two_offsets_are_refused;
    Care "Creation: Upload-Defer-Length" ["creation-defer-length"]
        a_later_length_that_is_no_number_is_refused;
    Must "RFC 9112: Content-Length" ["creation"] a_body_length_that_is_no_number_is_refused;
    Must "RFC 9112: Content-Length" ["creation"] two_body_lengths_that_differ_are_refused;
}

/// Demands that no upload of this length is made.
fn expect_no_upload(client: &Client<'_>, lengths: &[&str]) -> Outcome {
    for length in lengths {
        let answer = client.try_to_create(&[("Upload-Length", length)])?;
        let (status, location) = (answer.status, answer.header("Location"));
        demand!(
            matches!(status, 400 | 413) && location.is_none(),
            "`{length}` is answered {status} with Location {location:?}, not 400 or 413"
        );
    }
    Ok(())
}

fn a_negative_length_is_refused(client: &Client<'_>) -> Outcome {
    expect_no_upload(client, &["-1", "-0", "-9223372036854775808"])
}

fn a_length_with_a_sign_is_refused(client: &Client<'_>) -> Outcome {
    expect_no_upload(client, &["+5"])
}

fn a_length_that_is_a_list_is_refused(client: &Client<'_>) -> Outcome {
    expect_no_upload(client, &["5,5", "5, 6", "5 5", "5;5"])
}

fn a_length_that_is_no_whole_number_is_refused(client: &Client<'_>) -> Outcome {
    expect_no_upload(
        client,
        &["5.0", "1e3", "0x10", "ten", "NaN", "Infinity", "5\u{a0}"],
    )
}

fn a_length_that_is_empty_is_refused(client: &Client<'_>) -> Outcome {
    expect_no_upload(client, &[""])
}

fn a_length_of_2_to_the_63_is_refused(client: &Client<'_>) -> Outcome {
    expect_no_upload(client, &["9223372036854775807", "9223372036854775808"])
}

fn a_length_of_2_to_the_64_is_refused(client: &Client<'_>) -> Outcome {
    // One that is 5 if it wraps around.
    let wrapped = "18446744073709551621";
    expect_no_upload(
        client,
        &["18446744073709551615", "18446744073709551616", wrapped],
    )
}

fn a_length_of_a_hundred_digits_is_refused(client: &Client<'_>) -> Outcome {
    expect_no_upload(client, &[&"9".repeat(100)])
}

fn two_lengths_are_refused(client: &Client<'_>) -> Outcome {
    for (first, second) in [("5", "6"), ("5", "5")] {
        let headers = [("Upload-Length", first), ("Upload-Length", second)];
        let answer = client.try_to_create(&headers)?;
        let status = answer.status;
        demand!(
            status == 400,
            "{first} and {second} are answered {status}, not 400"
        );
    }
    Ok(())
}

/// Demands that nothing is written at this offset of an upload that is at 20.
fn expect_unchanged(client: &Client<'_>, offsets: &[&str]) -> Outcome {
    let place = client.create(100)?;
    client.append(&place, 0, &text("an offset", 20))?;
    for offset in offsets {
        let answer = client.patching(&place, offset).body(b"more\n").send();
        let refused = client.expect_refused(answer);
        demand!(refused.is_ok(), "offset `{offset}`: {refused:?}");
        let kept = client.expect_offset(&place, 20);
        demand!(kept.is_ok(), "after offset `{offset}`: {kept:?}");
    }
    Ok(())
}

fn an_offset_that_is_no_number_changes_nothing(client: &Client<'_>) -> Outcome {
    expect_unchanged(
        client,
        &["-20", "+20", "20,20", "20 20", "20.0", "0x14", "", "twenty"],
    )
}

fn an_offset_beyond_64_bits_changes_nothing(client: &Client<'_>) -> Outcome {
    // The last is 20 if it wraps around; the first is 4 behind its body.
    let wrapping = [
        "18446744073709551615",
        "9223372036854775807",
        "18446744073709551636",
    ];
    expect_unchanged(client, &wrapping)
}

fn two_offsets_are_refused(client: &Client<'_>) -> Outcome {
    let place = client.create(100)?;
    client.append(&place, 0, &text("an offset", 20))?;
    for second in ["0", "20"] {
        let request = client
            .patching(&place, "20")
            .header("Upload-Offset", second);
        let answer = request.body(b"more\n").send();
        client.expect_refused(answer)?;
        client.expect_offset(&place, 20)?;
    }
    Ok(())
}

fn a_later_length_that_is_no_number_is_refused(client: &Client<'_>) -> Outcome {
    let place = client.create_with(&[("Upload-Defer-Length", "1")])?;
    for length in ["-5", "+5", "5,5", "five", "18446744073709551621"] {
        let request = client.patching(&place, "0").header("Upload-Length", length);
        let refused = client.expect_refused(request.body(b"more\n").send());
        demand!(refused.is_ok(), "length `{length}`: {refused:?}");
    }
    client.expect_offset(&place, 0)
}

fn a_body_length_that_is_no_number_is_refused(client: &Client<'_>) -> Outcome {
    let place = client.create(100)?;
    for length in ["-5", "+5", "5,6", "five", "5.0"] {
        let request = client
            .patching(&place, "0")
            .header("Content-Length", length);
        let refused = client.expect_refused(request.body(b"more\n").send());
        demand!(refused.is_ok(), "Content-Length `{length}`: {refused:?}");
        client.expect_offset(&place, 0)?;
    }
    Ok(())
}

fn two_body_lengths_that_differ_are_refused(client: &Client<'_>) -> Outcome {
    let place = client.create(100)?;
    let request = client.patching(&place, "0").header("Content-Length", "5");
    let request = request.header("Content-Length", "6");
    client.expect_refused(request.body(b"more\n\n").send())?;
    client.expect_offset(&place, 0)
}
