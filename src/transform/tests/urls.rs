//! Every form of a URL.

use std::collections::BTreeMap;

use crate::error::Fault as _;
use crate::transform::{ObjectPath, Presets, Route, SpecError, Subject, Target, UrlContext, is_image_id};

fn read(url: &str) -> Result<Target, SpecError> {
    let texts = BTreeMap::from([
        ("avatar".to_owned(), "w_128,h_128,c_thumb".to_owned()),
        ("jpeg".to_owned(), "f_jpg".to_owned()),
    ]);
    let presets = Presets::new(&texts).unwrap();
    let ignored = ["utm_*".to_owned(), "fbclid".to_owned()];
    let context = UrlContext { presets: &presets, ipx_source: Some("samples"), ignored_query: &ignored };
    match url.split_once('?') {
        Some((path, query)) => Target::parse(path, Some(query), &context),
        None => Target::parse(url, None, &context),
    }
}

/// `subject spec [name]`, or the code of the error.
fn said(url: &str) -> String {
    let target = match read(url) {
        Ok(target) => target,
        Err(error) => return error.code().to_owned(),
    };
    let subject = match &target.subject {
        Subject::Image { id } => id.clone(),
        Subject::Object { source, path: ObjectPath::Key(key) } => format!("{source}:{key}"),
        Subject::Object { source, path: ObjectPath::Url(url) } => format!("{source}<{url}>"),
    };
    let name = target.name.map(|name| format!(" {name}")).unwrap_or_default();
    format!("{subject} {}{name}", target.spec)
}

fn check(rows: &[(&str, &str)]) {
    for (url, expected) in rows {
        assert_eq!(said(url), *expected, "{url}");
    }
}

#[test]
fn images() {
    check(&[
        ("/i/k3Jd9s/w_300,fmt_webp", "k3Jd9s w_300,f_webp"),
        ("/i/k3Jd9s", "k3Jd9s _"),
        ("/i/k3Jd9s/_", "k3Jd9s _"),
        ("/i/k3Jd9s.jpeg", "k3Jd9s f_jpg"),
        ("/i/k3Jd9s.SVG", "k3Jd9s f_svg"),
        ("/i/k3Jd9s.exe", "not_found"),
        ("/i/k3Jd9s/w_300/my%20cat.webp", "k3Jd9s w_300,f_webp my cat.webp"),
        ("/i/k3Jd9s/cat.png", "k3Jd9s f_png cat.png"),
        ("/i/k3Jd9s/f_auto,w_3/cat.png", "k3Jd9s w_3 cat.png"),
        ("/i/k3Jd9s/f_png/cat.PNG", "k3Jd9s f_png cat.PNG"),
        ("/i/k3Jd9s/f_png/cat.jpg", "conflict"),
        ("/i/k3Jd9s/t_jpeg/cat.png", "conflict"),
        ("/i/k3Jd9s/f_orig/cat.png", "conflict"),
        ("/i/k3Jd9s/w_0.5", "k3Jd9s w_0.5"),
        ("/i/k3Jd9s/a_90/t_avatar/w_64", "k3Jd9s a_90/w_128,h_128,c_thumb/w_64"),
        ("/i/k3Jd9s/-/x", "unknown_option"),
        ("/i/k3Jd9s/", "bad_value"),
        ("/i/k3Jd9s/w_300/", "bad_value"),
        ("/i/k3Jd9s/cat.jpg/w_300", "unknown_option"),
        ("/i/w_300", "bad_value"),
        ("/i/w_300,h_200/k3Jd9s", "bad_value"),
        ("/i/", "not_found"),
        ("/i/123", "not_found"),
        ("/i/k3%4Ad9s", "not_found"),
        ("/x/k3Jd9s", "not_found"),
        ("/i", "not_found"),
    ]);
}

#[test]
fn ids_hold_a_letter_and_are_no_options() {
    for id in ["k3Jd9s", "a-b_c", "x", "demo", "w", "_a"] {
        assert!(is_image_id(id), "{id}");
    }
    let long = "a".repeat(65);
    for id in ["", "123", "w_300", "flip", "a", "rotate", "t_anything", "a.b", "é", &long] {
        assert!(!is_image_id(id), "{id}");
    }
}

#[test]
fn one_step_as_a_query() {
    check(&[
        ("/i/k3Jd9s?w=300&fmt=webp", "k3Jd9s w_300,f_webp"),
        ("/i/k3Jd9s?w=300&flip&enlarge=", "k3Jd9s w_300,c_fit,flip_1"),
        ("/i/k3Jd9s.png?width=300", "k3Jd9s w_300,f_png"),
        ("/i/k3Jd9s.png?f=jpg", "conflict"),
        ("/i/k3Jd9s?s=30x20", "k3Jd9s w_30,h_20,c_afill"),
        ("/i/k3Jd9s?s=30x20&w=5", "conflict"),
        ("/i/k3Jd9s?preset=avatar&w=64", "k3Jd9s w_64,h_128,c_thumb"),
        ("/i/k3Jd9s?t=nope", "unknown_preset"),
        ("/i/k3Jd9s?l=text:a+b", "k3Jd9s l_text:~YSBi"),
        ("/i/k3Jd9s?b=%23FFF", "k3Jd9s b_ffffff"),
        ("/i/k3Jd9s?w=", "bad_value"),
        ("/i/k3Jd9s?w=1&w=2", "conflict"),
        ("/i/k3Jd9s?w_300", "unknown_option"),
        ("/i/k3Jd9s?foo=1", "unknown_option"),
        ("/i/k3Jd9s/w_300?h=200", "conflict"),
        ("/i/k3Jd9s/_?h=200", "conflict"),
        ("/r/s/_/a.jpg?w=5", "conflict"),
        ("/i/k3Jd9s?", "k3Jd9s _"),
        ("/i/k3Jd9s?&&w=5&", "k3Jd9s w_5"),
        ("/i/k3Jd9s/w_5?utm_source=x&fbclid=y", "k3Jd9s w_5"),
        ("/i/k3Jd9s/w_5?fbclidx=y", "unknown_option"),
    ]);
    assert_eq!(read("/i/k3Jd9s?widht=5").unwrap_err().detail().did_you_mean.as_deref(), Some("width"));
    assert_eq!(read("/i/k3Jd9s?h=5&w=x").unwrap_err().detail().position, Some(6));
}

#[test]
fn other_query_keys_are_a_fixed_list() {
    let extras =
        read("/i/k3Jd9s/w_5?sig=a-b&kid=k1&exp=99&sc=a&share=s&dl&fn=my%20cat.jpg&v=7").unwrap().extras;
    assert_eq!(extras.signature.as_deref(), Some("a-b"));
    assert_eq!(extras.key_id.as_deref(), Some("k1"));
    assert_eq!(extras.expires.as_deref(), Some("99"));
    assert_eq!(extras.scope.as_deref(), Some("a"));
    assert_eq!(extras.share.as_deref(), Some("s"));
    assert!(extras.download);
    assert_eq!(extras.file_name.as_deref(), Some("my cat.jpg"));
    assert_eq!(extras.version.as_deref(), Some("7"));
    assert!(!read("/i/k3Jd9s?dl=0").unwrap().extras.download);
    assert_eq!(said("/i/k3Jd9s?dl=x"), "bad_value");
    assert_eq!(said("/i/k3Jd9s?cb=1&v=2"), "conflict");
}

#[test]
fn objects_of_sources() {
    check(&[
        ("/r/samples/w_300/dir/b.jpg", "samples:dir/b.jpg w_300"),
        // A bare `a` is an option; a folder of that name stands behind `-`.
        ("/r/samples/w_300/a/b.jpg", "samples:b.jpg w_300"),
        ("/r/samples/w_300/-/a/b.jpg", "samples:a/b.jpg w_300"),
        ("/r/samples/_/photo.jpg", "samples:photo.jpg _"),
        ("/r/samples/w_300/a_90/f_webp/x.png", "samples:x.png w_300/a_90,f_webp"),
        ("/r/samples/w_300/h_200.jpg", "samples:h_200.jpg w_300"),
        ("/r/samples/w_300/-/h_200", "samples:h_200 w_300"),
        ("/r/samples/-/h_200", "samples:h_200 _"),
        ("/r/samples/w_300/flip/photo", "samples:photo w_300/flip_1"),
        ("/r/samples/w_300/flip/w_99999/photo", "samples:w_99999/photo w_300/flip_1"),
        ("/r/samples/w_300/t_nope/photo", "samples:t_nope/photo w_300"),
        ("/r/samples/w_300/t_avatar/photo", "samples:photo w_300/w_128,h_128,c_thumb"),
        ("/r/samples/w_300/w_1,w_2/photo", "conflict"),
        ("/r/samples/w_1/w_1/w_1/w_1/w_1/w_1/w_1/w_1/w_1/x.jpg", "too_long"),
        ("/r/samples/w_300/my%20dir/%C3%A9.jpg", "samples:my dir/é.jpg w_300"),
        ("/r/samples/_/~aHR0cHM6Ly9leC5vcmcvYS5qcGc_eD0x", "samples<https://ex.org/a.jpg?x=1> _"),
        ("/r/samples/_/~notes.txt", "samples:~notes.txt _"),
        ("/r/samples/_/%7EaHR0cHM6Ly9leC5vcmcvYS5qcGc", "samples:~aHR0cHM6Ly9leC5vcmcvYS5qcGc _"),
        ("/r/samples/photo.jpg", "unknown_option"),
        ("/r/samples/w_300", "not_found"),
        ("/r/samples/w_300/", "not_found"),
        ("/r/samples/w_300/-", "not_found"),
        ("/r/samples", "not_found"),
        ("/r/sam%20ples/_/a.jpg", "not_found"),
        ("/r/samples/_/../secret", "bad_value"),
        ("/r/samples/_/a/%2e%2e/secret", "bad_value"),
        ("/r/samples/_/a%2f..%2fsecret", "bad_value"),
        ("/r/samples/_/a//b.jpg", "bad_value"),
        ("/r/samples/_/a%00.jpg", "bad_value"),
        ("/r/samples/_/%ff.jpg", "bad_value"),
    ]);
    let error = read("/r/samples/photo.jpg").unwrap_err().to_string();
    assert!(error.contains("the empty one is `_`"), "{error}");
}

#[test]
fn ipx() {
    check(&[
        ("/_ipx/w_300&h_200&f_webp/a/b.jpg", "samples:a/b.jpg w_300,h_200,f_webp"),
        ("/_ipx/s_300x200,fit_cover/k3Jd9s", "k3Jd9s w_300,h_200,c_afill"),
        ("/_ipx/_/cat.jpg", "samples:cat.jpg _"),
        ("/_ipx/b_%23ff0000&animated/cat.gif", "samples:cat.gif b_ff0000"),
        ("/_ipx/w_300/a_90/cat.gif", "samples:a_90/cat.gif w_300"),
        ("/_ipx/w_300", "not_found"),
        ("/_ipx/w_300/", "not_found"),
        ("/_ipx/w_300/../x", "bad_value"),
        // A picture elsewhere, as IPX, unpic and @nuxt/image write it, and behind a proxy that merges slashes.
        ("/_ipx/w_300/https://a.example/b%20c.jpg%3Fx=1", "samples<https://a.example/b c.jpg?x=1> w_300"),
        ("/_ipx/w_300/http%3A%2F%2Fa.example%2Fb.jpg", "samples<http://a.example/b.jpg> w_300"),
        ("/_ipx/w_300/https:/a.example/b.jpg", "samples<https://a.example/b.jpg> w_300"),
        ("/_ipx/w_300/ftp://a.example/b.jpg", "bad_value"),
        ("/_ipx/w_300/https://", "bad_value"),
    ]);
}

#[test]
fn explaining_and_informing() {
    assert_eq!(read("/explain/i/k3Jd9s/w_5").unwrap().route, Route::Explain);
    assert_eq!(read("/explain/r/samples/w_5/a.jpg").unwrap().route, Route::Explain);
    assert_eq!(read("/explain/_ipx/w_5/a.jpg").unwrap().route, Route::Explain);
    assert_eq!(read("/i/k3Jd9s").unwrap().route, Route::Picture);
    assert_eq!(read("/info/k3Jd9s").unwrap().route, Route::Info);
    check(&[
        ("/info/k3Jd9s?w=5", "conflict"),
        ("/info/k3Jd9s/x", "not_found"),
        ("/explain/x/y", "not_found"),
        ("/explain/info/k3Jd9s", "not_found"),
        ("/explain/_ipx/w_5&f_png/a.jpg", "samples:a.jpg w_5,f_png"),
    ]);
}

#[test]
fn who_forgets_the_spec_is_shown_one() {
    let meant = |url: &str| read(url).unwrap_err().detail().did_you_mean;
    for (url, hint) in [
        ("/r/samples/cat.jpg", "/r/samples/_/cat.jpg"),
        ("/r/samples/dir/cat.jpg", "/r/samples/_/dir/cat.jpg"),
        ("/r/samples/2024/cat.jpg", "/r/samples/_/2024/cat.jpg"),
        ("/r/samples/w300/cat.jpg", "w_300"),
        ("/r/samples/widht_300/cat.jpg", "width"),
    ] {
        assert_eq!(meant(url).as_deref(), Some(hint), "{url}");
        assert!(!hint.starts_with('/') || read(hint).is_ok(), "{hint}");
    }
    assert_eq!(meant(&format!("/r/samples/{}.jpg", "x".repeat(400))), None);
}

#[test]
fn the_canonical_path_reads_back() {
    for (url, path) in [
        ("/i/k3Jd9s?fmt=webp&width=5", "/i/k3Jd9s/w_5,f_webp"),
        ("/r/s/w_5/a b.jpg", "/r/s/w_5/a%20b.jpg"),
        ("/r/s/w_5/-/w_5/x", "/r/s/w_5/-/w_5/x"),
        ("/r/s/_/-/t_nope", "/r/s/_/-/t_nope"),
        ("/_ipx/_/cat.jpg", "/r/samples/_/cat.jpg"),
        ("/r/s/_/~aHR0cDovL3g", "/r/s/_/~aHR0cDovL3g"),
    ] {
        let target = read(url).unwrap();
        assert_eq!(target.canonical_path(&target.spec), path);
        assert_eq!(read(path).unwrap().subject, target.subject);
    }
}
