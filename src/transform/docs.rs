//! Renders `docs/transforms.md` from the table of options, so that it cannot say anything else than the parser does.

use std::fmt::Write as _;

use crate::transform::options::{Built, Scope, TABLE, Unsigned};

/// What an option does to a picture.
pub struct Example {
    /// The key of the option, and the name of the file.
    pub name: &'static str,
    pub spec: &'static str,
    /// A WebP.
    pub picture: &'static [u8],
}

macro_rules! examples {
    ($($name:literal $spec:literal;)*) => {
        /// One for every option that shows, in the order of the table.
        pub const EXAMPLES: &[Example] = &[$(Example {
            name: $name,
            spec: $spec,
            picture: include_bytes!(concat!("../../docs/pictures/", $name, ".webp")),
        }),*];
    };
}

examples! {
    "ex" "ex_0.4:0:0.6:0.8,w_120";
    "trim" "w_100,pad_10,b_369/trim,w_120";
    "w" "w_120";
    "h" "h_50";
    "s" "s_80x80";
    "ar" "w_120,ar_16:9,c_fill";
    "c" "w_120,h_80,c_pad,b_eee";
    "g" "w_60,h_80,c_fill,g_auto";
    "xy" "w_80,h_80,c_fill,g_e,x_30";
    "dpr" "w_60,dpr_2";
    "k" "w_20/w_120,el,k_nearest";
    "a" "w_100,a_15";
    "flip" "w_120,flip";
    "flop" "w_120,flop";
    "bri" "w_120,bri_1.5";
    "con" "w_120,con_1.6";
    "sat" "w_120,sat_2";
    "hue" "w_120,hue_120";
    "gam" "w_120,gam_2";
    "gray" "w_120,gray";
    "sep" "w_120,sep";
    "neg" "w_120,neg";
    "tint" "w_120,tint_08f";
    "duo" "w_120,duo_036:fc6";
    "blur" "w_120,blur_3";
    "sharp" "w_120,sharp_2";
    "pix" "w_120,pix_8";
    "median" "w_120,median_7";
    "l" "w_120,l_text:~SGVsbG8sIOS4lueVjA,ls_22,lc_fff,lg_s,ly_4";
    "r" "w_120,r_20";
    "bo" "w_112,bo_4:c00";
    "pad" "w_100,pad_10,b_fc0";
    "b" "w_120,h_110,c_pad,b_blur";
    "o" "w_120,o_40";
    "q" "w_120,q_10";
}

/// The reference of every option as Markdown.
pub fn render() -> String {
    let mut page = HEAD.to_owned();
    for row in TABLE {
        let names: Vec<String> =
            std::iter::once(&row.name).chain(row.aliases).map(|name| format!("`{name}`")).collect();
        let default = row.default.as_ref().map_or_else(|| "–".to_owned(), |value| format!("`{value}`"));
        let built = match row.built {
            Built::Yes => "yes".to_owned(),
            Built::No => "not yet".to_owned(),
            Built::Except(what) => format!("but {what}"),
        };
        let unsigned = match row.unsigned {
            Unsigned::Yes => "yes",
            Unsigned::No => "no",
            Unsigned::Rule(rule) => rule,
        };
        let scope = match row.scope {
            Scope::Step => "step",
            Scope::Spec => "spec",
        };
        let (domain, doc) = (row.domain, row.doc);
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "| {} | {domain} | {default} | {scope} | {built} | {unsigned} | {doc} |",
            names.join(" ")
        );
    }
    page.push_str(TAIL);
    for pair in EXAMPLES.chunks(2) {
        for Example { name, spec, .. } in pair {
            let _ = write!(page, "| `{spec}` | ![{name}](pictures/{name}.webp) ");
        }
        page.push_str("|\n");
    }
    page
}

const HEAD: &str = "<!-- Generated from src/transform/options.rs by `UPDATE_DOCS=1 cargo test --lib docs`. Do not edit. -->

# Transforms

```
/i/<id>/<spec>[/<name>.<ext>]      an image of the library          /i/k3Jd9s/w_300,fmt_webp
/i/<id>[.<ext>]                    the same without options
/i/<id>?w=300&fmt=webp             one step as a query
/r/<source>/<spec>/<path>          an object of a source; `-` ends the spec where a path looks like one
/_ipx/<step>/<id, path or URL>     the order of IPX; `&` separates like `,`
/info/<id>   /explain/i/…   /explain/r/…   /explain/_ipx/…
```

A spec is up to 8 steps with `/` between them, run from left to right. A step is up to 32 options with `,` between
them: `key_value` or `key=value`, in any case. `_` is the empty step. Inside a step the order of the URL makes **no**
difference: options run in the order of the table below. So `a_90,w_100` resizes first and then turns; write
`a_90/w_100` to turn first.

An unknown option, a bad value or two options that contradict each other are an error (400) that says where and what
would be right. Numbers are plain decimals with at most four places. Values are percent-decoded once; free text may be
written as `~` + base64url. Values of several numbers take `:` or `_` between them.

*Scope*: options of the spec count for the whole spec, wherever they stand. *Built*: what is not yet is refused with
`unsupported_option`, never ignored. *Unsigned*: what the policy `ladder` allows without a signature; it snaps the
larger of `w` and `h` up to the next listed size and scales the other with it.

## Options

| keys | values | default | scope | built | unsigned | meaning |
|---|---|---|---|---|---|---|
";

const TAIL: &str = "
## Modes

S = sw×sh is the picture as it stands, B = W×H the box. A missing side takes the picture's own ratio.

| `c` | `fit` | what it does |
|---|---|---|
| `limit` | inside, scale-down | scale by min(1, W/sw, H/sh): never distorts, never enlarges; **the default**, unlike Cloudinary |
| `fit` | | scale by min(W/sw, H/sh) |
| `mfit` | | scale by max(1, min(W/sw, H/sh)) |
| `fill` | | scale by max(W/sw, H/sh), crop to B |
| `lfill` | crop | `fill` where the picture is at least B, else untouched |
| `afill` | cover, aspect-crop | B made small enough for the picture keeping W:H, then `fill` |
| `mcover` | outside | `fill` without the crop |
| `pad` | contain, pad | `fit`, then a canvas of B |
| `lpad` | | `limit`, then a canvas of B |
| `mpad` | | no scaling, canvas of max(B, S) |
| `scale` | fill, squeeze, force | exactly B; distorts |
| `crop` | | min(B, S) around `g`, no scaling |
| `thumb` | | `fill` with `g_focus` |

## Quality, size and colour

`q_auto` names a look, not a number: `best`, `good`, `eco` and `low` are 82, 74, 66 and 56 on the scale of ssimulacra2, and
which number of a codec that is, by the size of the result, was fitted on photographs. `mb` lowers `q` until the file
fits, in at most seven attempts; the smallest there is may still be too large, and a lossless result cannot shrink: that
is `result_too_large` (422). `cs_p3` and `cs_keep` embed the profile that the samples are in; inks and gray profiles become
sRGB even under `cs_keep`. Colours of the spec are always sRGB and are converted.

## Descriptions

`f_json`, `f_lqip`, `f_blurhash` and `f_thumbhash` tell of the picture that the rest of the spec makes, and are cached, signed
and revalidated like one.

| `f` | content type | what |
|---|---|---|
| `json` | `application/json` | `width`, `height`, `has_alpha`, `dominant`, `palette` (at most six of `colour`, as hex behind `#`, and `share`, 0…1), `blurhash`, `thumbhash`, `lqip`; `original` with `format`, `mime`, `width`, `height`, `bytes`, `frames`, `has_alpha`, `depth`, `orientation`, `exif` |
| `lqip` | `text/plain` | a WebP of at most 24 px as a `data:` URL |
| `blurhash` | `text/plain` | [BlurHash](https://blurha.sh), 4 components along the longer side and 3 along the other |
| `thumbhash` | `text/plain` | [ThumbHash](https://evanw.github.io/thumbhash/) in base64 |

`exif` holds camera, lens, exposure, date, artist and copyright, whatever `md` says; place, serial numbers and free texts are
never told, and `md_none` leaves all of it out. `/info/<id>` is the `original` of an image with the other fields beside it;
of a picture that cannot be decoded it tells what the header says.

## Broken files

A JPEG that ends early is shown as far as it goes, as in browsers: the upper part of a baseline one over gray, all of a progressive one with the
detail that is there. Of an animation that ends early the whole frames are shown (of an AVIF nothing). In every other format a file that does not hold all of its pixels is
`undecodable` (422). What a *source* cuts off on the way is never taken. `d_<id>` names a picture to show instead.

## Words from elsewhere

Cloudinary and IPX strings work as they are, and so do Cloudflare's lists (`width=80,quality=75,format=auto`). The
exceptions: without `c` the mode is `limit` · `a` bare, `a_true` and `a_false` mean animated, otherwise an angle ·
`crop_` with four numbers is a region, otherwise a mode · bare `rotate` applies the EXIF orientation · `w_1` is one
pixel; fractions lie strictly between 0 and 1.

## What they do

| spec | | spec | |
|---|---|---|---|
";

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::codec::{self, Format, Header, Limits, Probe};
    use crate::transform::options::Key;
    use crate::transform::plan::Look;
    use crate::transform::render::{self, look};
    use crate::transform::{Client, Presets, ResolveLimits, SourceFacts, Spec, SpecError, resolve_looking};

    #[test]
    #[expect(clippy::disallowed_methods, reason = "asked for by who runs the tests")]
    fn the_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/transforms.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, render()).unwrap();
            for Example { name, spec, .. } in EXAMPLES {
                let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/pictures");
                std::fs::write(format!("{folder}/{name}.webp"), made(spec)).unwrap();
            }
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(page == render(), "docs/transforms.md is old: run `UPDATE_DOCS=1 cargo test --lib docs`");
    }

    /// The photograph of the fixtures as the spec makes it.
    fn made(spec: &str) -> Vec<u8> {
        let bytes = include_bytes!("../../fixtures/sources/photo.jpg");
        let header = header(bytes);
        let facts = SourceFacts { header: header.clone(), focal: None };
        let deadline = Instant::now() + Duration::from_secs(60);
        let spec = Spec::parse(&format!("{spec},f_webp"), &Presets::default()).unwrap();
        let look = |wanted: &Look| Ok::<_, SpecError>(look(bytes, &header, wanted, &[], deadline).unwrap());
        let (client, limits) = (Client::default(), ResolveLimits::default());
        let plan = resolve_looking(&spec, &facts, &client, &limits, look).unwrap();
        render::render(bytes, &header, &plan, deadline).unwrap().bytes
    }

    fn header(bytes: &[u8]) -> Header {
        let probed = codec::probe(bytes, bytes.len() as u64, &Limits::default());
        let Ok(Probe::Complete(header)) = probed else { panic!("no picture") };
        header
    }

    #[test]
    fn every_example_is_what_its_spec_makes() {
        for Example { name, spec, picture } in EXAMPLES {
            let (shown, now) = (header(picture), header(&made(spec)));
            assert_eq!(
                (shown.format, shown.width, shown.height),
                (Format::Webp, now.width, now.height),
                "{name}"
            );
            assert!(now.width <= 128 && now.height <= 128, "{name}");
        }
        // What changes pixels has an example, but for what only the source or the client decides.
        let shown = |key: Key| EXAMPLES.iter().any(|example| example.name == key.name());
        let steps = TABLE.iter().filter(|row| matches!(row.scope, Scope::Step)).map(|row| row.key);
        let hidden: Vec<&str> = steps.filter(|key| !shown(*key)).map(Key::name).collect();
        let expected =
            ["t", "fit", "x", "y", "el", "lw", "lh", "lo", "lg", "lx", "ly", "lt", "lf", "lc", "ls"];
        assert_eq!(hidden, expected);
    }
}
