//! When an unfinished upload ends.

use crate::check::{Outcome, checks, demand};
use crate::client::{Client, not_offered, text};
use crate::wire::Answer;

checks! {
    Must "Expiration: Upload-Expires" ["creation", "expiration"]
        a_creation_says_when_the_upload_expires;
    Must "Expiration: Upload-Expires" ["creation", "expiration"]
        each_patch_of_an_unfinished_upload_says_when_it_expires;
    Must "Expiration: Upload-Expires" ["creation", "expiration"]
        the_time_of_expiry_is_a_date_of_http;
    Care "Expiration: Upload-Expires" ["creation", "expiration"] the_time_of_expiry_is_to_come;
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The seconds since 1970 that `Sun, 06 Nov 1994 08:49:37 GMT` stands for, if it is written so.
fn seconds(date: &str) -> Option<i64> {
    let number = |from: usize, to: usize| date.get(from..to)?.parse::<i64>().ok();
    let shape: String = date
        .chars()
        .map(|c| match c {
            '0'..='9' => '0',
            'A'..='Z' => 'A',
            'a'..='z' => 'a',
            other => other,
        })
        .collect();
    if shape != "Aaa, 00 Aaa 0000 00:00:00 AAA" || !date.ends_with("GMT") {
        return None;
    }
    let month = MONTHS
        .iter()
        .position(|name| date.get(8..11) == Some(name))?;
    let (day, year) = (number(5, 7)?, number(12, 16)?);
    let (hour, minute, second) = (number(17, 19)?, number(20, 22)?, number(23, 25)?);
    let is_time = hour < 24 && minute < 60 && second <= 60 && (1..=31).contains(&day);
    // Days since 1970 in a year that begins in March, so that leap days come last.
    let month = i64::try_from(month).ok()? + 1;
    let (year, month) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let days = days - 719_468;
    // 1970 began on a Thursday.
    let weekday = usize::try_from((days + 3).rem_euclid(7)).ok()?;
    let is_weekday = date.get(..3) == Some(DAYS[weekday]);
    (is_time && is_weekday).then_some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

fn expires<'a>(answer: &'a Answer, of: &str) -> Outcome<&'a str> {
    let said = answer.header("Upload-Expires");
    Ok(said.ok_or_else(|| format!("{of} says no Upload-Expires"))?)
}

fn a_creation_says_when_the_upload_expires(client: &Client<'_>) -> Outcome {
    let answer = client.try_to_create(&[("Upload-Length", "90")])?;
    client.created(&answer)?;
    expires(&answer, "POST")?;
    Ok(())
}

fn each_patch_of_an_unfinished_upload_says_when_it_expires(client: &Client<'_>) -> Outcome {
    let place = client.create(90)?;
    for offset in [0, 30] {
        let answer = client.patch(&place, offset, &text("an expiry", 30))?;
        expires(&answer, "PATCH")?;
    }
    Ok(())
}

fn the_time_of_expiry_is_a_date_of_http(client: &Client<'_>) -> Outcome {
    let created = client.try_to_create(&[("Upload-Length", "90")])?;
    let place = client.created(&created)?;
    let patched = client.patch(&place, 0, &text("an expiry", 30))?;
    for answer in [created, patched] {
        if let Some(date) = answer.header("Upload-Expires") {
            demand!(
                seconds(date).is_some(),
                "`{date}` is no date as in RFC 9110"
            );
        }
    }
    Ok(())
}

fn the_time_of_expiry_is_to_come(client: &Client<'_>) -> Outcome {
    let answer = client.try_to_create(&[("Upload-Length", "90")])?;
    client.created(&answer)?;
    let now = answer.header("Date").and_then(seconds);
    let now = now.ok_or_else(|| not_offered("answers say no Date"))?;
    let date = expires(&answer, "POST")?;
    let at = seconds(date).unwrap_or(0);
    demand!(at > now, "it expires at `{date}`, which has passed");
    Ok(())
}
