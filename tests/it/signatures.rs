//! Signed URLs against a running server: made by the command, by independent implementations, and by forgers.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use pixedge::codec::Format;

use crate::support::pictures::{encoded, header};
use crate::support::{Home, Reply, Server};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const CONFIG: &str = "\
keys:
  - { kid: k1, secret_file: k1.txt, scopes: [u, c, a, p3], min_signature: 16 }
  - { kid: pics, secret_file: k2.txt, scopes: [u, a], sources: [pics, shop], policy: open }
  - { kid: old, secret_file: k3.txt, not_after: 1000 }
presets: { odd: 'w_33,h_22,c_fill,b_123456', mark: 'l_logo,w_10' }
library: { unsigned: signed }
sources:
  pics: { scheme: fs, root: pics, unsigned: signed }
  shop: { scheme: fs, root: pics, unsigned: presets }
  steps: { scheme: fs, root: pics }
  free: { scheme: fs, root: pics, unsigned: open }
";

/// A server with one picture in a source under four policies, and the same in the library, whose id comes back.
fn start(config: &str) -> (Server, String) {
    let home = Home::new(config);
    for (file, secret) in [("k1.txt", SECRET), ("k2.txt", "the key of pics, rather long"), ("k3.txt", SECRET)]
    {
        std::fs::write(home.path().join(file), secret).unwrap();
    }
    let folder = home.path().join("pics/2026/11");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("a b.png"), encoded(Format::Png, 200, 150, 1)).unwrap();
    std::fs::write(folder.join("c.png"), encoded(Format::Png, 200, 150, 2)).unwrap();
    let printed = home.run(&["import", home.path().join("pics").to_str().unwrap()]);
    let id = printed.lines().last().unwrap().split_whitespace().next().unwrap().to_owned();
    (home.start(), id)
}

fn sign(server: &Server, args: &[&str]) -> String {
    let printed = server.home().run(&[&["sign"], args].concat());
    printed.lines().last().unwrap().to_owned()
}

fn told(reply: &Reply) -> (u16, String) {
    (reply.status, if reply.status < 400 { String::new() } else { reply.code() })
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn right_signatures_open_what_policies_close_and_forged_ones_do_not() {
    let (server, id) = start(CONFIG);
    let plain = format!("/i/{id}/w_33,f_png");
    assert_eq!(told(&server.get(&plain)), refused(403, "needs_signature"));
    let mut seen = Vec::new();
    for form in ["query", "path"] {
        for scope in ["u", "c"] {
            let url = sign(&server, &[&plain, "--scope", scope, "--form", form, "--kid", "k1"]);
            let reply = server.get(&url);
            assert_eq!(reply.status, 200, "{url}: {}", reply.text());
            assert_eq!(header(&reply.body).width, 33, "not snapped: {url}");
            seen.push(reply.header("etag").to_owned());
            // A right signature changes nothing about the cache key.
            let expected =
                if seen.len() == 1 { "pixedge; fwd=miss; stored" } else { "pixedge; hit; detail=memory" };
            assert_eq!(reply.header("cache-status"), expected);
            // The second time from what is remembered of the URL.
            assert_eq!(server.get(&url).status, 200);
            for forged in [url.replace("w_33", "w_34"), url.replace("k1", "k2"), url.replace("k1", "old")] {
                assert_eq!(told(&server.get(&forged)), refused(403, "bad_signature"), "{forged}");
            }
            let last = url.rfind(|c: char| c.is_ascii_alphanumeric()).unwrap();
            let at = if form == "query" { url.find("sig=").unwrap() + 5 } else { 10 };
            assert!(at < last);
            let mut forged = url.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(told(&server.get(&forged)), refused(403, "bad_signature"), "{forged}");
        }
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "signatures split the cache: {seen:?}");
    let encodes = server.count("pixedge_encodes_total");
    assert_eq!(encodes, 1.0);
    // A forged one is refused before anything is looked for.
    let reads = server.count("pixedge_source_reads_total");
    let missing = format!("/r/pics/w_33/nothing.png?sig={}&kid=k1", "A".repeat(43));
    assert_eq!(told(&server.get(&missing)), refused(403, "bad_signature"));
    assert_eq!(server.count("pixedge_source_reads_total"), reads);
    for query in ["kid=k1", "exp=99", "sc=a", "sig=abc", "sig="] {
        let url = format!("/r/free/w_33/2026/11/c.png?{query}");
        assert_eq!(told(&server.get(&url)), refused(403, "bad_signature"), "{query}");
    }
}

#[test]
fn a_signature_ends_and_no_cache_outlives_it() {
    let (server, id) = start(CONFIG);
    let url = format!("/i/{id}/w_33,f_png");
    let hour = server.get(&sign(&server, &[&url, "--expires", "1h"]));
    assert_eq!(hour.status, 200, "{}", hour.text());
    let age: u64 = directive(&hour, "max-age=");
    assert!((3590..=3600).contains(&age), "{}", hour.header("cache-control"));
    assert!(!hour.header("cache-control").contains("immutable"));
    assert_eq!(directive(&hour, "stale-while-revalidate="), 0);
    let forever = server.get(&sign(&server, &[&url]));
    assert_eq!(directive(&forever, "max-age="), 30 * 86_400);

    let short = sign(&server, &[&url, "--expires", "1s", "--form", "path"]);
    let begun = now();
    let last = loop {
        let reply = server.get(&short);
        if reply.status != 200 {
            break reply;
        }
        assert!(directive(&reply, "max-age=") <= 1);
        assert!(now() < begun + 10, "the signature never ended");
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    assert_eq!(told(&last), refused(410, "expired"));
    // Wrong beats late.
    assert_eq!(told(&server.get(&short.replace("w_33", "w_34"))), refused(403, "bad_signature"));
    let etag = hour.header("etag").to_owned();
    assert_eq!(server.get_with(&short, &[("if-none-match", &etag)]).status, 410);
}

fn directive(reply: &Reply, name: &str) -> u64 {
    let value = reply.header("cache-control").split(", ").find_map(|part| part.strip_prefix(name));
    value.map_or(0, |number| number.parse().unwrap())
}

#[test]
fn one_signature_serves_a_whole_srcset() {
    let (server, id) = start(CONFIG);
    let signed = sign(&server, &[&format!("/i/{id}/w_16,f_png"), "--scope", "a", "--kid", "k1"]);
    let query = signed.split_once('?').unwrap().1;
    for width in [16, 32, 48, 64, 80, 100, 150, 200] {
        let reply = server.get(&format!("/i/{id}/w_{width},f_png?{query}"));
        assert_eq!((reply.status, header(&reply.body).width), (200, width), "{}", reply.text());
    }
    // Which image, not what: that stays under the ladder, or under the policy of the key.
    let snapped = server.get(&format!("/i/{id}/w_33,f_png?{query}"));
    assert_eq!(header(&snapped.body).width, 48);
    let pad = server.get(&format!("/i/{id}/w_32,pad_3,f_png?{query}"));
    assert_eq!(told(&pad), refused(403, "needs_signature"));
    let other = server.get(&format!("/i/other/w_32,f_png?{query}"));
    assert_eq!(told(&other), refused(403, "bad_signature"));
    let open = sign(&server, &["/r/pics/_/2026/11/c.png", "--scope", "a", "--kid", "pics"]);
    let query = open.split_once('?').unwrap().1;
    let padded = server.get(&format!("/r/pics/w_33,pad_3,f_png/2026/11/c.png?{query}"));
    assert_eq!((padded.status, header(&padded.body).width), (200, 39));
    assert_eq!(server.get(&format!("/explain/r/pics/w_33/2026/11/c.png?{query}")).json()["policy"], "open");

    // A folder: `r/pics/2026`.
    let folder = sign(&server, &["/r/pics/_/2026/11/c.png", "--scope", "p3", "--form", "path"]);
    let front = folder.split_once("/r/").unwrap().0;
    let spaced = server.get(&format!("{front}/r/pics/w_32,f_png/2026/11/a%20b.png"));
    assert_eq!(spaced.status, 200, "{}", spaced.text());
    let outside = server.get(&format!("{front}/r/pics/w_32,f_png/2025/11/c.png"));
    assert_eq!(told(&outside), refused(403, "bad_signature"));
}

#[test]
fn presets_are_allowed_as_they_are_and_nothing_beside_them() {
    let (server, _) = start(CONFIG);
    let get = |source: &str, spec: &str| server.get(&format!("/r/{source}/{spec}/2026/11/c.png"));
    for source in ["shop", "steps", "free"] {
        let made = get(source, "t_odd");
        assert_eq!(made.status, 200, "{source}: {}", made.text());
        let made = header(&made.body);
        assert_eq!((made.width, made.height), (33, 22), "{source}");
    }
    for (spec, option) in [("_", "_"), ("w_32", "w"), ("t_odd,w_32", "w"), ("t_odd,f_png", "f")] {
        let reply = get("shop", spec);
        assert_eq!(told(&reply), refused(403, "needs_signature"), "{spec}");
        assert_eq!(reply.json()["option"], option);
    }
    assert_eq!(get("pics", "t_odd").status, 403);
    let snapped = get("steps", "t_odd,w_49");
    assert_eq!((header(&snapped.body).width, header(&snapped.body).height), (50, 22));
    // The signature of a key with `policy: open` lifts it.
    let signed = sign(&server, &["/r/shop/w_35,f_png/2026/11/c.png", "--scope", "a", "--kid", "pics"]);
    assert_eq!(header(&server.get(&signed).body).width, 35);
}

#[test]
fn pictures_that_a_url_names_are_authorised_like_its_own() {
    let (server, id) = start(CONFIG);
    let object = "2026/11/c.png";
    let get = |url: &str| told(&server.get(url));
    // Nothing of this library may be asked unsigned, so it may not be drawn on other pictures either.
    assert_eq!(get(&format!("/r/free/l_{id}/{object}")), refused(403, "needs_signature"));
    assert_eq!(get(&format!("/r/steps/d_{id}/{object}")), refused(403, "needs_signature"));
    let all = |url: &str, kid: &str| get(&sign(&server, &[url, "--kid", kid]));
    assert_eq!(all(&format!("/r/free/l_nosuchid/{object}"), "k1"), refused(404, "not_found"));
    // This key signs for sources only.
    assert_eq!(all(&format!("/r/pics/l_{id}/{object}"), "pics"), refused(403, "bad_signature"));
    // The operator's own watermark needs no right, but it has to be there.
    assert_eq!(get(&format!("/r/free/t_mark/{object}")), refused(404, "not_found"));
    assert_eq!(server.count("pixedge_decodes_total"), 0.0);
    let drawn = server.get(&sign(&server, &[&format!("/r/free/l_{id}/{object}"), "--kid", "k1"]));
    assert_eq!(drawn.status, 200, "{}", drawn.text());
    // What would stand in matters where it is needed.
    let whole = server.get(&sign(&server, &[&format!("/r/free/d_nosuchid/{object}"), "--kid", "k1"]));
    assert_eq!(whole.status, 200, "{}", whole.text());
}

#[test]
fn a_private_image_is_for_signed_urls_only() {
    let (server, id) = start(
        &CONFIG.replace("library: { unsigned: signed }", "library: { unsigned: open, visibility: private }"),
    );
    let url = format!("/i/{id}/w_32,f_png");
    assert_eq!(told(&server.get(&url)), refused(404, "not_found"));
    assert_eq!(told(&server.get(&format!("/info/{id}"))), refused(404, "not_found"));
    assert_eq!(told(&server.get(&format!("/r/free/l_{id}/2026/11/c.png"))), refused(404, "not_found"));
    let signed = sign(&server, &[&url, "--expires", "1h"]);
    for _ in 0..2 {
        let reply = server.get_with(&signed, &[("origin", "https://example.org")]);
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("cache-control"), "private, no-cache");
        assert_eq!(reply.header("access-control-allow-origin"), "");
    }
    let info = sign(&server, &[&format!("/info/{id}"), "--scope", "a"]);
    assert_eq!(server.get(&info).json()["width"], 200);
    assert_eq!(told(&server.get(&url)), refused(404, "not_found"));
}

#[test]
fn keys_sign_what_they_may_and_the_command_says_why_not() {
    let (server, id) = start(CONFIG);
    let fails = |args: &[&str]| {
        let output = server.home().command(&[&["sign"], args].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    let url = format!("/i/{id}/w_32");
    for (args, expected) in [
        (&[&*url, "--kid", "nope"][..], "there is no key `nope`"),
        (&[&*url, "--kid", "old"], "`old` is not valid at this time"),
        (&[&*url, "--kid", "pics"], "`pics` does not sign for `library`"),
        (&[&*url, "--scope", "p2"], "no key that is valid now signs `p2` for `library`"),
        (&[&*url, "--scope", "p3"], "fewer than 3 segments"),
        (&[&*url, "--scope", "z"], "--scope"),
        (&[&*url, "--expires", "soon"], "--expires"),
        (&[&*url, "--expires", "0s"], "--expires"),
        (&["/i/cat/widht_3"], "did you mean `width`?"),
        (&["/r/nosuch/_/a.jpg"], "there is no source `nosuch`"),
        (&["i/cat"], "neither a URL"),
        (&["/_ipx/_/cat", "--form", "path"], "before `/i/…` or `/r/…`"),
        (&["/i/cat?sig=x"], "twice"),
    ] {
        let said = fails(args);
        assert!(said.contains(expected), "{args:?}: {said}");
    }
    // A whole address stays one, and a signature from a key that is no longer valid is wrong.
    let whole = sign(&server, &[&format!("{}{url}?dl=1", server.url)]);
    assert!(whole.starts_with(&format!("{}{url}?dl=1&sig=", server.url)), "{whole}");
    assert_eq!(server.get(whole.strip_prefix(&server.url).unwrap()).status, 200);
    let home = server.stop();
    let none = Home::new("");
    let output = none.command(&["sign", "/i/cat"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("no signing keys"));
    drop(home);
}

/// The recipes of docs/signing.md, run as they stand there.
#[test]
fn the_recipes_of_the_documentation_sign_what_the_server_takes() {
    let (server, id) = start(CONFIG);
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/signing.md");
    let document = std::fs::read_to_string(document).unwrap();
    let exp = (now() + 600).to_string();
    let url = format!("/i/{id}/w_33,f_png?dl=1");
    let rows = [
        ("u", url.clone(), url[1..].to_owned()),
        ("c", url.clone(), format!("i/{id}/w_33,f_png")),
        ("a", "/r/pics/w_32/2026/11/a%20b.png".to_owned(), "r/pics/2026/11/a b.png".to_owned()),
    ];
    let mut ran = 0;
    for (language, interpreter, flag) in
        [("python", "python3", "-c"), ("sh", "bash", "-c"), ("js", "node", "-e")]
    {
        let recipe = document.split_once(&format!("```{language}\n")).unwrap().1.split_once("```").unwrap().0;
        for (scope, url, target) in &rows {
            let mut command = Command::new(interpreter);
            let inputs = [("SECRET", SECRET), ("SCOPE", scope), ("EXP", &exp), ("TARGET", target)];
            let Ok(output) = command.arg(flag).arg(recipe).envs(inputs).output() else {
                assert!(
                    std::env::var_os("PIXEDGE_REQUIRE_ALL").is_none() || language == "js",
                    "no {interpreter}"
                );
                eprintln!("skipped: there is no {interpreter}");
                break;
            };
            assert!(output.status.success(), "{language}: {}", String::from_utf8_lossy(&output.stderr));
            let sig = String::from_utf8(output.stdout).unwrap();
            let glue = if url.contains('?') { '&' } else { '?' };
            let reply = server.get(&format!("{url}{glue}sig={}&kid=k1&exp={exp}&sc={scope}", sig.trim()));
            assert_eq!(reply.status, 200, "{language} {scope}: {sig}: {}", reply.text());
            ran += 1;
        }
    }
    assert!(ran > 0, "no recipe could be run");
}
