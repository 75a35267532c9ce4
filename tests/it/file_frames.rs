//! Files in frames of `direct`: the snippet of its document, and what becomes of files that are
//! large, late, broken or none.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use frontdesk_protocol::CompanyId;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::forms::{PIXEL, pixel};
use crate::support::socket::Socket;
use crate::support::token::token_of;
use crate::support::{Bus, COMPANY, Room, Site, in_both_buses, until};

in_both_buses!(
    the_documents_file_reaches_both,
    a_file_of_25_mib_fits_and_one_byte_more_does_not,
    a_frame_in_fragments_of_any_order_is_a_file,
    what_is_no_file_is_refused_and_the_socket_goes_on,
    a_client_that_has_not_shown_its_dialect_may_send_a_file,
    a_file_whose_text_no_room_takes_is_not_kept,
);

async fn two(site: &Site) -> (Room, Socket, Socket) {
    let room = site.room(&["5", "7"]).await;
    let talker = site.greeted(&room, &token_of("5")).await;
    let listener = site.greeted(&room, &token_of("7")).await;
    (room, talker, listener)
}

fn frame(name: &str, bytes: &[u8], message: &str) -> Value {
    json!({"type": "file_message", "filename": name, "file": STANDARD.encode(bytes),
        "message": message})
}

async fn still_goes_on(talker: &mut Socket, listener: &mut Socket) {
    talker.say("still here").await;
    assert_eq!(talker.next().await["content"], "still here");
    assert_eq!(listener.next().await["content"], "still here");
}

async fn the_documents_file_reaches_both(bus: Bus) {
    let site = Site::start(bus).await;
    let (_, mut talker, mut listener) = two(&site).await;
    let bytes = b"%PDF-1.4\nThe document I mentioned.\n%%EOF\n";
    let said = "Here's the document I mentioned";
    talker.send(&frame("document.pdf", bytes, said)).await;
    let told = talker.next().await;
    assert_eq!(told, listener.next().await);
    assert_eq!(told["message_type"], "file", "{told}");
    assert_eq!(told["content"], said);
    assert_eq!(told.get("type"), None);
    let file = &told["file_attachment"];
    assert_eq!(file["filename"], "document.pdf");
    assert_eq!(file["file_size"], bytes.len());
    assert_eq!(file["file_type"], "application/pdf");
    assert_eq!(file["file_size_display"], format!("{}.0 B", bytes.len()));
    assert_eq!(site.linked(&file["file_url"]).await, bytes);
    let picture = json!({"type": "file_message", "filename": "a.png", "file": PIXEL});
    talker.send(&picture).await;
    let told = listener.next().await;
    assert_eq!(
        (&told["message_type"], &told["content"]),
        (&json!("file"), &json!(""))
    );
    assert_eq!(told["file_attachment"]["file_type"], "image/png");
    let program = frame("setup.exe", b"MZ\x90\0any type is promised", "");
    talker.next().await;
    talker.send(&program).await;
    assert_eq!(
        talker.next().await["file_attachment"]["filename"],
        "setup.exe"
    );
}

async fn a_file_of_25_mib_fits_and_one_byte_more_does_not(bus: Bus) {
    let site = Site::start(bus).await;
    let (_, mut talker, mut listener) = two(&site).await;
    let large: Vec<u8> = (0..25 * 1024 * 1024 + 1_u32)
        .map(|i| (i % 251) as u8)
        .collect();
    talker.send(&frame("a.bin", &large, "too much")).await;
    let refused = talker.next().await;
    assert_eq!(
        (&refused["type"], &refused["code"]),
        (&json!("error"), &json!("file_too_large"))
    );
    still_goes_on(&mut talker, &mut listener).await;
    let fits = &large[..large.len() - 1];
    talker.send(&frame("a.bin", fits, "just enough")).await;
    // Others are read and written meanwhile, also on this socket.
    listener.say("in between").await;
    let mut told = [talker.next().await, talker.next().await];
    told.sort_by_key(|told| told["content"].as_str() == Some("in between"));
    assert_eq!(told[1]["content"], "in between");
    let file = &told[0]["file_attachment"];
    assert_eq!(file["file_size"], fits.len());
    assert_eq!(file["file_size_display"], "25.0 MB");
    assert!(site.linked(&file["file_url"]).await == fits);
    let more = Message::text("x".repeat(160 * 1024 * 1024));
    talker.send_message(more).await;
    assert_eq!(
        talker.next().await["code"],
        "file_too_large",
        "no file is as large"
    );
    talker.say("and on").await;
    assert_eq!(talker.next().await["content"], "and on");
}

async fn a_frame_in_fragments_of_any_order_is_a_file(bus: Bus) {
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
    let site = Site::start(bus).await;
    let (_, mut talker, mut listener) = two(&site).await;
    let bytes: Vec<u8> = (0..700_000_u32).map(|i| (i % 253) as u8).collect();
    let file = STANDARD.encode(&bytes).replace('/', "\\/");
    let text = format!(
        "{{\"message\": \"Look\", \"file\" : \"{file}\", \"more\": [1, {{}}], \
         \"filename\":\"b.bin\", \"type\":\"file_message\"}}"
    );
    let mut parts = text.as_bytes().chunks(100_000).peekable();
    let mut opcode = OpCode::Data(Data::Text);
    while let Some(part) = parts.next() {
        let frame = Frame::message(part.to_vec(), opcode, parts.peek().is_none());
        talker.send_message(Message::Frame(frame)).await;
        opcode = OpCode::Data(Data::Continue);
    }
    let told = listener.next().await;
    assert_eq!(told["content"], "Look", "{told}");
    assert!(site.linked(&told["file_attachment"]["file_url"]).await == bytes);
}

async fn what_is_no_file_is_refused_and_the_socket_goes_on(bus: Bus) {
    let site = Site::start(bus).await;
    let (_, mut talker, mut listener) = two(&site).await;
    let long = STANDARD.encode(vec![7; 300_000]);
    let missing = "File data and filename are required";
    let invalid = "Invalid JSON";
    for (frame, message) in [
        (
            format!("{{\"type\":\"file_message\",\"file\":\"{long}\"}}"),
            missing,
        ),
        (
            format!("{{\"type\":\"file_message\",\"filename\":\"a\",\"x\":\"{long}\"}}"),
            missing,
        ),
        (
            format!("{{\"type\":\"file_message\",\"filename\":\"a\",\"file\":\"{long}\""),
            invalid,
        ),
        (format!("[\"{long}\"]"), invalid),
        (
            json!({"type": "file_message", "filename": "a"}).to_string(),
            missing,
        ),
        (
            json!({"type": "file_message", "file": "QUFB"}).to_string(),
            missing,
        ),
    ] {
        talker.send_message(Message::text(frame)).await;
        let refused = talker.next().await;
        assert_eq!(refused["type"], "error");
        assert_eq!(refused["message"], message);
    }
    for file in ["?".to_owned(), "A".to_owned(), format!("{long}?")] {
        let frame = json!({"type": "file_message", "filename": "a", "file": file});
        talker.send(&frame).await;
        assert_eq!(talker.next().await["code"], "bad_field");
    }
    still_goes_on(&mut talker, &mut listener).await;
    // Nothing of any of them is left.
    let spool = site.spool();
    let left = || {
        let entries = std::fs::read_dir(spool.join("TES001"));
        entries.map_or(0, |entries| entries.count())
    };
    until("nothing is left", || left() == 0).await;
}

async fn a_client_that_has_not_shown_its_dialect_may_send_a_file(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["5", "7"]).await;
    let mut talker = site.chat(&room, &token_of("5"), "x=1").await;
    talker.next().await;
    let mut bytes = pixel();
    bytes.extend(vec![0; 400_000]);
    talker.send(&frame("a.bin", &bytes, "Look")).await;
    let is_file = |told: &Value| !told["file_attachment"].is_null();
    let told = talker.next_that(is_file).await;
    assert_eq!(
        told.get("type"),
        None,
        "it has shown that it is direct's: {told}"
    );
    assert_eq!(told["file_attachment"]["filename"], "a.bin");
}

async fn a_file_whose_text_no_room_takes_is_not_kept(bus: Bus) {
    let site = Site::start(bus).await;
    let (_, mut talker, mut listener) = two(&site).await;
    let company = CompanyId::new(COMPANY).expect("valid");
    let long = "\u{e4}".repeat(10_001);
    for bytes in [&b"a few words"[..], &[b'a'; 700_000]] {
        talker.send(&frame("a.txt", bytes, &long)).await;
        let refused = talker.next().await;
        assert_eq!(refused["type"], "error", "{refused}");
        assert_eq!(refused["code"], "text_too_long");
        let kept = site.running.node().file_bytes(&company).await;
        assert_eq!(kept.expect("reads"), 0, "of {} bytes", bytes.len());
    }
    still_goes_on(&mut talker, &mut listener).await;
    let fits = &long[..2 * 10_000];
    talker.send(&frame("a.txt", b"a few words", fits)).await;
    assert_eq!(talker.next().await["content"], fits);
}
