//! Ten thousand forged signatures: none opens anything, none makes the server look at a source, and each costs about as
//! much as a picture from the cache.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::SOURCES;
use crate::support::wire::Wire;
use crate::support::{Home, Server};

const FORGED: usize = 10_000;
/// Sent before the first answer is read.
const AT_ONCE: usize = 50;
const PICTURE: &str = "/r/s/w_33,f_jpg/photo.jpg";

fn home(secret: &str) -> Home {
    let config = format!(
        "keys:\n  - {{ kid: k1, secret_file: k1.txt, scopes: [u, c, a, p2] }}\n  - {{ kid: k2, secret_file: k2.txt, scopes: [a] }}\n\
         sources: {{ s: {{ scheme: fs, root: {SOURCES}, unsigned: signed }} }}\n"
    );
    let home = Home::new(&config);
    std::fs::write(home.path().join("k1.txt"), secret).unwrap();
    std::fs::write(home.path().join("k2.txt"), format!("{secret} of the second")).unwrap();
    home
}

fn sign(home: &Home, more: &[&str]) -> String {
    home.run(&[&["sign", PICTURE, "--kid", "k1"], more].concat()).lines().last().unwrap().to_owned()
}

/// Small numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }
}

/// The signature in a URL, as it is written there.
fn signature(url: &str) -> &str {
    match url.split_once("sig=") {
        Some((_, rest)) => rest.split('&').next().unwrap(),
        None => url.strip_prefix("/s/k1.").unwrap().split(['.', '/']).next().unwrap(),
    }
}

/// One URL that nobody with the key has made.
fn forge(kind: usize, good: &str, foreign: &str, dice: &mut Dice) -> String {
    let sig = signature(good);
    let mut bytes = URL_SAFE_NO_PAD.decode(sig).unwrap();
    let with = |other: &str| good.replace(sig, other);
    let (in_path, for_image) = (good.starts_with("/s/"), good.contains("sc=a") || good.contains(".a/"));
    match kind {
        0 => {
            bytes[dice.below(32)] ^= 1 << dice.below(8);
            with(&URL_SAFE_NO_PAD.encode(bytes))
        }
        1 => with(&URL_SAFE_NO_PAD.encode(&bytes[..dice.below(32)])),
        2 => {
            bytes.fill_with(|| dice.below(256) as u8);
            with(&URL_SAFE_NO_PAD.encode(bytes))
        }
        3 => {
            bytes.extend((0..=dice.below(40)).map(|n| n as u8));
            with(&URL_SAFE_NO_PAD.encode(bytes))
        }
        // The same bytes in another spelling.
        4 => with(
            &[
                format!("{sig}="),
                format!("{sig}%00"),
                format!("%20{sig}"),
                sig.to_lowercase(),
                format!("{sig}{sig}"),
            ][dice.below(5)],
        ),
        // The two bits of the last letter that stand for nothing.
        5 => {
            const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let last = LETTERS.iter().position(|letter| Some(letter) == sig.as_bytes().last()).unwrap();
            let other = char::from(LETTERS[last & !3 | (last & 3) ^ (1 + dice.below(3))]);
            with(&format!("{}{other}", &sig[..42]))
        }
        // Signed for the image, any size may be asked.
        6 if !for_image => good.replace("w_33", &format!("w_{}", 34 + dice.below(9000))),
        6 | 7 => good.replace("photo.jpg", &format!("landscape-exif{}.jpg", 1 + dice.below(8))),
        8 => match (expires(good), in_path) {
            (Some(exp), _) => {
                good.replace(exp, &(exp.parse::<u64>().unwrap() + 1 + dice.below(1 << 30) as u64).to_string())
            }
            (None, true) => good.replacen(sig, &format!("{sig}.2999999999"), 1),
            (None, false) => format!("{good}&exp=2999999999"),
        },
        9 => {
            let kid = ["k2", "k3", "K1", "own", "*"][dice.below(5)];
            good.replace("kid=k1", &format!("kid={kid}")).replacen("/s/k1.", &format!("/s/{kid}."), 1)
        }
        10 => match (for_image, in_path) {
            (true, true) => good.replacen(".a/", ".p2/", 1),
            (true, false) => good.replace("sc=a", ["sc=p2", "sc=c", "sc=p3"][dice.below(3)]),
            (false, true) => good.replacen("/r/", ".a/r/", 1),
            (false, false) => {
                format!("{}&sc={}", good.replace("&sc=c", ""), ["a", "p1", "p2", "z"][dice.below(4)])
            }
        },
        11 => foreign.replace("w_33", ["w_33", "w_34"][dice.below(2)]),
        12 if in_path => format!("{good}?sig={sig}&kid=k1"),
        12 => format!("/s/k1.{sig}{good}"),
        _ => good.replace(sig, ""),
    }
}

/// When a signature ends, as its URL says.
fn expires(url: &str) -> Option<&str> {
    let rest = &url[url.find(signature(url))? + 43..];
    rest.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 10)
}

fn counted(server: &Server) -> BTreeMap<String, f64> {
    let mut all = server.metrics();
    let of_work = [
        "pixedge_source",
        "pixedge_decodes",
        "pixedge_encodes",
        "pixedge_cache_total",
        "pixedge_originals",
        "pixedge_stage",
    ];
    all.retain(|name, _| of_work.iter().any(|known| name.starts_with(known)));
    all
}

/// Asks for all and returns how often each status came, with the time that took the server.
fn ask(server: &Server, urls: &[String]) -> (BTreeMap<u16, usize>, std::time::Duration) {
    let mut wire = Wire::to(server.address());
    let mut statuses = BTreeMap::new();
    let before = server.cpu_time();
    for some in urls.chunks(AT_ONCE) {
        let heads: String = some.iter().map(|url| format!("GET {url} HTTP/1.1\r\nHost: h\r\n\r\n")).collect();
        wire.send(&heads);
        for url in some {
            let answer = wire.answer(false);
            *statuses.entry(answer.status).or_default() += 1;
            assert!(answer.status != 200 || urls[0] == urls[1], "{url}");
            assert!(
                answer.status == 200 || answer.text().contains("\"code\":\"bad_signature\""),
                "{url}: {}",
                answer.text()
            );
        }
    }
    (statuses, server.cpu_time() - before)
}

#[test]
fn none_of_ten_thousand_forged_signatures_opens_anything() {
    let (ours, theirs) = (home("the secret of this server, long"), home("the secret of another one, long"));
    let forms: [&[&str]; 7] = [
        &[],
        &["--form", "path"],
        &["--scope", "a"],
        &["--scope", "a", "--form", "path"],
        &["--scope", "c"],
        &["--expires", "20d"],
        &["--expires", "20d", "--form", "path"],
    ];
    let made = |home: &Home| forms.map(|form| sign(home, form));
    let (good, foreign) = (made(&ours), made(&theirs));
    let server = ours.start();
    for url in &good {
        assert_eq!(server.get(url).status, 200, "{url}");
    }
    let mut dice = Dice(7);
    let forged: Vec<String> = (0..FORGED)
        .map(|n| {
            let form = n % good.len();
            forge(n / good.len() % 14, &good[form], &foreign[form], &mut dice)
        })
        .collect();
    assert!(forged.iter().all(|url| !good.contains(url)));
    let before = counted(&server);
    assert!(before["pixedge_encodes_total{format=\"jpeg\"}"] >= 1.0);
    let (statuses, forging) = ask(&server, &forged);
    assert_eq!(statuses, BTreeMap::from([(403, FORGED)]));
    assert_eq!(counted(&server), before, "no source, cache or worker was asked");
    let (statuses, hitting) = ask(&server, &vec![good[0].clone(); FORGED]);
    assert_eq!(statuses, BTreeMap::from([(200, FORGED)]));
    let each = |time: std::time::Duration| time.as_secs_f64() * 1e6 / FORGED as f64;
    eprintln!("{:.1} µs of CPU for a forged request, {:.1} µs for a hit", each(forging), each(hitting));
    assert!(forging < 4 * hitting, "{forging:?} against {hitting:?}");
    // Whoever has the key is served as before.
    for url in &good {
        assert_eq!(server.get(url).status, 200, "{url}");
    }
}
