//! The formats that a still picture is written in beside the usual ones, and `f_best`, whose format is known only once
//! it was made.

use pixedge::codec::Format;

use crate::support::{Home, Reply, Server};

const ALL: (&str, &str) = ("accept", "image/avif,image/webp,*/*");
const WEBP: (&str, &str) = ("accept", "image/webp,*/*");
const NONE: (&str, &str) = ("accept", "image/png,*/*");

fn serving() -> Server {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sources");
    Home::new(&format!("sources: {{ files: {{ scheme: fs, root: '{folder}', unsigned: open }} }}\n")).start()
}

fn format(reply: &Reply) -> Format {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let format = Format::sniff(&reply.body).unwrap();
    assert_eq!(reply.header("content-type"), format.mime());
    format
}

#[test]
fn formats_for_programs() {
    let server = serving();
    for (spec, expected) in [("f_tiff", Format::Tiff), ("f_bmp", Format::Bmp), ("f_ico", Format::Ico)] {
        for source in ["photo.jpg", "alpha.png", "gray.png"] {
            assert_eq!(format(&server.get(&format!("/r/files/w_40,{spec}/{source}"))), expected, "{source}");
        }
    }
    let large = server.get("/r/files/w_300,f_ico/photo.jpg");
    assert_eq!((large.status, large.code().as_str()), (422, "result_too_large"));
    assert!(large.text().contains("at most 256"), "{}", large.text());
    assert_eq!(server.get("/r/files/w_40,f_png,il_1/photo.jpg").code(), "unsupported_option");
}

#[test]
fn fewer_colours_are_fewer_bytes() {
    let server = serving();
    let size = |spec: &str| {
        let reply = server.get(&format!("/r/files/w_300,f_png{spec}/photo.jpg"));
        assert_eq!(format(&reply), Format::Png);
        reply.body.len()
    };
    let sizes = ["", ",q_99", ",q_50", ",q_auto:low"].map(size);
    assert!(sizes.is_sorted_by(|a, b| a > b), "{sizes:?}");
    assert!(sizes[1] * 2 < sizes[0], "{sizes:?}");
    // Where it was negotiated, a number is for those who take what knows it.
    let negotiated = server.get_with("/r/files/w_60,q_50/alpha.png", &[NONE]);
    assert_eq!(negotiated.body, server.get("/r/files/w_60,f_png/alpha.png").body);
}

#[test]
fn the_best_is_the_smallest_that_the_client_takes() {
    let server = serving();
    let mut won = Vec::new();
    for source in ["photo.jpg", "alpha.png", "palette.png", "gray.png", "one-pixel.png"] {
        for (accept, rivals) in [(ALL, "avif webp png"), (WEBP, "webp png"), (NONE, "png")] {
            let best = server.get_with(&format!("/r/files/w_200,f_best/{source}"), &[accept]);
            let found = format(&best);
            assert!(best.header("vary").contains("Accept"), "{source}");
            let alone = |name: &str| server.get(&format!("/r/files/w_200,f_{name}/{source}")).body.len();
            let mut least = rivals.split(' ').map(alone).min().unwrap();
            if source != "alpha.png" {
                least = least.min(alone("jpg"));
            }
            assert_eq!(best.body.len(), least, "{source} {accept:?} {found:?}");
            won.push(found);
            // The same again from the cache, by its tag, and for a download.
            let again = server.get_with(&format!("/r/files/w_200,f_best/{source}"), &[accept]);
            assert_eq!((format(&again), again.header("etag")), (found, best.header("etag")));
            let same = [accept, ("if-none-match", best.header("etag"))];
            assert_eq!(server.get_with(&format!("/r/files/w_200,f_best/{source}"), &same).status, 304);
            let saved = server.get_with(&format!("/r/files/w_200,f_best/{source}?dl=1"), &[accept]);
            let name = format!(".{}", found.extension());
            assert!(
                saved.header("content-disposition").contains(&name),
                "{}",
                saved.header("content-disposition")
            );
        }
    }
    for format in [Format::Avif, Format::Webp, Format::Png] {
        assert!(won.contains(&format), "{format:?} never won: {won:?}");
    }
    let explained = server.get_with("/explain/r/files/w_200,f_best/photo.jpg", &[ALL]).json();
    assert_eq!(
        (&explained["format"], &explained["supported"]),
        (&"best".into(), &true.into()),
        "{explained}"
    );
    assert_eq!(format(&server.get_with("/r/files/w_90,f_best,q_lossless/photo.jpg", &[WEBP])), Format::Webp);
    assert_eq!(server.get_with("/r/files/w_300,f_best,mb_256/photo.jpg", &[ALL]).code(), "result_too_large");
}
