//! Which version is spoken, what the server says it can do, and methods in disguise.

use crate::check::{Outcome, checks, demand};
use crate::client::{Client, OFFSET_BYTES, text};
use crate::wire::{Answer, Request};

checks! {
    Must "Core: OPTIONS" [] options_is_answered_with_the_versions;
    Must "Core: OPTIONS" [] options_ignores_the_version_of_the_client;
    Must "Core: Tus-Max-Size" [] the_maximum_is_a_number;
    Must "Creation With Upload" [] creation_with_upload_is_offered_only_beside_creation;
    Must "Core: Tus-Resumable" ["creation"] answers_say_the_version;
    Must "Core: Tus-Resumable" ["creation"] refusals_say_the_version;
    Must "Core: Tus-Resumable" ["creation"] an_unknown_version_is_412_with_the_versions;
    Must "Core: Tus-Resumable" ["creation"] a_patch_of_an_unknown_version_is_not_carried_out;
    Must "Core: Tus-Resumable" ["creation", "termination"]
        a_delete_of_an_unknown_version_is_not_carried_out;
    Care "Core: Tus-Resumable" [] a_creation_without_a_version_is_412;
    Care "Core: Tus-Resumable" ["creation"] a_patch_without_a_version_is_412;
    Must "Core: X-HTTP-Method-Override" ["creation"] a_patch_may_come_as_a_post;
    Must "Core: X-HTTP-Method-Override" ["creation", "termination"] a_delete_may_come_as_a_post;
    Must "Core: X-HTTP-Method-Override" ["creation", "termination"]
        the_actual_method_is_ignored_when_another_is_named;
}

/// A version that nobody speaks.
const UNKNOWN: &str = "0.0.1";

fn options(client: &Client<'_>) -> Request {
    client
        .request("OPTIONS", &client.target.base)
        .without("Tus-Resumable")
}

fn expect_versions(answer: &Answer) -> Outcome {
    let versions = answer.list("Tus-Version");
    let has = versions.iter().any(|version| version == "1.0.0");
    demand!(has, "Tus-Version lists {versions:?}, without 1.0.0");
    Ok(())
}

fn options_is_answered_with_the_versions(client: &Client<'_>) -> Outcome {
    let answer = options(client).send()?;
    let status = answer.status;
    demand!(matches!(status, 200 | 204), "it is answered {status}");
    expect_versions(&answer)
}

fn options_ignores_the_version_of_the_client(client: &Client<'_>) -> Outcome {
    let answer = options(client).header("Tus-Resumable", UNKNOWN).send()?;
    let status = answer.status;
    demand!(matches!(status, 200 | 204), "it is answered {status}");
    expect_versions(&answer)
}

fn the_maximum_is_a_number(client: &Client<'_>) -> Outcome {
    let answer = options(client).send()?;
    let said = answer.header("Tus-Max-Size");
    let is_number = said.is_none() || answer.number("Tus-Max-Size").is_some();
    demand!(is_number, "Tus-Max-Size is {said:?}");
    Ok(())
}

fn creation_with_upload_is_offered_only_beside_creation(client: &Client<'_>) -> Outcome {
    let offer = &client.target.offer;
    let alone = offer.has("creation-with-upload") && !offer.has("creation");
    demand!(!alone, "creation-with-upload is offered, creation is not");
    Ok(())
}

fn expect_version(answer: &Answer, of: &str) -> Outcome {
    let said = answer.header("Tus-Resumable");
    let status = answer.status;
    demand!(
        said == Some("1.0.0"),
        "{of}, answered {status}, says Tus-Resumable {said:?}"
    );
    Ok(())
}

fn answers_say_the_version(client: &Client<'_>) -> Outcome {
    let created = client.try_to_create(&[("Upload-Length", "10")])?;
    expect_version(&created, "POST")?;
    let place = client.created(&created)?;
    expect_version(&client.head(&place)?, "HEAD")?;
    expect_version(&client.patch(&place, 0, b"five\n")?, "PATCH")
}

fn refusals_say_the_version(client: &Client<'_>) -> Outcome {
    let place = client.create(10)?;
    let conflict = client.patch(&place, 7, b"x")?;
    expect_version(&conflict, "PATCH at a wrong offset")?;
    let missing = client
        .target
        .base
        .below("/0123456789abcdef0123456789abcdef");
    expect_version(&client.head(&missing)?, "HEAD of nothing")?;
    let lengthless = client.try_to_create(&[])?;
    expect_version(&lengthless, "POST without a length")
}

fn expect_412(answer: &Answer, of: &str) -> Outcome {
    let status = answer.status;
    demand!(status == 412, "{of} is answered {status}, not 412");
    expect_versions(answer)
}

fn an_unknown_version_is_412_with_the_versions(client: &Client<'_>) -> Outcome {
    let place = client.create(10)?;
    let disguise = |request: Request| {
        let request = request.without("Tus-Resumable");
        request.header("Tus-Resumable", UNKNOWN).send()
    };
    let creation = client.creation(&[("Upload-Length", "10")]);
    expect_412(&disguise(creation)?, "POST")?;
    expect_412(&disguise(client.request("HEAD", &place))?, "HEAD")?;
    let patch = client.patching(&place, "0").body(b"five\n");
    expect_412(&disguise(patch)?, "PATCH")
}

fn a_patch_of_an_unknown_version_is_not_carried_out(client: &Client<'_>) -> Outcome {
    let place = client.create(10)?;
    let patch = client.patching(&place, "0").without("Tus-Resumable");
    patch
        .header("Tus-Resumable", UNKNOWN)
        .body(b"five\n")
        .send()?;
    client.expect_offset(&place, 0)
}

fn a_delete_of_an_unknown_version_is_not_carried_out(client: &Client<'_>) -> Outcome {
    let place = client.create(10)?;
    let delete = client.request("DELETE", &place).without("Tus-Resumable");
    let answer = delete.header("Tus-Resumable", UNKNOWN).send()?;
    expect_412(&answer, "DELETE")?;
    client.expect_offset(&place, 0)
}

fn a_creation_without_a_version_is_412(client: &Client<'_>) -> Outcome {
    let creation = client.creation(&[("Upload-Length", "10")]);
    let answer = client.send_creation(creation.without("Tus-Resumable"))?;
    expect_412(&answer, "POST")
}

fn a_patch_without_a_version_is_412(client: &Client<'_>) -> Outcome {
    let place = client.create(10)?;
    let patch = client.patching(&place, "0").without("Tus-Resumable");
    expect_412(&patch.body(b"five\n").send()?, "PATCH")?;
    client.expect_offset(&place, 0)
}

fn disguised(
    client: &Client<'_>,
    actual: &str,
    meant: &str,
    place: &crate::wire::Place,
) -> Request {
    client
        .request(actual, place)
        .header("X-HTTP-Method-Override", meant)
}

fn a_patch_may_come_as_a_post(client: &Client<'_>) -> Outcome {
    let bytes = text("disguise", 40);
    let place = client.create(bytes.len())?;
    let request = disguised(client, "POST", "PATCH", &place)
        .header("Content-Type", OFFSET_BYTES)
        .header("Upload-Offset", "0");
    let status = request.body(&bytes).send()?.status;
    demand!(status == 204, "it is answered {status}, not 204");
    client.expect_offset(&place, bytes.len())
}

fn a_delete_may_come_as_a_post(client: &Client<'_>) -> Outcome {
    let place = client.create(10)?;
    let status = disguised(client, "POST", "DELETE", &place).send()?.status;
    demand!(status == 204, "it is answered {status}, not 204");
    client.expect_gone(&place)
}

fn the_actual_method_is_ignored_when_another_is_named(client: &Client<'_>) -> Outcome {
    let bytes = text("disguise", 40);
    let place = client.create(bytes.len() + 1)?;
    let request = disguised(client, "DELETE", "PATCH", &place)
        .header("Content-Type", OFFSET_BYTES)
        .header("Upload-Offset", "0")
        .header("Content-Length", &bytes.len().to_string());
    let status = request.body(&bytes).send()?.status;
    demand!(
        status == 204,
        "a DELETE that means PATCH is answered {status}"
    );
    client.expect_offset(&place, bytes.len())
}
