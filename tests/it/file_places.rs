//! Forms whose file comes before it is said whose it is: what they may take of the server while
//! nobody knows, and that others go on beside them.

use frontdesk::config::Config;
use futures_util::future::select_all;
use serde_json::{Value, json};

use crate::support::forms::{Sending, document};
use crate::support::raw::Raw;
use crate::support::token::token_of;
use crate::support::{Bus, COMPANY, Site, in_both_buses, soon};

in_both_buses!(
    one_address_leaves_places_for_whoever_has_a_token,
    an_undecided_form_that_dawdles_loses_its_place,
    an_undecided_form_is_no_larger_than_its_door_takes,
    whoever_has_a_token_is_counted_before_the_file_comes,
    a_person_holds_no_more_places_than_their_own,
);

const UPLOAD: &str = "/api/chat/upload/";
/// Longer than the time over which a body's speed is looked at, milliseconds.
const DAWDLE_MS: u64 = 31_000;
/// Places that one holder may have.
const OWN_COUNT: usize = 8;

/// A form that has begun with its file, and does not go on.
async fn begun(site: &Site, path: &str, token: Option<&str>) -> Raw {
    let mut raw = Raw::connect(site.address).await;
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n{}\
         Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nthe first words",
        token.unwrap_or_default()
    );
    raw.write(head.as_bytes()).await;
    raw
}

async fn status_of(mut raw: Raw) -> (String, Raw) {
    let head = raw.head().await;
    (head, raw)
}

/// Of so many forms that wait, those that were refused, in their own time; the others wait on.
async fn refused(forms: Vec<Raw>, count: usize) -> (Vec<String>, usize) {
    let mut waiting: Vec<_> = forms
        .into_iter()
        .map(|raw| Box::pin(whenever(raw)))
        .collect();
    let mut heads = Vec::new();
    while heads.len() < count {
        let (head, _, rest) = soon("a refusal", select_all(waiting)).await;
        heads.push(head);
        waiting = rest;
    }
    (heads, waiting.len())
}

/// A response's head, however long it takes; the connection stays open until then.
async fn whenever(raw: Raw) -> String {
    loop {
        raw.stream.readable().await.expect("open");
        let mut piece = [0; 4_096];
        match raw.stream.try_read(&mut piece) {
            Ok(count) => return String::from_utf8_lossy(&piece[..count]).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn one_address_leaves_places_for_whoever_has_a_token(bus: Bus) {
    let site = Site::start(bus).await;
    let mut forms = Vec::new();
    for path in [UPLOAD, "/api/chatbot/upload/"] {
        for _ in 0..40 {
            forms.push(begun(&site, path, None).await);
        }
    }
    let all = forms.len();
    let others = async {
        let form = document().before(&[]);
        let (status, kept) = site.form(UPLOAD, Some(&token_of("a1")), form).await;
        assert_eq!(status, 200, "with a token: {kept}");
        let chat = site.chat_of(COMPANY, "visitor:1", "TES001_abc").await;
        let named = [
            ("session_id", chat.id.as_str()),
            ("session_token", &chat.token),
        ];
        let (status, sent) = site.form(UPLOAD, None, document().behind(&named)).await;
        assert_eq!(status, 201, "with its chat before the file: {sent}");
    };
    let (_, (heads, left)) = tokio::join!(others, refused(forms, all - OWN_COUNT));
    assert_eq!(left, OWN_COUNT);
    for head in heads {
        assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
        assert!(head.contains("\r\nretry-after: "), "{head}");
        assert!(head.contains("\"error\":"), "in the client's words: {head}");
    }
}

async fn an_undecided_form_that_dawdles_loses_its_place(bus: Bus) {
    let site = Site::start(bus).await;
    let mut raw = begun(&site, UPLOAD, None).await;
    let told = async {
        loop {
            raw.write(b"x").await;
            site.clock.leap_ms(DAWDLE_MS);
            let mut piece = [0; 4_096];
            if let Ok(count) = raw.stream.try_read(&mut piece) {
                return String::from_utf8_lossy(&piece[..count]).into_owned();
            }
            tokio::task::yield_now().await;
        }
    };
    let told = soon("its end", told).await;
    assert!(told.starts_with("HTTP/1.1 400 "), "{told}");
    assert!(told.contains("too slowly"), "{told}");
}

async fn an_undecided_form_is_no_larger_than_its_door_takes(bus: Bus) {
    let site = Site::start(bus).await;
    let of = |bytes: usize| Sending {
        bytes: vec![b'a'; bytes],
        ..document()
    };
    let large = 25 * 1024 * 1024 + 1;
    let (status, told) = site.form(UPLOAD, None, of(large).before(&[])).await;
    assert_eq!((status, &told["code"]), (400, &json!("file_too_large")));
    let path = "/api/chatbot/upload/";
    let (status, told) = site
        .form(path, None, of(10 * 1024 * 1024 + 1).before(&[]))
        .await;
    assert_eq!((status, &told["code"]), (400, &json!("file_too_large")));
    // A company that takes more does so too where it is named behind the address.
    site.set(COMPANY, json!({"file_bytes_max": large + 1}))
        .await;
    let chat = site.chat_of(COMPANY, "visitor:1", "TES001_abc").await;
    let named = [
        ("session_id", chat.id.as_str()),
        ("session_token", &chat.token),
    ];
    let path = format!("{UPLOAD}?company_id={COMPANY}");
    let (status, told) = site.form(&path, None, of(large).before(&named)).await;
    assert_eq!(status, 201, "{told}");
}

async fn whoever_has_a_token_is_counted_before_the_file_comes(bus: Bus) {
    let change = |config: &mut Config| config.limits.uploads_per_minute = Some(1);
    let site = Site::with(bus, change).await;
    let ann = token_of("a1");
    let form = document().before(&[]);
    let (status, kept) = site.form(UPLOAD, Some(&ann), form).await;
    assert_eq!(status, 200, "counted once: {kept}");
    let (told, _) = status_of(begun(&site, UPLOAD, Some(&ann)).await).await;
    assert!(told.starts_with("HTTP/1.1 429 "), "{told}");
    let chat = site.chat_of(COMPANY, "visitor:1", "TES001_abc").await;
    let proof = format!("{UPLOAD}?session_token={}", chat.token);
    let named = [("session_id", chat.id.as_str())];
    let (status, sent) = site.form(&proof, None, document().before(&named)).await;
    assert_eq!(status, 201, "counted once: {sent}");
    let (told, _) = status_of(begun(&site, &proof, None).await).await;
    assert!(told.starts_with("HTTP/1.1 429 "), "{told}");
}

async fn a_person_holds_no_more_places_than_their_own(bus: Bus) {
    let site = Site::start(bus).await;
    let ann = token_of("a1");
    let mut forms = Vec::new();
    for _ in 0..=OWN_COUNT {
        forms.push(begun(&site, UPLOAD, Some(&ann)).await);
    }
    let (heads, left) = refused(forms, 1).await;
    assert_eq!(left, OWN_COUNT);
    assert!(heads[0].starts_with("HTTP/1.1 429 "), "{}", heads[0]);
    let form = document().before(&[]);
    let (status, kept): (u16, Value) = site.form(UPLOAD, Some(&token_of("b2")), form).await;
    assert_eq!(status, 200, "{kept}");
}
