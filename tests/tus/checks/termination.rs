//! DELETE: uploads that nobody wants any more.

use crate::check::{Outcome, checks, demand};
use crate::client::{Client, not_offered, text};

checks! {
    Must "Termination: DELETE" ["creation", "termination"] a_new_upload_is_terminated_with_204;
    Must "Termination: DELETE" ["creation", "termination"] a_begun_upload_is_terminated_with_204;
    Must "Termination: DELETE" ["creation", "termination"]
        a_finished_upload_is_terminated_or_has_become_something_else;
    Should "Termination: DELETE" ["creation", "termination"]
        a_terminated_upload_is_gone_for_head;
    Should "Termination: DELETE" ["creation", "termination"]
        a_terminated_upload_is_gone_for_patch;
    Should "Termination: DELETE" ["creation", "termination"]
        a_terminated_upload_is_gone_for_delete;
    Care "Termination: DELETE" ["termination"] a_delete_of_nothing_is_404_or_410;
}

fn terminate(client: &Client<'_>, place: &crate::wire::Place) -> Outcome {
    let status = client.request("DELETE", place).send()?.status;
    demand!(status == 204, "DELETE is answered {status}, not 204");
    Ok(())
}

fn a_new_upload_is_terminated_with_204(client: &Client<'_>) -> Outcome {
    terminate(client, &client.create(90)?)
}

fn a_begun_upload_is_terminated_with_204(client: &Client<'_>) -> Outcome {
    let place = client.create(90)?;
    client.append(&place, 0, &text("an end", 30))?;
    terminate(client, &place)
}

/// A server may have made something else of it by then, which other means delete.
fn a_finished_upload_is_terminated_or_has_become_something_else(client: &Client<'_>) -> Outcome {
    let bytes = text("an end", 90);
    let place = client.create(bytes.len())?;
    client.append(&place, 0, &bytes)?;
    let status = client.request("DELETE", &place).send()?.status;
    match status {
        204 => client.expect_gone(&place),
        409 => {
            client.expect_offset(&place, bytes.len())?;
            Err(not_offered("a finished upload is no upload any more, 409"))
        }
        other => Err(format!("DELETE is answered {other}, not 204").into()),
    }
}

fn a_terminated_upload_is_gone_for_head(client: &Client<'_>) -> Outcome {
    let place = client.create(90)?;
    terminate(client, &place)?;
    client.expect_gone(&place)
}

fn expect_404_or_410(status: u16, of: &str) -> Outcome {
    let is_gone = matches!(status, 404 | 410);
    demand!(is_gone, "{of} is answered {status}, not 404 or 410");
    Ok(())
}

fn a_terminated_upload_is_gone_for_patch(client: &Client<'_>) -> Outcome {
    let place = client.create(90)?;
    client.append(&place, 0, &text("an end", 30))?;
    terminate(client, &place)?;
    let answer = client.patch(&place, 30, &text("an end", 60))?;
    expect_404_or_410(answer.status, "PATCH")
}

fn a_terminated_upload_is_gone_for_delete(client: &Client<'_>) -> Outcome {
    let place = client.create(90)?;
    terminate(client, &place)?;
    let answer = client.request("DELETE", &place).send()?;
    expect_404_or_410(answer.status, "DELETE")
}

fn a_delete_of_nothing_is_404_or_410(client: &Client<'_>) -> Outcome {
    let base = &client.target.base;
    let missing = base.below("/0123456789abcdef0123456789abcdef");
    let answer = client.request("DELETE", &missing).send()?;
    expect_404_or_410(answer.status, "DELETE")
}
