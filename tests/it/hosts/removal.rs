//! Links to the page that deletes one picture: opened by whoever previews them, they do nothing.

use pixedge::codec::Format;
use serde_json::{Value, json};

use super::{OPEN, path_of, send_form};
use crate::support::pictures::encoded;
use crate::support::{Home, Server};
use crate::uploads::account;

fn upload(server: &Server, token: &str, seed: u32) -> (String, String) {
    let png = encoded(Format::Png, 20, 20, seed);
    let bearer = format!("Bearer {token}");
    let parts: [(&str, Option<&str>, &[u8]); 1] = [("file", Some("<cat>.png"), &png)];
    let sent = send_form(server, "/api/sharex", ("authorization", &bearer), &parts);
    assert!(sent.status < 300, "{}", sent.text());
    let sent = sent.json();
    let path = |name: &str| path_of(server, sent[name].as_str().unwrap()).to_owned();
    (path("url"), path("delete"))
}

#[test]
fn a_link_shows_a_page_and_its_form_deletes() {
    let server = Home::new(OPEN).start();
    let ana = account(&server, "ana");
    let (picture, page) = upload(&server, &ana, 1);
    for method in ["GET", "HEAD", "GET"] {
        let shown = server.request(method, &page, &[]);
        assert_eq!((shown.status, shown.header("cache-control")), (200, "no-store"), "{method}");
        assert_eq!(shown.header("referrer-policy"), "no-referrer");
        assert!(shown.header("content-security-policy").contains("form-action 'self'"));
        assert_eq!(server.get(&picture).status, 200, "a {method} has deleted the picture");
    }
    let html = server.get(&page).text();
    assert!(html.contains("<form method=\"post\">") && html.contains("&lt;cat&gt;.png"), "{html}");
    let preview = html.split("<img src=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(server.get(preview).status, 200, "{preview}");
    let done = server.post(&page, &[], "");
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(server.get(&picture).status, 404);
    for method in ["GET", "POST"] {
        assert_eq!(server.request(method, &page, &[]).status, 404, "{method}");
    }
    // Out of the trash it can be put there again; out of the trash for good the link is nobody's.
    let id = picture.rsplit('/').next().unwrap();
    assert_eq!(server.json("POST", &format!("/v1/images/{id}/restore"), &ana, Value::Null).status, 200);
    assert_eq!(server.get(&page).status, 200);
    assert!(!server.log().contains(page.rsplit('/').next().unwrap()), "the right is in the log");
}

#[test]
fn a_link_is_for_one_picture_and_cannot_be_made() {
    let server = Home::new(OPEN).start();
    let ana = account(&server, "ana");
    let ((one, page), (other, _)) = (upload(&server, &ana, 1), upload(&server, &ana, 2));
    let (one, other) = (one.rsplit('/').next().unwrap(), other.rsplit('/').next().unwrap());
    let mac = page.rsplit('.').next().unwrap();
    for wrong in [
        page.replace(one, other),
        format!("/delete/{one}"),
        format!("/delete/{one}."),
        format!("/delete/{one}.{}", &mac[..mac.len() - 4]),
        format!("/delete/.{mac}"),
        format!("/delete/nothere.{mac}"),
        "/delete/".to_owned(),
    ] {
        for method in ["GET", "POST"] {
            assert_eq!(server.request(method, &wrong, &[]).status, 404, "{method} {wrong}");
        }
    }
    assert_eq!(server.request("DELETE", &page, &[]).status, 405);
    // A private picture is not shown to whoever found the link.
    let edit = json!({ "visibility": "private" });
    assert_eq!(server.json("PATCH", &format!("/v1/images/{one}"), &ana, edit).status, 200);
    let html = server.get(&page).text();
    assert!(html.contains("<form") && !html.contains("<img"), "{html}");
    // What a new secret ends.
    let home = server.stop();
    std::fs::remove_file(home.path().join("data/secret.key")).unwrap();
    assert_eq!(home.start().get(&page).status, 404);
}
