//! The URLs that `fixtures/url-vectors.jsonl` holds, a line each: what is asked for, and what client library and browser
//! module both make of it (`null`: both refuse). `UPDATE_URL_VECTORS=1` writes them anew.

use std::collections::BTreeMap;

use pixedge::transform::{ObjectPath, Presets, Spec, Subject, Target, UrlContext};
use pixedge_client::{Picture, Sizes, Urls, value};
use serde_json::{Value, json};

const BASES: [&str; 3] =
    ["https://img.example.com", "https://img.example.com/", "http://[::1]:8080/pictures"];
const IDS: [&str; 6] = ["k3Jd9s", "demo", "a-b_c", "Ab", "x0123456789", "demo-portrait"];
const SPECS: [&str; 20] = [
    "",
    "_",
    "w_300",
    "w_300,f_webp",
    "width=300,format=webp",
    "w_300,h_200,c_fill,g_ne",
    "ex_0.1:0.1:0.5:0.5,w_400/a_90",
    "w_400/a_90/blur_3",
    "ar_16:9,w_640",
    "g_fp:0.25:0.75,w_99,h_99,c_fill",
    "b_#ff0000,w_50,h_50,c_pad",
    "b_rgb:0af,pad_10_20",
    "bo_4:rebeccapurple",
    "l_text:größe ?",
    "l_text:~NTAgJSBvZmY_",
    "l_text:a%2Cb%2fc",
    "l_text:50% off",
    "l_text:(it's) [1+1]=2;*@$!&~\"<>|^`{}",
    "q_auto:eco,mb_20000",
    "gray,w_0.5",
];
const PATHS: [&str; 20] = [
    "cat.jpg",
    "/cat.jpg",
    "a/b/c.jpg",
    "cats.d/cat.webp",
    "cat.jpg/1",
    "CAT.JPEG",
    "cat.tiff",
    "cat.tif",
    "no-extension",
    "w_100/cat.jpg",
    "w_100,h_50/a_90/cat.jpg",
    "-/cat.jpg",
    "_/cat.jpg",
    "Katzen & Hunde/größe 100%.JPG",
    "a?b#c.png",
    "it's (1)+[2]=3;@!$*~.jpg",
    "猫/写真.avif",
    "😀.gif",
    "~cat.png",
    "%41%2F..%2Fx.jpg",
];
const ELSEWHERE: [&str; 4] = [
    "https://a.example/b.jpg?x=1",
    "http://a.example:8080/c%20d.png#e",
    "https://a.example/???>>>~~~",
    "https://[::1]/x",
];

/// Everything that is asked for, in the order of the file.
pub(crate) fn asked() -> Vec<Value> {
    let mut all = Vec::new();
    for spec in SPECS {
        all.extend(IDS.map(|id| json!({"call": "url", "src": id, "spec": spec})));
        let far = &ELSEWHERE[..2];
        all.extend(far.iter().map(|url| json!({"call": "url", "source": "web", "src": url, "spec": spec})));
    }
    for path in PATHS.into_iter().chain(ELSEWHERE) {
        for spec in ["", "w_300", "w_300,q_80/a_90", "b_#fff"] {
            all.push(json!({"call": "url", "source": "samples", "src": path, "spec": spec}));
        }
    }
    for (source, src) in pictures() {
        for spec in options() {
            all.push(json!({"call": "url", "source": source, "src": src, "spec": spec}));
        }
        for sizes in [json!([320, 640]), json!([16384]), json!([1, 333, 1920]), json!(["1x", "1.5x", "2x"])] {
            for spec in
                ["", "_", "q_80", "f_webp,q_auto:eco", "b_#fff,pad_3", "ex_0:0:9:9,w_{}/a_90", "h_{},w_{}"]
            {
                all.push(
                    json!({"call": "srcset", "source": source, "src": src, "spec": spec, "sizes": sizes}),
                );
            }
        }
        for (formats, spec) in [(json!(["avif", "webp"]), "q_80"), (json!(["webp"]), "_"), (json!([]), "")] {
            let sizes = json!([320, 640, 960, 1280, 1920]);
            let vector = json!({"call": "picture", "source": source, "src": src, "spec": spec, "sizes": sizes, "formats": formats});
            all.push(vector);
        }
        for width in [16, 32, 48, 64, 96, 128, 256, 384, 640, 750, 828, 1080, 1200, 1920, 2048, 3840] {
            all.push(json!({"call": "next", "source": source, "src": src, "operations": {"width": width}}));
            let operations = json!({"width": width, "quality": 75});
            all.push(json!({"call": "next", "source": source, "src": src, "operations": operations}));
        }
        for operations in transformations() {
            all.push(json!({"call": "unpic", "source": source, "src": src, "operations": operations}));
        }
    }
    all.extend(refused());
    for (index, vector) in all.iter_mut().enumerate() {
        vector["base"] = BASES[index % BASES.len()].into();
    }
    all
}

fn pictures() -> [(Option<&'static str>, &'static str); 3] {
    [(None, "k3Jd9s"), (Some("samples"), "holiday/größe 1.jpg"), (Some("web"), ELSEWHERE[0])]
}

/// Specs as objects.
fn options() -> [Value; 8] {
    [
        json!({}),
        json!({"w": 300}),
        json!({"w": 300, "h": null, "f": "webp"}),
        json!({"width": 300, "ar": "16:9", "crop": "fill"}),
        json!({"w": 0.5, "gray": true, "el": false}),
        json!({"l": "text:Hello, world / 50%"}),
        json!({"bg": "#ff0000", "pad": "10_20"}),
        json!({"t": "a:b", "l": "text:(it's)!*"}),
    ]
}

/// What unpic asks of a transformer.
fn transformations() -> [Value; 8] {
    [
        json!({}),
        json!({"width": 300}),
        json!({"height": 200}),
        json!({"width": 300, "height": 200}),
        json!({"width": 299.6, "height": 200.4, "quality": 70}),
        json!({"width": 300, "format": "avif", "quality": 70}),
        json!({"width": 300, "height": 200, "c": "pad", "b": "#fff"}),
        json!({"format": "auto", "blur": 5}),
    ]
}

fn refused() -> Vec<Value> {
    let mut all = Vec::new();
    for id in ["", "a/b", "a.b", "ä", "..", "a b", &"x".repeat(65)] {
        all.push(json!({"call": "url", "src": id, "spec": "w_1"}));
    }
    for path in ["", "/", "a//b.jpg", "../a.jpg", "a/./b.jpg", "a/..", "a/", "https://a b/c.jpg"] {
        all.push(json!({"call": "url", "source": "samples", "src": path, "spec": "w_1"}));
    }
    for spec in ["/", "w_1/", "/w_1", "w_1//h_1", "w_1,,h_1", ",w_1", "w_1,", "w_1,/h_1"] {
        all.push(json!({"call": "url", "src": "demo", "spec": spec}));
    }
    for (spec, size) in
        [("a_90/f_webp", json!(320)), ("", json!(0)), ("", json!("0x")), ("w_1,/{}", json!(5))]
    {
        all.push(json!({"call": "srcset", "src": "demo", "spec": spec, "sizes": [size]}));
    }
    all
}

/// What the client library makes of a vector; null where it refuses.
pub(crate) fn made(vector: &Value) -> Value {
    let urls = Urls::new(text(vector, "base")).unwrap();
    let source = vector["source"].as_str();
    let src = text(vector, "src");
    let picture = match source {
        None => Picture::Id(src),
        Some(source) if src.starts_with("http") => Picture::Url { source, url: src },
        Some(source) => Picture::Path { source, path: src },
    };
    let spec = spec(&vector["spec"]);
    let srcset = |spec: &str| {
        let list = vector["sizes"].as_array().unwrap();
        let density = |size: &Value| size.as_str().unwrap().trim_end_matches('x').parse::<f32>().unwrap();
        let sizes = match list[0].is_string() {
            true => Sizes::densities(list.iter().map(density)),
            false => Sizes::widths(list.iter().map(|size| size.as_u64().unwrap() as u32)),
        };
        sizes.and_then(|sizes| urls.srcset(picture, spec, &sizes))
    };
    let operations = &vector["operations"];
    match text(vector, "call") {
        "url" => urls.url(picture, &spec).map_or(Value::Null, Value::from),
        "srcset" => srcset(&spec).map_or(Value::Null, Value::from),
        "next" => urls.url(picture, &next(operations)).map_or(Value::Null, Value::from),
        "unpic" => urls.url(picture, &unpic(operations)).map_or(Value::Null, Value::from),
        _ => {
            let all = srcset(&spec).unwrap();
            let source = |format: &Value| {
                let format = format.as_str().unwrap();
                let more = if matches!(&*spec, "" | "_") { String::new() } else { format!("{spec},") };
                json!({"type": format!("image/{format}"), "srcset": srcset(&format!("{more}f_{format}")).unwrap()})
            };
            let sources: Vec<_> = vector["formats"].as_array().unwrap().iter().map(source).collect();
            // The last one, as a browser without `srcset` gets it.
            let last = all.rsplit(", ").next().unwrap().split(' ').next().unwrap();
            json!({"sources": sources, "img": {"src": last, "srcset": all}})
        }
    }
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap()
}

fn spec(spec: &Value) -> String {
    let Some(options) = spec.as_object() else { return spec.as_str().unwrap_or_default().to_owned() };
    written(options.iter().map(|(key, option)| (key.as_str(), option)))
}

fn written<'a>(options: impl Iterator<Item = (&'a str, &'a Value)>) -> String {
    let plain = |option: &Value| option.as_str().map_or_else(|| option.to_string(), str::to_owned);
    let write = |(key, option): (&str, &Value)| format!("{key}_{}", value(&plain(option)));
    options.filter(|(_, option)| !option.is_null()).map(write).collect::<Vec<_>>().join(",")
}

fn next(operations: &Value) -> String {
    written([("w", &operations["width"]), ("q", &operations["quality"])].into_iter())
}

fn unpic(operations: &Value) -> String {
    let whole = |key: &str| operations[key].as_f64().map(|side| json!(side.round() as u64));
    let mut list: Vec<(&str, Value)> = match (whole("width"), whole("height")) {
        (Some(width), Some(height)) => vec![("s", json!(format!("{width}x{height}")))],
        (width, height) => vec![("w", json!(width)), ("h", json!(height))],
    };
    list.extend([("q", operations["quality"].clone()), ("f", operations["format"].clone())]);
    let known = ["width", "height", "quality", "format"];
    let rest = operations.as_object().unwrap().iter().filter(|(key, _)| !known.contains(&key.as_str()));
    list.extend(rest.map(|(key, option)| (key.as_str(), option.clone())));
    written(list.iter().map(|(key, option)| (*key, option)))
}

/// What the server reads a built URL as: the picture that was asked for, and a spec.
pub(crate) fn check_meaning(vector: &Value, url: &str) {
    let names = ["a", "b"].map(|name| (name.to_owned(), "blur_1".to_owned()));
    let presets = Presets::new(&BTreeMap::from(names)).unwrap();
    let context = UrlContext { presets: &presets, ipx_source: None, ignored_query: &[] };
    let path = url.strip_prefix(text(vector, "base").trim_end_matches('/')).unwrap();
    assert!(!path.contains(['?', '#', ' ', '"', '\'', '<', '>']) && path.is_ascii(), "{url}");
    let target = Target::parse(path, None, &context).unwrap_or_else(|error| panic!("{vector}: {error}"));
    let src = text(vector, "src");
    let expected = match vector["source"].as_str() {
        None => Subject::Image { id: src.to_owned() },
        Some(source) => {
            let path = match src.starts_with("http") {
                true => ObjectPath::Url(src.to_owned()),
                false => ObjectPath::Key(src.trim_start_matches('/').to_owned()),
            };
            Subject::Object { source: source.to_owned(), path }
        }
    };
    assert_eq!(target.subject, expected, "{vector}");
    // A lone `%` means itself only where the URL is built.
    if let Some(spec) = vector["spec"].as_str().filter(|spec| !spec.is_empty() && !spec.contains("% ")) {
        assert_eq!(target.spec, Spec::parse(spec, &presets).unwrap(), "{vector}");
    }
}
