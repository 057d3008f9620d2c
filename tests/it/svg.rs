//! SVG through a running server: drawings at every size, hostile ones that end within their limits and harm nobody, and
//! text that leaves without what could do harm.

use std::time::{Duration, Instant};

use pixedge::codec::{self, DecodeRequest, Limits, Probe};

use crate::support::web::{self, Web};
use crate::support::{Home, Reply, Server};

const DRAWING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sources/drawing.svg");

/// A server with a folder of files.
fn serving(files: &[(&str, String)], more: &str) -> Server {
    let home =
        Home::new(&format!("sources: {{ files: {{ scheme: fs, root: files, unsigned: open }} }}\n{more}"));
    let folder = home.path().join("files");
    std::fs::create_dir(&folder).unwrap();
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    home.start()
}

fn svg(attributes: &str, inside: &str) -> String {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' {attributes}>{inside}</svg>"
    )
}

fn size(reply: &Reply) -> (u32, u32) {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let Ok(Probe::Complete(header)) = codec::probe(&reply.body, reply.body.len() as u64, &Limits::default())
    else {
        panic!("no picture")
    };
    (header.width, header.height)
}

#[test]
fn a_drawing_is_sharp_at_every_size() {
    let server = serving(&[("a.svg", std::fs::read_to_string(DRAWING).unwrap())], "");
    for (spec, expected) in [
        ("f_png", (60, 40)),
        ("w_30,f_png", (30, 20)),
        ("w_3000,f_png", (60, 40)),
        ("w_600,c_fit,f_png", (600, 400)),
        ("ex_30:0:30:40,w_300,c_fit,f_png", (300, 400)),
        ("w_100,h_100,c_fill,el_1,f_webp", (100, 100)),
        ("w_90,c_fit,k_nearest,f_png", (90, 60)),
        ("w_60,a_90,f_jpg", (40, 60)),
    ] {
        assert_eq!(size(&server.get(&format!("/r/files/{spec}/a.svg"))), expected, "{spec}");
    }
    // An edge is one pixel wide however large the drawing is made; pixels made larger would blur it.
    let reply = server.get("/r/files/w_600,c_fit,f_png/a.svg");
    let Ok(Probe::Complete(header)) = codec::probe(&reply.body, reply.body.len() as u64, &Limits::default())
    else {
        panic!("no picture")
    };
    let request =
        DecodeRequest { region: None, target: None, deadline: Instant::now() + Duration::from_secs(60) };
    let bitmap = codec::decode(&reply.body, &header, &request).unwrap().bitmap;
    let channels = bitmap.layout.channels();
    let row = &bitmap.data[200 * 600 * channels..][..600 * channels];
    let reds: Vec<u8> = row.chunks_exact(channels).map(|pixel| pixel[0]).collect();
    let between = reds[250..350].iter().filter(|&&red| red != reds[250] && red < 250).count();
    assert!(between <= 2, "{reds:?}");
    assert_eq!(
        server.get_with("/r/files/w_30/a.svg", &[("accept", "image/*")]).header("content-type"),
        "image/png"
    );
    assert_eq!(
        server.get_with("/r/files/w_30/a.svg", &[("accept", "image/webp")]).header("content-type"),
        "image/webp"
    );
}

#[test]
fn hostile_drawings_end_and_harm_nobody() {
    let layers = format!(
        "{}<rect width='9' height='9'/>{}",
        "<g opacity='.9'><rect width='10' height='10' opacity='.5'/>".repeat(60),
        "</g>".repeat(60)
    );
    let laughs: String =
        (1..12).map(|n| format!("<!ENTITY a{n} \"{}\">", format!("&a{};", n - 1).repeat(10))).collect();
    let uses: String = (1..12)
        .map(|n| format!("<g id='u{n}'>{}</g>", format!("<use href='#u{}'/>", n - 1).repeat(10)))
        .collect();
    let files = [
        (
            "loops.svg",
            svg(
                "width='500' height='500'",
                "<filter id='a'><feTurbulence baseFrequency='.1' numOctaves='2000000000'/></filter>\
                 <rect width='500' height='500' filter='url(#a)'/>",
            ),
        ),
        ("layers.svg", svg("width='4000' height='4000' viewBox='0 0 10 10'", &layers)),
        (
            "laughs.svg",
            format!(
                "<!DOCTYPE svg [<!ENTITY a0 'ha'>{laughs}]>{}",
                svg("width='9' height='9'", "<text>&a11;</text>")
            ),
        ),
        ("uses.svg", svg("width='9' height='9'", &format!("<g id='u0'><path d='M0 0L9 9'/></g>{uses}"))),
        (
            "deep.svg",
            svg("width='9' height='9'", &format!("{}{}", "<g>".repeat(300_000), "</g>".repeat(300_000))),
        ),
        (
            "region.svg",
            svg(
                "width='3000' height='3000'",
                "<filter id='a' x='-1e9' y='-1e9' width='2e9' height='2e9'><feGaussianBlur stdDeviation='1e6'/>\
                 <feOffset dx='1e8'/></filter><rect width='3000' height='3000' filter='url(#a)'/>",
            ),
        ),
        (
            "pattern.svg",
            svg(
                "width='3000' height='3000'",
                "<pattern id='a' width='1e7' height='1e7' patternUnits='userSpaceOnUse'><rect width='1e7' \
                 height='1e7'/></pattern><rect width='3000' height='3000' fill='url(#a)'/>",
            ),
        ),
        ("large.svg", svg("width='1000000' height='1000000'", "<rect width='9' height='9'/>")),
        ("good.svg", std::fs::read_to_string(DRAWING).unwrap()),
    ];
    let server = serving(&files, "images: { memory_budget: 1GiB }\n");
    server.get("/r/files/w_30,f_png/good.svg");
    let before = server.rss();
    for (name, reason) in [
        ("loops.svg", Some("longer than 5 s")),
        ("layers.svg", Some("MiB of memory")),
        ("laughs.svg", Some("entity")),
        ("uses.svg", Some("limit")),
        ("deep.svg", Some("cannot be decoded")),
        ("large.svg", Some("the limit is")),
        ("region.svg", None),
        ("pattern.svg", None),
    ] {
        for spec in ["f_png", "f_orig"] {
            let started = Instant::now();
            let reply = server.get(&format!("/r/files/{spec}/{name}"));
            assert!(started.elapsed() < Duration::from_secs(10), "{name}: {:?}", started.elapsed());
            let text = String::from_utf8_lossy(&reply.body[..reply.body.len().min(500)]).into_owned();
            assert!(matches!(reply.status, 200 | 422), "{name} {spec}: {} {text}", reply.status);
            if let (Some(reason), "f_png") = (reason, spec) {
                assert_eq!(reply.status, 422, "{name}");
                // On a busy machine its time may be over before its memory is.
                let late = name == "layers.svg" && text.contains("longer than 5 s");
                assert!(text.contains(reason) || late, "{name}: {text}");
            }
        }
    }
    assert_eq!(size(&server.get("/r/files/w_31,f_png/good.svg")), (31, 21));
    assert!(server.rss() < before + (64 << 20), "{} MB from {before}", server.rss() >> 20);
    assert_eq!(server.children(), 0, "none is left behind");
}

#[test]
fn the_deadline_of_the_request_ends_a_drawing_too() {
    let loops = svg(
        "width='200' height='200'",
        "<filter id='a'><feTurbulence baseFrequency='.1' numOctaves='2000000000'/></filter>\
         <rect width='200' height='200' filter='url(#a)'/>",
    );
    let server = serving(&[("loops.svg", loops)], "images: { timeout: 1s }\n");
    let started = Instant::now();
    let reply = server.get("/r/files/f_png/loops.svg");
    assert_eq!((reply.status, reply.code().as_str()), (503, "overloaded"), "{}", reply.text());
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!(server.children(), 0);
}

#[test]
fn nothing_outside_is_asked_or_opened() {
    let web = Web::start(|request| web::answer(request, "200 OK", &[], b"<svg/>"));
    let url = web.url();
    let text = svg(
        "width='20' height='20'",
        &format!(
            "<?xml-stylesheet href='{url}/a.css'?><style>@import url({url}/b.css); \
             @font-face{{font-family:a;src:url({url}/c.woff)}} rect{{fill:url({url}/d.svg#a)}}</style>\
             <image width='9' height='9' xlink:href='{url}/e.png'/><image width='9' height='9' href='{url}/f.svg'/>\
             <use href='{url}/g.svg#a'/><filter id='f'><feImage href='{url}/h.png'/></filter>\
             <rect width='9' height='9' filter='url(#f)'/><text font-family='a'>text</text>\
             <image width='9' height='9' href='/etc/hostname'/><image width='9' height='9' href='file:///etc/hostname'/>\
             <script href='{url}/i.js'/><a href='{url}/j'><rect width='1' height='1'/></a>"
        ),
    );
    let text = format!("<!DOCTYPE svg SYSTEM '{url}/k.dtd' [<!ENTITY % p SYSTEM '{url}/l.dtd'>]>{text}");
    let server = serving(&[("a.svg", text)], "");
    assert_eq!(size(&server.get("/r/files/f_png/a.svg")), (20, 20));
    let reply = server.get("/r/files/f_orig/a.svg");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let address = url.trim_start_matches("http://");
    assert!(!reply.text().contains(address) && !reply.text().contains("/etc/"), "{}", reply.text());
    assert!(web.connects().is_empty());
}

#[test]
fn text_leaves_without_what_could_do_harm_and_under_a_policy() {
    let text = svg(
        "width='20' height='10' onload='alert(1)'",
        "<script>alert(2)</script><foreignObject/><rect width='9' height='9' fill='#123456'/>",
    );
    let packed = {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let server = serving(&[("a.svg", text)], "");
    std::fs::write(server.home().path().join("files/b.svg"), packed).unwrap();
    for path in ["/r/files/f_orig/a.svg", "/r/files/f_svg/a.svg", "/r/files/f_orig/b.svg"] {
        let reply = server.get(path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert_eq!(reply.header("content-type"), "image/svg+xml");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(
            reply.header("content-security-policy"),
            "default-src 'none'; style-src 'unsafe-inline'; sandbox"
        );
        let text = reply.text();
        assert!(text.contains("#123456") && !text.contains("alert") && !text.contains("foreign"), "{text}");
    }
    assert_eq!(server.get("/r/files/w_10,f_svg/a.svg").code(), "unsupported_option");
}
