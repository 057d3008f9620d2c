//! Files that are pictures to one program and a page or a script to another, uploaded and from a source, opened in a real
//! browser in every way that a page can: nothing in them runs, and nothing outside is asked for.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::mpsc;
use std::time::Duration;

use pixedge::codec::Format;
use serde_json::json;

use crate::support::chromium::Chromium;
use crate::support::pictures::encoded;
use crate::support::shared::shared;
use crate::support::web::{Web, answer};
use crate::support::{Home, Server};
use crate::uploads::{account, post};

const NS: &str = "xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink'";

/// A script that tells `listener` that it ran.
fn script(listener: &str, name: &str) -> String {
    format!("(new Image).src='{listener}/ran/{name}';try{{parent.postMessage('{name}','*')}}catch(e){{}}")
}

/// Drawings, by name; each would say so if something in it ran or was fetched.
fn drawings(listener: &str) -> Vec<(String, Vec<u8>)> {
    let run = |name: &str| script(listener, name);
    let page = |name: &str| format!("<script>{}</script>", run(name));
    let rows = [
        ("script", format!("<script>{}</script>", run("script"))),
        ("cdata", format!("<script type='text/ecmascript'><![CDATA[{}]]></script>", run("cdata"))),
        (
            "src",
            format!(
                "<script href='{listener}/fetched/src.js'/><script xlink:href='{listener}/fetched/src2.js'/>"
            ),
        ),
        (
            "onload",
            format!("<g onload=\"{}\"/><image href='x:' onerror=\"{}\"/>", run("onload"), run("onerror")),
        ),
        (
            "begin",
            format!(
                "<animate onbegin=\"{}\" attributeName='x' dur='1s'/><set attributeName='onload' to=\"{}\"/>",
                run("onbegin"),
                run("set")
            ),
        ),
        (
            "foreign",
            format!(
                "<foreignObject width='9' height='9'><body xmlns='http://www.w3.org/1999/xhtml'>{}<iframe src=\"javascript:{}\"/></body></foreignObject>",
                page("foreign"),
                run("iframe")
            ),
        ),
        (
            "refresh",
            format!(
                "<foreignObject width='9' height='9'><meta xmlns='http://www.w3.org/1999/xhtml' http-equiv='refresh' content='0;url={listener}/fetched/refresh'/></foreignObject>"
            ),
        ),
        (
            "css",
            format!(
                "<style>@import url({listener}/fetched/import.css);rect{{background:url({listener}/fetched/bg)}}@font-face{{font-family:a;src:url({listener}/fetched/font)}}text{{font-family:a}}</style><text>a</text>"
            ),
        ),
        (
            "image",
            format!(
                "<image href='{listener}/fetched/image.png' width='9' height='9'/><feImage href='{listener}/fetched/fe.png'/><use href='{listener}/fetched/use.svg#a'/>"
            ),
        ),
        (
            "data",
            format!(
                "<image href=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' onload='{}'/%3E\" width='9' height='9'/>",
                run("data").replace('\'', "%22")
            ),
        ),
        (
            "use",
            format!(
                "<use href=\"data:image/svg+xml,&lt;svg id='x' xmlns='http://www.w3.org/2000/svg' onload='{}'/&gt;#x\"/>",
                run("use").replace('\'', "%22")
            ),
        ),
        (
            "handler",
            format!(
                "<handler type='text/javascript' ev:event='load' xmlns:ev='http://www.w3.org/2001/xml-events'>{}</handler>",
                run("handler")
            ),
        ),
        (
            "link",
            format!(
                "<a href='&#106;ava&#10;script:{}'><rect width='99' height='99'/></a>",
                run("link").replace('\'', "&#39;")
            ),
        ),
        (
            "html",
            format!("<html:script xmlns:html='http://www.w3.org/1999/xhtml'>{}</html:script>", run("html")),
        ),
    ];
    let mut all: Vec<_> = rows
        .into_iter()
        .map(|(name, inside)| {
            let text = format!("<svg {NS} width='99' height='99'><rect width='9' height='9'/>{inside}</svg>");
            (format!("{name}.svg"), text.into_bytes())
        })
        .collect();
    let root = |name: &str| {
        format!("<svg {NS} width='9' height='9' onload=\"{}\"><rect width='9' height='9'/></svg>", run(name))
    };
    all.push(("root.svg".into(), root("root").into_bytes()));
    all.push(("entity.svg".into(), format!("<!DOCTYPE svg [<!ENTITY a \"&#60;script>{}&#60;/script>\">]><svg {NS} width='9' height='9'>&a;</svg>", run("entity").replace('\'', "&#39;")).into_bytes()));
    all.push((
        "sheet.svg".into(),
        format!("<?xml-stylesheet type='text/xsl' href='{listener}/fetched/sheet.xsl'?>{}", root("sheet"))
            .into_bytes(),
    ));
    // UTF-16, which a filter for ASCII does not see through.
    let wide =
        std::iter::once(0xfeff).chain(root("wide").encode_utf16()).flat_map(u16::to_le_bytes).collect();
    all.push(("wide.svg".into(), wide));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(root("packed").as_bytes()).unwrap();
    all.push(("packed.svgz".into(), packed.finish().unwrap()));
    all
}

/// Files that begin, go on or end as something else.
fn polyglots(listener: &str) -> Vec<(String, Vec<u8>)> {
    let page = |name: &str| format!("<html><script>{}</script></html>", script(listener, name)).into_bytes();
    let js = |name: &str| script(listener, name).into_bytes();
    let png = encoded(Format::Png, 20, 20, 3);
    let jpeg = encoded(Format::Jpeg, 20, 20, 4);
    let gif = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;".to_vec();
    // A comment right after the start, where sniffers look.
    let comment = |text: Vec<u8>| {
        let len = u16::try_from(text.len() + 2).unwrap().to_be_bytes();
        [&jpeg[..2], b"\xff\xfe", &len, &text, &jpeg[2..]].concat()
    };
    vec![
        ("tail.png".into(), [png, page("png-tail")].concat()),
        ("comment.jpg".into(), comment(page("jpeg-comment"))),
        ("tail.jpg".into(), [jpeg.clone(), page("jpeg-tail")].concat()),
        ("tail.gif".into(), [gif.clone(), page("gif-tail")].concat()),
        // GIFAR: an archive is found from its end.
        (
            "archive.gif".into(),
            [gif, b"PK\x03\x04".to_vec(), page("gifar"), b"PK\x05\x06".to_vec(), vec![0; 18]].concat(),
        ),
        ("script.gif".into(), [b"GIF89a/*\0\0*/=1;".to_vec(), js("gif-js")].concat()),
        ("script.bmp".into(), [b"BM=1;".to_vec(), js("bmp-js")].concat()),
        ("page.bmp".into(), [b"BM".to_vec(), page("bmp-page")].concat()),
        ("page.png".into(), page("png-page")),
        ("page.jpg".into(), [b"\xff\xd8\xff\xe0".to_vec(), page("jpg-page")].concat()),
        ("page.svg".into(), page("svg-page")),
        ("page.html".into(), page("html-page")),
        ("script.js".into(), js("js")),
        ("drawing.png".into(), drawings(listener)[0].1.clone()),
    ]
}

/// The ones of the corpus, with a script that tells instead of one that nobody hears.
fn of_the_corpus(listener: &str) -> Vec<(String, Vec<u8>)> {
    let Some(shared) = shared("hostile") else { return Vec::new() };
    let mut all = Vec::new();
    for folder in ["svg_hostile", "polyglot"] {
        for entry in std::fs::read_dir(shared.join("corpus").join(folder)).unwrap().flatten() {
            let name = format!("corpus-{}", entry.file_name().to_string_lossy());
            let bytes = std::fs::read(entry.path()).unwrap();
            // What only takes long is another test's matter.
            if bytes.len() > 20_000 || name.contains("bomb") || name.contains("loop") || name.contains("huge")
            {
                continue;
            }
            let told = script(listener, &name).replace('\'', "`");
            let mut armed = bytes.clone();
            for alert in ["alert(document.domain)", "alert(1)", "alert(2)"] {
                armed = replaced(&armed, alert.as_bytes(), told.as_bytes());
            }
            // A JPEG's comment has a length, so that one stays as it is.
            all.push((name.clone(), if name.ends_with(".jpg") { bytes } else { armed }));
        }
    }
    assert!(all.len() > 10, "{}", all.len());
    all
}

fn replaced(bytes: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(what) {
            out.extend(with);
            at += what.len();
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

/// Where the files can be had, and where they are refused, after the answers themselves were looked at.
fn served(server: &Server, files: &[(String, Vec<u8>)]) -> [Vec<String>; 2] {
    let ana = account(server, "ana");
    let mut paths = Vec::new();
    let mut taken = 0;
    for (name, bytes) in files {
        paths.extend(["_", "f_orig"].map(|spec| format!("/r/files/{spec}/{name}")));
        let upload = post(server, &ana, &[], &[("file", Some(name), bytes)]);
        assert!(
            matches!(upload.status, 200 | 201 | 400 | 409 | 413 | 415 | 422),
            "{name}: {}",
            upload.text()
        );
        if upload.status < 300 {
            taken += 1;
            let id = upload.json()["images"][0]["id"].as_str().unwrap().to_owned();
            paths.extend(["", "/f_orig"].map(|spec| format!("/i/{id}{spec}")));
        }
    }
    assert!(taken > 5, "{taken} of {} were taken", files.len());
    let (shown, refused) = paths.into_iter().partition(|path| is_shown(server, path));
    [shown, refused]
}

/// Whether there is a picture; what there is says what it is.
fn is_shown(server: &Server, path: &str) -> bool {
    let reply = server.get_with(path, &[("accept", "text/html,*/*;q=0.8")]);
    let kind = reply.header("content-type").to_owned();
    assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
    match reply.status {
        200 => {
            assert!(kind.starts_with("image/"), "{path}: {kind}");
            assert_eq!(reply.header("cross-origin-resource-policy"), "cross-origin", "{path}");
            let policy = reply.header("content-security-policy");
            let safe = policy.contains("sandbox")
                && policy.contains("default-src 'none'")
                && !policy.contains("allow-");
            assert!(safe || !kind.starts_with("image/svg"), "{path}: {policy}");
            true
        }
        400..=499 => {
            assert_eq!(kind, "application/problem+json", "{path}");
            false
        }
        other => panic!("{path}: {other} {}", reply.text()),
    }
}

/// Opens each address in a frame, as object, embed, image, script, sheet and worker, and as a page of its own.
const PAGE: &str = "<!doctype html><meta charset=utf-8><title>elsewhere</title><body><script>
const urls = URLS, pages = PAGES, told = new Set
onmessage = e => told.add(String(e.data))
const settled = e => new Promise(done => { e.onload = e.onerror = done; setTimeout(done, 1000) })
const put = (tag, fields) => {
  const e = Object.assign(document.createElement(tag), fields), done = settled(e)
  document.body.append(e)
  return done
}
const open = async url => {
  await Promise.all([
    put('iframe', { src: url }), put('object', { data: url }), put('embed', { src: url }), put('img', { src: url }),
    put('script', { src: url }), put('script', { src: url, type: 'module' }), put('link', { rel: 'stylesheet', href: url }),
  ])
}
(async () => {
  for (let at = 0; at < urls.length; at += 30) await Promise.all(urls.slice(at, at + 30).map(open))
  const windows = pages.map(url => window.open(url))
  // What these do is known to work: once they have been heard, so would the others have been.
  await put('iframe', { src: '/control.svg' })
  await put('iframe', { src: '/control.html' })
  for (let n = 0; n < 40 && told.size < 2; n++) await new Promise(done => setTimeout(done, 50))
  await new Promise(done => setTimeout(done, 1000))
  await fetch('/told', { method: 'POST', headers: { 'x-told': [...told].join(' '), 'x-windows': windows.filter(w => w).length } })
})()
</script>";

/// What the page heard, the windows that it opened, and what was asked of the listener; `None` without a browser.
fn in_browser(urls: &[String], pages: &[String], listener: &str) -> Option<(String, String)> {
    let chromium = Chromium::find("hostile")?;
    let page = PAGE.replace("URLS", &json!(urls).to_string()).replace("PAGES", &json!(pages).to_string());
    let control = format!("<svg {NS} width='9' height='9' onload=\"{}\"/>", script(listener, "control-svg"));
    let html = format!("<script>{}</script>", script(listener, "control-html"));
    let (tell, told) = mpsc::channel();
    let web = Web::start(move |request| match request.target.as_str() {
        "/" => answer(request, "200 OK", &[("Content-Type", "text/html")], page.as_bytes()),
        "/control.svg" => answer(request, "200 OK", &[("Content-Type", "image/svg+xml")], control.as_bytes()),
        "/control.html" => answer(request, "200 OK", &[("Content-Type", "text/html")], html.as_bytes()),
        "/told" => {
            let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
            let _ = tell.send((header("x-told"), header("x-windows")));
            answer(request, "204 No Content", &[], b"")
        }
        _ => answer(request, "404 Not Found", &[], b""),
    });
    let browser = chromium.open(&web.url(), &["--disable-popup-blocking", "--deny-permission-prompts"]);
    let told = told.recv_timeout(Duration::from_secs(100));
    drop(browser);
    Some(told.expect("the page told nothing"))
}

#[test]
fn nothing_in_a_hostile_file_runs_in_a_browser() {
    let listener = Web::start(|request| answer(request, "404 Not Found", &[], b""));
    let url = listener.url();
    let mut files = [drawings(&url), polyglots(&url)].concat();
    files.extend(of_the_corpus(&url));
    let home = Home::new(
        "auth: { registration: open }\nsources: { files: { scheme: fs, root: files, unsigned: open } }\n",
    );
    let folder = home.path().join("files");
    std::fs::create_dir(&folder).unwrap();
    for (name, bytes) in &files {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    let server = home.start();
    let [shown, refused] = served(&server, &files);
    // Neither we nor what we use to draw looks at what a file names.
    assert!(listener.requests().is_empty(), "{:?}", listener.requests());
    // Pixels made anew hold nothing of the file; a refusal looks like the next.
    let kept = shown.iter().filter(|path| !path.contains("/_/"));
    let urls: Vec<String> =
        kept.chain(refused.iter().take(8)).map(|path| format!("{}{path}", server.url)).collect();
    let pages: Vec<String> =
        urls.iter().filter(|url| url.contains("/r/files/f_orig/")).take(12).cloned().collect();
    let Some((told, windows)) = in_browser(&urls, &pages, &url) else { return };
    let asked = listener.requests().iter().fold(String::new(), |mut all, request| {
        let _ = write!(all, "{} ", request.target);
        all
    });
    let mut heard: Vec<&str> = told.split(' ').collect();
    heard.sort_unstable();
    assert_eq!(heard, ["control-html", "control-svg"]);
    let mut asked: Vec<&str> = asked.split_whitespace().collect();
    asked.sort_unstable();
    assert_eq!(asked, ["/ran/control-html", "/ran/control-svg"]);
    assert_eq!(windows, pages.len().to_string());
    eprintln!("{} files at {} addresses, {} of them as pages", files.len(), urls.len(), pages.len());
}
