//! Signing URLs: what is signed opens what it names, and nothing beside it.

use std::collections::BTreeMap;

use super::*;
use crate::auth::KeyConfig;
use crate::error::Fault as _;
use crate::transform::Presets;
use crate::units::{Policy, Secret};

const NOW: u64 = 1_800_000_000;

fn keys() -> Keys {
    Keys::new([KeyConfig {
        kid: "k1".to_owned(),
        secret: Secret::new("correct horse battery staple"),
        not_before: None,
        not_after: None,
        scopes: ["u", "c", "a", "p1", "p2", "p3", "p4"].map(|scope| scope.parse().unwrap()).to_vec(),
        sources: Vec::new(),
        policy: Policy::Ladder,
        min_signature: 32,
    }])
}

fn with_context<T>(run: impl FnOnce(&UrlContext<'_>) -> T) -> T {
    let presets = BTreeMap::from([("avatar".to_owned(), "w_128,h_128,c_thumb".to_owned())]);
    let presets = Presets::new(&presets).unwrap();
    let ignored = ["utm_*".to_owned()];
    run(&UrlContext { presets: &presets, ipx_source: Some("samples"), ignored_query: &ignored })
}

fn parts(url: &str) -> (&str, Option<&str>) {
    url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)))
}

fn signed(url: &str, scope: &str, form: Form) -> Result<String, DeliveryError> {
    let (path, query) = parts(url);
    let order = Order { kid: None, scope: scope.parse().unwrap(), expires: Some(NOW + 60), form };
    with_context(|context| sign(&keys(), path, query, context, &order, NOW))
}

/// `ok` or the code of the error, as a server finds it.
fn verdict(url: &str) -> String {
    let (path, query) = parts(url);
    with_context(|context| -> Result<String, DeliveryError> {
        let bare = Bare::of(path)?;
        let target = Target::parse(&bare.path, query, context)?;
        let Some(claim) = bare.claim(&target)? else { return Ok("unsigned".to_owned()) };
        let message = message(claim.scope, &bare.path, query, &target)?;
        keys().verify(&claim, &message, source(&target.subject), NOW)?;
        Ok("ok".to_owned())
    })
    .unwrap_or_else(|error| error.code().to_owned())
}

#[test]
fn what_is_signed_is_the_address_in_the_words_of_its_scope() {
    let said = |scope: &str, url: &str| {
        let (path, query) = parts(url);
        with_context(|context| {
            let target = Target::parse(path, query, context).unwrap();
            let made = message(scope.parse().unwrap(), path, query, &target);
            made.map_or_else(|error| error.to_string(), Cow::into_owned)
        })
    };
    for (scope, url, expected) in [
        ("u", "/i/cat/fmt_webp,w_3", "i/cat/fmt_webp,w_3"),
        ("u", "/i/cat?w=3&sig=x&h=4&kid=y&exp=5&sc=u&dl=1", "i/cat?w=3&h=4&dl=1"),
        ("u", "/i/cat/w_3?sig=x&kid=y", "i/cat/w_3"),
        ("u", "/i/cat/w_3?&", "i/cat/w_3"),
        ("u", "/i/cat/w_3?%73ig=x&fn=%C3%A9.webp&utm_x=%zz", "i/cat/w_3?fn=%C3%A9.webp&utm_x=%zz"),
        ("u", "/explain/i/cat/w_3", "i/cat/w_3"),
        ("u", "/_ipx/w_3/cat", "_ipx/w_3/cat"),
        ("u", "/r/samples/w_3/a%20b.jpg", "r/samples/w_3/a%20b.jpg"),
        ("c", "/i/cat/fmt_webp,width_3/cat.webp?dl=1", "i/cat/w_3,f_webp"),
        ("c", "/i/cat?fmt=webp&width=3", "i/cat/w_3,f_webp"),
        ("c", "/i/cat/t_avatar", "i/cat/w_128,h_128,c_thumb"),
        ("c", "/_ipx/w_3/a b.jpg", "r/samples/w_3/a%20b.jpg"),
        ("a", "/i/cat/w_3,q_5?dl=1", "i/cat"),
        ("a", "/r/samples/w_3/dir/a%20b.jpg", "r/samples/dir/a b.jpg"),
        ("a", "/_ipx/w_3/dir/a.jpg", "r/samples/dir/a.jpg"),
        ("a", "/r/samples/_/~aHR0cHM6Ly9leC5vcmcvYS9iLmpwZw", "r/samples/https://ex.org/a/b.jpg"),
        ("p1", "/i/cat/w_3", "i"),
        ("p2", "/i/cat/w_3", "i/cat"),
        ("p3", "/i/cat/w_3", "the address has fewer than 3 segments"),
        ("p2", "/r/samples/w_3/2026/11/a.jpg", "r/samples"),
        ("p4", "/r/samples/w_3/2026/11/a.jpg", "r/samples/2026/11"),
        ("p5", "/r/samples/w_3/2026/11/a.jpg", "r/samples/2026/11/a.jpg"),
        ("p6", "/r/samples/w_3/2026/11/a.jpg", "the address has fewer than 6 segments"),
        ("p3", "/r/samples/_/~aHR0cHM6Ly9leC5vcmcvYS9iLmpwZw", "r/samples/https://ex.org/a/b.jpg"),
    ] {
        assert_eq!(said(scope, url), expected, "{scope} {url}");
    }
}

#[test]
fn every_form_that_is_signed_is_right_and_any_other_url_is_not() {
    let urls = [
        "/i/cat/w_300,f_webp",
        "/i/cat?w=300&fmt=webp",
        "/i/cat/w_300/my%20cat.webp?dl=1&utm_x=y",
        "/r/samples/w_300/2026/a%20b.jpg",
        "/explain/i/cat/w_300",
        "/explain/r/samples/w_300/a/b.jpg",
    ];
    for url in urls {
        for (scope, form) in
            ["u", "c", "a", "p2", "p1"].into_iter().flat_map(|s| [(s, Form::Query), (s, Form::Path)])
        {
            let made = signed(url, scope, form).unwrap();
            assert_eq!(verdict(&made), "ok", "{made}");
            // Another picture, another key, another signature.
            let other = made.replace("/cat", "/dog").replace("/samples/", "/others/").replace("?w=", "?h=");
            if scope != "p1" && other != made {
                assert_eq!(verdict(&other), "bad_signature", "{other}");
            }
            let late = made.replace(&(NOW + 60).to_string(), &(NOW + 99).to_string());
            assert_eq!(verdict(&late), "bad_signature", "{late}");
            assert!(signed(&made, scope, form).is_err(), "signed twice: {made}");
        }
    }
}

#[test]
fn each_scope_leaves_open_what_it_does_not_say() {
    for (scope, asked, other, expected) in [
        ("u", "/i/cat/w_3,f_webp", "/i/cat/f_webp,w_3", "bad_signature"),
        ("u", "/i/cat/w_3", "/i/cat/w_3?dl=1", "bad_signature"),
        ("c", "/i/cat/w_3,f_webp", "/i/cat/fmt_webp,width_3", "ok"),
        ("c", "/i/cat/w_3", "/i/cat?w=3", "ok"),
        ("c", "/i/cat/w_3", "/i/cat/w_4", "bad_signature"),
        ("a", "/i/cat/w_3", "/i/cat/w_4000,q_3", "ok"),
        ("a", "/i/cat/w_3", "/i/cats/w_3", "bad_signature"),
        ("a", "/r/samples/w_3/a.jpg", "/r/samples/_/a.jpg", "ok"),
        ("a", "/r/samples/w_3/a.jpg", "/r/others/_/a.jpg", "bad_signature"),
        ("p3", "/r/samples/w_3/2026/a.jpg", "/r/samples/w_4/2026/x/b.jpg", "ok"),
        ("p3", "/r/samples/w_3/2026/a.jpg", "/r/samples/w_3/20267/a.jpg", "bad_signature"),
        ("p3", "/r/samples/w_3/2026/a.jpg", "/r/samples/w_3/2025/a.jpg", "bad_signature"),
        ("p3", "/r/samples/w_3/2026/a.jpg", "/r/samples/w_3/2026/../a.jpg", "bad_value"),
    ] {
        let made = signed(asked, scope, Form::Query).unwrap();
        let query = made.split_once("sig=").unwrap().1;
        let (path, own) = parts(other);
        let moved = match own {
            Some(own) => format!("{path}?{own}&sig={query}"),
            None => format!("{path}?sig={query}"),
        };
        assert_eq!(verdict(&moved), expected, "{scope} {asked} as {other}");
    }
}

#[test]
fn the_form_in_the_path_stands_before_a_picture_and_nowhere_else() {
    let sig = "A".repeat(43);
    for (url, expected) in [
        (format!("/s/k1.{sig}/i/cat/w_3"), "bad_signature"),
        (format!("/s/k1.{sig}/info/cat"), "not_found"),
        (format!("/s/k1.{sig}/_ipx/w_3/cat"), "not_found"),
        (format!("/s/k1.{sig}/s/k1.{sig}/i/cat"), "not_found"),
        (format!("/s/k1.{sig}"), "not_found"),
        ("/s/i/cat".to_owned(), "not_found"),
        ("/s//i/cat".to_owned(), "bad_signature"),
        (format!("/s/k1.{sig}/i/cat?sig={sig}"), "bad_signature"),
        ("/i/cat?exp=99".to_owned(), "bad_signature"),
        ("/i/cat?sig=".to_owned(), "bad_signature"),
        ("/i/cat".to_owned(), "unsigned"),
    ] {
        assert_eq!(verdict(&url), expected, "{url}");
    }
    assert!(matches!(signed("/_ipx/w_3/cat", "u", Form::Path), Err(DeliveryError::NotSignable)));
    assert!(signed("/_ipx/w_3/cat", "u", Form::Query).is_ok());
    assert_eq!(signed("/i/cat/widht_3", "u", Form::Query).unwrap_err().code(), "unknown_option");
}
