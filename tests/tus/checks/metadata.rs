//! `Upload-Metadata`: what comes back, and what is no metadata at all.

use crate::check::{Outcome, checks, demand};
use crate::client::Client;

checks! {
    Must "Creation: Upload-Metadata" ["creation"] metadata_comes_back_as_it_was_given;
    Must "Creation: Upload-Metadata" ["creation"] a_key_may_stand_without_a_value;
    Must "Creation: Upload-Metadata" ["creation"] a_value_may_be_empty_behind_its_space;
    Must "Creation: Upload-Metadata" ["creation"] metadata_of_a_finished_upload_comes_back;
    Should "Creation: Upload-Metadata" ["creation"] a_value_smuggles_no_header_into_answers;
    Care "Creation: Upload-Metadata" ["creation"] a_key_that_stands_twice_is_400;
    Care "Creation: Upload-Metadata" ["creation"] an_empty_key_is_400;
    Care "Creation: Upload-Metadata" ["creation"] a_value_that_is_not_base64_is_400;
    Care "Creation: Upload-Metadata" ["creation"] a_pair_of_three_words_is_400;
}

/// `filename a.txt` and `filetype text/plain`.
const FILE: &str = "filename YS50eHQ=,filetype dGV4dC9wbGFpbg==";

/// Keys and encoded values; a missing value is an empty one.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| match pair.trim_start().split_once(' ') {
        Some((key, value)) => (key.to_owned(), value.trim().to_owned()),
        None => (pair.trim().to_owned(), String::new()),
    };
    let mut pairs: Vec<_> = text.split(',').map(pair).collect();
    pairs.sort();
    pairs
}

fn expect_back(client: &Client<'_>, metadata: &str) -> Outcome {
    let headers = [("Upload-Length", "10"), ("Upload-Metadata", metadata)];
    let place = client.create_with(&headers)?;
    let answer = client.head(&place)?;
    let back = answer.header("Upload-Metadata").unwrap_or_default();
    demand!(
        pairs(back) == pairs(metadata),
        "`{metadata}` comes back as `{back}`"
    );
    Ok(())
}

fn expect_400(client: &Client<'_>, metadata: &str) -> Outcome {
    let headers = [("Upload-Length", "10"), ("Upload-Metadata", metadata)];
    let status = client.try_to_create(&headers)?.status;
    demand!(status == 400, "`{metadata}` is answered {status}, not 400");
    Ok(())
}

fn metadata_comes_back_as_it_was_given(client: &Client<'_>) -> Outcome {
    expect_back(client, FILE)?;
    // Text beyond ASCII, and a key of a client's own.
    let wide = "filename w7zDpMO2LnR4dA==,filetype dGV4dC9wbGFpbg==,x-shade YmxhdQ==";
    expect_back(client, wide)
}

fn a_key_may_stand_without_a_value(client: &Client<'_>) -> Outcome {
    expect_back(client, &format!("{FILE},is_confidential"))
}

fn a_value_may_be_empty_behind_its_space(client: &Client<'_>) -> Outcome {
    expect_back(client, &format!("is_confidential ,{FILE}"))
}

fn metadata_of_a_finished_upload_comes_back(client: &Client<'_>) -> Outcome {
    let bytes = b"a few words\n";
    let place = client.create(bytes.len())?;
    client.append(&place, 0, bytes)?;
    let answer = client.head(&place)?;
    let back = answer.header("Upload-Metadata").unwrap_or_default();
    demand!(pairs(back) == pairs(FILE), "it comes back as `{back}`");
    Ok(())
}

fn a_value_smuggles_no_header_into_answers(client: &Client<'_>) -> Outcome {
    // "a\r\nSet-Cookie: x=1\r\n\r\n.txt"
    let value = "YQ0KU2V0LUNvb2tpZTogeD0xDQoNCi50eHQ=";
    let metadata = format!("filename {value},filetype dGV4dC9wbGFpbg==,note {value}");
    let headers = [("Upload-Length", "10"), ("Upload-Metadata", &metadata)];
    let answer = client.try_to_create(&headers)?;
    let smuggled = answer.header("Set-Cookie") == Some("x=1");
    demand!(!smuggled, "POST sets the cookie");
    // To refuse it is as good as to keep it out.
    if answer.status != 201 {
        return client.expect_refused(Ok(answer));
    }
    let answer = client.head(&client.created(&answer)?)?;
    let smuggled = answer.header("Set-Cookie") == Some("x=1");
    demand!(!smuggled, "HEAD sets the cookie");
    Ok(())
}

fn a_key_that_stands_twice_is_400(client: &Client<'_>) -> Outcome {
    expect_400(client, &format!("{FILE},filename Yi50eHQ="))
}

fn an_empty_key_is_400(client: &Client<'_>) -> Outcome {
    expect_400(client, &format!("{FILE},,note YQ=="))?;
    expect_400(client, &format!("{FILE},"))
}

fn a_value_that_is_not_base64_is_400(client: &Client<'_>) -> Outcome {
    expect_400(client, &format!("{FILE},note ***"))?;
    expect_400(client, &format!("{FILE},note YQ==YQ=="))
}

fn a_pair_of_three_words_is_400(client: &Client<'_>) -> Outcome {
    expect_400(client, &format!("{FILE},note YQ== YQ=="))
}
