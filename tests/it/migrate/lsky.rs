//! From Lsky Pro.

use super::*;

#[test]
fn lsky_pro_moves_in_by_its_dump() {
    let home = Home::new(CONFIG);
    let (files, cdn) = (home.path().join("uploads"), home.path().join("cdn"));
    let (sea, b) = (picture(1), picture(2));
    put(&files, "2024/05/01/66314e7b0a0c7.png", &sea);
    put(&files, "2024/05/02/66329f3c11d24.png", &b);
    put(&files, "2024/05/02/66329f3c11d25.png", &sea);
    put(&files, "2024/07/02/bad.png", b"<html>not found</html>");
    put(&cdn, "guest 1.png", &picture(4));
    put(home.path(), "outside.png", &picture(5));
    let dump = dump("lsky", home.path());
    let (dump, report) = (dump.to_str().unwrap().to_owned(), home.path().join("report.jsonl"));
    let at_cdn = format!("2={}", cdn.display());
    let arguments = [
        "import",
        &*dump,
        "--from",
        "lsky",
        "--files",
        files.to_str().unwrap(),
        "--files",
        &*at_cdn,
        "--report",
        report.to_str().unwrap(),
    ];
    let with = |more: &[&str]| run(&home, &[&arguments[..], more].concat());

    let dry = with(&["--dry-run"]);
    assert_eq!((dry.code, number_of_rows(&home, "images"), number_of_rows(&home, "users")), (Some(3), 0, 0));
    assert_eq!(counts(&dry), "5 would be imported, 0 already there, 2 skipped", "{}", dry.err);
    let first = with(&[]);
    assert_eq!(counts(&first), "4 imported, 0 already there, 3 skipped", "{}\n{}", first.out, first.err);
    // What is missing, what is no picture, and what lies outside of the folder.
    assert_eq!(first.code, Some(3), "{}", first.err);
    assert!(first.err.contains("2 × its file is not there"), "{}", first.err);
    assert!(first.err.contains("failed 2024/07/02/bad.png: these bytes are not a picture"), "{}", first.err);
    assert!(
        first.err.contains("accounts: 3 new, 0 already there; albums: 2 new, 0 already there"),
        "{}",
        first.err
    );
    assert_eq!(first.out.lines().count(), 4, "{}", first.out);
    let report = std::fs::read_to_string(&report).unwrap();
    let lines: Vec<Value> = report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.last().unwrap()["summary"]["failed"], 3);
    assert!(lines.iter().any(|line| line["outcome"] == "failed" && line["picture"] == "2024/07/01/gone.png"));

    // Nothing comes in twice.
    let second = with(&[]);
    assert_eq!(counts(&second), "0 imported, 4 already there, 3 skipped", "{}", second.err);
    assert_eq!((number_of_rows(&home, "images"), number_of_rows(&home, "albums")), (4, 2));

    let server = home.start();
    let ana = token(&server, "ana@example.com");
    let mine = images(&server, &ana);
    assert_eq!(mine.keys().collect::<Vec<_>>(), ["it's \"me\" \\ ok.png", "海 边.png"]);
    let sea_at = &mine["海 边.png"];
    assert_eq!(sea_at["created_at"], "2024-05-01T10:20:30Z");
    assert_eq!(mine["it's \"me\" \\ ok.png"]["created_at"], "2024-05-02T10:20:30Z");
    let names = albums(&server, &ana);
    assert_eq!(names.values().collect::<Vec<_>>(), ["旅行"]);
    assert_eq!(sea_at["albums"], json!([names.keys().next().unwrap()]));
    // Whoever made the dump does not say who administrates here.
    assert_eq!(server.json("GET", "/v1/admin/users", &ana, Value::Null).status, 403);
    assert_eq!(login(&server, "frozen@example.com").status, 401);
    let fang = token(&server, "fang@example.com");
    assert_eq!(images(&server, &fang)["海 边.png"]["visibility"], "public");

    let to = leads_to(&server, "/i/2024/05/01/66314e7b0a0c7.png", Some(&sea));
    assert_eq!(to, format!("/i/{}", sea_at["id"].as_str().unwrap()));
    assert_eq!(leads_to(&server, "/aB3dE6.png?x=1", Some(&sea)), to);
    leads_to(&server, "/i/2024/05/02/66329f3c11d24.png", Some(&b));
    leads_to(&server, "/guest%201.png", Some(&picture(4)));
    let small = leads_to(&server, "/thumbnails/0123456789abcdef0123456789abcdef.png", None);
    assert_eq!(small, format!("{to}/w_400,h_400"));
    let head = server.request("HEAD", "/aB3dE6.png", &[]);
    assert_eq!((head.status, head.header("location")), (301, &*to));
    // What is nobody's stays so, and what is ours is ours.
    for path in ["/aB3dE6.jpg", "/i/2024/05/01/", "/uploads/x.png", "/i/2024/07/02/bad.png"] {
        let reply = server.get(path);
        assert!(matches!(reply.status, 400 | 404), "{path}: {}", reply.status);
        assert_eq!(reply.header("location"), "");
    }
    assert_eq!(server.send("POST", "/aB3dE6.png", &[], b"").status, 404);
    assert_eq!(server.get("/healthz").status, 200);
    // What goes to the trash is gone from its old address too.
    let path = format!("/v1/images/{}", sea_at["id"].as_str().unwrap());
    assert_eq!(server.json("DELETE", &path, &ana, Value::Null).status, 204);
    assert_eq!(server.get("/aB3dE6.png").status, 404);

    // A running server learns of addresses that another process adds; what was deleted here stays so.
    put(&files, "2024/07/01/gone.png", &picture(9));
    let third = run(server.home(), &arguments);
    assert_eq!(counts(&third), "1 imported, 4 already there, 2 skipped", "{}", third.err);
    assert_eq!(images(&server, &ana).len(), 2);
    let begun = std::time::Instant::now();
    while server.get("/Mm1mM1.png").status != 301 {
        assert!(begun.elapsed().as_secs() < 5, "{}", server.log());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn what_was_asked_wrongly_is_said() {
    let home = Home::new(CONFIG);
    put(home.path(), "other.sql", b"CREATE TABLE `posts` (`id` int);\nINSERT INTO `posts` VALUES (1);\n");
    put(home.path(), "cut.sql", b"CREATE TABLE `images` (`id` int);\nINSERT INTO `images` VALUES (1);\nINSERT INTO `images` VALUES ('");
    for (arguments, code, words) in [
        (&["import", "other.sql"][..], 2, "--from is needed"),
        (&["import", "other.sql", "--from", "nonsense"], 2, "none of folder"),
        (&["import", "other.sql", "--from", "lsky"], 2, "`--files` is needed"),
        (&["import", "other.sql", "--from", "lsky", "--files", "nowhere"], 1, "nowhere"),
        (&["import", "other.sql", "--from", "lsky", "--files", "."], 1, "no rows of `images`"),
        (&["import", "cut.sql", "--from", "lsky", "--files", "."], 1, "cut off"),
        (&["import", "nowhere.sql", "--from", "mgek", "--files", "."], 1, "nowhere.sql"),
        (&["import", "source:nothing"], 1, "no source `nothing`"),
        (&["import", ".", "--from", "pixedge"], 1, "manifest.jsonl"),
        (&["import", ".", "--owner", "nobody"], 1, "no such user"),
        (&["import", ".", "--time-zone", "Mars/Base"], 2, "Mars/Base"),
    ] {
        let said = run(&home, arguments);
        assert_eq!(said.code, Some(code), "{arguments:?}: {}", said.err);
        assert!(said.err.contains(words), "{arguments:?}: {}", said.err);
    }
}
