//! Several requests for one upload at once: one of them writes, and no acknowledged byte is lost.
//!
//! Which one wins is the server's choice. It may let the second wait, refuse it, or end the first.

use std::sync::Barrier;
use std::thread;

use crate::check::{Outcome, checks, demand};
use crate::client::{Client, text};
use crate::wire::{Answer, NoAnswer, Place, Wire};

checks! {
    Must "Core: PATCH" ["creation"] of_patches_at_one_offset_only_one_is_taken;
    Must "Core: PATCH" ["creation"] of_slow_patches_at_one_offset_at_most_one_is_taken;
    Care "Core: HEAD" ["creation"] offsets_never_decrease_during_a_patch;
    Care "Termination: DELETE" ["creation", "termination"]
        an_upload_that_is_terminated_during_a_patch_stays_gone;
    Care "Termination: DELETE" ["creation", "termination"] of_two_deletes_one_is_204;
    Care "Creation: Upload-Defer-Length" ["creation-defer-length"]
        of_two_lengths_said_at_once_one_is_kept;
}

/// Bytes of a body that is sent in pieces.
const WHOLE: usize = 256 * 1024;
const PIECE: usize = 32 * 1024;
/// Writers at once.
const WRITER_COUNT: usize = 4;

/// What became of requests that were made at once.
type Answers = Vec<Result<Answer, NoAnswer>>;

/// The offsets that were acknowledged. A PATCH that another request ended may be answered 204 with
/// the bytes that were read until then, even if those are none.
fn acknowledged(answers: &Answers) -> Vec<u64> {
    let taken = answers.iter().flatten();
    let taken = taken.filter(|answer| answer.status == 204);
    let offsets = taken.map(|answer| answer.number("Upload-Offset").unwrap_or(u64::MAX));
    offsets.filter(|offset| *offset > 0).collect()
}

/// Demands that an upload holds the beginning of one of these bodies and all that was acknowledged.
/// Which one can only be seen where finished uploads can be read, so it is finished.
fn expect_one_stream(
    client: &Client<'_>,
    place: &Place,
    bodies: &[Vec<u8>],
    answers: &Answers,
) -> Outcome {
    let acknowledged = acknowledged(answers);
    let is_one = acknowledged.len() <= 1;
    demand!(
        is_one,
        "PATCHes at one offset are answered 204 at {acknowledged:?}"
    );
    let offset = client.offset(place)?;
    let is_kept = acknowledged.iter().all(|known| *known <= offset);
    demand!(
        is_kept,
        "{acknowledged:?} is acknowledged, the offset is {offset}"
    );
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    demand!(offset <= WHOLE, "the offset is {offset} of {WHOLE}");
    client.append(place, offset, &bodies[0][offset..])?;
    let Some(stored) = client.stored(place) else {
        return Ok(());
    };
    let is_one = bodies.iter().any(|body| body[..offset] == stored[..offset]);
    demand!(is_one, "the first {offset} bytes are of no single body");
    Ok(())
}

fn bodies(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| text(word, WHOLE)).collect()
}

fn of_patches_at_one_offset_only_one_is_taken(client: &Client<'_>) -> Outcome {
    let place = client.create(WHOLE)?;
    let bodies = bodies(&["north", "south", "east", "west"]);
    let start = Barrier::new(WRITER_COUNT);
    let requests = bodies
        .iter()
        .map(|body| client.patching(&place, "0").body(body));
    let requests: Vec<_> = requests.collect();
    let answers: Answers = thread::scope(|scope| {
        let start = &start;
        let writers = requests.into_iter().map(|request| {
            scope.spawn(move || {
                start.wait();
                request.send()
            })
        });
        let writers: Vec<_> = writers.collect();
        let ends = writers.into_iter().map(|writer| writer.join());
        ends.map(|end| end.unwrap_or(Err(NoAnswer::Closed)))
            .collect()
    });
    expect_one_stream(client, &place, &bodies, &answers)
}

fn of_slow_patches_at_one_offset_at_most_one_is_taken(client: &Client<'_>) -> Outcome {
    let place = client.create(WHOLE)?;
    let bodies = bodies(&["north", "south"]);
    let mut wires = Vec::new();
    for _ in &bodies {
        let mut wire = Wire::connect(&place)?;
        let request = client.patching(&place, "0");
        let request = request.header("Content-Length", &WHOLE.to_string());
        wire.write(&request.head())?;
        wires.push(wire);
    }
    for at in (0..WHOLE).step_by(PIECE) {
        for (wire, body) in wires.iter_mut().zip(&bodies) {
            // It may have been refused meanwhile.
            let _ = wire.write(&body[at..at + PIECE]);
        }
    }
    let answers: Answers = wires.iter_mut().map(|wire| wire.answer("PATCH")).collect();
    expect_one_stream(client, &place, &bodies, &answers)
}

fn offsets_never_decrease_during_a_patch(client: &Client<'_>) -> Outcome {
    let bytes = text("a look", WHOLE);
    let place = client.create(WHOLE)?;
    let mut wire = Wire::connect(&place)?;
    let request = client.patching(&place, "0");
    wire.write(&request.header("Content-Length", &WHOLE.to_string()).head())?;
    let mut highest = 0;
    for (index, piece) in bytes.chunks(PIECE).enumerate() {
        // A HEAD may end the PATCH, so that the offset it says stays true.
        let _ = wire.write(piece);
        let sent = (index + 1) * PIECE;
        let answer = client.head(&place)?;
        // A server may say that somebody else is writing.
        if !matches!(answer.status, 200 | 204) {
            continue;
        }
        let offset = answer.number("Upload-Offset").unwrap_or(0);
        demand!(
            offset >= highest,
            "the offset was {highest}, now it is {offset}"
        );
        demand!(
            offset <= sent as u64,
            "{sent} bytes were sent, the offset is {offset}"
        );
        highest = offset;
    }
    let acknowledged = acknowledged(&vec![wire.answer("PATCH")]);
    let highest = acknowledged.into_iter().fold(highest, u64::max);
    let offset = client.offset(&place)?;
    demand!(
        offset >= highest,
        "the offset was {highest}, now it is {offset}"
    );
    let offset = usize::try_from(offset).unwrap_or(WHOLE);
    client.append(&place, offset, &bytes[offset..])?;
    client.expect_stored(&place, &bytes)
}

fn an_upload_that_is_terminated_during_a_patch_stays_gone(client: &Client<'_>) -> Outcome {
    let bytes = text("an end", WHOLE);
    let place = client.create(WHOLE)?;
    let mut wire = Wire::connect(&place)?;
    let request = client.patching(&place, "0");
    wire.write(&request.header("Content-Length", &WHOLE.to_string()).head())?;
    wire.write(&bytes[..WHOLE / 2])?;
    let status = client.request("DELETE", &place).send()?.status;
    // The rest comes too late, or not at all.
    let _ = wire.write(&bytes[WHOLE / 2..]);
    let late = acknowledged(&vec![wire.answer("PATCH")]);
    match status {
        204 => {
            // The bytes before the DELETE may be acknowledged, as they came before it.
            let is_late = late.iter().any(|offset| *offset > WHOLE as u64 / 2);
            demand!(!is_late, "a PATCH goes on after DELETE, up to {late:?}");
            client.expect_gone(&place)
        }
        409 | 423 => Ok(()),
        other => Err(format!("DELETE during a PATCH is answered {other}").into()),
    }
}

fn of_two_deletes_one_is_204(client: &Client<'_>) -> Outcome {
    let place = client.create(WHOLE)?;
    let requests = [
        client.request("DELETE", &place),
        client.request("DELETE", &place),
    ];
    let statuses = thread::scope(|scope| {
        let enders = requests.map(|request| scope.spawn(move || request.send()));
        enders.map(|ender| ender.join().ok()?.ok().map(|answer| answer.status))
    });
    let one = statuses.contains(&Some(204));
    let known = |status: &Option<u16>| matches!(status, Some(204 | 404 | 410));
    demand!(
        one && statuses.iter().all(known),
        "they are answered {statuses:?}"
    );
    client.expect_gone(&place)
}

fn of_two_lengths_said_at_once_one_is_kept(client: &Client<'_>) -> Outcome {
    let place = client.create_with(&[("Upload-Defer-Length", "1")])?;
    let said = |length: &str| client.patching(&place, "0").header("Upload-Length", length);
    let requests = [said("90"), said("120")];
    let taken = thread::scope(|scope| {
        let sayers = requests.map(|request| scope.spawn(move || request.send()));
        let statuses = sayers.map(|sayer| sayer.join().ok()?.ok().map(|answer| answer.status));
        statuses.map(|status| status == Some(204))
    });
    let answer = client.head(&place)?;
    let length = answer.number("Upload-Length");
    let is_right = match taken {
        [true, true] => false,
        [true, false] => length == Some(90),
        [false, true] => length == Some(120),
        [false, false] => length.is_none(),
    };
    demand!(is_right, "{taken:?} were taken, the length is {length:?}");
    Ok(())
}
