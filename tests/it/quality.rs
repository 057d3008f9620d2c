//! Quality, sizes, colour spaces and descriptions through a running server.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pixedge::codec::{self, DecodeRequest, Format, colour};

use crate::support::pictures::header;
use crate::support::{Home, Reply, Server};

/// The pictures of `fixtures/sources` as a source.
fn sources() -> Server {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sources");
    Home::new(&format!("sources: {{ pics: {{ scheme: fs, root: {}, unsigned: open }} }}\n", root.display()))
        .start()
}

fn ok(server: &Server, path: &str) -> Reply {
    let reply = server.get(path);
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply
}

/// The embedded profile of a PNG, JPEG or WebP.
fn profile(file: &[u8]) -> Option<Vec<u8>> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let request = DecodeRequest { region: None, target: None, deadline };
    codec::decode(file, &header(file), &request).unwrap().icc
}

fn fixture(name: &str) -> Vec<u8> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sources").join(name);
    std::fs::read(path).unwrap()
}

#[test]
fn a_largest_size_holds_for_every_lossy_format_and_is_nearly_used() {
    let server = sources();
    for (format, cap) in [("jpg", 4000), ("webp", 3000), ("avif", 2500)] {
        let free = ok(&server, &format!("/r/pics/w_160,f_{format},q_90/photo.jpg")).body.len();
        assert!(free > cap, "{format}: {free} fits anyway");
        let path = format!("/r/pics/w_160,f_{format},q_90,mb_{cap}/photo.jpg");
        let first = ok(&server, &path);
        assert!((cap * 3 / 4..=cap).contains(&first.body.len()), "{format}: {} of {cap}", first.body.len());
        assert_eq!(first.header("content-type"), format!("image/{}", format.replace("jpg", "jpeg")));
        assert_eq!(server.get(&path).body, first.body);
        let loose = ok(&server, &format!("/r/pics/w_160,f_{format},q_90,mb_90000/photo.jpg"));
        assert_eq!(loose.body.len(), free, "a size that is met changes nothing");
    }
    for path in ["/r/pics/w_600,f_jpg,mb_500/photo.jpg", "/r/pics/w_160,f_png,mb_500/photo.jpg"] {
        let refused = server.get(path);
        assert_eq!((refused.status, refused.code().as_str()), (422, "result_too_large"), "{path}");
        assert_eq!(refused.json()["option"], "mb_500");
    }
}

#[test]
fn results_are_srgb_unless_another_space_is_asked_for() {
    let server = sources();
    let own = profile(&fixture("icc-wide.png")).unwrap();
    for format in ["png", "jpg", "webp"] {
        let icc =
            |space: &str| profile(&ok(&server, &format!("/r/pics/w_60,f_{format}{space}/icc-wide.png")).body);
        assert_eq!(icc(""), None, "{format}");
        assert_eq!(icc(",cs_p3"), Some(colour::p3_profile().unwrap()), "{format}");
        assert_eq!(icc(",cs_keep").as_ref(), Some(&own), "{format}");
    }
    let holds = |file: &[u8], icc: &[u8]| file.windows(icc.len()).any(|window| window == icc);
    let avif = ok(&server, "/r/pics/w_60,f_avif,cs_p3/icc-wide.png").body;
    assert!(holds(&avif, &colour::p3_profile().unwrap()));
    assert!(holds(&ok(&server, "/r/pics/w_60,f_avif,cs_keep/icc-wide.png").body, &own));
    // Without a profile there is none to keep.
    assert_eq!(profile(&ok(&server, "/r/pics/w_60,f_png,cs_keep/photo.jpg").body), None);
}

#[test]
fn auto_quality_has_four_steps() {
    let server = sources();
    for format in ["jpg", "webp", "avif"] {
        let sizes = ["best", "good", "eco", "low"].map(|class| {
            ok(&server, &format!("/r/pics/w_160,f_{format},q_auto:{class}/photo.jpg")).body.len()
        });
        assert!(sizes.is_sorted_by(|a, b| a > b), "{format}: {sizes:?}");
    }
}

#[test]
fn descriptions_are_results_like_pictures() {
    let server = sources();
    let path = "/r/pics/w_200,h_100,c_fill,f_json/gps-exif6.jpg";
    let first = ok(&server, path);
    assert_eq!(first.header("content-type"), "application/json");
    assert!(first.header("etag").starts_with('"') && first.header("cache-control").contains("max-age"));
    let again = server.get(path);
    assert_eq!(again.header("cache-status"), "pixedge; hit; detail=memory");
    assert_eq!(again.body, first.body);
    let fresh = server.get_with(path, &[("if-none-match", first.header("etag"))]);
    assert_eq!(fresh.status, 304);
    let told = first.json();
    assert_eq!((&told["width"], &told["height"]), (&200.into(), &100.into()));
    assert_eq!(told["original"]["format"], "jpeg");
    assert_eq!(told["original"]["orientation"], 6);
    assert_eq!(told["original"]["bytes"], fixture("gps-exif6.jpg").len());
    assert!(told["dominant"].as_str().unwrap().starts_with('#'));
    assert!(told["palette"].as_array().unwrap().len() > 1);
    for (form, field) in [("lqip", "lqip"), ("blurhash", "blurhash"), ("thumbhash", "thumbhash")] {
        let reply = ok(&server, &format!("/r/pics/w_200,h_100,c_fill,f_{form}/gps-exif6.jpg"));
        assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(told[field], reply.text(), "{form}");
    }
    let lqip = told["lqip"].as_str().unwrap();
    assert!(lqip.starts_with("data:image/webp;base64,") && lqip.len() < 600, "{lqip}");
}

#[test]
fn descriptions_tell_whose_picture_it_is_and_never_where_it_was_taken() {
    let server = sources();
    let told = ok(&server, "/r/pics/f_json/gps-exif6.jpg");
    let exif = told.json()["original"]["exif"].clone();
    assert!(exif["Copyright"].is_string() && exif["Artist"].is_string(), "{exif}");
    assert!(!told.text().to_lowercase().contains("gps\"") && !told.text().contains("Latitude"), "{exif}");
    assert!(ok(&server, "/r/pics/f_json,md_none/gps-exif6.jpg").json()["original"]["exif"].is_null());
}

#[test]
fn info_knows_the_pixels_too_and_looks_at_them_once() {
    let server = Home::demo().start();
    let info = ok(&server, "/info/demo").json();
    assert_eq!(info["format"], "jpeg");
    assert!(info["width"].as_u64().unwrap() > 100 && info["has_alpha"] == false, "{info}");
    for field in ["dominant", "palette", "blurhash", "thumbhash", "lqip"] {
        assert!(!info[field].is_null(), "{field}: {info}");
    }
    assert!(info["original"].is_null());
    let decodes = server.count("pixedge_decodes_total");
    assert_eq!(ok(&server, "/info/demo").json(), info);
    assert_eq!(server.count("pixedge_decodes_total"), decodes);
    assert_eq!(ok(&server, "/i/demo/f_json").json()["blurhash"], info["blurhash"]);
    assert_eq!(server.count("pixedge_decodes_total"), decodes);
}

#[test]
fn lossless_avif_is_one() {
    let server = sources();
    let reply = ok(&server, "/r/pics/w_60,f_avif,q_lossless/palette-alpha.png");
    assert_eq!(Format::sniff(&reply.body), Some(Format::Avif));
}
