//! New uploads: their addresses, their lengths, what is too much.

use crate::check::{Outcome, checks, demand};
use crate::client::{Client, not_offered, text};

checks! {
    Must "Creation: POST" ["creation"] a_creation_is_201_with_a_location;
    Must "Creation: POST" ["creation"] a_new_upload_is_at_offset_0_and_knows_its_length;
    Must "Creation: POST" ["creation"] each_creation_has_an_address_of_its_own;
    Must "Creation: POST" ["creation"] an_upload_of_no_bytes_can_be_created;
    Must "Creation: POST" ["creation"] an_upload_beyond_the_maximum_is_413;
    Care "Creation: POST" ["creation"] a_creation_without_a_length_is_400;
    Care "Creation: POST" ["creation", "creation-defer-length"]
        a_creation_with_a_length_and_a_deferral_is_400;
    Care "Creation: POST" ["creation"] addresses_cannot_be_guessed_from_one_another;
    Care "Creation: POST" ["creation"] the_name_of_a_file_is_no_part_of_its_address;
}

fn a_creation_is_201_with_a_location(client: &Client<'_>) -> Outcome {
    client.create(10)?;
    Ok(())
}

fn a_new_upload_is_at_offset_0_and_knows_its_length(client: &Client<'_>) -> Outcome {
    let place = client.create(4321)?;
    client.expect_offset(&place, 0)?;
    let answer = client.head(&place)?;
    let length = answer.header("Upload-Length");
    demand!(
        length == Some("4321"),
        "HEAD says Upload-Length {length:?}, not 4321"
    );
    Ok(())
}

fn each_creation_has_an_address_of_its_own(client: &Client<'_>) -> Outcome {
    let bytes = text("one of two", 20);
    let (one, other) = (client.create(bytes.len())?, client.create(bytes.len())?);
    demand!(one != other, "two creations are both at {}", one.url());
    client.append(&one, 0, &bytes)?;
    client.expect_offset(&other, 0)
}

/// What becomes of it is the server's matter: it may be stored, or refused as an empty file.
fn an_upload_of_no_bytes_can_be_created(client: &Client<'_>) -> Outcome {
    client.create(0)?;
    Ok(())
}

fn an_upload_beyond_the_maximum_is_413(client: &Client<'_>) -> Outcome {
    let maximum = client.target.offer.size_max;
    let maximum = maximum.ok_or_else(|| not_offered("no Tus-Max-Size"))?;
    let too_much = maximum.saturating_add(1).to_string();
    let answer = client.try_to_create(&[("Upload-Length", &too_much)])?;
    let (status, location) = (answer.status, answer.header("Location"));
    demand!(
        status == 413,
        "{too_much} bytes are answered {status}, not 413"
    );
    demand!(location.is_none(), "413 has a Location, {location:?}");
    Ok(())
}

fn a_creation_without_a_length_is_400(client: &Client<'_>) -> Outcome {
    let status = client.try_to_create(&[])?.status;
    demand!(status == 400, "it is answered {status}, not 400");
    Ok(())
}

fn a_creation_with_a_length_and_a_deferral_is_400(client: &Client<'_>) -> Outcome {
    let both = [("Upload-Length", "10"), ("Upload-Defer-Length", "1")];
    let status = client.try_to_create(&both)?.status;
    demand!(status == 400, "it is answered {status}, not 400");
    Ok(())
}

/// Shortest part of an address that only one upload has, characters: 128 bits in base64.
const UNGUESSABLE_CHARS_MIN: usize = 22;

fn addresses_cannot_be_guessed_from_one_another(client: &Client<'_>) -> Outcome {
    let (one, other) = (client.create(10)?, client.create(10)?);
    let ours = one.path.rsplit('/').next().unwrap_or_default();
    let theirs = other.path.rsplit('/').next().unwrap_or_default();
    demand!(
        ours.len() >= UNGUESSABLE_CHARS_MIN,
        "`{ours}` has less than {UNGUESSABLE_CHARS_MIN} characters"
    );
    let same = ours.bytes().zip(theirs.bytes()).filter(|(a, b)| a == b);
    let same = same.count();
    demand!(
        same * 2 <= ours.len(),
        "`{ours}` and `{theirs}` have {same} characters in common"
    );
    Ok(())
}

fn the_name_of_a_file_is_no_part_of_its_address(client: &Client<'_>) -> Outcome {
    // ../../passwd.txt
    let metadata = "filename Li4vLi4vcGFzc3dkLnR4dA==,filetype dGV4dC9wbGFpbg==";
    let headers = [("Upload-Length", "10"), ("Upload-Metadata", metadata)];
    let place = client.create_with(&headers)?;
    let path = &place.path;
    let is_clean = !path.contains("..") && !path.contains("passwd");
    demand!(is_clean, "the upload is at {path}");
    client.expect_offset(&place, 0)
}
