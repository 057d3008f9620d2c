//! The headers of picture answers, row by row.

use std::time::{Duration, UNIX_EPOCH};

use futures_util::stream;
use http::header::RANGE;
use http_body::Body as _;

use super::super::conditional::{ETag, LastModified};
use super::super::cors::Cors;
use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn with_picture<T>(change: impl FnOnce(Picture<'_>) -> T) -> T {
    let etag = ETag::strong("abc");
    let last_modified = LastModified::new(UNIX_EPOCH).unwrap();
    let freshness = Freshness::new(30 * 1440 * MINUTE, 1440 * MINUTE);
    change(Picture {
        content_type: HeaderValue::from_static("image/webp"),
        validators: Validators { etag: &etag, last_modified: Some(&last_modified) },
        cache_control: freshness.header(Terms::default()),
        vary: Vary { accept: true, ..Vary::default() },
        allow_origin: Cors::Any.answer(&HeaderMap::new()),
        cache_status: Some(CacheStatus::Memory),
        timing: None,
        extras: Extras::default(),
    })
}

fn get(range: Option<&'static str>) -> HeaderMap {
    range.map(|range| (RANGE, HeaderValue::from_static(range))).into_iter().collect()
}

fn whole() -> Content {
    Content::Whole(Bytes::from_static(b"0123456789"))
}

#[test]
fn get_and_head_give_the_same_headers() {
    let full = with_picture(|p| picture(&Method::GET, &get(None), p, whole()));
    assert_eq!(full.status(), StatusCode::OK);
    assert_eq!(full.body().as_bytes().unwrap(), "0123456789");
    let head = with_picture(|p| picture(&Method::HEAD, &get(None), p, whole()));
    assert!(head.body().is_end_stream());
    assert_eq!(full.headers(), head.headers());
    let expected = [
        ("content-type", "image/webp"),
        ("content-length", "10"),
        ("accept-ranges", "bytes"),
        ("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("etag", "\"abc\""),
        ("cache-control", "public, max-age=2592000, stale-while-revalidate=86400"),
        ("vary", "Accept"),
        ("timing-allow-origin", "*"),
        ("access-control-allow-origin", "*"),
        ("cache-status", "pixedge; hit; detail=memory"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("x-content-type-options", "nosniff"),
    ];
    assert_eq!(full.headers().len(), expected.len());
    for (name, value) in expected {
        assert_eq!(full.headers()[name], value, "{name}");
    }
}

#[test]
fn ranges_are_cut_out_of_what_is_in_memory() {
    let part = with_picture(|p| picture(&Method::GET, &get(Some("bytes=2-4")), p, whole()));
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()[CONTENT_RANGE], "bytes 2-4/10");
    assert_eq!(part.headers()[CONTENT_LENGTH], "3");
    assert_eq!(part.body().as_bytes().unwrap(), "234");

    let none = with_picture(|p| picture(&Method::GET, &get(Some("bytes=10-")), p, whole()));
    assert_eq!(none.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(none.headers()[CONTENT_RANGE], "bytes */10");
    assert_eq!(none.headers()[CACHE_CONTROL], "no-store");
    assert!(none.body().is_end_stream());
}

#[test]
fn a_stream_keeps_the_extent_that_was_decided_before() {
    let body = Body::sized(stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"234"))]), 3);
    let content = Content::Stream { body, extent: Extent::Partial(2..=4), len: 10 };
    let part = with_picture(|p| picture(&Method::GET, &get(None), p, content));
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()[CONTENT_RANGE], "bytes 2-4/10");
    assert_eq!(part.headers()[CONTENT_LENGTH], "3");
    assert_eq!(part.body().size_hint().exact(), Some(3));
}

#[test]
fn a_304_carries_what_a_cache_must_update() {
    let response = with_picture(not_modified);
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    for name in [ETAG, CACHE_CONTROL, VARY, ACCESS_CONTROL_ALLOW_ORIGIN] {
        assert!(response.headers().contains_key(&name), "{name}");
    }
    for name in [CONTENT_TYPE, CONTENT_LENGTH, LAST_MODIFIED] {
        assert!(!response.headers().contains_key(&name), "{name}");
    }
    assert_eq!(with_picture(precondition_failed).status(), StatusCode::PRECONDITION_FAILED);
}

#[test]
fn an_svg_is_put_in_a_sandbox() {
    let svg = with_picture(|mut p| {
        p.content_type = HeaderValue::from_static("image/svg+xml");
        picture(&Method::GET, &get(None), p, whole())
    });
    let policy = svg.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"));
    assert!(!policy.contains("allow-"));
}

#[test]
fn freshness_follows_the_terms_of_the_url() {
    let day = Freshness::new(1440 * MINUTE, 60 * MINUTE);
    let rows = [
        (Terms::default(), "public, max-age=86400, stale-while-revalidate=3600"),
        (
            Terms { versioned: true, ..Terms::default() },
            "public, max-age=86400, stale-while-revalidate=3600, immutable",
        ),
        (Terms { private: true, versioned: true, ..Terms::default() }, "private, no-cache"),
        (Terms { private: true, at_most: Some(MINUTE), ..Terms::default() }, "private, no-cache"),
        (Terms { at_most: Some(MINUTE), ..Terms::default() }, "public, max-age=60"),
        (Terms { at_most: Some(MINUTE), versioned: true, ..Terms::default() }, "public, max-age=60"),
        (Terms { at_most: Some(Duration::ZERO), ..Terms::default() }, "public, max-age=0"),
        // The signature outlives max-age but not the stale time.
        (
            Terms { at_most: Some(1450 * MINUTE), ..Terms::default() },
            "public, max-age=86400, stale-while-revalidate=600",
        ),
        (
            Terms { at_most: Some(3000 * MINUTE), ..Terms::default() },
            "public, max-age=86400, stale-while-revalidate=3600",
        ),
    ];
    for (terms, expected) in rows {
        assert_eq!(day.header(terms), expected, "{terms:?}");
    }
    assert_eq!(Freshness::new(MINUTE, Duration::ZERO).header(Terms::default()), "public, max-age=60");
    assert!(Freshness::new(Duration::MAX, Duration::MAX).header(Terms::default()).to_str().is_ok());
}

#[test]
fn vary_names_exactly_what_was_looked_at() {
    for row in 0u8..16 {
        let vary = Vary { accept: row & 1 > 0, dpr: row & 2 > 0, width: row & 4 > 0 };
        let header = vary.header(row & 8 > 0);
        let text = header.as_ref().map_or("", |value| value.to_str().unwrap());
        let names: Vec<_> = text.split(", ").filter(|name| !name.is_empty()).collect();
        for (bit, wanted) in
            [(1, "Accept"), (2, "Sec-CH-DPR"), (2, "DPR"), (4, "Sec-CH-Width"), (4, "Width"), (8, "Origin")]
        {
            assert_eq!(names.contains(&wanted), row & bit > 0, "{row}: {text}");
        }
    }
}

#[test]
fn server_timing_lists_the_stages_that_were_run() {
    assert_eq!(Timing::default().header(), None);
    let timing = Timing {
        fetch: Some(Duration::from_micros(1250)),
        encode: Some(Duration::from_millis(30)),
        ..Timing::default()
    };
    assert_eq!(timing.header().unwrap(), "fetch;dur=1.2, encode;dur=30.0");
}

#[test]
fn file_names_are_quoted_encoded_and_kept_in_their_folder() {
    let rows: &[(bool, Option<&str>, &str)] = &[
        (true, None, "attachment"),
        (false, Some(""), "inline"),
        (false, Some("cat.webp"), "inline; filename=\"cat.webp\""),
        (true, Some("my cat.webp"), "attachment; filename=\"my cat.webp\""),
        (true, Some("a\"b\\c/d.png"), "attachment; filename=\"a_b_c_d.png\""),
        (true, Some("../../etc/passwd"), "attachment; filename=\"_.._etc_passwd\""),
        (true, Some("a\r\nSet-Cookie: x"), "attachment; filename=\"a__Set-Cookie_ x\""),
        (true, Some("naïve.jpg"), "attachment; filename=\"na_ve.jpg\"; filename*=UTF-8''na%C3%AFve.jpg"),
        (true, Some("50%.jpg"), "attachment; filename=\"50_.jpg\"; filename*=UTF-8''50%25.jpg"),
        (true, Some("猫.png"), "attachment; filename=\"_.png\"; filename*=UTF-8''%E7%8C%AB.png"),
        (true, Some("gpj\u{202e}exe"), "attachment; filename=\"gpj_exe\""),
        (true, Some("..."), "attachment"),
    ];
    for (attachment, name, expected) in rows {
        assert_eq!(disposition(*attachment, *name), expected, "{name:?}");
    }
    assert!(disposition(true, Some(&"猫".repeat(10_000))).len() < 2000);
}

#[test]
fn links_tags_and_densities() {
    assert_eq!(canonical_link("/i/demo/w_300").unwrap(), "</i/demo/w_300>; rel=\"canonical\"");
    assert_eq!(canonical_link("/i/demo/>x"), None);
    assert_eq!(canonical_link("/i/de mo"), None);
    assert_eq!(cache_tags(["img-demo", "", "a,b", "user-1"]).unwrap(), "img-demo,user-1");
    assert_eq!(cache_tags([""]), None);
    assert_eq!(content_dpr(2.0).unwrap(), "2");
    assert_eq!(content_dpr(1.25).unwrap(), "1.25");
    assert_eq!(content_dpr(f64::NAN), None);
}
