//! Signatures as their holders and their forgers see them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::error::Fault as _;
use crate::units::{Policy, Secret};

const NOW: u64 = 1_800_000_000;
const TARGET: &str = "i/k3Jd9s/w_300,f_webp";
const SECRET: &str = "correct horse battery staple";

fn key(kid: &str, secret: &str) -> KeyConfig {
    KeyConfig {
        kid: kid.to_owned(),
        secret: Secret::new(secret),
        not_before: None,
        not_after: None,
        scopes: ["u", "c", "a", "p2"].map(|scope| scope.parse().unwrap()).to_vec(),
        sources: Vec::new(),
        policy: Policy::Ladder,
        min_signature: 32,
    }
}

fn one() -> Keys {
    Keys::new([key("k1", SECRET)])
}

fn wish(kid: Option<&str>) -> Wish<'_> {
    Wish { kid, scope: Scope::Url, expires: None, source: "library" }
}

fn signed(keys: &Keys, wish: &Wish<'_>) -> String {
    keys.sign(wish, TARGET, NOW).unwrap().1
}

fn claim<'a>(kid: Option<&'a str>, sig: &'a str) -> Claim<'a> {
    Claim::in_query(Some(sig), kid, None, None).unwrap().unwrap()
}

/// `ok` or the error's code.
fn outcome(keys: &Keys, claim: &Claim<'_>, target: &str, now: u64) -> &'static str {
    keys.verify(claim, target, "library", now).map_or_else(|error| error.code(), |_| "ok")
}

/// Made by another implementation:
/// `printf 'v1\nu\n\ni/k3Jd9s/w_300,f_webp' | openssl dgst -sha256 -hmac "$SECRET" -binary | basenc --base64url`
#[test]
fn agrees_with_openssl() {
    for (scope, exp, target, expected) in VECTORS {
        let (scope, expires) = (scope.parse().unwrap(), exp.map(|at: u64| at));
        let wish = Wish { scope, expires, ..wish(Some("k1")) };
        let keys = one();
        let (kid, sig) = keys.sign(&wish, target, NOW).unwrap();
        assert_eq!((kid, sig.as_str()), ("k1", *expected), "{target}");
        let (exp, scope) = (exp.map(|at| at.to_string()), scope.to_string());
        let claim = Claim::in_query(Some(expected), Some("k1"), exp.as_deref(), Some(&scope));
        assert_eq!(outcome(&one(), &claim.unwrap().unwrap(), target, NOW), "ok");
    }
}

const VECTORS: &[(&str, Option<u64>, &str, &str)] = &[
    ("u", None, TARGET, "oCWsK0k5sq9z-Lz2agBf80jab-EWdgDxkdCNty7DuyA"),
    (
        "u",
        Some(1_900_000_000),
        "i/k3Jd9s?w=300&fn=caf%C3%A9.webp",
        "sD40_Sg2c3ZKjTD4_BlFM4EZkW18hIjfu_eMpmMFNAs",
    ),
    ("a", Some(1_900_000_000), "r/photos/2026/été.jpg", "-rwHu_MySb2GW4O6xtUnK-wBsgKJ1nSzf_5Mf5dU31E"),
    ("p2", None, "r/photos", "4LIB4qrvzsLgoe-DCQ4lA_FThCE0Unx1UCxxODFsX5k"),
];

#[test]
fn ten_thousand_forged_signatures_are_refused() {
    let keys = Keys::new([
        KeyConfig { min_signature: 16, ..key("k1", SECRET) },
        KeyConfig { min_signature: 16, ..key("k2", "another secret of ours") },
    ]);
    let right = signed(&keys, &wish(Some("k1")));
    let other_secret = Keys::new([key("k1", "what the forger thinks it is")]);
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    for round in 0..10_000_usize {
        let mut bytes = URL_SAFE_NO_PAD.decode(&right).unwrap();
        let (mut kid, mut target) = (Some("k1"), TARGET.to_owned());
        match round % 6 {
            // Random bytes of every legal length.
            0 => bytes = (0..16 + round % 17).map(|_| random()).collect(),
            // One bit of a right one.
            1 => bytes[round / 8 % 16] ^= 1 << (round % 8),
            // A right one for another URL.
            2 => target = format!("i/k3Jd9s/w_{},f_webp", 301 + round),
            // The right bytes in front of too many, which truncation must not forgive.
            3 => {
                bytes.resize(16, 0);
                bytes.extend((0..1 + round % 16).map(|_| random()));
            }
            // Another key's name, or none, and a wrong secret.
            4 => kid = Some("k2"),
            _ => {
                kid = None;
                let made = other_secret.sign(&wish(None), &format!("{TARGET}{round}"), NOW).unwrap().1;
                bytes = URL_SAFE_NO_PAD.decode(made).unwrap();
            }
        }
        let text = URL_SAFE_NO_PAD.encode(&bytes);
        assert_eq!(outcome(&keys, &claim(kid, &text), &target, NOW), "bad_signature", "{round}: {text}");
    }
    assert_eq!(outcome(&keys, &claim(Some("k1"), &right), TARGET, NOW), "ok");
    assert_eq!(outcome(&keys, &claim(None, &right), TARGET, NOW), "ok");
}

#[test]
fn everything_that_is_signed_counts() {
    let keys = one();
    let wish = Wish { expires: Some(NOW + 60), ..wish(Some("k1")) };
    let sig = signed(&keys, &wish);
    let exp = (NOW + 60).to_string();
    let verdict = |kid, exp: Option<&str>, scope: Option<&str>, now| {
        let claim = Claim::in_query(Some(&sig), kid, exp, scope).unwrap().unwrap();
        outcome(&keys, &claim, TARGET, now)
    };
    let later = (NOW + 61).to_string();
    assert_eq!(verdict(Some("k1"), Some(&exp), None, NOW), "ok");
    assert_eq!(verdict(None, Some(&exp), Some("u"), NOW + 59), "ok");
    assert_eq!(verdict(Some("k1"), Some(&exp), None, NOW + 60), "expired");
    assert_eq!(verdict(Some("k1"), Some(&later), None, NOW), "bad_signature");
    assert_eq!(verdict(Some("k1"), None, None, NOW), "bad_signature");
    // Wrong and late: nobody learns that it would have been right once.
    assert_eq!(verdict(Some("k1"), Some(&later), None, NOW + 99), "bad_signature");
    for scope in ["a", "c", "p2"] {
        assert_eq!(verdict(Some("k1"), Some(&exp), Some(scope), NOW), "bad_signature");
    }
    assert_eq!(verdict(Some("k9"), Some(&exp), None, NOW), "bad_signature");
}

#[test]
fn keys_are_rotated_without_a_gap() {
    let rotation = |now| {
        let keys = Keys::new([
            KeyConfig { not_after: Some(200), ..key("old", SECRET) },
            KeyConfig { not_before: Some(100), ..key("new", "its successor's secret") },
        ]);
        let verdict = |kid, with: Option<&str>| {
            let signer = Keys::new([key("old", SECRET), key("new", "its successor's secret")]);
            let (_, sig) = signer.sign(&wish(with), TARGET, now).unwrap();
            outcome(&keys, &claim(kid, &sig), TARGET, now)
        };
        [
            verdict(Some("old"), Some("old")),
            verdict(None, Some("old")),
            verdict(Some("new"), Some("new")),
            verdict(None, Some("new")),
        ]
    };
    let (yes, no) = ("ok", "bad_signature");
    assert_eq!(rotation(99), [yes, yes, no, no]);
    assert_eq!(rotation(100), [yes, yes, yes, yes]);
    assert_eq!(rotation(200), [yes, yes, yes, yes]);
    assert_eq!(rotation(201), [no, no, yes, yes]);
}

#[test]
fn without_a_name_four_active_keys_are_tried() {
    let names = ["a", "b", "c", "d", "e"];
    let secret = |name: &str| format!("the secret of key {name}");
    let keys = Keys::new(names.map(|name| key(name, &secret(name))));
    let verdict = |keys: &Keys, name: &str| {
        let sig = signed(&Keys::new([key(name, &secret(name))]), &wish(None));
        outcome(keys, &claim(None, &sig), TARGET, NOW)
    };
    assert_eq!(names.map(|name| verdict(&keys, name)), ["ok", "ok", "ok", "ok", "bad_signature"]);
    // One that has ended does not count.
    let rotated = names
        .map(|name| KeyConfig { not_after: (name == "b").then_some(NOW - 1), ..key(name, &secret(name)) });
    let keys = Keys::new(rotated);
    assert_eq!(names.map(|name| verdict(&keys, name)), ["ok", "bad_signature", "ok", "ok", "ok"]);
}

#[test]
fn a_signature_is_as_long_as_its_key_demands() {
    let keys = Keys::new([KeyConfig { min_signature: 16, ..key("k1", SECRET) }, key("k2", SECRET)]);
    let short = signed(&keys, &wish(Some("k1")));
    let long = signed(&keys, &wish(Some("k2")));
    assert_eq!((short.len(), long.len()), (22, 43));
    assert!(long.starts_with(&short[..21]));
    for (kid, sig, expected) in [
        (Some("k1"), &short, "ok"),
        (Some("k1"), &long, "ok"),
        (Some("k2"), &short, "bad_signature"),
        (Some("k2"), &long, "ok"),
        (None, &short, "ok"),
    ] {
        assert_eq!(outcome(&keys, &claim(kid, sig), TARGET, NOW), expected, "{kid:?} {sig}");
    }
    for sig in ["", "AAAA", &"A".repeat(20), &"A".repeat(44), &format!("{short}=="), &format!("{long}!")] {
        assert!(Claim::in_query(Some(sig), None, None, None).is_err(), "{sig}");
    }
}

#[test]
fn a_key_signs_what_it_may_and_no_more() {
    let keys = Keys::new([KeyConfig {
        scopes: vec![Scope::Image],
        sources: vec!["photos".to_owned()],
        ..key("k1", SECRET)
    }]);
    let for_photos = Wish { kid: None, scope: Scope::Image, expires: None, source: "photos" };
    assert!(keys.sign(&for_photos, TARGET, NOW).is_ok());
    let refused = keys.sign(&Wish { scope: Scope::Url, kid: Some("k1"), ..for_photos }, TARGET, NOW);
    assert!(refused.unwrap_err().to_string().contains("signs `a`, not `u`"));
    let refused = keys.sign(&Wish { source: "library", kid: Some("k1"), ..for_photos }, TARGET, NOW);
    assert!(matches!(refused, Err(AuthError::Source { .. })));
    assert!(matches!(keys.sign(&wish(None), TARGET, NOW), Err(AuthError::NoneSigns { .. })));
    assert_eq!(Keys::default().sign(&wish(None), TARGET, NOW), Err(AuthError::NoKeys));

    // The same for what somebody who has the secret signed all the same.
    let free = one();
    let u = signed(&free, &wish(None));
    assert_eq!(outcome(&keys, &claim(Some("k1"), &u), TARGET, NOW), "bad_signature");
    let a = free.sign(&for_photos, TARGET, NOW).unwrap().1;
    let claim = Claim::in_query(Some(&a), None, None, Some("a")).unwrap().unwrap();
    assert!(keys.verify(&claim, TARGET, "photos", NOW).is_ok());
    assert!(keys.verify(&claim, TARGET, "library", NOW).is_err());
    assert_eq!(Keys::default().verify(&claim, TARGET, "photos", NOW).unwrap_err(), AuthError::NoKeys);
}

#[test]
fn a_grant_ends_with_the_signature_or_the_key() {
    let keys = Keys::new([KeyConfig { not_after: Some(NOW + 50), ..key("k1", SECRET) }]);
    let until = |expires: Option<u64>| {
        let sig = signed(&keys, &Wish { expires, ..wish(None) });
        let exp = expires.map(|at| at.to_string());
        let claim = Claim::in_query(Some(&sig), None, exp.as_deref(), None).unwrap().unwrap();
        keys.verify(&claim, TARGET, "library", NOW).unwrap().until()
    };
    assert_eq!(until(None), Some(NOW + 50));
    assert_eq!(until(Some(NOW + 20)), Some(NOW + 20));
    assert_eq!(until(Some(NOW + 90)), Some(NOW + 50));
}

#[test]
fn the_segment_of_a_path_reads_in_one_way() {
    let sig = "A".repeat(43);
    let read = |tail: &str| {
        Claim::in_path(&format!("k1.{sig}{tail}")).map(|claim| (claim.expires, claim.scope.to_string()))
    };
    let u = || "u".to_owned();
    assert_eq!(read(""), Ok((None, u())));
    assert_eq!(read(".99"), Ok((Some(99), u())));
    assert_eq!(read(".a"), Ok((None, "a".to_owned())));
    assert_eq!(read(".99.p12"), Ok((Some(99), "p12".to_owned())));
    for tail in
        [".", "..", ".a.99", ".99.", ".99.a.b", ".099", ".p0", ".p", ".p01", ".p256", ".x", ".-1", ".+1.u"]
    {
        assert!(read(tail).is_err(), "{tail}");
    }
    for segment in ["", "k1", ".", &format!(".{sig}"), &format!("a b.{sig}"), &format!("{sig}.{sig}")] {
        assert!(Claim::in_path(segment).is_err(), "{segment}");
    }
    assert!(Claim::in_query(None, None, None, None).unwrap().is_none());
    assert!(Claim::in_query(None, Some("k1"), None, None).is_err());
}

#[test]
fn a_bearer_key_matches_itself() {
    let key = BearerKey::new(&Secret::new("0123456789abcdef"));
    assert!(key.matches(b"0123456789abcdef"));
    for wrong in ["", "0123456789abcde", "0123456789abcdef ", "0123456789abcdeF"] {
        assert!(!key.matches(wrong.as_bytes()), "{wrong}");
    }
}
