//! What uploads under way take of what their owner and their company may have, however many begin
//! at once, and that what nobody heard of takes nothing.

use futures_util::future::join_all;

use crate::support::raw::Raw;
use crate::support::token::token_of;
use crate::support::uploads::UPLOADS;
use crate::support::{Bus, Site, run, until};

#[test]
fn of_many_that_are_begun_at_once_no_more_pass_than_may() {
    const PERSON_COUNT: u32 = 3;
    run(async {
        let site = Site::with(Bus::Plain, |config| {
            config.limits.uploads_open_person = PERSON_COUNT;
        })
        .await;
        let ann = token_of("ann");
        let headers = [("upload-length", "10")];
        let begun = (0..20).map(|_| site.tus(&ann, ("POST", UPLOADS), &headers, b""));
        let said = join_all(begun).await;
        let passed = said.iter().filter(|said| said.status == 201).count();
        assert!(passed <= PERSON_COUNT as usize, "{passed} passed");
        assert!(
            said.iter().all(|said| [201, 429].contains(&said.status)),
            "{said:?}"
        );
        // Those that were refused take no place.
        for _ in passed..PERSON_COUNT as usize {
            site.begin_tus(&ann, 10, "").await;
        }
    });
}

#[test]
fn many_at_once_take_no_more_space_than_their_company_has() {
    run(async {
        let site = Site::with(Bus::Plain, |config| config.limits.company_file_bytes = 50).await;
        let headers = [("upload-length", "20")];
        let people: Vec<_> = (0..20)
            .map(|person| token_of(&person.to_string()))
            .collect();
        let begun = people
            .iter()
            .map(|token| site.tus(token, ("POST", UPLOADS), &headers, b""));
        let said = join_all(begun).await;
        let passed = said.iter().filter(|said| said.status == 201).count();
        assert!(passed <= 2, "{passed} of 20 bytes passed, of 50");
        // Those that were refused take no space.
        for person in people.iter().take(2 - passed) {
            site.begin_tus(person, 20, "").await;
        }
        assert_eq!(
            site.tus(&people[0], ("POST", UPLOADS), &headers, b"")
                .await
                .status,
            507
        );
    });
}

#[test]
fn a_length_that_is_said_late_asks_for_space_too() {
    run(async {
        let site = Site::with(Bus::Plain, |config| config.limits.company_file_bytes = 50).await;
        let ann = token_of("ann");
        let deferred = [("upload-defer-length", "1")];
        let begun = site.tus(&ann, ("POST", UPLOADS), &deferred, b"").await;
        let place = begun.place();
        let with_length = |length| {
            [
                ("upload-offset", "0"),
                ("content-type", "application/offset+octet-stream"),
                ("upload-length", length),
            ]
        };
        let patch = ("PATCH", &*place);
        let said = site.tus(&ann, patch, &with_length("51"), b"").await;
        assert_eq!(said.status, 507);
        // Bytes whose length nobody said of the whole, beyond what is left.
        let said = site.patch_tus(&ann, &place, 0, &[b'x'; 51]).await;
        assert_eq!(said.status, 507);
        let said = site.patch_tus(&ann, &place, 0, &[b'x'; 30]).await;
        assert_eq!((said.status, said.text("upload-offset")), (204, "30"));
        // Another one has what that left.
        let headers = [("upload-length", "21")];
        let other = site.tus(&ann, ("POST", UPLOADS), &headers, b"").await;
        assert_eq!(other.status, 507);
        site.begin_tus(&ann, 20, "").await;
    });
}

/// Whoever goes away within the body of a creation never hears where the upload is.
#[test]
fn a_creation_that_is_cut_off_in_its_body_leaves_nothing() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let ann = token_of("ann");
        let tus = "tus-resumable: 1.0.0\r\nupload-length: 100\r\n\
                   content-type: application/offset+octet-stream\r\n";
        let draft = "upload-complete: ?0\r\nupload-length: 100\r\n";
        for protocol in [tus, draft] {
            let mut client = Raw::connect(site.address).await;
            let head = format!(
                "POST {UPLOADS} HTTP/1.1\r\nhost: frontdesk\r\nauthorization: Bearer {ann}\r\n\
                 {protocol}content-length: 100\r\n\r\n"
            );
            client.write(&[head.as_bytes(), &[b'x'; 50]].concat()).await;
            until("it is begun", || !site.spooled().is_empty()).await;
            drop(client);
            until("nothing is left of it", || site.spooled().is_empty()).await;
        }
    });
}
