//! From Chevereto.

use super::*;

#[test]
fn chevereto_moves_in_by_its_dump() {
    let home = Home::new(CONFIG);
    let (files, cdn) = (home.path().join("images"), home.path().join("cdn"));
    let bytes: Vec<Vec<u8>> = (20..26).map(picture).collect();
    put(&files, "2024/05/02/sunset.png", &bytes[1]);
    put(&files, "secret.png", &bytes[2]);
    put(&cdn, "2024/05/04/remote.png", &bytes[3]);
    put(&files, "old/over.png", &bytes[4]);
    put(&files, "brand/pathed.png", &bytes[5]);
    let dump = dump("chevereto", home.path());
    // As it is kept: compressed.
    let gz = home.path().join("chevereto.sql.gz");
    let mut encoder =
        flate2::write::GzEncoder::new(std::fs::File::create(&gz).unwrap(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &std::fs::read(dump).unwrap()).unwrap();
    encoder.finish().unwrap();

    let at_cdn = format!("1={}", cdn.display());
    let arguments = [
        "import",
        gz.to_str().unwrap(),
        "--from",
        "chevereto",
        "--files",
        files.to_str().unwrap(),
        "--files",
        &*at_cdn,
        "--keep-roles",
        "--hide-unlisted",
    ];
    let first = run(&home, &arguments);
    assert_eq!(
        (first.code, counts(&first)),
        (Some(0), "4 imported, 0 already there, 1 skipped"),
        "{}",
        first.err
    );
    assert!(first.err.contains("1 × it had expired"), "{}", first.err);
    assert!(first.err.contains("eve: has no password here"), "{}", first.err);
    let second = run(&home, &arguments);
    assert_eq!((second.code, counts(&second)), (Some(0), "0 imported, 4 already there, 1 skipped"));

    let server = home.start();
    let boss = token(&server, "boss");
    assert_eq!(server.json("GET", "/v1/admin/users", &boss, Value::Null).status, 200);
    let mine = images(&server, &boss);
    assert_eq!(mine.keys().collect::<Vec<_>>(), ["IMG_2034.png", "pathed.png", "secret.png"]);
    let sunset = &mine["IMG_2034.png"];
    assert_eq!((&sunset["created_at"], &sunset["views"]), (&json!("2024-05-01T19:00:00Z"), &json!(41)));
    assert_eq!(sunset["tags"], json!(["sea", "夏天"]));
    assert_eq!(
        (&sunset["visibility"], &mine["secret.png"]["visibility"]),
        (&json!("public"), &json!("private"))
    );
    let names = albums(&server, &boss);
    assert_eq!(names[mine["secret.png"]["albums"][0].as_str().unwrap()], "Locked");
    assert_eq!(login(&server, "eve").status, 401);

    let to = leads_to(&server, "/images/2024/05/02/sunset.png", Some(&bytes[1]));
    // The sizes that people put into their pages.
    assert_eq!(leads_to(&server, "/images/2024/05/02/sunset.md.png", None), format!("{to}/w_500"));
    assert_eq!(
        leads_to(&server, "/images/2024/05/02/sunset.th.png", None),
        format!("{to}/w_160,h_160,c_fill")
    );
    leads_to(&server, "/bucket/2024/05/04/remote.png", Some(&bytes[3]));
    leads_to(&server, "/images/brand/pathed.png", Some(&bytes[5]));
    // A private one is shown to its owner alone, there as here.
    let private = server.get("/images/secret.png");
    let hidden = private.header("location").to_owned();
    assert_eq!((private.status, server.get(&hidden).status), (301, 404));
    let bearer = format!("Bearer {boss}");
    assert_eq!(server.get_with(&hidden, &[("authorization", &bearer)]).status, 200);
}
