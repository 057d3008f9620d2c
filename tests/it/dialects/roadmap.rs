//! Image-Processing-Service of roadmap.sh, route by route.

use std::time::{Duration, Instant};

use pixedge::codec::Format;
use serde_json::{Value, json};

use super::{assert_told, send_file, told};
use crate::support::pictures::{encoded, header};
use crate::support::{Home, Reply, Server};

fn start() -> Server {
    Home::new("auth: { registration: open }").start()
}

fn sign_in(server: &Server, name: &str) -> String {
    let wish = json!({ "username": name, "password": "password123" });
    let made = server.json("POST", "/register", "", wish);
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["token"].as_str().unwrap().to_owned()
}

fn upload(server: &Server, token: &str, name: &str, file: &[u8]) -> Value {
    let bearer = format!("Bearer {token}");
    let sent = send_file(server, "/images", &[("authorization", &bearer)], "file", name, file);
    assert_eq!(sent.status, 201, "{}", sent.text());
    sent.json()
}

/// The path of an address of this server.
fn path<'u>(server: &Server, url: &'u Value) -> &'u str {
    url.as_str().unwrap().strip_prefix(&*server.url).unwrap()
}

#[test]
fn people_register_and_sign_in_with_json_or_a_form() {
    let server = start();
    let user = json!({ "id": 1, "username": "user1", "created_at": "*" });
    let session = json!({
        "id": 1,
        "username": "user1",
        "created_at": "*",
        "user": user,
        "token": "*",
        "access_token": "*",
        "refresh_token": "*",
        "token_type": "bearer",
        "expires_in": 3600,
    });
    let wish = json!({ "username": "user1", "password": "password123" });
    let made = server.json("POST", "/register", "", wish.clone());
    assert_told(&made, 201, &session);
    assert_eq!(made.json()["token"], made.json()["access_token"]);
    assert_told(&server.json("POST", "/login", "", wish.clone()), 200, &session);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_told(&server.post("/login", &form, "username=user1&password=password123"), 200, &session);
    // What others made of a refresh token works here as well.
    let next = json!({ "refresh_token": made.json()["refresh_token"] });
    assert_eq!(server.json("POST", "/v1/refresh", "", next).status, 200);

    let code = |reply: &Reply| (reply.status, reply.code());
    let taken = server.json("POST", "/register", "", wish);
    assert_eq!(code(&taken), (409, "name_taken".to_owned()));
    let missing = server.json("POST", "/register", "", json!({}));
    assert_eq!(code(&missing), (400, "invalid_fields".to_owned()));
    assert_eq!(missing.json()["errors"].as_array().unwrap().len(), 2);
    let missing = server.json("POST", "/login", "", json!({ "username": "user1" }));
    assert_eq!((missing.status, &missing.json()["errors"][0]["field"]), (400, &json!("password")));
    let wrong = server.json("POST", "/login", "", json!({ "username": "user1", "password": "not this" }));
    assert_eq!(code(&wrong), (401, "wrong_password".to_owned()));
    assert!(wrong.json()["detail"].is_string(), "what clients of FastAPI read");
    let closed = Home::new("auth: { registration: closed }").start();
    let refused = closed.json("POST", "/register", "", json!({ "username": "a", "password": "password123" }));
    assert_eq!(code(&refused), (403, "registration_closed".to_owned()));
    let chinese = [("content-type", "application/json"), ("accept-language", "zh-CN,zh")];
    let refused = server.post("/login", &chinese, r#"{"username":"user1","password":"not this"}"#);
    assert_eq!(refused.json()["detail"], "用户名或密码错误");
}

#[test]
fn pictures_are_listed_in_pages_and_found_by_id_and_number() {
    let server = start();
    let (ana, bea) = (sign_in(&server, "ana"), sign_in(&server, "bea"));
    let mut all = Vec::new();
    for seed in 1..=12 {
        all.push(upload(&server, &ana, &format!("{seed}.png"), &encoded(Format::Png, 30, 20, seed)));
    }
    let get = |path: &str| server.json("GET", path, &ana, Value::Null);
    let first = get("/images").json();
    assert_eq!(first["images"].as_array().unwrap().len(), 10);
    assert_eq!((&first["page"], &first["limit"]), (&json!(1), &json!(10)));
    assert_eq!((&first["total"], &first["total_pages"]), (&json!(12), &json!(2)));
    assert_eq!(first["images"][0], all[11], "the newest is first");
    let third = get("/images?page=3&limit=5").json();
    assert_eq!(third["images"], json!([all[1], all[0]]));
    for wrong in ["page=0", "page=x", "limit=0", "limit=101"] {
        let refused = get(&format!("/images?{wrong}"));
        let field = wrong.split('=').next().unwrap();
        assert_eq!((refused.status, &refused.json()["errors"][0]["field"]), (400, &json!(field)), "{wrong}");
    }
    assert_eq!(server.json("GET", "/images", &bea, Value::Null).json()["total"], 0);
    assert_eq!(server.get("/images").status, 401);

    let image = &all[0];
    let id = image["id"].as_str().unwrap();
    let found = get(&format!("/images/{id}"));
    assert_eq!(told(&found), (200, image.clone()));
    let number = server.json("GET", "/api/images", &ana, Value::Null).json()[11]["id"].as_i64().unwrap();
    assert_eq!(get(&format!("/images/{number}")).json()["id"], image["id"]);
    let webp = get(&format!("/images/{id}?format=webp")).json();
    let shown = server.get(path(&server, &webp["url"]));
    assert_eq!((shown.status, shown.header("content-type")), (200, "image/webp"));
    let refused = get(&format!("/images/{id}?format=exe"));
    assert_eq!((refused.status, &refused.json()["errors"][0]["field"]), (400, &json!("format")));
    assert_eq!(server.json("GET", &format!("/images/{id}"), &bea, Value::Null).status, 404);
    assert_eq!(get("/images/none").status, 404);
    assert_eq!(server.get(&format!("/images/{id}")).status, 401);

    let delete = |token: &str| server.json("DELETE", &format!("/images/{id}"), token, Value::Null);
    assert_eq!((delete(&bea).status, delete(&ana).status, delete(&ana).status), (404, 204, 404));
    assert_eq!(get("/images").json()["total"], 11);
    let refused = server.json("PUT", "/images", &ana, Value::Null);
    assert_eq!((refused.status, refused.header("allow")), (405, "GET, HEAD, OPTIONS, POST"));
}

#[test]
fn a_form_without_a_file_is_told_so() {
    let server = start();
    let bearer = format!("Bearer {}", sign_in(&server, "ana"));
    let headers = [("authorization", &*bearer), ("content-type", "multipart/form-data; boundary=XyZ")];
    let empty = crate::uploads::form(&[("note", None, b"x")]);
    let refused = server.send("POST", "/images", &headers, &empty);
    assert_eq!((refused.status, &refused.json()["errors"][0]["field"]), (400, &json!("file")));
}

#[test]
fn a_picture_is_transformed_and_the_result_kept() {
    let server = start();
    let (ana, bea) = (sign_in(&server, "ana"), sign_in(&server, "bea"));
    let image = upload(&server, &ana, "a.jpg", &encoded(Format::Jpeg, 80, 60, 1));
    let id = image["id"].as_str().unwrap();
    let transform =
        |token: &str, body: Value| server.json("POST", &format!("/images/{id}/transform"), token, body);
    // As the roadmap writes it: keys in any order, numbers as text.
    let wanted = json!({
        "format": "webp",
        "rotate": 90,
        "crop": { "width": "30", "height": 20, "x": 5, "y": 5 },
        "resize": { "width": 40, "height": 40 },
        "filters": { "grayscale": true, "sepia": false },
    });
    let made = transform(&ana, json!({ "transformations": wanted }));
    let expected = json!({
        "id": "*",
        "image_id": id,
        "url": "*",
        "spec": "*",
        "width": 20,
        "height": 30,
        "size": made.json()["size"],
        "format": "webp",
        "mime_type": "image/webp",
        "transformations": wanted,
        "created_at": "*",
    });
    assert_told(&made, 200, &expected);
    let made = made.json();
    let shown = server.get(path(&server, &made["url"]));
    assert_eq!((shown.status, shown.header("content-type")), (200, "image/webp"));
    assert_eq!((header(&shown.body).width, header(&shown.body).height), (20, 30));
    assert_eq!(made["size"], shown.body.len());
    // The same again, and without the wrapper, is the same one.
    assert_eq!(transform(&ana, wanted.clone()).json()["id"], made["id"]);
    let listed = server.json("GET", &format!("/images/{id}"), &ana, Value::Null).json();
    let version = &listed["transformed_versions"][0];
    assert_eq!(
        (&version["id"], &version["url"], &version["size"]),
        (&made["id"], &made["url"], &made["size"])
    );
    assert_eq!(listed["transformed_versions"].as_array().unwrap().len(), 1);

    for (body, fields) in [
        (json!({ "transformations": {} }), vec!["transformations"]),
        (
            json!({ "resize": { "width": 0 }, "rotat": 90 }),
            vec!["transformations.rotat", "transformations.resize.width"],
        ),
        (json!({ "crop": { "width": 100, "height": 10 } }), vec!["transformations.crop"]),
    ] {
        let refused = transform(&ana, body.clone());
        assert_eq!((refused.status, refused.code()), (400, "invalid_fields".to_owned()), "{body}");
        let named: Vec<String> = refused.json()["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["field"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(named, fields, "{body}");
    }
    assert_eq!(transform(&bea, wanted.clone()).status, 404);
    assert_eq!(transform("", wanted).status, 401);
}

#[test]
fn a_transformation_may_be_waited_for() {
    let server = Home::new("auth: { registration: open }\njobs: { poll: 100ms }\n").start();
    let (ana, bea) = (sign_in(&server, "ana"), sign_in(&server, "bea"));
    let image = upload(&server, &ana, "a.jpg", &encoded(Format::Jpeg, 80, 60, 1));
    let path = format!("/images/{}/transform", image["id"].as_str().unwrap());
    let bearer = format!("Bearer {ana}");
    let mut ids = Vec::new();
    for (query, prefer, body) in [
        ("", "respond-async", json!({ "transformations": { "rotate": 90 } })),
        ("?async=true", "", json!({ "rotate": 90 })),
        ("", "", json!({ "transformations": { "rotate": 90 }, "async": true })),
    ] {
        let mut headers = vec![("authorization", &*bearer), ("content-type", "application/json")];
        if !prefer.is_empty() {
            headers.push(("prefer", prefer));
        }
        let ordered = server.post(&format!("{path}{query}"), &headers, &body.to_string());
        assert_told(&ordered, 202, &json!({ "task_id": "*", "status": "pending", "status_url": "*" }));
        let status = ordered.json()["status_url"].as_str().unwrap().to_owned();
        assert_eq!(ordered.header("location"), status);
        let task = ordered.json()["task_id"].as_str().unwrap().to_owned();
        assert_eq!(status, format!("/tasks/{task}/status"));
        assert_eq!(server.json("GET", &status, &bea, Value::Null).status, 404);
        let since = Instant::now();
        let done = loop {
            let told = server.json("GET", &status, &ana, Value::Null).json();
            match told["status"].as_str().unwrap() {
                "pending" | "processing" => assert!(since.elapsed() < Duration::from_secs(30), "{told}"),
                _ => break told,
            }
            std::thread::sleep(Duration::from_millis(30));
        };
        assert_eq!((&done["status"], &done["progress"]), (&json!("completed"), &json!(100)), "{done}");
        assert_eq!((&done["error"], &done["task_id"]), (&Value::Null, &json!(task)));
        assert_eq!(done["result"]["transformations"], json!({ "rotate": 90 }));
        assert_eq!((&done["result"]["width"], &done["result"]["height"]), (&json!(60), &json!(80)));
        ids.push(done["result"]["id"].clone());
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(server.json("GET", "/tasks/none/status", &ana, Value::Null).status, 404);
    let refused = server.json("POST", &format!("{path}?async=true"), &ana, json!({ "rotate": "x" }));
    assert_eq!(refused.status, 400);
}
