//! What administrators do by the API: accounts, invitations, settings, and the log of it all.

use serde_json::{Value, json};

use crate::support::{Home, Server};

const CONFIG: &str = "
auth:
  registration: closed
  users: [{ name: root, role: admin, password: password123 }]
";

/// A server, and an access token of its administrator.
fn with_root() -> (Server, String) {
    let server = Home::new(CONFIG).start();
    let root = login(&server, "root");
    (server, root)
}

fn login(server: &Server, name: &str) -> String {
    let reply = server.json("POST", "/v1/login", "", json!({"username": name, "password": "password123"}));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn accounts_are_made_changed_and_ended() {
    let (server, root) = with_root();
    let wish = json!({"username": "ana", "password": "password123", "quota_bytes": 1000});
    let made = server.json("POST", "/v1/admin/users", &root, wish.clone());
    assert_eq!((made.status, made.json()["quota_bytes"].as_u64()), (201, Some(1000)), "{}", made.text());
    let path = format!("/v1/admin/users/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(&*server.json("POST", "/v1/admin/users", &root, wish).code(), "name_taken");

    let ana = login(&server, "ana");
    // Who is no administrator gets nowhere here.
    for (method, path) in [("GET", "/v1/admin/users"), ("DELETE", &*path), ("GET", "/v1/admin/audit")] {
        let refused = server.json(method, path, &ana, Value::Null);
        assert_eq!((refused.status, &*refused.code()), (403, "missing_scope"), "{method} {path}");
    }
    let disabled = server.json("PATCH", &path, &root, json!({"disabled": true}));
    assert_eq!((disabled.status, disabled.json()["disabled"].as_bool()), (200, Some(true)));
    assert_eq!(server.json("GET", "/v1/me", &ana, Value::Null).status, 401);
    let change = json!({"disabled": false, "role": "guest", "quota": {"bytes": null, "files": 5}});
    let changed = server.json("PATCH", &path, &root, change).json();
    assert_eq!(
        (&changed["role"], &changed["quota_bytes"], &changed["quota_files"]),
        (&json!("guest"), &Value::Null, &json!(5))
    );
    let empty = server.json("PATCH", &path, &root, json!({}));
    assert_eq!((empty.status, &*empty.code()), (400, "invalid_fields"));

    let page = server.json("GET", "/v1/admin/users?limit=1", &root, Value::Null).json();
    assert_eq!(
        (page["users"][0]["username"].as_str(), page["meta"]["total"].as_u64()),
        (Some("root"), Some(2))
    );
    let next = format!("/v1/admin/users?limit=1&cursor={}", page["meta"]["next"]);
    assert_eq!(server.json("GET", &next, &root, Value::Null).json()["users"][0]["username"], "ana");
    let found = server.json("GET", "/v1/admin/users?q=AN", &root, Value::Null).json();
    assert_eq!(found["users"].as_array().unwrap().len(), 1);
    let wrong = server.json("GET", "/v1/admin/users?limit=0&cursor=x&page=2", &root, Value::Null);
    let fields: Vec<_> =
        wrong.json()["errors"].as_array().unwrap().iter().map(|e| e["field"].to_string()).collect();
    assert_eq!((wrong.status, fields.len()), (400, 3), "{fields:?}");

    let last = server.json(
        "PATCH",
        &format!("/v1/admin/users/{}", page["users"][0]["id"].as_str().unwrap()),
        &root,
        json!({"role": "user"}),
    );
    assert_eq!((last.status, &*last.code()), (409, "last_admin"));
    assert_eq!(server.json("DELETE", &path, &root, Value::Null).status, 204);
    assert_eq!(server.json("GET", &path, &root, Value::Null).status, 404);

    let log = server.json("GET", "/v1/admin/audit", &root, Value::Null).json();
    let actions: Vec<_> =
        log["entries"].as_array().unwrap().iter().map(|e| e["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        ["user.delete", "user.quota", "user.enable", "user.role", "user.disable", "user.create"]
    );
    assert_eq!(log["entries"][0]["actor_name"], "root");
    let only = server.json("GET", "/v1/admin/audit?action=user.create", &root, Value::Null).json();
    assert_eq!(only["entries"].as_array().unwrap().len(), 1);
}

#[test]
fn who_may_register_is_decided_while_the_server_runs() {
    let (server, root) = with_root();
    let wish =
        |name: &str, invite: Value| json!({"username": name, "password": "password123", "invite": invite});
    let register = |name: &str, invite: Value| server.json("POST", "/v1/register", "", wish(name, invite));
    assert_eq!(&*register("ana", Value::Null).code(), "registration_closed");

    let set =
        server.json("PUT", "/v1/admin/settings", &root, json!({"registration": "invite", "quota_files": 3}));
    assert_eq!((set.status, set.json()["effective_registration"].as_str()), (200, Some("invite")));
    assert_eq!(&*register("ana", Value::Null).code(), "bad_invite");
    let invite = server.json("POST", "/v1/admin/invites", &root, json!({"role": "user"}));
    assert_eq!(invite.status, 201, "{}", invite.text());
    let secret = invite.json()["invite"].clone();
    let ana = register("ana", secret.clone());
    assert_eq!((ana.status, ana.json()["user"]["quota_files"].as_u64()), (201, Some(3)), "{}", ana.text());
    assert_eq!(&*register("bea", secret).code(), "bad_invite");

    server.json("PUT", "/v1/admin/settings", &root, json!({"registration": "open"}));
    let server = server.stop().start();
    let root = login(&server, "root");
    assert_eq!(
        server.json("GET", "/v1/admin/settings", &root, Value::Null).json()["effective_registration"],
        "open"
    );
    assert_eq!(server.json("POST", "/v1/register", "", wish("cid", Value::Null)).status, 201);
}

#[test]
fn the_description_is_there_for_everybody() {
    let (server, _) = with_root();
    let reply = server.get("/openapi.json");
    assert_eq!((reply.status, reply.json()["openapi"].as_str()), (200, Some("3.1.0")));
    assert!(reply.json()["paths"]["/v1/admin/users/{id}"]["patch"]["requestBody"].is_object());
    assert_eq!(reply.header("access-control-allow-origin"), "*");
}

#[test]
fn the_viewer_of_the_description_comes_from_here() {
    let (server, _) = with_root();
    let page = server.get("/docs");
    assert_eq!(page.status, 200);
    for path in page.text().split('"').filter(|part| part.starts_with("/docs/api/")) {
        let plain = server.get_with(path, &[("accept-encoding", "identity")]);
        assert_eq!((plain.status, plain.header("content-encoding")), (200, ""), "{path}");
        assert!(plain.body.is_ascii() || std::str::from_utf8(&plain.body).is_ok(), "{path}");
    }
    let packed = server.raw(
        "GET /docs/api/swagger-ui-bundle.js HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n",
        std::time::Duration::from_secs(5),
    );
    assert!(packed.to_ascii_lowercase().contains("content-encoding: gzip"), "{}", &packed[..300]);
    assert_eq!(server.get("/docs/api/other.js").status, 404);
}

#[test]
fn figures_and_addresses_are_for_administrators() {
    let (server, root) = with_root();
    let picture = crate::support::pictures::encoded(pixedge::codec::Format::Jpeg, 60, 40, 3);
    let kept = server.send(
        "POST",
        "/v1/images",
        &[("authorization", &format!("Bearer {root}")), ("content-type", "multipart/form-data; boundary=b")],
        &[
            b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\r\n".as_slice(),
            &picture,
            b"\r\n--b--\r\n",
        ]
        .concat(),
    );
    assert_eq!(kept.status, 201, "{}", kept.text());
    let told = server.json("GET", "/v1/admin/statistics", &root, Value::Null).json();
    assert_eq!(
        (told["users"].as_u64(), told["images"].as_u64(), told["in_trash"].as_u64()),
        (Some(1), Some(1), Some(0))
    );
    assert_eq!(told["storages"][0], json!({"name": "local", "objects": 1, "bytes": picture.len()}));
    let me = server.json("GET", "/v1/me", &root, Value::Null).json();
    assert_eq!((me["used_bytes"].as_u64(), me["used_files"].as_u64()), (Some(picture.len() as u64), Some(1)));

    let rule = |block: &str| json!({"verdict": "deny", "block": block, "note": "scrapers"});
    let add = |block: &str| server.json("POST", "/v1/admin/addresses", &root, rule(block));
    assert_eq!(add("203.0.113.0/24").status, 201);
    assert_eq!((add("127.0.0.0/8").status, add("nonsense").status), (400, 400));
    let away = |headers: &[(&str, &str)]| server.get_with("/i/nothere1", headers);
    let scraper = away(&[("x-forwarded-for", "203.0.113.9")]);
    assert_eq!((scraper.status, &*scraper.code()), (403, "forbidden_address"));
    let listed = server.json("GET", "/v1/admin/addresses", &root, Value::Null).json();
    assert_eq!(listed["addresses"][0]["note"], "scrapers");
    let gone =
        server.json("DELETE", "/v1/admin/addresses?verdict=deny&block=203.0.113.0/24", &root, Value::Null);
    assert_eq!(gone.status, 204);
    assert_eq!(away(&[("x-forwarded-for", "203.0.113.9")]).status, 404);
}

/// As many bytes as the answer says, which are an SQLite file; nothing of it stays here.
#[test]
fn the_database_is_downloaded_by_administrators() {
    for (engine, config) in crate::support::engines::each("the_database_is_downloaded_by_administrators") {
        let server = Home::new(&format!("{CONFIG}{config}")).start();
        let root = login(&server, "root");
        let wish = json!({"username": "ana", "password": "password123"});
        assert_eq!(server.json("POST", "/v1/admin/users", &root, wish).status, 201);
        let refused = server.json("GET", "/v1/admin/backup", &login(&server, "ana"), Value::Null);
        assert_eq!((refused.status, &*refused.code()), (403, "missing_scope"));
        let folder = server.home().path().join("data/backups");
        let left = || std::fs::read_dir(&folder).map_or(0, Iterator::count);
        let open = |path: &str| {
            let reply = server.json("GET", path, &root, Value::Null);
            assert_eq!(
                (reply.status, reply.header("content-type")),
                (200, "application/vnd.sqlite3"),
                "{engine}"
            );
            assert_eq!(reply.header("content-length"), reply.body.len().to_string());
            assert!(reply.body.starts_with(b"SQLite format 3\0"), "{engine}");
            let file = server.home().path().join("got.db");
            std::fs::write(&file, &reply.body).unwrap();
            let empty = Home::new("");
            empty.run(&["restore", file.to_str().unwrap()]);
            (empty.run(&["user", "list"]), reply.body.windows(8).any(|part| part == b"argon2id"))
        };
        let (users, holds_hashes) = open("/v1/admin/backup");
        assert!(users.contains("root") && users.contains("ana") && !holds_hashes, "{engine}: {users}");
        assert!(open("/v1/admin/backup?full=1").1, "{engine}");
        assert_eq!(server.json("GET", "/v1/admin/backup?fool=1", &root, Value::Null).status, 400);
        let log = server.json("GET", "/v1/admin/audit?action=backup.download", &root, Value::Null).json();
        let details: Vec<_> =
            log["entries"].as_array().unwrap().iter().map(|entry| &entry["detail"]).collect();
        assert_eq!(details, ["with secrets", "without secrets"], "{engine}");
        // Who leaves in the middle leaves nothing behind.
        let request = format!(
            "GET /v1/admin/backup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {root}\r\nConnection: close\r\n\r\n"
        );
        for read in [0, 20_000] {
            let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
            std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
            let mut some = vec![0; read];
            std::io::Read::read_exact(&mut stream, &mut some).unwrap();
        }
        let since = std::time::Instant::now();
        while left() > 0 {
            assert!(since.elapsed().as_secs() < 20, "{engine}: {} files stay", left());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
