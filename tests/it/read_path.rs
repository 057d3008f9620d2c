//! The main job from the outside: the demo pictures, the library, named sources and the caches of a running server.

use pixedge::codec::Format;

use crate::support::pictures::{encoded, header};
use crate::support::{Home, Server};

fn demo() -> Server {
    Home::demo().start()
}

#[test]
fn the_first_url_of_the_readme_is_a_webp_of_300_px() {
    let server = demo();
    let reply = server.get("/i/demo/w_300,fmt_webp");
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), "image/webp");
    let made = header(&reply.body);
    assert_eq!((made.format, made.width), (Format::Webp, 300));
    assert_eq!(reply.header("content-length"), reply.body.len().to_string());
    assert!(
        reply.header("cache-status").starts_with("pixedge; fwd=miss"),
        "{}",
        reply.header("cache-status")
    );
}

#[test]
fn a_second_request_hits_memory_and_one_after_a_restart_the_disk() {
    let server = demo();
    let path = "/i/demo/w_320,h_200,c_fill,f_webp";
    let first = server.get(path);
    let second = server.get(path);
    assert_eq!(second.header("cache-status"), "pixedge; hit; detail=memory");
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("etag"), second.header("etag"));
    // Another spelling of the same picture shares the entry.
    let spelled = server.get("/i/demo/fmt_webp,c_fill,height_200,width_320");
    assert_eq!(spelled.header("cache-status"), "pixedge; hit; detail=memory");

    let server = server.stop().start();
    let third = server.get(path);
    assert_eq!(third.header("cache-status"), "pixedge; hit; detail=disk");
    assert_eq!(first.body, third.body);
    assert_eq!(server.get(path).header("cache-status"), "pixedge; hit; detail=memory");
    assert_eq!(server.count("pixedge_encodes_total"), 0.0);
}

#[test]
fn a_killed_server_comes_back_with_its_cache_and_its_library() {
    let server = demo();
    let path = "/i/demo/w_200,f_webp";
    let first = server.get(path);
    // The write to disk is behind the answer; a purge of the queue is not observable, so wait for the file to grow.
    let started = std::time::Instant::now();
    while !server.cache_has_bytes() && started.elapsed().as_secs() < 20 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let server = server.kill().start();
    let second = server.get(path);
    assert_eq!(second.status, 200);
    assert_eq!(first.body, second.body);
}

#[test]
fn accept_decides_the_format_and_a_q_of_zero_is_a_no() {
    let server = demo();
    let format = |accept: &str| {
        let reply = server.get_with("/i/demo/w_64", &[("accept", accept)]);
        assert_eq!(reply.header("vary"), "Accept", "{accept}");
        reply.header("content-type").to_owned()
    };
    assert_eq!(format("image/avif,image/webp,*/*;q=0.8"), "image/avif");
    assert_eq!(format("image/webp,*/*"), "image/webp");
    assert_eq!(format("image/webp;q=0,*/*"), "image/jpeg");
    assert_eq!(format("image/avif;q=0, image/webp;q=0.1"), "image/webp");
    assert_eq!(format("*/*"), "image/jpeg");
    // An explicit format is not negotiated.
    let explicit = server.get_with("/i/demo/w_64,f_webp", &[("accept", "image/webp;q=0")]);
    assert_eq!(explicit.header("content-type"), "image/webp");
    assert_eq!(explicit.header("vary"), "");
}

#[test]
fn an_imported_picture_is_served_under_default_policies_at_the_width_asked_for() {
    let home = Home::new("");
    let folder = home.path().join("in");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a.jpg"), encoded(Format::Jpeg, 1000, 600, 1)).unwrap();
    std::fs::write(folder.join("notes.txt"), "no picture").unwrap();
    let printed = home.run(&["import", folder.to_str().unwrap()]);
    let id = printed.lines().last().unwrap().split_whitespace().next().unwrap().to_owned();
    let server = home.start();
    let reply = server.get(&format!("/i/{id}/w_300,f_jpg"));
    assert_eq!(reply.status, 200, "{printed}\n{}", reply.text());
    assert_eq!((header(&reply.body).width, header(&reply.body).height), (300, 180));
    // The ladder snaps what is not on it and refuses what only an open source may do.
    assert_eq!(header(&server.get(&format!("/i/{id}/w_301,f_jpg")).body).width, 320);
    let refused = server.get(&format!("/i/{id}/w_300,b_ff0000,x_3,c_pad,h_300"));
    assert_eq!((refused.status, refused.code().as_str()), (403, "needs_signature"));
    assert_eq!(refused.json()["option"], "x_3");
}

#[test]
fn a_source_folder_is_served_and_nothing_outside_of_it() {
    let home = Home::new("sources: { pics: { scheme: fs, root: pics, unsigned: open } }\n");
    let root = home.path().join("pics");
    std::fs::create_dir_all(root.join("deep/er")).unwrap();
    std::fs::write(root.join("deep/er/a b.png"), encoded(Format::Png, 40, 30, 2)).unwrap();
    std::fs::write(home.path().join("secret.png"), encoded(Format::Png, 40, 30, 3)).unwrap();
    std::os::unix::fs::symlink(home.path().join("secret.png"), root.join("link.png")).unwrap();
    std::os::unix::fs::symlink(root.join("deep"), root.join("inside")).unwrap();
    let server = home.start();
    let reply = server.get("/r/pics/w_20,f_png/deep/er/a%20b.png");
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(header(&reply.body).width, 20);
    assert_eq!(server.get("/r/pics/w_20,f_png/inside/er/a%20b.png").status, 200);
    for path in [
        "/r/pics/w_20,f_png/link.png",
        "/r/pics/w_20/../secret.png",
        "/r/pics/w_20/%2e%2e/secret.png",
        "/r/pics/w_20/deep/..%2f..%2fsecret.png",
        "/r/pics/w_20//etc/passwd",
        "/r/pics/w_20/deep",
        "/r/pics/w_20/none.png",
        "/r/nosource/w_20/a.png",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let answer = server.raw(&request, std::time::Duration::from_secs(10));
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
    }
}

#[test]
fn a_changed_source_file_is_a_new_picture() {
    let home = Home::new("sources: { pics: { scheme: fs, root: pics, unsigned: open, revalidate: 0s } }\n");
    let root = home.path().join("pics");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("a.png"), encoded(Format::Png, 40, 30, 1)).unwrap();
    let server = home.start();
    let before = server.get("/r/pics/f_png/a.png");
    std::fs::write(root.join("a.png"), encoded(Format::Png, 60, 30, 2)).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let after = server.get("/r/pics/f_png/a.png");
        if header(&after.body).width == 60 {
            assert_ne!(before.header("etag"), after.header("etag"));
            return;
        }
        assert!(std::time::Instant::now() < deadline, "the old picture is still served");
    }
}

#[test]
fn a_wrong_url_says_what_is_wrong() {
    let server = demo();
    let cases = [
        ("/i/demo/widht_300", 400, "unknown_option"),
        ("/i/demo/w_0", 400, "bad_value"),
        ("/i/demo/w_300,w_400", 400, "conflict"),
        ("/i/demo/t_nope", 400, "unknown_preset"),
        ("/i/demo/w_9,h_9,c_fill,g_face", 400, "unsupported_option"),
        ("/i/demo/w_16000,h_16000,c_scale", 422, "result_too_large"),
        ("/i/nosuchid/w_300", 404, "not_found"),
        ("/nowhere", 404, "not_found"),
    ];
    for (path, status, code) in cases {
        let reply = server.get(path);
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{path}: {}", reply.text());
        assert_eq!(reply.header("content-type"), "application/problem+json", "{path}");
    }
    let reply = server.get("/i/demo/h_200,widht_300").json();
    assert_eq!(reply["option"], "widht_300");
    assert_eq!(reply["position"], 6);
    assert_eq!(reply["did_you_mean"], "width");
    let reply = server.request("POST", "/i/demo/w_300", &[]);
    assert_eq!((reply.status, reply.header("allow")), (405, "GET, HEAD, OPTIONS"));
}

#[test]
fn explain_tells_what_a_url_means_without_making_it() {
    let server = demo();
    let reply = server.get("/explain/i/demo/fmt_webp,width_0300,q_auto");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let json = reply.json();
    assert_eq!(json["canonical"], "w_300,f_webp");
    assert_eq!((json["width"].as_u64(), json["format"].as_str()), (Some(300), Some("webp")));
    assert_eq!(json["supported"], true);
    assert_eq!(json["policy"], "open");
    assert!(json["key"].as_str().unwrap().len() >= 32);
    let unbuilt = "w_9,h_9,c_fill,g_face";
    let reply = server.get(&format!("/explain/i/demo/{unbuilt}"));
    assert_eq!((reply.status, reply.json()["supported"].as_bool()), (200, Some(false)), "{}", reply.text());
    assert!(reply.json()["reason"].as_str().unwrap().contains("g_face"), "{}", reply.text());
    let refused = server.get(&format!("/i/demo/{unbuilt}"));
    assert_eq!((refused.status, refused.code().as_str()), (400, "unsupported_option"), "{unbuilt}");
    let ipx = server.get("/explain/_ipx/w_300&f_webp/demo");
    assert_eq!((ipx.status, &ipx.json()["key"]), (200, &json["key"]), "{}", ipx.text());
    let webp = [("accept", "image/webp")];
    let key = |spec: &str| server.get_with(&format!("/explain/i/demo/{spec}"), &webp).json()["key"].clone();
    for (idle, same) in [("w_9,f_avif,il_1", "w_9,f_avif"), ("w_9,il_1", "w_9"), ("w_9,an_0,mf_2", "w_9")] {
        assert_eq!(key(idle), key(same), "{idle}");
    }
    assert_eq!(server.count("pixedge_decodes_total"), 0.0);

    let home = server.stop();
    assert!(home.run(&["explain", "fmt_webp,w_300"]).contains("w_300,f_webp"));
    let wrong = home.command(&["explain", "widht_3"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("width"));
}

#[test]
fn every_form_of_a_url_reaches_the_same_picture() {
    let server = demo();
    let first = server.get("/i/demo/w_100,f_webp");
    for path in [
        "/i/demo?w=100&fmt=webp",
        "/i/demo/w_100/picture.webp",
        "/_ipx/w_100&f_webp/demo",
        "/_ipx/f_webp,w_100/demo",
        "/i/demo/w=100,format=webp",
        "/i/demo/w_50,dpr_2,f_webp",
    ] {
        let reply = server.get(path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert_eq!(reply.header("etag"), first.header("etag"), "{path}");
    }
    assert_eq!(server.count("pixedge_encodes_total"), 1.0);
}

#[test]
fn the_original_leaves_without_its_secrets() {
    let Some(shared) = crate::support::shared::shared("the_original_leaves_without_its_secrets") else {
        return;
    };
    let home = Home::new("library: { unsigned: open }\n");
    home.run(&["import", shared.join("corpus/jpeg_gps").to_str().unwrap()]);
    let list = home.run(&["import", shared.join("corpus/jpeg_gps").to_str().unwrap()]);
    let id = list.lines().last().unwrap().split_whitespace().next().unwrap().to_owned();
    let server = home.start();
    let reply = server.get(&format!("/i/{id}/f_orig"));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), "image/jpeg");
    let exif = exif_fields(&reply.body);
    assert!(!exif.iter().any(|name| name.starts_with("GPS")), "{exif:?}");
    // The same through the extension of its own format.
    assert_eq!(server.get(&format!("/i/{id}.jpg")).header("etag"), reply.header("etag"));
    let all = server.get(&format!("/i/{id}/w_100,md_all"));
    assert_eq!((all.status, all.code().as_str()), (403, "needs_signature"));
}

fn exif_fields(jpeg: &[u8]) -> Vec<String> {
    match exif::Reader::new().read_from_container(&mut std::io::Cursor::new(jpeg)) {
        Ok(exif) => exif.fields().map(|field| field.tag.to_string()).collect(),
        Err(_) => Vec::new(),
    }
}

#[test]
fn the_start_page_shows_urls_that_work() {
    let server = demo();
    let page = server.get("/");
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    let text = page.text();
    let urls: Vec<&str> =
        text.split('"').filter(|part| part.starts_with("/i/") || part.starts_with(&server.url)).collect();
    assert!(urls.len() >= 4, "{text}");
    for url in urls {
        let path = url.trim_start_matches(&server.url).replace("&amp;", "&");
        if path.contains(' ') {
            continue; // a srcset: its URLs also stand alone as links
        }
        assert_eq!(server.get(&path).status, 200, "{path}");
    }
}

#[test]
fn health_readiness_and_metrics_answer() {
    let server = demo();
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/health").json()["status"], "healthy");
    assert_eq!(server.get("/readyz").status, 200);
    server.get("/i/demo/w_20");
    let metrics = server.metrics();
    assert!(metrics.keys().any(|key| key.starts_with("pixedge_requests_total{")), "{metrics:?}");
    assert!(metrics.contains_key("pixedge_memory_budget_bytes"));
}
