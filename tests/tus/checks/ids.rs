//! Addresses of uploads that nobody was given.

use crate::check::{Outcome, checks, demand};
use crate::client::Client;
use crate::wire::Place;

checks! {
    Care "Core: HEAD" [] paths_that_climb_lead_nowhere;
    Care "Core: HEAD" [] encoded_paths_that_climb_lead_nowhere;
    Care "Core: HEAD" [] ids_with_control_characters_lead_nowhere;
    Care "Core: HEAD" [] ids_that_are_not_utf_8_lead_nowhere;
    Care "Core: HEAD" [] overlong_ids_lead_nowhere;
    Care "Core: HEAD" ["creation"] an_id_with_something_behind_it_leads_nowhere;
    Care "Core: HEAD" ["creation"] an_id_in_other_letters_leads_nowhere;
}

fn expect_404(client: &Client<'_>, place: &Place) -> Outcome {
    for method in ["HEAD", "PATCH", "DELETE"] {
        let request = match method {
            "PATCH" => client.patching(place, "0").body(b"more\n"),
            _ => client.request(method, place),
        };
        let answer = request.send()?;
        let (status, path) = (answer.status, &place.path);
        demand!(
            matches!(status, 404 | 410),
            "{method} {path} is answered {status}, not 404"
        );
        let offset = answer.header("Upload-Offset");
        demand!(
            offset.is_none(),
            "{method} {path} says Upload-Offset {offset:?}"
        );
    }
    Ok(())
}

fn expect_nowhere(client: &Client<'_>, ids: &[&str]) -> Outcome {
    let base = &client.target.base;
    let mut places = ids.iter().map(|id| base.below(&format!("/{id}")));
    places.try_for_each(|place| expect_404(client, &place))
}

fn paths_that_climb_lead_nowhere(client: &Client<'_>) -> Outcome {
    expect_nowhere(
        client,
        &["../x", "../../etc/passwd", "./x", "a/../b", "a//b"],
    )
}

fn encoded_paths_that_climb_lead_nowhere(client: &Client<'_>) -> Outcome {
    let ids = [
        "..%2fx",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%5cx",
        "..%252fx",
        "%2fetc%2fpasswd",
    ];
    expect_nowhere(client, &ids)
}

fn ids_with_control_characters_lead_nowhere(client: &Client<'_>) -> Outcome {
    expect_nowhere(
        client,
        &["%00", "x%00.txt", "x%0d%0aSet-Cookie:%20x=1", "%7f", "%20"],
    )
}

fn ids_that_are_not_utf_8_lead_nowhere(client: &Client<'_>) -> Outcome {
    expect_nowhere(client, &["%ff", "%c0%ae%c0%ae", "%", "%zz"])
}

fn overlong_ids_lead_nowhere(client: &Client<'_>) -> Outcome {
    expect_nowhere(client, &[&"a".repeat(300), &"0".repeat(4000)])
}

fn an_id_with_something_behind_it_leads_nowhere(client: &Client<'_>) -> Outcome {
    let place = client.create(10)?;
    for rest in ["%00", "%20", ".json", "%2f..", "a"] {
        expect_404(client, &place.at(&format!("{}{rest}", place.path)))?;
    }
    client.expect_offset(&place, 0)
}

fn an_id_in_other_letters_leads_nowhere(client: &Client<'_>) -> Outcome {
    let place = client.create(10)?;
    let (folder, id) = place.path.rsplit_once('/').unwrap_or_default();
    let other = match id.chars().any(|c| c.is_ascii_lowercase()) {
        true => id.to_ascii_uppercase(),
        false => id.to_ascii_lowercase(),
    };
    if other == id {
        return Ok(());
    }
    expect_404(client, &place.at(&format!("{folder}/{other}")))?;
    client.expect_offset(&place, 0)
}
