//! HEAD: how much is there.

use crate::check::{Outcome, checks, demand};
use crate::client::{Client, text};
use crate::wire::Wire;

checks! {
    Must "Core: HEAD" ["creation"] head_says_the_offset_even_when_it_is_0;
    Must "Core: HEAD" ["creation"] head_says_the_offset_of_a_finished_upload;
    Must "Core: HEAD" ["creation"] head_says_the_length_that_is_known;
    Must "Core: HEAD" ["creation"] head_may_not_be_cached;
    Should "Core: HEAD" [] head_of_nothing_is_404_410_or_403_without_an_offset;
    Must "RFC 9110: HEAD" ["creation"] an_answer_to_head_has_no_body;
}

fn head_says_the_offset_even_when_it_is_0(client: &Client<'_>) -> Outcome {
    let place = client.create(10)?;
    client.expect_offset(&place, 0)
}

fn head_says_the_offset_of_a_finished_upload(client: &Client<'_>) -> Outcome {
    let bytes = text("an end", 300);
    let place = client.create(bytes.len())?;
    client.append(&place, 0, &bytes)?;
    client.expect_offset(&place, bytes.len())
}

fn head_says_the_length_that_is_known(client: &Client<'_>) -> Outcome {
    let place = client.create(300)?;
    client.append(&place, 0, &text("a length", 20))?;
    let answer = client.head(&place)?;
    let length = answer.header("Upload-Length");
    demand!(
        length == Some("300"),
        "Upload-Length is {length:?}, not 300"
    );
    let deferred = answer.header("Upload-Defer-Length");
    demand!(deferred.is_none(), "Upload-Defer-Length is {deferred:?}");
    Ok(())
}

fn head_may_not_be_cached(client: &Client<'_>) -> Outcome {
    let place = client.create(10)?;
    let answer = client.head(&place)?;
    let said = answer.list("Cache-Control");
    let has = said.iter().any(|directive| directive == "no-store");
    demand!(has, "Cache-Control is {said:?}, without no-store");
    Ok(())
}

fn head_of_nothing_is_404_410_or_403_without_an_offset(client: &Client<'_>) -> Outcome {
    let base = &client.target.base;
    client.expect_gone(&base.below("/0123456789abcdef0123456789abcdef"))
}

fn an_answer_to_head_has_no_body(client: &Client<'_>) -> Outcome {
    let place = client.create(10)?;
    let mut wire = Wire::connect(&place)?;
    let request = client.request("HEAD", &place).without("Connection");
    wire.write(&request.head())?;
    wire.answer("HEAD")?;
    // Bytes of a body would stand where this answer begins.
    wire.write(&request.head())?;
    wire.answer("HEAD")?;
    Ok(())
}
