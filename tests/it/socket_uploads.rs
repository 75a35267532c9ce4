//! Files sent on the native socket, beside the chat.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::sending::{BYTES, END, RESET, Sending, frame, text_of};
use crate::support::socket::{MSGPACK, Socket};
use crate::support::token::token_of;
use crate::support::{Bus, Room, Site, cid_at, in_both_buses};
use frontdesk_actors::clock::Clock;

in_both_buses!(
    a_file_sent_on_a_socket_becomes_a_message_of_its_room,
    chat_is_answered_in_order_while_a_file_is_sent,
    a_file_whose_length_is_said_by_its_end_is_taken,
    what_is_sent_again_is_taken_once,
    a_gap_is_told_and_filled,
    a_wrong_checksum_is_told_and_the_bytes_are_taken_when_sent_again,
    an_upload_goes_on_after_a_lost_connection,
    the_same_cid_finds_the_upload_that_was_begun_with_it,
    a_cancelled_upload_is_told_and_makes_no_file,
    an_upload_of_somebody_else_is_not_there,
    the_people_of_a_room_see_that_a_file_is_on_its_way,
    a_stream_that_its_client_ends_keeps_what_came,
    a_messagepack_socket_takes_files_too,
);

pub(crate) async fn of_two(bus: Bus) -> (Site, Room, Socket) {
    let site = Site::start(bus).await;
    let room = site.room(&["1", "2"]).await;
    let ann = site.join("1", &room).await;
    (site, room, ann)
}

async fn a_file_sent_on_a_socket_becomes_a_message_of_its_room(bus: Bus) {
    let (site, room, mut ann) = of_two(bus).await;
    let mut bob = site.join("2", &room).await;
    let file = text_of(700_000);
    let wanted = json!({
        "room": room.id, "name": "report.txt", "size": file.len(), "mime": "text/plain",
        "caption": "as promised",
    });
    let mut sending = Sending::open(&mut ann, wanted).await;
    assert_eq!(sending.offset, 0);
    sending.send(&mut ann, &file, file.len() as u64).await;
    assert_eq!(sending.state(&mut ann).await["state"], "verifying");
    let ready = sending.ended(&mut ann).await;
    assert_eq!(ready["state"], "ready", "{ready}");
    for socket in [&mut ann, &mut bob] {
        let event = socket.event(&room.id).await;
        assert_eq!(event["seq"], ready["seq"], "{event}");
        assert_eq!(event["text"], "as promised");
        assert_eq!(event["file"]["no"], ready["file"]);
        assert_eq!(event["file"]["name"], "report.txt");
        assert_eq!(event["file"]["size"], file.len());
        assert_eq!(event["file"]["upload"], *sending.upload);
    }
}

async fn chat_is_answered_in_order_while_a_file_is_sent(bus: Bus) {
    let (_site, room, mut ann) = of_two(bus).await;
    let file = text_of(1_200_000);
    let wanted = json!({"name": "report.txt", "size": file.len()});
    let mut sending = Sending::open(&mut ann, wanted).await;
    let mut said = 0;
    let step = 100_000;
    for end in (step..=file.len()).step_by(step) {
        let post = json!({
            "type": "post_message", "room": room.id, "text": format!("at {end}"), "id": end,
        });
        ann.send(&post).await;
        sending.send(&mut ann, &file, end as u64).await;
        said += 1;
    }
    let events = ann.events(&room.id, 1, said).await;
    for (event, end) in events.iter().zip((step..).step_by(step)) {
        assert_eq!(event["text"], format!("at {end}"));
        let answered = ann.reply(end as u64).await.expect("posted");
        assert_eq!(answered["seq"], event["seq"]);
    }
    assert_eq!(sending.ended(&mut ann).await["state"], "ready");
}

async fn a_file_whose_length_is_said_by_its_end_is_taken(bus: Bus) {
    let (site, _, mut ann) = of_two(bus).await;
    let file = text_of(10_000);
    let mut sending = Sending::open(&mut ann, json!({"name": "log.txt"})).await;
    sending.send(&mut ann, &file, 8_000).await;
    sending.frame(&mut ann, END, 8_000, &file[8_000..]).await;
    let ready = sending.ended(&mut ann).await;
    assert_eq!(ready["state"], "ready", "{ready}");
    let path = format!("/v1/uploads/{}/status", sending.upload);
    let token = token_of("1");
    let (_, status) = site.http("GET", &path, Some(&token), &json!(null)).await;
    assert_eq!(status["size"], 10_000, "{status}");
    assert_eq!(status["file"], ready["file"]);
}

async fn what_is_sent_again_is_taken_once(bus: Bus) {
    let (_site, _, mut ann) = of_two(bus).await;
    let file = text_of(10_000);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &file);
    let digest: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let wanted = json!({"name": "a.txt", "size": 10_000, "sha256": digest});
    let mut sending = Sending::open(&mut ann, wanted).await;
    sending.send(&mut ann, &file, 4_000).await;
    sending.frame(&mut ann, BYTES, 0, &file[..4_000]).await;
    sending
        .frame(&mut ann, BYTES, 1_000, &file[1_000..2_000])
        .await;
    // Half of it is new.
    sending
        .frame(&mut ann, BYTES, 2_000, &file[2_000..6_000])
        .await;
    sending.kept(&mut ann, 6_000).await;
    sending.frame(&mut ann, END, 5_000, &file[5_000..]).await;
    let ready = sending.ended(&mut ann).await;
    assert_eq!(ready["state"], "ready", "{ready}");
}

async fn a_gap_is_told_and_filled(bus: Bus) {
    let (_site, _, mut ann) = of_two(bus).await;
    let file = text_of(9_000);
    let mut sending = Sending::open(&mut ann, json!({"name": "a.txt", "size": 9_000})).await;
    sending.send(&mut ann, &file, 1_000).await;
    for offset in [3_000, 4_000, 5_000] {
        let piece = &file[offset..offset + 1_000];
        sending.frame(&mut ann, BYTES, offset as u64, piece).await;
    }
    let nack = ann.push("upload_nack").await;
    assert_eq!(
        (nack["expected"].as_u64(), nack["stream"].as_u64()),
        (Some(1_000), Some(sending.stream.into()))
    );
    // The others of the gap were dropped in silence; what fills it is taken, and a new gap told.
    sending
        .frame(&mut ann, BYTES, 1_000, &file[1_000..2_000])
        .await;
    sending.frame(&mut ann, BYTES, 8_000, &file[8_000..]).await;
    assert_eq!(ann.push("upload_nack").await["expected"], 2_000);
    sending.send(&mut ann, &file, 9_000).await;
    assert_eq!(sending.ended(&mut ann).await["state"], "ready");
}

async fn a_wrong_checksum_is_told_and_the_bytes_are_taken_when_sent_again(bus: Bus) {
    let (_site, _, mut ann) = of_two(bus).await;
    let file = text_of(5_000);
    let mut sending = Sending::open(&mut ann, json!({"name": "a.txt", "size": 5_000})).await;
    sending.send(&mut ann, &file, 2_000).await;
    for _ in 0..2 {
        let mut broken = frame(BYTES, sending.stream, 2_000, &file[2_000..3_000]);
        broken[20] ^= 1;
        ann.send_message(Message::binary(broken)).await;
        assert_eq!(ann.push("upload_nack").await["expected"], 2_000);
    }
    sending.send(&mut ann, &file, 5_000).await;
    assert_eq!(sending.ended(&mut ann).await["state"], "ready");
}

async fn an_upload_goes_on_after_a_lost_connection(bus: Bus) {
    let (site, room, mut ann) = of_two(bus).await;
    let file = text_of(300_000);
    let wanted = json!({"room": room.id, "name": "a.txt", "size": file.len()});
    let mut sending = Sending::open(&mut ann, wanted).await;
    sending.send(&mut ann, &file, 150_000).await;
    sending.kept(&mut ann, 150_000).await;
    drop(ann);
    let mut again = site.connect("1").await;
    let mut resumed = Sending::resume(&mut again, &sending.upload, None).await;
    assert_eq!(resumed.offset, 150_000);
    resumed.send(&mut again, &file, file.len() as u64).await;
    assert_eq!(resumed.ended(&mut again).await["state"], "ready");
}

async fn the_same_cid_finds_the_upload_that_was_begun_with_it(bus: Bus) {
    let (site, _, mut ann) = of_two(bus).await;
    let file = text_of(20_000);
    let cid = cid_at(site.clock.now(), 7);
    let wanted = json!({"name": "a.txt", "size": file.len(), "cid": cid});
    let mut first = Sending::open(&mut ann, wanted.clone()).await;
    first.send(&mut ann, &file, 10_000).await;
    first.kept(&mut ann, 10_000).await;
    let mut second = Sending::open(&mut ann, wanted.clone()).await;
    assert_eq!((&*second.upload, second.offset), (&*first.upload, 10_000));
    assert_eq!(first.reset(&mut ann).await, "overtaken");
    let other = json!({"type": "upload_open", "name": "b.txt", "size": 5, "cid": cid});
    let refused = ann.ask(other).await.expect_err("another file");
    assert_eq!(refused["code"], "cid_reused");
    let mut bob = site.connect("2").await;
    let of_bob = Sending::open(&mut bob, wanted.clone()).await;
    assert_ne!(of_bob.upload, first.upload, "a cid is its person's");
    second.send(&mut ann, &file, file.len() as u64).await;
    let ready = second.ended(&mut ann).await;
    // Once it is a file there is nothing to send, and it is told what it became.
    let mut wanted = wanted;
    wanted["type"] = json!("upload_open");
    let opened = ann.ask(wanted).await.expect("known");
    assert!(opened["stream"].is_null(), "{opened}");
    assert_eq!(opened["offset"], file.len());
    assert_eq!(second.ended(&mut ann).await["file"], ready["file"]);
}

async fn a_cancelled_upload_is_told_and_makes_no_file(bus: Bus) {
    let (_site, _, mut ann) = of_two(bus).await;
    let file = text_of(5_000);
    let mut sending = Sending::open(&mut ann, json!({"name": "a.txt", "size": 5_000})).await;
    sending.send(&mut ann, &file, 2_000).await;
    let cancel = json!({"type": "upload_cancel", "upload": sending.upload});
    assert_eq!(ann.ask(cancel).await.expect("cancelled"), json!({}));
    assert_eq!(sending.ended(&mut ann).await["state"], "cancelled");
    let resume = json!({"type": "upload_resume", "upload": sending.upload});
    let opened = ann.ask(resume).await.expect("known");
    assert!(opened["stream"].is_null(), "{opened}");
    assert_eq!(sending.ended(&mut ann).await["state"], "cancelled");
}

async fn an_upload_of_somebody_else_is_not_there(bus: Bus) {
    let (site, room, mut ann) = of_two(bus).await;
    let wanted = json!({"room": room.id, "name": "a.txt", "size": 5_000});
    let sending = Sending::open(&mut ann, wanted).await;
    let mut bob = site.connect("2").await;
    for kind in ["upload_resume", "upload_cancel"] {
        let ask = json!({"type": kind, "upload": sending.upload});
        assert_eq!(
            bob.ask(ask).await.expect_err("refused")["code"],
            "not_found"
        );
    }
    let far = json!({"type": "upload_open", "name": "a.txt", "room": 999_999});
    assert_eq!(
        ann.ask(far).await.expect_err("refused")["code"],
        "unknown_room"
    );
    let mut eve = site.connect("3").await;
    let foreign = json!({"type": "upload_open", "name": "a.txt", "room": room.id});
    assert_eq!(
        eve.ask(foreign).await.expect_err("refused")["code"],
        "unknown_room"
    );
}

async fn the_people_of_a_room_see_that_a_file_is_on_its_way(bus: Bus) {
    let (site, room, mut ann) = of_two(bus).await;
    let mut bob = site.join("2", &room).await;
    let file = text_of(40_000);
    let wanted = json!({"room": room.id, "name": "a.txt", "size": file.len()});
    let mut sending = Sending::open(&mut ann, wanted).await;
    sending.send(&mut ann, &file, 20_000).await;
    let progress = bob.ephemeral("upload_progress").await;
    assert_eq!(progress["person"], "1", "{progress}");
    assert_eq!(progress["upload"], *sending.upload);
    assert_eq!(
        (&progress["name"], &progress["size"]),
        (&json!("a.txt"), &json!(40_000))
    );
    assert!(progress["received"].as_u64() <= Some(20_000), "{progress}");
    sending.send(&mut ann, &file, 40_000).await;
    assert_eq!(sending.ended(&mut ann).await["state"], "ready");
    let own = ann.settled(&room.id).await;
    assert!(
        own.iter().all(|push| push["kind"] != "upload_progress"),
        "{own:?}"
    );
}

async fn a_stream_that_its_client_ends_keeps_what_came(bus: Bus) {
    let (_site, _, mut ann) = of_two(bus).await;
    let file = text_of(6_000);
    let mut sending = Sending::open(&mut ann, json!({"name": "a.txt", "size": 6_000})).await;
    sending.send(&mut ann, &file, 2_000).await;
    sending.kept(&mut ann, 2_000).await;
    sending.frame(&mut ann, RESET, 0, b"").await;
    sending.frame(&mut ann, BYTES, 2_000, b"dropped").await;
    let mut resumed = Sending::resume(&mut ann, &sending.upload, None).await;
    assert_eq!(resumed.offset, 2_000);
    resumed.send(&mut ann, &file, 6_000).await;
    assert_eq!(resumed.ended(&mut ann).await["state"], "ready");
}

async fn a_messagepack_socket_takes_files_too(bus: Bus) {
    let site = Site::start(bus).await;
    let mut socket = Socket::dial(site.address, "/v1/ws", &[MSGPACK], &[]).await;
    let connect = json!({"type": "connect", "token": token_of("1")});
    socket.ask(connect).await.expect("connected");
    let file = text_of(150_000);
    let mut sending = Sending::open(&mut socket, json!({"name": "a.txt"})).await;
    sending.send(&mut socket, &file, 150_000).await;
    sending.frame(&mut socket, END, 150_000, b"").await;
    assert_eq!(sending.ended(&mut socket).await["state"], "ready");
}
