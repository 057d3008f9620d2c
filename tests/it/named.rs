//! Pictures that a URL names beside its own, over HTTP: overlays, texts and fallbacks; and borders that are cut off.

use crate::support::{Home, Reply, Server};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sources");

/// The ids of an imported photo and a logo, whose server also has a folder as source.
fn server(more: &str) -> (Server, String, String) {
    let home = Home::new(&format!(
        "library: {{ unsigned: open }}\nsources: {{ s: {{ scheme: fs, root: {FIXTURES}, unsigned: open, revalidate: 0s }} }}\n{more}"
    ));
    let id = |file: &str| {
        let folder = home.path().join(file);
        std::fs::create_dir(&folder).unwrap();
        std::fs::copy(format!("{FIXTURES}/{file}"), folder.join(file)).unwrap();
        let said = home.run(&["import", folder.to_str().unwrap()]);
        let id = said
            .split_whitespace()
            .find(|word| word.len() == 10 && word.bytes().all(|b| b.is_ascii_alphanumeric()));
        id.unwrap_or_else(|| panic!("no id in {said}")).to_owned()
    };
    let (photo, logo) = (id("photo.jpg"), id("alpha.png"));
    (home.start(), photo, logo)
}

fn ok(reply: Reply) -> Reply {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

#[test]
fn overlays_are_drawn_once_and_change_with_their_picture() {
    let (server, photo, logo) = server("");
    let plain = ok(server.get(&format!("/i/{photo}/w_120,f_png")));
    let url = format!("/i/{photo}/w_120,l_{logo},lw_30,lg_se,f_png");
    let drawn = ok(server.get(&url));
    assert_ne!(plain.body, drawn.body);
    assert!(drawn.header("cache-status").contains("fwd=miss"), "{}", drawn.header("cache-status"));
    let again = ok(server.get(&url));
    assert!(again.header("cache-status").contains("hit"), "{}", again.header("cache-status"));
    assert_eq!((&again.body, again.header("etag")), (&drawn.body, drawn.header("etag")));
    assert_eq!(server.request("GET", &url, &[("If-None-Match", drawn.header("etag"))]).status, 304);
    // On an object of a source, and a text beside it.
    let text = "l_text:~SGk,ls_20";
    let both = ok(server.get(&format!("/r/s/w_120,l_{logo},lw_30/{text},f_png/photo.jpg")));
    let one = ok(server.get(&format!("/r/s/w_120,l_{logo},lw_30,f_png/photo.jpg")));
    assert_ne!(both.body, one.body);
    // Another picture under another id is another result.
    let other = ok(server.get(&format!("/i/{photo}/w_120,l_{photo},lw_30,lg_se,f_png")));
    assert_ne!((&other.body, other.header("etag")), (&drawn.body, drawn.header("etag")));
    for (spec, status, code) in [
        ("l_nosuchid".to_owned(), 404, "not_found"),
        ("lw_30".to_owned(), 400, "bad_value"),
        (format!("l_{logo},lf_comic"), 400, "bad_value"),
    ] {
        let reply = server.get(&format!("/i/{photo}/{spec}"));
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{spec}");
    }
    assert_eq!(server.get(&format!("/i/{photo}/l_nosuchid")).json()["option"], "l_nosuchid");
    // A purge of the overlay makes the result anew.
    server.home().run(&["cache", "purge", "--image", &logo]);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while ok(server.get(&url)).header("etag") == drawn.header("etag") {
        assert!(std::time::Instant::now() < deadline, "the purge was not seen");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn borders_are_looked_for_once() {
    let (server, photo, _) = server("");
    let url = |width: u32| format!("/i/{photo}/w_60,pad_9,b_336699/trim,w_{width},f_png");
    let explained = ok(server.get(&format!("/explain{}", url(50)))).json();
    assert_eq!(
        (explained["width"].as_u64(), explained["height"].as_u64()),
        (Some(50), Some(33)),
        "{explained}"
    );
    assert!(explained["resolved"].as_str().unwrap().contains("crop 9,9,60x40"), "{explained}");
    let looked = server.count("pixedge_decodes_total");
    assert!(looked >= 1.0);
    ok(server.get(&url(50)));
    ok(server.get(&url(30)));
    // One decode for both pictures, and none for the border.
    assert_eq!(server.count("pixedge_decodes_total"), looked + 1.0);
    // What was seen survives a restart like any other result.
    while !server.cache_has_bytes() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let server = server.stop().start();
    ok(server.get(&url(50)));
    assert_eq!(server.count("pixedge_decodes_total"), 0.0);
}

#[test]
fn a_fallback_is_shown_for_what_cannot_be_had() {
    let (server, photo, logo) = server("");
    let broken = server.home().path().join("broken.png");
    std::fs::write(&broken, b"\x89PNG\r\n\x1a\nno more").unwrap();
    let shown = ok(server.get(&format!("/i/nosuchid/w_40,d_{logo},f_png")));
    assert_eq!(shown.header("fallback-image"), "not_found");
    assert_eq!(shown.header("cache-control"), "public, max-age=10");
    let own = ok(server.get(&format!("/i/{logo}/w_40,f_png")));
    assert_eq!(own.body, shown.body);
    assert_eq!(own.header("fallback-image"), "");
    let missing = format!("/r/s/w_40,d_{logo},f_png/nothing.jpg");
    let from_source = ok(server.get(&missing));
    assert_eq!(from_source.body, shown.body);
    assert_eq!(server.request("HEAD", &missing, &[]).header("fallback-image"), "not_found");
    let etag = from_source.header("etag");
    let unchanged = server.request("GET", &missing, &[("If-None-Match", etag)]);
    assert_eq!((unchanged.status, unchanged.header("cache-control")), (304, "public, max-age=10"));
    // Where the picture is there it is shown, and a fallback that is not is nobody's picture.
    let there = ok(server.get(&format!("/i/{photo}/w_40,d_{logo},f_png")));
    assert_ne!(there.body, shown.body);
    assert_eq!(there.header("fallback-image"), "");
    assert_eq!(server.get("/i/nosuchid/w_40,d_nosuchid").code(), "not_found");
    let plain = ok(server.get(&format!("/i/{photo}/w_40,f_png")));
    let unneeded = ok(server.get(&format!("/i/{photo}/w_40,d_nosuchid,f_png")));
    assert_eq!((&unneeded.body, unneeded.header("etag")), (&plain.body, plain.header("etag")));
    let explained = server.get(&format!("/explain/i/{photo}/w_40,d_nosuchid,f_png"));
    assert_eq!(explained.json()["key"], server.get(&format!("/explain/i/{photo}/w_40,f_png")).json()["key"]);
    assert_eq!(server.get("/r/s/w_40,d_nosuchid/nothing.jpg").code(), "not_found");
    // A wrong URL stays wrong.
    assert_eq!(server.get(&format!("/i/nosuchid/w_40x,d_{logo}")).code(), "bad_value");
}
