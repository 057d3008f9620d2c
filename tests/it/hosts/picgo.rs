//! PicGo's own server beside the upload of one file: several files, addresses, paths, deleting, heartbeats.

use pixedge::codec::Format;
use serde_json::{Value, json};

use super::{OPEN, key, only_picture, send_form};
use crate::support::pictures::encoded;
use crate::support::{Home, Server};
use crate::uploads::account;

fn png(seed: u32) -> Vec<u8> {
    encoded(Format::Png, 24, 24, seed)
}

fn total(server: &Server, token: &str) -> Value {
    server.json("GET", "/v1/images", token, Value::Null).json()["meta"]["total"].clone()
}

#[test]
fn several_files_keep_their_order_and_one_that_is_bad_spoils_all() {
    let server = Home::new(OPEN).start();
    let ana = account(&server, "ana");
    let secret = key(&server, &ana, &["upload"]);
    let (one, two) = (png(1), png(2));
    let files: [(&str, Option<&str>, &[u8]); 2] =
        [("list", Some("/home/ana/one.png"), &one), ("list", Some("C:\\two.png"), &two)];
    // Note-taking programs send no header of their own.
    for place in ["secret", "key"] {
        let reply = send_form(&server, &format!("/upload?{place}={secret}"), ("x-none", "1"), &files);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let reply = reply.json();
        let names: Vec<&str> = reply["fullResult"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["fileName"].as_str().unwrap())
            .collect();
        // Where they lay is nobody's business.
        assert_eq!(names, ["one.png", "two.png"]);
        for (at, url) in reply["result"].as_array().unwrap().iter().enumerate() {
            assert_eq!(*url, reply["fullResult"][at]["imgUrl"]);
        }
    }
    assert!(!server.log().contains(&secret), "the key is in the log");
    let files: [(&str, Option<&str>, &[u8]); 2] =
        [("files", Some("a.png"), &one), ("files", Some("b.png"), b"x")];
    let reply = send_form(&server, "/upload", ("x-picgo-secret", &secret), &files);
    let said = "these bytes are not a picture in a format that is known here";
    assert_eq!((reply.status, reply.json()), (415, json!({ "success": false, "message": said })));
    let none = send_form(&server, "/upload", ("x-picgo-secret", &secret), &[("note", None, b"x")]);
    assert_eq!((none.status, none.json()), (400, json!({ "success": false, "message": "no file was sent" })));
    // On the native API these places mean nothing.
    assert_eq!(server.get(&format!("/v1/images?secret={secret}")).status, 401);
    assert_eq!(server.get_with("/v1/images", &[("x-picgo-secret", &secret)]).status, 401);
}

#[test]
fn addresses_are_fetched_and_paths_are_refused() {
    let there = Home::new(OPEN).start();
    let bea = account(&there, "bea");
    let kept = send_form(
        &there,
        "/upload",
        ("authorization", &format!("Bearer {bea}")),
        &[("f", Some("a.png"), &png(3))],
    );
    let url = kept.json()["result"][0].as_str().unwrap().to_owned();
    let allowed =
        format!("uploads: {{ allow_addresses: [127.0.0.0/8], hosts: [\"{}\"] }}\n", there.address());
    let server = Home::new(&format!("{OPEN}{allowed}")).start();
    let ana = account(&server, "ana");
    let sent = |list: Value| {
        let reply = server.json("POST", "/upload", &ana, json!({ "list": list }));
        (reply.status, reply.json())
    };
    let fetched = sent(json!([url]));
    assert_eq!((fetched.0, &fetched.1["success"]), (200, &json!(true)), "{}", fetched.1);
    assert_eq!(only_picture(&server, &ana)["url"], fetched.1["result"][0]);

    // A picture that this server could read, if it opened what it is told to.
    let local = server.home().path().join("a.png");
    std::fs::write(&local, png(4)).unwrap();
    let said = "this server opens no files of its own: send the picture itself, as a form or by its URL";
    for path in [local.to_str().unwrap(), &format!("file://{}", local.display()), "C:\\a.png", "a.png", ""] {
        for list in [json!([path]), json!([url, path])] {
            assert_eq!(sent(list), (400, json!({ "success": false, "message": said })), "{path}");
        }
    }
    let said = "there is no clipboard on this server: send the picture itself, as a form or by its URL";
    assert_eq!(sent(json!([])), (400, json!({ "success": false, "message": said })));
    let empty = server.json("POST", "/upload", &ana, Value::Null);
    assert_eq!((empty.status, empty.json()), (400, json!({ "success": false, "message": said })));
    let said = "`list` must be a list";
    assert_eq!(sent(json!("x")), (400, json!({ "success": false, "message": said })));
    assert_eq!(sent(json!([7])).0, 400);
    assert_eq!(sent(json!(vec![url.as_str(); 51])).0, 400);
    assert_eq!(sent(json!(["http://127.0.0.1:1/a.png"])).0, 400);
    assert_eq!(total(&server, &ana), 1);
}

#[test]
fn pictures_are_deleted_by_what_the_upload_said_of_them() {
    let server = Home::new(OPEN).start();
    let (ana, bea) = (account(&server, "ana"), account(&server, "bea"));
    let (secret, theirs) = (key(&server, &ana, &["upload"]), key(&server, &bea, &["upload"]));
    let upload = |seed| {
        let file = png(seed);
        let reply =
            send_form(&server, "/upload", ("x-picgo-secret", &secret), &[("f", Some("a.png"), &file)]);
        reply.json()["fullResult"][0].clone()
    };
    let delete = |credential: &str, list: Value| {
        let reply = server.json("POST", &format!("/delete?secret={credential}"), "", json!({ "list": list }));
        (reply.status, reply.json())
    };
    let said = |success: bool, gone: u32, kept: u32| {
        (200, json!({ "success": success, "message": format!("delete success: {gone}, fail: {kept}") }))
    };
    let (one, two, three) = (upload(1), upload(2), upload(3));
    // A key that may upload deletes what it has the right to in hand, and nothing by its name alone.
    assert_eq!(delete(&theirs, json!([one])), said(false, 0, 1));
    let by_name = delete(&secret, json!([two["imgUrl"]]));
    let missing = "this needs the scope `manage`, which the account or its key lacks";
    assert_eq!(by_name, (403, json!({ "success": false, "message": missing })));
    let forged = json!({ "id": two["id"], "delete": one["delete"] });
    assert_eq!(delete(&secret, json!([forged])).0, 403);
    assert_eq!(delete(&secret, json!([one, { "id": "nothere" }])), said(true, 1, 1));
    assert_eq!(server.get(&format!("/i/{}", one["id"].as_str().unwrap())).status, 404);
    assert_eq!(delete(&secret, json!([one])), said(false, 0, 1));
    assert_eq!(delete(&ana, json!([two["imgUrl"], three["id"]])), said(true, 2, 0));
    assert_eq!(total(&server, &ana), 0);
    assert_eq!(delete(&ana, json!([])).0, 400);
    assert_eq!(delete("", json!([one])).0, 401);
}

#[test]
fn a_heartbeat_is_answered_to_everybody() {
    let server = Home::new(OPEN).start();
    let alive = server.post("/heartbeat", &[], "");
    assert_eq!((alive.status, alive.json()), (200, json!({ "success": true, "result": "alive" })));
    let got = server.get("/heartbeat");
    assert_eq!((got.status, &got.json()["success"]), (405, &json!(false)));
}
