//! What must hold for every spec there is.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::codec::Format;
use crate::transform::draft::is_option;
use crate::transform::options::TABLE;
use crate::transform::{Accepts, Client, Ladder, Presets, ResolveLimits, Spec, Target, UrlContext, resolve};

use super::{parse, source};

/// Legal and nearly legal values of every kind.
const VALUES: &[&str] = &[
    "0",
    "1",
    "2",
    "90",
    "-45",
    "300",
    "9000",
    "0.5",
    "1.25",
    "0.3333",
    "auto",
    "true",
    "false",
    "iw",
    "ih",
    "3:2",
    "300x200",
    "10:20:30:40",
    "0:0:0.5:0.5",
    "10_20",
    "1:2:3",
    "fill",
    "pad",
    "crop",
    "cover",
    "inside",
    "thumb",
    "ne",
    "fp:0.2:0.9",
    "focus",
    "smart",
    "linear",
    "red",
    "#1a2b3c4d",
    "transparent",
    "blur:3",
    "rgb:fff",
    "red:blue:5",
    "5:red",
    "max",
    "webp",
    "png",
    "jpg",
    "orig",
    "best",
    "lossless",
    "auto:eco",
    "444",
    "all",
    "p3",
    "cat",
    "text:~SGk",
    "hflip",
    "x%20y",
    "",
];

fn option() -> impl Strategy<Value = String> {
    let names: Vec<&'static str> =
        TABLE.iter().flat_map(|row| [row.name].into_iter().chain(row.aliases.iter().copied())).collect();
    (select(names), select(&["_", "="][..]), proptest::option::weighted(0.9, select(VALUES))).prop_map(
        |(name, separator, value)| match value {
            Some(value) => format!("{name}{separator}{value}"),
            None => name.to_owned(),
        },
    )
}

/// Options that are legal one by one, so that most specs get past the first.
fn legal_option() -> impl Strategy<Value = String> {
    let names =
        TABLE.iter().skip(1).flat_map(|row| [row.name].into_iter().chain(row.aliases.iter().copied()));
    let mut legal = Vec::new();
    for name in names {
        let with_value = VALUES.iter().map(|value| format!("{name}_{value}"));
        legal.extend(with_value.chain([name.to_owned()]).filter(|text| is_option(text)));
    }
    select(legal)
}

fn steps() -> impl Strategy<Value = Vec<Vec<String>>> {
    prop::collection::vec(prop::collection::vec(legal_option(), 1..6), 1..4)
}

fn text(steps: &[Vec<String>]) -> String {
    steps.iter().map(|step| step.join(",")).collect::<Vec<_>>().join("/")
}

fn facts() -> impl Strategy<Value = crate::transform::SourceFacts> {
    let format = select(&[Format::Jpeg, Format::Png, Format::Webp, Format::Gif][..]);
    let focal = proptest::option::of((0.0..=1.0, 0.0..=1.0));
    (format, 1_u32..5000, 1_u32..5000, 1_u32..9, any::<bool>(), focal).prop_map(
        |(format, width, height, exif, has_alpha, focal)| {
            let mut facts = source(format, width, height);
            facts.header.orientation = crate::codec::Orientation::from_exif(exif);
            facts.header.has_alpha = has_alpha;
            facts.focal = focal;
            facts
        },
    )
}

fn client() -> impl Strategy<Value = Client> {
    let hints = (proptest::option::of(0.0..9.0), proptest::option::of(0_u32..20_000));
    (any::<bool>(), any::<bool>(), hints).prop_map(|(avif, webp, (dpr, width))| Client {
        accepts: Accepts { avif, webp },
        dpr,
        width,
    })
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_as_the_same(steps in steps()) {
        if let Ok(spec) = parse(&text(&steps)) {
            let again = parse(&spec.to_string());
            prop_assert_eq!(again.as_ref(), Ok(&spec), "{}", spec);
        }
    }

    #[test]
    fn order_makes_no_difference(mut steps in steps(), swaps in prop::collection::vec(any::<(Index, Index, Index)>(), 1..8)) {
        // Which of two errors is told first may depend on the order; whether there is one may not.
        let before = parse(&text(&steps)).ok();
        for (step, a, b) in swaps {
            let step = step.index(steps.len());
            let length = steps[step].len();
            steps[step].swap(a.index(length), b.index(length));
        }
        prop_assert_eq!(parse(&text(&steps)).ok(), before);
    }

    #[test]
    fn resolving_decides_everything(steps in steps(), facts in facts(), client in client()) {
        let Ok(spec) = parse(&text(&steps)) else { return Ok(()) };
        let limits = ResolveLimits::default();
        let plan = resolve(&spec, &facts, &client, &limits);
        prop_assert_eq!(&resolve(&parse(&spec.to_string()).unwrap(), &facts, &client, &limits).is_ok(), &plan.is_ok());
        let Ok(hinted) = spec.with_hints(&client) else { return Ok(()) };
        let twice = hinted.with_hints(&client).unwrap();
        prop_assert_eq!(twice.as_ref(), hinted.as_ref());
        let deaf = Client { dpr: None, width: None, ..client };
        if let Ok(plan) = plan {
            prop_assert!(plan.width > 0 && plan.height > 0);
            prop_assert!(plan.output.original || plan.width.max(plan.height) <= limits.max_result_side);
            prop_assert_eq!(resolve(&hinted, &facts, &deaf, &limits).unwrap(), plan);
        }
    }

    #[test]
    fn crops_and_canvases_fit(steps in steps(), facts in facts(), client in client()) {
        use crate::transform::plan::Op;
        let Ok(spec) = parse(&text(&steps)) else { return Ok(()) };
        let Ok(plan) = resolve(&spec, &facts, &client, &ResolveLimits::default()) else { return Ok(()) };
        if plan.output.original {
            return Ok(());
        }
        let (mut w, mut h) = (facts.header.width, facts.header.height);
        if plan.orientation.swaps_sides() {
            (w, h) = (h, w);
        }
        for op in &plan.ops {
            (w, h) = match *op {
                Op::Crop(r) => {
                    prop_assert!(r.width > 0 && r.height > 0 && r.x + r.width <= w && r.y + r.height <= h);
                    prop_assert!((r.width, r.height) != (w, h));
                    (r.width, r.height)
                }
                Op::Resize { width, height, .. } => {
                    prop_assert!(width > 0 && height > 0 && (width, height) != (w, h));
                    (width, height)
                }
                Op::Choose { width, height, .. } => {
                    prop_assert!(width <= w && height <= h && (width, height) != (w, h));
                    (width, height)
                }
                Op::Tilt { width, height, .. } => (width, height),
                Op::Canvas { width, height, x, y, .. } => {
                    prop_assert!(x + w <= width && y + h <= height);
                    (width, height)
                }
                Op::Rotate(quarters) => if quarters % 2 == 1 { (h, w) } else { (w, h) },
                Op::Border { px, .. } => (w + 2 * px, h + 2 * px),
                _ => (w, h),
            };
        }
        prop_assert_eq!((w, h), (plan.width, plan.height));
    }

    #[test]
    fn the_ladder_climbs_once(steps in steps(), client in client()) {
        let Ok(spec) = parse(&text(&steps)) else { return Ok(()) };
        let ladder = Ladder::new(&[]);
        let Ok(made) = ladder.apply(&spec, &client) else { return Ok(()) };
        let twice = ladder.apply(&made, &client);
        prop_assert_eq!(twice.as_ref(), Ok(&made));
        let printed = parse(&made.to_string());
        prop_assert_eq!(printed.as_ref(), Ok(&made));
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
        let presets = Presets::default();
        let context = UrlContext { presets: &presets, ipx_source: Some("s"), ignored_query: &[] };
        for text in [String::from_utf8_lossy(&bytes).into_owned(), text] {
            let _ = Spec::parse(&text, &presets);
            for prefix in ["", "/i/", "/i/k3/", "/r/s/", "/r/s/_/", "/_ipx/", "/explain", "/info/"] {
                let _ = Target::parse(&format!("{prefix}{text}"), Some(&text), &context);
            }
        }
    }

    #[test]
    fn nothing_nearly_right_panics(options in prop::collection::vec(option(), 0..6), glue in "[,/&=_%.~-]{1,3}") {
        let presets = Presets::default();
        let context = UrlContext { presets: &presets, ipx_source: Some("s"), ignored_query: &[] };
        let text = options.join(&glue);
        let _ = Spec::parse(&text, &presets);
        let _ = Target::parse(&format!("/r/s/{text}/a.jpg"), None, &context);
        let _ = Target::parse("/i/k3", Some(&text), &context);
    }

    #[test]
    fn canonical_paths_read_back(steps in steps(), path in "(_|-|w_1|[~a-z.%é ?#]{1,5})(/[~a-z.,&+ é]{1,6}){0,2}") {
        let presets = Presets::default();
        let context = UrlContext { presets: &presets, ipx_source: None, ignored_query: &[] };
        let Ok(spec) = parse(&text(&steps)) else { return Ok(()) };
        let encoded: String = path.bytes().map(|b| if b == b'/' { "/".to_owned() } else { format!("%{b:02X}") }).collect();
        let Ok(target) = Target::parse(&format!("/r/s/{spec}/-/{encoded}"), None, &context) else { return Ok(()) };
        let canonical = target.canonical_path(&target.spec);
        let again = Target::parse(&canonical, None, &context);
        prop_assert_eq!(again.as_ref(), Ok(&target), "{}", canonical);
    }

    #[test]
    fn spellings_of_a_path_are_one_and_other_paths_are_others(
        steps in steps(),
        paths in prop::collection::vec("[a-b%+&;~é ]{1,3}(/[a-b.%?#]{1,3}){0,2}", 2),
        escaped in prop::collection::vec(any::<bool>(), 24),
    ) {
        let presets = Presets::default();
        let context = UrlContext { presets: &presets, ipx_source: None, ignored_query: &[] };
        let Ok(spec) = parse(&text(&steps)) else { return Ok(()) };
        // Each byte as it is, where it may be, or as an escape with large or small letters.
        let spelled = |path: &str, escaped: &[bool]| -> String {
            path.bytes().zip(escaped.iter().cycle()).map(|(byte, escaped)| match byte {
                b'/' => "/".to_owned(),
                b'a' | b'b' | b'.' | b'+' | b'&' | b';' if !escaped => char::from(byte).to_string(),
                _ if *escaped => format!("%{byte:02x}"),
                _ => format!("%{byte:02X}"),
            }).collect()
        };
        let read = |path: &str, escaped: &[bool]| {
            Target::parse(&format!("/r/s/{spec}/-/{}", spelled(path, escaped)), None, &context).ok()
        };
        let plain = [false];
        let (one, other) = (read(&paths[0], &plain), read(&paths[0], &escaped));
        prop_assert_eq!(&one, &other, "{:?}", paths);
        if let (Some(one), Some(another)) = (one, read(&paths[1], &plain)) {
            let same = one.canonical_path(&one.spec) == another.canonical_path(&another.spec);
            prop_assert_eq!(same, paths[0] == paths[1], "{:?}", paths);
        }
    }
}
