//! Forms that mean harm: parsers that hold too much, names that are paths, files that are two.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::forms::{Sending, document};
use crate::support::raw::Raw;
use crate::support::token::token_of;
use crate::support::{Bus, Site, in_both_buses, soon};

in_both_buses!(
    a_form_that_is_none_is_refused_with_400,
    a_name_is_never_a_path,
    a_client_that_goes_leaves_no_upload_behind,
);

const UPLOAD: &str = "/api/chat/upload/";

fn part(head: &str, text: &str) -> String {
    format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n")
}

async fn a_form_that_is_none_is_refused_with_400(bus: Bus) {
    let site = Site::start(bus).await;
    let file = part("name=\"file\"; filename=\"a.txt\"", "plain words");
    let end = "--b--\r\n";
    let of = "multipart/form-data; boundary=b";
    let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
    let many = part("name=\"x\"", "1").repeat(100_000);
    let head = format!("--b\r\nX-Long: {}\r\n\r\n", "y".repeat(512 * 1024));
    let nested = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"\r\nContent-Type: multipart/mixed; \
         boundary=c\r\n\r\n--c\r\n\r\n--c--\r\n{file}{end}"
    );
    for (kind, body) in [
        ("application/json", "{}".to_owned()),
        ("multipart/form-data", format!("{file}{end}")),
        (&*long, format!("{file}{end}")),
        (of, format!("{many}{end}")),
        (of, format!("{head}{file}{end}")),
        (of, file.clone()),
        (of, format!("{file}{file}{end}")),
        (of, nested),
        (of, end.to_owned()),
        (of, String::new()),
        (of, "nothing of a form".to_owned()),
        (of, format!("{}{end}", part("name=\"other\"", "1"))),
        (
            of,
            format!(
                "{}{file}{end}",
                part("name=\"caption\"", &"x".repeat(100_000))
            ),
        ),
    ] {
        let shown: String = body.chars().take(60).collect();
        let request = site
            .request("POST", UPLOAD)
            .bearer_auth(token_of("a1"))
            .header("content-type", kind)
            .body(body);
        let answer = soon("an answer", request.send()).await.expect("an answer");
        let status = answer.status().as_u16();
        let told: Value = answer.json().await.expect("JSON");
        assert_eq!(status, 400, "{kind} {shown}: {told}");
        assert!(told["error"].is_string(), "{told}");
    }
    let form = document().before(&[]);
    let (status, kept) = site.form(UPLOAD, Some(&token_of("a1")), form).await;
    assert_eq!(status, 200, "and goes on: {kept}");
}

async fn a_name_is_never_a_path(bus: Bus) {
    let site = Site::start(bus).await;
    for (given, shown) in [
        ("../../etc/notes.txt", "notes.txt"),
        ("..\\..\\notes.txt", "notes.txt"),
        ("/abs/notes.txt", "notes.txt"),
        ("photo\u{202e}gnp.txt", "photognp.txt"),
        ("a\u{200b}b.txt", "ab.txt"),
    ] {
        let sending = Sending {
            name: given,
            ..document()
        };
        let form = sending.before(&[]);
        let (status, kept) = site.form(UPLOAD, Some(&token_of("a1")), form).await;
        assert_eq!(status, 200, "{given}: {kept}");
        assert_eq!(kept["file_name"], shown);
        let url = kept["file_url"].as_str().expect("a link");
        assert!(!url.contains(".."), "{url}");
    }
    for (given, status) in [
        ("x.jpg.exe", 400),
        ("run.bat", 400),
        ("page.html", 400),
        ("notes.txt\0.exe", 400),
        ("a.php.txt", 200),
        (".htaccess", 200),
        ("CON.txt", 200),
    ] {
        let head = format!("name=\"file\"; filename=\"{given}\"");
        let body = format!("{}--b--\r\n", part(&head, "plain words"));
        let request = site
            .request("POST", UPLOAD)
            .bearer_auth(token_of("a1"))
            .header("content-type", "multipart/form-data; boundary=b")
            .body(body);
        let answer = soon("an answer", request.send()).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{given:?}");
    }
}

async fn a_client_that_goes_leaves_no_upload_behind(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["5", "7"]).await;
    let mut raw = Raw::connect(site.address).await;
    let head = format!(
        "POST /api/chat/conversations/{}/send-file/ HTTP/1.1\r\nHost: localhost\r\n\
         Authorization: Bearer {}\r\nContent-Type: multipart/form-data; boundary=b\r\n\
         Content-Length: 100000\r\n\r\n",
        room.number,
        token_of("5")
    );
    let begun = part("name=\"file\"; filename=\"a.txt\"", "the first half");
    raw.write(head.as_bytes()).await;
    raw.write(begun.trim_end().as_bytes()).await;
    let folder = site.spool();
    let spooled = || {
        let of_company = std::fs::read_dir(folder.join("TES001"));
        of_company.map_or(0, |entries| entries.count())
    };
    crate::support::until("the upload has begun", || spooled() > 0).await;
    raw.stream.shutdown().await.expect("gone");
    drop(raw);
    crate::support::until("nothing is left", || spooled() == 0).await;
    let (_, shown) = site
        .http(
            "GET",
            &format!("/api/chat/conversations/{}/messages/", room.number),
            Some(&token_of("5")),
            &json!(null),
        )
        .await;
    assert_eq!(shown["count"], 0, "{shown}");
}
