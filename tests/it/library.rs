//! The library by the API: lists, labels, the trash and versions, with the binary and uploaded pictures.

use serde_json::{Value, json};

use crate::support::{Home, Server};
use crate::uploads::post;

fn signed_up(server: &Server, name: &str) -> String {
    let body = json!({"username": name, "password": "password123"});
    server.json("POST", "/v1/register", "", body).json()["access_token"].as_str().unwrap().to_owned()
}

/// The id of a picture that is uploaded under this name.
fn uploaded(server: &Server, token: &str, name: &str, file: &str) -> String {
    let path = format!("{}/fixtures/sources/{file}", env!("CARGO_MANIFEST_DIR"));
    let reply = post(server, token, &[], &[("file", Some(name), &std::fs::read(path).unwrap())]);
    assert!(reply.status < 300, "{}", reply.text());
    reply.json()["images"][0]["id"].as_str().unwrap().to_owned()
}

fn names(list: &Value) -> Vec<&str> {
    list["images"].as_array().unwrap().iter().map(|image| image["name"].as_str().unwrap()).collect()
}

#[test]
fn images_are_listed_changed_deleted_and_restored() {
    let server = Home::new("auth: { registration: open }").start();
    let (ana, bob) = (signed_up(&server, "ana"), signed_up(&server, "bob"));
    let photo = uploaded(&server, &ana, "Grey Cat.jpg", "photo.jpg");
    let get = |token: &str, path: &str| server.json("GET", path, token, Value::Null);
    let list = get(&ana, "/v1/images?q=cat").json();
    assert_eq!((names(&list), &list["meta"]["total"]), (vec!["Grey Cat.jpg"], &json!(1)));
    let path = format!("/v1/images/{photo}");
    for method in ["GET", "DELETE"] {
        assert_eq!(server.json(method, &path, &bob, Value::Null).status, 404);
    }
    assert_eq!(server.json("PATCH", &path, &bob, json!({"name": "mine"})).status, 404);
    let album = server.json("POST", "/v1/albums", &ana, json!({"name": "Summer"})).json();
    let album = album["id"].as_str().unwrap();
    let edit = json!({"name": "dog.jpg", "tags": ["Sea"], "albums": [album], "focal": {"x": 0.5, "y": 0.25},
        "visibility": "private", "expires_at": "2099-01-01T00:00:00Z"});
    let edited = server.json("PATCH", &path, &ana, edit);
    assert_eq!(edited.status, 200, "{}", edited.text());
    let edited = edited.json();
    assert_eq!((&edited["tags"], &edited["albums"]), (&json!(["sea"]), &json!([album])));
    assert_eq!(
        (&edited["focal"]["y"], &edited["expires_at"]),
        (&json!(0.25), &json!("2099-01-01T00:00:00Z"))
    );
    // The links of a private picture work for whoever has them.
    let url = edited["links"]["thumbnail"].as_str().unwrap().strip_prefix(&server.url).unwrap();
    assert_eq!(server.get(url).status, 200);
    assert_eq!(server.get(&format!("/i/{photo}")).status, 404);
    let wrong = server.json("PATCH", &path, &ana, json!({"nmae": "x", "focal": {"x": 2, "y": 0}}));
    let fields: Vec<String> = wrong.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap().to_owned())
        .collect();
    assert!(fields.contains(&"nmae".to_owned()) && fields.contains(&"focal.x".to_owned()), "{fields:?}");

    for query in
        ["q=dog+sea", "tag=Sea", &format!("album={album}&sort=album"), "visibility=private", "format=jpeg"]
    {
        assert_eq!(names(&get(&ana, &format!("/v1/images?{query}")).json()), ["dog.jpg"], "{query}");
    }
    assert!(names(&get(&bob, "/v1/images").json()).is_empty());
    for (query, code) in [
        ("limit=0", "invalid_fields"),
        ("cursor=x", "bad_value"),
        ("owner=all", "missing_scope"),
        ("q=!", "bad_value"),
    ] {
        assert_eq!(get(&ana, &format!("/v1/images?{query}")).code(), code, "{query}");
    }

    assert_eq!(server.json("DELETE", &path, &ana, Value::Null).status, 204);
    assert_eq!((get(&ana, &path).status, server.get(url).status), (404, 404));
    assert_eq!(names(&get(&ana, "/v1/trash").json()), ["dog.jpg"]);
    assert_eq!(get(&ana, "/v1/tags").json()["tags"][0]["images"], 0);
    let restored = server.json("POST", &format!("{path}/restore"), &ana, Value::Null);
    assert_eq!((restored.status, &restored.json()["tags"]), (200, &json!(["sea"])));
    assert_eq!(get(&ana, "/v1/tags").json()["tags"][0]["images"], 1);
    let batch = json!({"ids": [photo, "nothere1"], "action": "delete"});
    let results = server.json("POST", "/v1/images/batch", &ana, batch).json();
    assert_eq!(
        (&results["results"][0]["ok"], &results["results"][1]["code"]),
        (&json!(true), &json!("not_found"))
    );
    assert_eq!(server.json("DELETE", "/v1/trash", &ana, Value::Null).json()["deleted"], 1);
    assert!(names(&get(&ana, "/v1/trash").json()).is_empty());
}

#[test]
fn a_version_is_kept_and_served_as_it_is() {
    let server = Home::new("auth: { registration: open }").start();
    let token = signed_up(&server, "ana");
    let id = uploaded(&server, &token, "a.jpg", "photo.jpg");
    let path = format!("/v1/images/{id}/transform");
    let transformations = json!({"transformations": {"format": "webp", "resize": {"width": "77", "height": 33},
        "crop": {"width": 20, "height": 20, "x": 3}}});
    let made = server.json("POST", &path, &token, transformations.clone());
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    assert_eq!((&made["width"], &made["height"], &made["format"]), (&json!(20), &json!(20), &json!("webp")));
    let again = server.json("POST", &path, &token, transformations);
    assert_eq!((again.status, &again.json()["id"]), (200, &made["id"]));
    let by_spec = server.json("POST", &path, &token, json!({"spec": made["spec"]}));
    assert_eq!(by_spec.json()["id"], made["id"]);
    // No stranger may ask for such a spec, unless it is a version.
    let url = made["url"].as_str().unwrap().strip_prefix(&server.url).unwrap();
    let shown = server.get(url);
    assert_eq!(shown.status, 200, "{}", shown.text());
    assert_eq!(shown.body.len() as u64, made["bytes"].as_u64().unwrap());
    let versions = server.json("GET", &format!("/v1/images/{id}/versions"), &token, Value::Null).json();
    assert_eq!(versions["versions"].as_array().unwrap().len(), 1);
    for (wrong, code) in [
        (json!({}), "invalid_fields"),
        (json!({"spec": "w_1", "transformations": {}}), "invalid_fields"),
        (json!({"spec": "wdth_1"}), "unknown_option"),
        (json!({"transformations": {"resise": 1, "rotate": "x"}}), "invalid_fields"),
        (json!({"transformations": {"crop": {"width": 16000, "height": 1}}}), "invalid_fields"),
        (json!({"spec": "md_all"}), "needs_signature"),
    ] {
        assert_eq!(server.json("POST", &path, &token, wrong.clone()).code(), code, "{wrong}");
    }
    let version = format!("/v1/images/{id}/versions/{}", made["id"].as_str().unwrap());
    assert_eq!(server.json("DELETE", &version, &token, Value::Null).status, 204);
    assert_eq!(server.get(url).status, 403);
}

#[test]
fn a_version_is_made_later_where_nobody_wants_to_wait() {
    let server = Home::new("auth: { registration: open }").start();
    let ana = signed_up(&server, "ana");
    let path = format!("/v1/images/{}/transform", uploaded(&server, &ana, "a.jpg", "photo.jpg"));
    let wish = json!({"spec": "w_40,f_png"});
    let wrong = server.json("POST", &format!("{path}?async=true"), &ana, json!({"spec": "widht_40"}));
    assert_eq!((wrong.status, &*wrong.code()), (400, "unknown_option"));

    let ordered = server.json("POST", &format!("{path}?async=true"), &ana, wish.clone());
    assert_eq!(
        (ordered.status, ordered.json()["status"].as_str()),
        (202, Some("pending")),
        "{}",
        ordered.text()
    );
    let task = ordered.header("location").to_owned();
    assert_eq!(ordered.json()["status_url"], *task);
    let since = std::time::Instant::now();
    let done = loop {
        let told = server.json("GET", &task, &ana, Value::Null).json();
        match told["status"].as_str() {
            Some("completed") => break told,
            Some("pending" | "processing") => assert!(since.elapsed().as_secs() < 20, "{told}"),
            _ => panic!("{told}"),
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let version = &done["result"];
    assert_eq!((version["width"].as_u64(), version["format"].as_str()), (Some(40), Some("png")), "{done}");
    // The same as who waits gets.
    let waited = server.json("POST", &path, &ana, wish);
    assert_eq!((waited.status, &waited.json()["id"]), (200, &version["id"]));
    let preferred = server.send(
        "POST",
        &path,
        &[
            ("authorization", &format!("Bearer {ana}")),
            ("content-type", "application/json"),
            ("prefer", "wait=1, respond-async"),
        ],
        br#"{"spec":"w_30,f_png"}"#,
    );
    assert_eq!(preferred.status, 202, "{}", preferred.text());
}
