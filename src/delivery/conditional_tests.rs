//! The table of validators and ranges. The picture has the ETag `"abc"`, was changed on Sun, 06 Nov 1994 08:49:37
//! GMT and is 100 bytes long.

use proptest::prelude::*;

use super::*;

const CHANGED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

/// Method, request headers, expected answer: `full`, `304`, `412`, `416` or `first-last`.
type Row = (&'static str, &'static [(&'static str, &'static str)], &'static str);

const PRECONDITIONS: &[Row] = &[
    ("GET", &[], "full"),
    ("HEAD", &[], "full"),
    // If-None-Match: weak comparison, lists, `*`, several lines.
    ("GET", &[("if-none-match", "\"abc\"")], "304"),
    ("HEAD", &[("if-none-match", "\"abc\"")], "304"),
    ("POST", &[("if-none-match", "\"abc\"")], "412"),
    ("PUT", &[("if-none-match", "*")], "412"),
    ("POST", &[("if-none-match", "\"x\"")], "full"),
    ("GET", &[("if-none-match", "W/\"abc\"")], "304"),
    ("GET", &[("if-none-match", "w/\"abc\"")], "full"),
    ("GET", &[("if-none-match", "*")], "304 if any"),
    ("GET", &[("if-none-match", " * ")], "304 if any"),
    ("GET", &[("if-none-match", "*"), ("if-none-match", "\"abc\"")], "304"),
    ("GET", &[("if-none-match", "\"*\"")], "full"),
    ("GET", &[("if-none-match", "\"x\"")], "full"),
    ("GET", &[("if-none-match", "\"ABC\"")], "full"),
    ("GET", &[("if-none-match", "abc")], "full"),
    ("GET", &[("if-none-match", "\"abc")], "full"),
    ("GET", &[("if-none-match", "abc\"")], "full"),
    ("GET", &[("if-none-match", "\"\"")], "full"),
    ("GET", &[("if-none-match", "")], "full"),
    ("GET", &[("if-none-match", ",")], "full"),
    ("GET", &[("if-none-match", "\"x\", \"abc\"")], "304"),
    ("GET", &[("if-none-match", "\"x\",\"abc\"")], "304"),
    ("GET", &[("if-none-match", "\"abc\",")], "304"),
    ("GET", &[("if-none-match", ",,\"abc\"")], "304"),
    ("GET", &[("if-none-match", "W/\"x\" , W/\"abc\" , \"y\"")], "304"),
    ("GET", &[("if-none-match", "\"x\"\t,\t\"abc\"")], "304"),
    ("GET", &[("if-none-match", "\"x, \"abc\"")], "full"),
    ("GET", &[("if-none-match", "\"x,\",\"abc\"")], "304"),
    ("GET", &[("if-none-match", "\"x\" \"abc\"")], "full"),
    ("GET", &[("if-none-match", "W/ \"abc\"")], "full"),
    ("GET", &[("if-none-match", "\"abc\"x")], "full"),
    ("GET", &[("if-none-match", "\"x\""), ("if-none-match", "\"abc\"")], "304"),
    ("GET", &[("if-none-match", "\"x\""), ("if-none-match", "\"y\"")], "full"),
    ("GET", &[("if-none-match", "\"é\", \"abc\"")], "304"),
    ("GET", &[("if-none-match", "\"ab\"")], "full"),
    ("GET", &[("if-none-match", "\"abcd\"")], "full"),
    // If-Modified-Since, only without If-None-Match.
    ("GET", &[("if-modified-since", CHANGED)], "304"),
    ("HEAD", &[("if-modified-since", CHANGED)], "304"),
    ("POST", &[("if-modified-since", CHANGED)], "full"),
    ("GET", &[("if-modified-since", AFTER)], "304"),
    ("GET", &[("if-modified-since", BEFORE)], "full"),
    ("GET", &[("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT")], "304"),
    ("GET", &[("if-modified-since", "Sun Nov  6 08:49:37 1994")], "304"),
    ("GET", &[("if-modified-since", "Fri, 31 Dec 9999 23:59:59 GMT")], "304"),
    ("GET", &[("if-modified-since", "yesterday")], "full"),
    ("GET", &[("if-modified-since", "")], "full"),
    ("GET", &[("if-modified-since", "784111777")], "full"),
    ("GET", &[("if-modified-since", "1994-11-06T08:49:37Z")], "full"),
    ("GET", &[("if-modified-since", CHANGED), ("if-modified-since", CHANGED)], "full"),
    ("GET", &[("if-none-match", "\"x\""), ("if-modified-since", AFTER)], "full"),
    ("GET", &[("if-none-match", "\"abc\""), ("if-modified-since", BEFORE)], "304"),
    ("GET", &[("if-none-match", "nonsense"), ("if-modified-since", AFTER)], "full"),
    // If-Match: strong comparison.
    ("GET", &[("if-match", "\"abc\"")], "full"),
    ("GET", &[("if-match", "*")], "full"),
    ("GET", &[("if-match", "\"x\"")], "412"),
    ("GET", &[("if-match", "W/\"abc\"")], "412"),
    ("GET", &[("if-match", "\"x\", \"abc\"")], "full"),
    ("GET", &[("if-match", "W/\"abc\", \"abc\"")], "full"),
    ("GET", &[("if-match", "\"x\""), ("if-match", "\"abc\"")], "full"),
    ("GET", &[("if-match", "nonsense")], "412"),
    ("HEAD", &[("if-match", "\"x\"")], "412"),
    ("GET", &[("if-match", "\"abc\""), ("if-none-match", "\"abc\"")], "304"),
    ("GET", &[("if-match", "\"x\""), ("if-none-match", "\"abc\"")], "412"),
    // If-Unmodified-Since, only without If-Match.
    ("GET", &[("if-unmodified-since", CHANGED)], "full"),
    ("GET", &[("if-unmodified-since", AFTER)], "full"),
    ("GET", &[("if-unmodified-since", BEFORE)], "412"),
    ("HEAD", &[("if-unmodified-since", BEFORE)], "412"),
    ("GET", &[("if-unmodified-since", "never")], "full"),
    ("GET", &[("if-match", "\"abc\""), ("if-unmodified-since", BEFORE)], "full"),
    ("GET", &[("if-unmodified-since", CHANGED), ("if-modified-since", CHANGED)], "304"),
    // A precondition is answered before a range.
    ("GET", &[("if-none-match", "\"abc\""), ("range", "bytes=0-1")], "304"),
    ("GET", &[("if-match", "\"x\""), ("range", "bytes=0-1")], "412"),
    ("GET", &[("if-match", "\"x\""), ("range", "bytes=200-")], "412"),
    ("GET", &[("if-match", "\"abc\""), ("range", "bytes=0-1")], "0-1"),
    ("GET", &[("if-none-match", "\"x\""), ("range", "bytes=0-1")], "0-1"),
];

const RANGES: &[Row] = &[
    ("GET", &[("range", "bytes=0-0")], "0-0"),
    ("GET", &[("range", "bytes=0-9")], "0-9"),
    ("GET", &[("range", "bytes=10-19")], "10-19"),
    ("GET", &[("range", "bytes=99-99")], "99-99"),
    ("GET", &[("range", "bytes=0-99")], "0-99"),
    ("GET", &[("range", "bytes=0-")], "0-99"),
    ("GET", &[("range", "bytes=50-")], "50-99"),
    ("GET", &[("range", "bytes=99-")], "99-99"),
    ("GET", &[("range", "bytes=0-100")], "0-99"),
    ("GET", &[("range", "bytes=90-1000")], "90-99"),
    ("GET", &[("range", "bytes=-1")], "99-99"),
    ("GET", &[("range", "bytes=-10")], "90-99"),
    ("GET", &[("range", "bytes=-100")], "0-99"),
    ("GET", &[("range", "bytes=-1000")], "0-99"),
    ("GET", &[("range", "bytes=000-009")], "0-9"),
    ("GET", &[("range", "BYTES=0-9")], "0-9"),
    ("GET", &[("range", "Bytes=0-9")], "0-9"),
    ("GET", &[("range", "bytes= 0-9 ")], "0-9"),
    ("GET", &[("range", "bytes=0-18446744073709551615")], "0-99"),
    ("GET", &[("range", "bytes=0-99999999999999999999999999")], "0-99"),
    ("GET", &[("range", "bytes=-99999999999999999999999999")], "0-99"),
    // Nothing of it exists.
    ("GET", &[("range", "bytes=100-")], "416"),
    ("GET", &[("range", "bytes=100-200")], "416"),
    ("GET", &[("range", "bytes=-0")], "416"),
    ("GET", &[("range", "bytes=18446744073709551615-")], "416"),
    ("GET", &[("range", "bytes=99999999999999999999999999-")], "416"),
    // Not in good form: ignored.
    ("GET", &[("range", "bytes=9-0")], "full"),
    ("GET", &[("range", "bytes=200-100")], "full"),
    ("GET", &[("range", "bytes=")], "full"),
    ("GET", &[("range", "bytes=-")], "full"),
    ("GET", &[("range", "bytes=--1")], "full"),
    ("GET", &[("range", "bytes=1")], "full"),
    ("GET", &[("range", "bytes=a-b")], "full"),
    ("GET", &[("range", "bytes=+1-2")], "full"),
    ("GET", &[("range", "bytes=1-+2")], "full"),
    ("GET", &[("range", "bytes=0 - 9")], "full"),
    ("GET", &[("range", "bytes=0-9-")], "full"),
    ("GET", &[("range", "bytes=1.5-2")], "full"),
    ("GET", &[("range", "bytes=0x1-2")], "full"),
    ("GET", &[("range", "bytes 0-9")], "full"),
    ("GET", &[("range", "bytes =0-9")], "full"),
    ("GET", &[("range", "0-9")], "full"),
    ("GET", &[("range", "")], "full"),
    ("GET", &[("range", "items=0-9")], "full"),
    ("GET", &[("range", "bytes=é-9")], "full"),
    // Several ranges: the whole.
    ("GET", &[("range", "bytes=0-1,2-3")], "full"),
    ("GET", &[("range", "bytes=0-1, 50-60")], "full"),
    ("GET", &[("range", "bytes=0-0,-1")], "full"),
    ("GET", &[("range", "bytes=200-,300-")], "full"),
    ("GET", &[("range", "bytes=0-1"), ("range", "bytes=2-3")], "full"),
    // Only GET knows ranges.
    ("HEAD", &[("range", "bytes=0-9")], "full"),
    ("HEAD", &[("range", "bytes=200-")], "full"),
    ("POST", &[("range", "bytes=0-9")], "full"),
    // If-Range: strong tags and exact dates only.
    ("GET", &[("range", "bytes=0-9"), ("if-range", "\"abc\"")], "0-9"),
    ("GET", &[("range", "bytes=0-9"), ("if-range", " \"abc\" ")], "0-9"),
    ("GET", &[("range", "bytes=0-9"), ("if-range", "W/\"abc\"")], "full"),
    ("GET", &[("range", "bytes=0-9"), ("if-range", "\"x\"")], "full"),
    ("GET", &[("range", "bytes=0-9"), ("if-range", "\"abc\", \"x\"")], "full"),
    ("GET", &[("range", "bytes=0-9"), ("if-range", "*")], "full"),
    ("GET", &[("range", "bytes=0-9"), ("if-range", CHANGED)], "0-9"),
    ("GET", &[("range", "bytes=0-9"), ("if-range", AFTER)], "full"),
    ("GET", &[("range", "bytes=0-9"), ("if-range", BEFORE)], "full"),
    ("GET", &[("range", "bytes=0-9"), ("if-range", "Sunday, 06-Nov-94 08:49:37 GMT")], "0-9"),
    ("GET", &[("range", "bytes=0-9"), ("if-range", "nonsense")], "full"),
    ("GET", &[("range", "bytes=0-9"), ("if-range", "")], "full"),
    ("GET", &[("range", "bytes=0-9"), ("if-range", "\"abc\""), ("if-range", "\"abc\"")], "full"),
    ("GET", &[("range", "bytes=200-"), ("if-range", "\"x\"")], "full"),
    ("GET", &[("range", "bytes=200-"), ("if-range", "\"abc\"")], "416"),
    ("GET", &[("range", "nonsense"), ("if-range", "\"abc\"")], "full"),
    ("GET", &[("if-range", "\"x\"")], "full"),
    ("HEAD", &[("if-range", "\"abc\""), ("range", "bytes=0-9")], "full"),
];

/// The same without a Last-Modified: dates hold for nothing.
const WITHOUT_DATE: &[Row] = &[
    ("GET", &[("if-modified-since", AFTER)], "full"),
    ("GET", &[("if-unmodified-since", BEFORE)], "full"),
    ("GET", &[("range", "bytes=0-9"), ("if-range", CHANGED)], "full"),
    ("GET", &[("range", "bytes=0-9"), ("if-range", "\"abc\"")], "0-9"),
];

const EMPTY: &[Row] = &[
    ("GET", &[("range", "bytes=0-")], "416"),
    ("GET", &[("range", "bytes=0-0")], "416"),
    ("GET", &[("range", "bytes=-1")], "full"),
    ("GET", &[("range", "bytes=-0")], "416"),
];

fn answer(row: &Row, last_modified: Option<&LastModified>, len: u64) -> String {
    let method: Method = row.0.parse().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in row.1 {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let etag = ETag::strong("abc");
    let have = Validators { etag: &etag, last_modified };
    match precondition(&method, &headers, have) {
        Precondition::NotModified => "304".to_owned(),
        Precondition::NotModifiedIfAny => "304 if any".to_owned(),
        Precondition::Failed => "412".to_owned(),
        Precondition::Proceed => match range(&method, &headers, have, len) {
            Extent::Full => "full".to_owned(),
            Extent::Partial(range) => format!("{}-{}", range.start(), range.end()),
            Extent::Unsatisfiable => "416".to_owned(),
        },
    }
}

#[test]
fn the_table() {
    let changed = LastModified::new(UNIX_EPOCH + Duration::from_millis(784_111_777_250)).unwrap();
    assert_eq!(changed.header(), CHANGED);
    let tables = [
        (PRECONDITIONS, Some(&changed), 100),
        (RANGES, Some(&changed), 100),
        (WITHOUT_DATE, None, 100),
        (EMPTY, Some(&changed), 0),
    ];
    let mut rows = 0;
    for (table, last_modified, len) in tables {
        for row in table {
            assert_eq!(answer(row, last_modified, len), row.2, "{row:?} of {len} bytes");
            rows += 1;
        }
    }
    assert!(rows >= 150, "{rows}");
}

#[test]
fn an_etag_is_always_a_legal_header() {
    assert_eq!(ETag::strong("k3\"\r\nJd 9s").header(), "\"k3Jd9s\"");
    assert_eq!(ETag::strong("").header(), "\"\"");
}

#[test]
fn times_that_http_cannot_write_are_no_validators() {
    assert_eq!(LastModified::new(UNIX_EPOCH - Duration::from_secs(1)), None);
    assert_eq!(LastModified::new(UNIX_EPOCH + Duration::from_secs(253_402_300_800)), None);
    assert!(LastModified::new(UNIX_EPOCH).is_some());
}

proptest! {
    #[test]
    fn any_range_stays_inside_the_picture(spec in "bytes=[-0-9, ]{0,12}", len in 0u64..200) {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, spec.parse().unwrap());
        let etag = ETag::strong("abc");
        if let Extent::Partial(r) =
            range(&Method::GET, &headers, Validators { etag: &etag, last_modified: None }, len)
        {
            prop_assert!(r.start() <= r.end() && *r.end() < len);
        }
    }

    #[test]
    fn no_header_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
        let mut headers = HeaderMap::new();
        for name in [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE, RANGE] {
            headers.insert(name, value.clone());
        }
        let etag = ETag::strong("abc");
        let changed = LastModified::new(UNIX_EPOCH).unwrap();
        let have = Validators { etag: &etag, last_modified: Some(&changed) };
        precondition(&Method::GET, &headers, have);
        range(&Method::GET, &headers, have, 100);
    }
}

#[test]
fn a_variety_of_the_tag_is_the_same_picture() {
    let etag = ETag::strong("abc");
    assert_eq!(etag.variety(&"-2016x1512"), ETag::strong("abc-2016x1512"));
    let held = |line: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static(line));
        let etag = etag.as_held(&headers);
        let have = Validators { etag: &etag, last_modified: None };
        (precondition(&Method::GET, &headers, have), etag)
    };
    for (line, tag) in [
        ("\"abc\"", "abc"),
        ("\"abc-2016x1512\"", "abc-2016x1512"),
        ("W/\"abc-1x1\"", "abc-1x1"),
        ("\"x\", \"abc-40x30\"", "abc-40x30"),
    ] {
        assert_eq!(held(line), (Precondition::NotModified, ETag::strong(tag)), "{line}");
    }
    for line in
        ["\"abd\"", "\"abc-\"", "\"abc-1x\"", "\"abc-1x1x\"", "\"abc1x1\"", "\"abc-1000000x1\"", "\"ab\""]
    {
        assert_eq!(held(line), (Precondition::Proceed, etag.clone()), "{line}");
    }
}
