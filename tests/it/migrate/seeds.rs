//! From the services whose wire formats are spoken here.

use super::*;

/// Makes an SQLite file.
fn sqlite(path: &Path, statements: &[&'static str]) {
    let url = format!("sqlite:{}?mode=rwc", path.display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        for statement in statements {
            sqlx::query(*statement).execute(&pool).await.unwrap();
        }
        pool.close().await;
    });
}

#[test]
fn the_image_proxy_moves_in_by_its_database() {
    let home = Home::new(CONFIG);
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    put(home.path(), &format!("server/uploads/{md5}.png"), &picture(400));
    put(home.path(), "server/uploads/0cc175b9c0f1b6a831c399e269772661.png", &picture(401));
    sqlite(
        &home.path().join("server/images.db"),
        &[
            "CREATE TABLE images (md5 TEXT PRIMARY KEY, path TEXT NOT NULL, created_at INTEGER NOT NULL, \
             original_name TEXT, width INTEGER, height INTEGER, access_count INTEGER DEFAULT 0)",
            "INSERT INTO images VALUES ('d41d8cd98f00b204e9800998ecf8427e', \
             'uploads/d41d8cd98f00b204e9800998ecf8427e.png', 1714558830, '例.png', 10, 10, 7)",
            "INSERT INTO images VALUES ('0cc175b9c0f1b6a831c399e269772661', \
             'uploads/0cc175b9c0f1b6a831c399e269772661.png', 1714558831, NULL, NULL, NULL, 0)",
        ],
    );
    home.start_and_stop();
    let arguments =
        ["import", "server/images.db", "--from", "imageproxy", "--files", "server", "--owner", "root"];
    let first = run(&home, &arguments);
    assert_eq!(
        (first.code, counts(&first)),
        (Some(0), "2 imported, 0 already there, 0 skipped"),
        "{}",
        first.err
    );
    assert_eq!(counts(&run(&home, &arguments)), "0 imported, 2 already there, 0 skipped");
    let server = home.start();
    let mine = images(&server, &token(&server, "root"));
    assert_eq!(
        (&mine["例.png"]["created_at"], &mine["例.png"]["views"]),
        (&json!("2024-05-01T10:20:30Z"), &json!(7))
    );
    leads_to(&server, &format!("/get/{md5}"), Some(&picture(400)));
}

#[test]
fn mgek_img_bed_moves_in_by_its_database() {
    let home = Home::new(CONFIG);
    put(home.path(), "images/Y2F0LnBuZzE1ODk3Njc0OTMuMzI5MDc2OA==.png", &picture(410));
    sqlite(
        &home.path().join("test.db"),
        &[
            "CREATE TABLE image (name VARCHAR(100) NOT NULL, mail VARCHAR(50) NOT NULL, path VARCHAR(100) NOT NULL, \
             url VARCHAR(100) NOT NULL, time INTEGER, PRIMARY KEY (name))",
            "CREATE TABLE token (mail VARCHAR(50) NOT NULL, token VARCHAR(100), \"check\" VARCHAR(100), PRIMARY KEY (mail))",
            "INSERT INTO token VALUES ('li@example.com', 'abc', '')",
            "INSERT INTO image VALUES ('Y2F0LnBuZzE1ODk3Njc0OTMuMzI5MDc2OA==.png', 'li@example.com', \
             '/srv/images/Y2F0LnBuZzE1ODk3Njc0OTMuMzI5MDc2OA==.png', \
             'http://localhost:5000/images/Y2F0LnBuZzE1ODk3Njc0OTMuMzI5MDc2OA==.png', 1589767493)",
        ],
    );
    let arguments = ["import", "test.db", "--from", "mgek", "--files", "images"];
    let first = run(&home, &arguments);
    assert_eq!(
        (first.code, counts(&first)),
        (Some(0), "1 imported, 0 already there, 0 skipped"),
        "{}",
        first.err
    );
    assert_eq!(counts(&run(&home, &arguments)), "0 imported, 1 already there, 0 skipped");
    let server = home.start();
    let root = token(&server, "root");
    let users = server.json("GET", "/v1/admin/users?limit=9", &root, Value::Null).json();
    let li = users["users"]
        .as_array()
        .unwrap()
        .iter()
        .find(|user| user["email"] == "li@example.com")
        .unwrap()
        .clone();
    assert_eq!(li["username"], "li");
    let path = "/images/Y2F0LnBuZzE1ODk3Njc0OTMuMzI5MDc2OA==.png";
    let shown = server.get(path);
    // By the dialect that knows it by its name, or by its old address.
    assert!(matches!(shown.status, 200 | 301), "{}", shown.text());
    let all = server.json("GET", "/v1/images?owner=all", &root, Value::Null).json();
    let image = &all["images"][0];
    assert_eq!(
        (&image["created_at"], &image["stored_name"]),
        (&json!("2020-05-18T02:04:53Z"), &json!(&path[8..]))
    );
}

#[test]
fn vue3_and_flask_moves_in_with_its_passwords() {
    let home = Home::new(CONFIG);
    put(home.path(), "uploads/cat.png", &picture(420));
    put(home.path(), "uploads/dog.png", &picture(421));
    let dump = dump("vueflask", home.path());
    let arguments = ["import", dump.to_str().unwrap(), "--from", "vueflask", "--files", "uploads"];
    let first = run(&home, &arguments);
    assert_eq!(
        (first.code, counts(&first)),
        (Some(0), "2 imported, 0 already there, 0 skipped"),
        "{}",
        first.err
    );
    assert_eq!(counts(&run(&home, &arguments)), "0 imported, 2 already there, 0 skipped");
    let server = home.start();
    assert_eq!(
        server
            .json("POST", "/v1/login", "", json!({ "username": "li lei", "password": "wrong password" }))
            .status,
        401
    );
    // The old password opens the account, the first time and from then on.
    let first = token(&server, "li lei");
    assert_eq!(images(&server, &first)["cat.png"]["created_at"], "2024-03-02T10:00:00Z");
    let mine = images(&server, &token(&server, "li lei"));
    assert_eq!(mine.keys().collect::<Vec<_>>(), ["cat.png", "小狗.png"]);
    for path in ["/uploads/cat.png", "/api/images/uploads/dog.png"] {
        let shown = server.get(path);
        assert!(matches!(shown.status, 200 | 301), "{path}: {}", shown.text());
    }
}

#[test]
fn wpic_moves_in_with_quotas_where_they_are_wished() {
    let home = Home::new(CONFIG);
    for (at, name) in ["20240501_1_aa.png", "20240502_1_bb.png", "20240503_1_cc.png"].iter().enumerate() {
        put(home.path(), &format!("storage/1/{name}"), &picture(430 + at as u32));
    }
    sqlite(
        &home.path().join("wpic.db"),
        &[
            "CREATE TABLE users (id INTEGER NOT NULL, username VARCHAR(50) NOT NULL, email VARCHAR(100) NOT NULL, \
             password_hash VARCHAR(255) NOT NULL, storage_quota BIGINT, is_active BOOLEAN, created_at DATETIME, PRIMARY KEY (id))",
            "CREATE TABLE file_records (id INTEGER NOT NULL, user_id INTEGER NOT NULL, filename VARCHAR(255) NOT NULL, \
             original_filename VARCHAR(255) NOT NULL, file_path VARCHAR(500) NOT NULL, file_hash VARCHAR(64) NOT NULL, \
             status VARCHAR(20), download_count INTEGER, created_at DATETIME, updated_at DATETIME, expires_at DATETIME, \
             PRIMARY KEY (id))",
            "INSERT INTO users VALUES (1, 'wei', 'wei@example.com', \
             '$2b$05$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1u', 1500, 1, '2024-01-01 00:00:00.000000')",
            "INSERT INTO file_records VALUES \
             (1, 1, '20240501_1_aa.png', 'one.png', '1/20240501_1_aa.png', 'a', 'active', 3, '2024-05-01 10:20:30.123456', '2024-05-01 10:20:30', NULL), \
             (2, 1, '20240502_1_bb.png', 'two.png', '1/20240502_1_bb.png', 'b', 'deleted', 0, '2024-05-02 10:20:30', '2024-05-03 10:20:30', NULL), \
             (3, 1, '20240503_1_cc.png', 'three.png', '1/20240503_1_cc.png', 'c', 'active', 0, '2024-05-03 10:20:30', '2024-05-03 10:20:30', NULL), \
             (4, 1, 'x.png', 'x.png', '1/x.png', 'd', 'uploading', 0, '2024-05-03 10:20:30', '2024-05-03 10:20:30', NULL)",
        ],
    );
    let arguments = ["import", "wpic.db", "--from", "wpic", "--files", "storage"];
    let bounded = run(&home, &[&arguments[..], &["--quotas"]].concat());
    assert!(bounded.code == Some(3) && bounded.err.contains("do not fit"), "{}", bounded.err);
    let here = number_of_rows(&home, "images");
    assert!((1..3).contains(&here), "{here}");
    let rest = run(&home, &arguments);
    assert_eq!((rest.code, number_of_rows(&home, "images")), (Some(3), 3), "{}", rest.err);
    assert!(rest.err.contains("never completed"), "{}", rest.err);
    let server = home.start();
    let wei = token(&server, "wei");
    let mine = images(&server, &wei);
    assert_eq!(mine.keys().collect::<Vec<_>>(), ["one.png", "three.png"]);
    let one = &mine["one.png"];
    assert_eq!((&one["visibility"], &one["views"]), (&json!("private"), &json!(3)));
    let trash = server.json("GET", "/v1/trash", &wei, Value::Null).json();
    assert_eq!(trash["images"][0]["name"], "two.png");
}
