//! What is refused of files on the native socket, and who may go on with them.

use std::net::TcpListener;

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::socket_uploads::of_two;
use crate::support::sending::{BYTES, END, RESET, Sending, frame, text_of};
use crate::support::socket::Socket;
use crate::support::token::{now_s, token_of, token_with};
use crate::support::uploads::UPLOADS;
use crate::support::{Bus, COMPANY, OTHER_COMPANY, Site, in_both_buses, soon};

in_both_buses!(
    more_than_was_granted_ends_the_stream_and_then_the_connection,
    one_ticket_goes_on_from_a_socket_over_tus_and_back_after_the_token,
    a_ticket_opens_its_upload_and_nothing_else,
    more_than_was_announced_fails_the_upload,
    an_end_in_the_wrong_place_ends_the_stream_alone,
    a_frame_beyond_what_was_told_ends_its_stream_alone,
    frames_that_are_none_are_refused_and_the_socket_goes_on,
    who_opens_streams_and_sends_nothing_holds_bounded_memory,
    a_connection_waits_for_the_end_of_so_many_uploads_and_no_more,
);

async fn more_than_was_granted_ends_the_stream_and_then_the_connection(bus: Bus) {
    let (_site, _, mut ann) = of_two(bus).await;
    let size = 100_000_000;
    for _ in 0..2 {
        let sending = Sending::open(&mut ann, json!({"name": "a.txt", "size": size})).await;
        sending
            .frame(&mut ann, BYTES, sending.limit, b"too far")
            .await;
        assert_eq!(sending.reset(&mut ann).await, "flow_control");
    }
    assert_eq!(ann.closed().await.0, 1008);
}

/// Sends bytes of an upload over tus with its ticket; the status of the answer.
async fn append(site: &Site, sending: &Sending, offset: usize, bytes: &[u8]) -> (u16, String) {
    let path = format!("/v1/uploads/{}", sending.upload);
    let request = site
        .request("PATCH", &path)
        .header("authorization", format!("Upload {}", sending.ticket))
        .header("tus-resumable", "1.0.0")
        .header("content-type", "application/offset+octet-stream")
        .header("upload-offset", offset)
        .body(bytes.to_vec());
    let answer = soon("an answer", request.send()).await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.text().await.expect("a body"))
}

async fn one_ticket_goes_on_from_a_socket_over_tus_and_back_after_the_token(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["1", "2"]).await;
    let short = token_with(&json!("1"), &json!({"exp": now_s() + 60}));
    let mut ann = site.connect_with(&short).await;
    let file = text_of(90_000);
    let wanted = json!({"room": room.id, "name": "a.txt", "size": file.len()});
    let mut sending = Sending::open(&mut ann, wanted).await;
    sending.send(&mut ann, &file, 30_000).await;
    sending.kept(&mut ann, 30_000).await;
    site.clock.leap_ms(100_000);
    let (status, body) = append(&site, &sending, 30_000, &file[30_000..60_000]).await;
    assert_eq!(status, 204, "{body}");
    // Whoever has another token of the company may go on for whom the ticket speaks.
    let later = token_with(&json!("2"), &json!({"exp": now_s() + 3_600}));
    let mut again = site.connect_with(&later).await;
    let mut resumed = Sending::resume(&mut again, &sending.upload, Some(&sending.ticket)).await;
    assert_eq!(resumed.offset, 60_000);
    resumed.send(&mut again, &file, 90_000).await;
    let ready = resumed.ended(&mut again).await;
    assert_eq!(ready["state"], "ready", "{ready}");
    again.join(&room.id).await;
    let page = json!({"type": "history", "room": room.id});
    let page = again.ask(page).await.expect("a page");
    assert_eq!(page["events"][0]["author"]["id"], "1", "{page}");
    assert_eq!(page["events"].as_array().map(Vec::len), Some(1));
}

async fn a_ticket_opens_its_upload_and_nothing_else(bus: Bus) {
    let (site, room, mut ann) = of_two(bus).await;
    let wanted = json!({"room": room.id, "name": "a.txt", "size": 5_000});
    let mine = Sending::open(&mut ann, wanted.clone()).await;
    let other = Sending::open(&mut ann, wanted).await;
    let crossed = Sending {
        upload: other.upload.clone(),
        ..mine
    };
    assert_eq!(append(&site, &crossed, 0, b"x").await.0, 404);
    let ask = json!({"type": "upload_resume", "upload": other.upload, "ticket": crossed.ticket});
    assert_eq!(
        ann.ask(ask).await.expect_err("refused")["code"],
        "not_found"
    );
    // It is no token, on no route and no socket.
    for path in [
        "/v1/rooms",
        "/v1/me",
        &format!("/v1/rooms/{}/messages", room.id),
    ] {
        let (status, _) = site
            .http("GET", path, Some(&crossed.ticket), &json!(null))
            .await;
        assert!([401, 404, 405].contains(&status), "{path}: {status}");
        let path = format!("{path}?ticket={}", crossed.ticket);
        let (status, _) = site.http("GET", &path, None, &json!(null)).await;
        assert!([401, 404, 405].contains(&status), "{path}: {status}");
    }
    let mut socket = Socket::open(site.address, &[]).await;
    socket
        .send(&json!({"type": "connect", "token": crossed.ticket}))
        .await;
    assert_eq!(socket.closed().await.0, 4001);
    // Of another company it opens nothing either.
    let foreign = token_with(&json!("1"), &json!({"company_id": OTHER_COMPANY}));
    let mut eve = site.connect_with(&foreign).await;
    let ask = json!({"type": "upload_resume", "upload": other.upload, "ticket": other.ticket});
    assert_eq!(
        eve.ask(ask).await.expect_err("refused")["code"],
        "not_found"
    );
    // Changed in any letter it opens nothing, and with the name of another company it is refused.
    let mut changed = other.ticket.clone();
    changed.replace_range(30..31, if &changed[30..31] == "A" { "B" } else { "A" });
    let path = format!("/v1/uploads/{}/status?ticket=", other.upload);
    let status = |ticket: String| {
        let path = format!("{path}{ticket}");
        let site = &site;
        async move { site.http("GET", &path, None, &json!(null)).await.0 }
    };
    assert_eq!(status(changed).await, 401);
    assert_eq!(status(other.ticket.clone()).await, 200);
    assert_eq!(
        status(format!("{}&company_id={COMPANY}", other.ticket)).await,
        200
    );
    assert_eq!(
        status(format!("{}&company_id={OTHER_COMPANY}", other.ticket)).await,
        403
    );
    // It ends with the upload.
    site.clock.leap_ms(25 * 60 * 60 * 1_000);
    assert_eq!(status(other.ticket.clone()).await, 401);
}

async fn more_than_was_announced_fails_the_upload(bus: Bus) {
    let (_site, room, mut ann) = of_two(bus).await;
    let sending = Sending::open(&mut ann, json!({"name": "a.txt", "size": 10})).await;
    sending.frame(&mut ann, BYTES, 0, b"hello wonder").await;
    let failed = sending.ended(&mut ann).await;
    assert_eq!(
        (&failed["state"], &failed["failure"]),
        (&json!("failed"), &json!("file_too_large"))
    );
    let huge = json!({"type": "upload_open", "name": "a.txt", "size": u64::MAX >> 1});
    assert_eq!(
        ann.ask(huge).await.expect_err("refused")["code"],
        "file_too_large"
    );
    for size in [json!(-1), json!("5"), json!(1.5), json!([5])] {
        let odd = json!({"type": "upload_open", "name": "a.txt", "size": size});
        assert_eq!(
            ann.ask(odd).await.expect_err("refused")["code"],
            "bad_field",
            "{size}"
        );
    }
    ann.post(&room.id, "the socket goes on").await;
}

async fn an_end_in_the_wrong_place_ends_the_stream_alone(bus: Bus) {
    let (_site, _, mut ann) = of_two(bus).await;
    let file = text_of(5_000);
    let sending = Sending::open(&mut ann, json!({"name": "a.txt", "size": 5_000})).await;
    sending.frame(&mut ann, END, 0, &file[..4_000]).await;
    assert_eq!(sending.reset(&mut ann).await, "wrong_end");
    let mut resumed = Sending::resume(&mut ann, &sending.upload, None).await;
    assert_eq!(resumed.offset, 0);
    resumed.send(&mut ann, &file, 5_000).await;
    assert_eq!(resumed.ended(&mut ann).await["state"], "ready");
}

async fn a_frame_beyond_what_was_told_ends_its_stream_alone(bus: Bus) {
    let (_site, _, mut ann) = of_two(bus).await;
    let (first, second) = (text_of(60_000), text_of(5_000));
    let long = Sending::open(&mut ann, json!({"name": "a.txt", "size": first.len()})).await;
    let mut other = Sending::open(&mut ann, json!({"name": "b.txt", "size": second.len()})).await;
    assert!(long.chunk_max < first.len());
    long.frame(&mut ann, BYTES, 0, &first[..=long.chunk_max])
        .await;
    assert_eq!(long.reset(&mut ann).await, "frame_too_large");
    // Longer than any message may be: skipped, and answered like every such message.
    long.frame(&mut ann, BYTES, 0, &text_of(300_000)).await;
    let error = ann.next_that(|frame| frame["error"].is_object()).await;
    assert_eq!(error["error"]["code"], "frame_too_large");
    other.send(&mut ann, &second, 5_000).await;
    assert_eq!(other.ended(&mut ann).await["state"], "ready");
}

async fn frames_that_are_none_are_refused_and_the_socket_goes_on(bus: Bus) {
    let (_site, room, mut ann) = of_two(bus).await;
    let mut odd = frame(BYTES, 1, 0, b"x");
    odd[1] = 9;
    for bytes in [vec![0xc1], vec![0xc1; 15], odd] {
        ann.send_message(Message::binary(bytes)).await;
        let error = ann.next_that(|frame| frame["error"].is_object()).await;
        assert_eq!(error["error"]["code"], "bad_frame");
    }
    // Of streams that never were: nobody is told of what is over.
    for kind in [BYTES, END, RESET] {
        ann.send_message(Message::binary(frame(kind, 77, 0, b"x")))
            .await;
    }
    ann.post(&room.id, "the socket goes on").await;
    let rest = ann.settled(&room.id).await;
    assert!(rest.iter().all(|push| push["type"] == "event"), "{rest:?}");
}

async fn who_opens_streams_and_sends_nothing_holds_bounded_memory(bus: Bus) {
    const BUDGET_BYTES: u64 = 1024 * 1024;
    let site = Site::with(bus, |config| {
        config.limits.upload_memory_bytes = BUDGET_BYTES as usize;
        config.limits.uploads_open_person = 0;
        config.limits.uploads_per_minute = Some(0);
    })
    .await;
    let mut sockets = Vec::new();
    let mut granted = 0;
    for person in 0..8 {
        let mut socket = site.connect(&person.to_string()).await;
        for _ in 0..8 {
            let sending =
                Sending::open(&mut socket, json!({"name": "a", "size": 10_000_000})).await;
            granted += sending.limit - sending.offset;
        }
        let ninth = json!({"type": "upload_open", "name": "a", "size": 5});
        assert_eq!(
            socket.ask(ninth).await.expect_err("refused")["code"],
            "rate_limited"
        );
        sockets.push(socket);
    }
    // Each promise is counted in pages.
    let least = BUDGET_BYTES - 64 * 4_096;
    assert!(
        (least..=BUDGET_BYTES).contains(&granted),
        "{granted} bytes are promised"
    );
    // Who does nothing with it gives it back, and others are served.
    site.clock.leap_ms(31_000);
    let reset = sockets[0].push("upload_reset").await;
    assert_eq!(reset["reason"], "idle");
    let mut late = site.connect("late").await;
    let file = text_of(200_000);
    let mut sending = Sending::open(&mut late, json!({"name": "a.txt", "size": file.len()})).await;
    sending.send(&mut late, &file, file.len() as u64).await;
    assert_eq!(sending.ended(&mut late).await["state"], "ready");
}

async fn a_connection_waits_for_the_end_of_so_many_uploads_and_no_more(bus: Bus) {
    const WATCH_COUNT_MAX: usize = 64;
    // It takes connections and never says a word.
    let scanner = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = scanner.local_addr().expect("an address");
    let site = Site::with(bus, |config| {
        config.files.clamav = Some(address.to_string());
    })
    .await;
    let mut ann = site.connect("ann").await;
    let file = text_of(5_000);
    let mut sending = Sending::open(&mut ann, json!({"name": "a.txt", "size": file.len()})).await;
    sending.send(&mut ann, &file, file.len() as u64).await;
    sending.state(&mut ann).await;
    let resume = json!({"type": "upload_resume", "upload": sending.upload});
    for _ in 0..WATCH_COUNT_MAX {
        ann.ask(resume.clone()).await.expect("it is told of");
    }
    let refused = ann.ask(resume).await.expect_err("one more");
    assert_eq!(refused["code"], "rate_limited");
    // A part waits for nothing.
    let token = token_of("ann");
    let headers = [("upload-length", "1"), ("upload-concat", "partial")];
    let part = site
        .tus(&token, ("POST", UPLOADS), &headers, b"")
        .await
        .place();
    assert_eq!(site.patch_tus(&token, &part, 0, b"x").await.status, 204);
    let (_, upload) = part.rsplit_once('/').expect("a path");
    let resume = json!({"type": "upload_resume", "upload": upload});
    let told = ann.ask(resume).await.expect("it is told of");
    assert_eq!(
        (&told["offset"], &told["stream"]),
        (&json!(1), &json!(null))
    );
}
