//! Renders `docs/transforms.md` from the table of options, so that it cannot say anything else than the parser does.

use std::fmt::Write as _;

use crate::transform::options::{Built, Scope, TABLE, Unsigned};

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
    page
}

const HEAD: &str = "<!-- Generated from src/transform/options.rs by `UPDATE_DOCS=1 cargo test --lib docs`. Do not edit. -->

# Transforms

```
/i/<id>/<spec>[/<name>.<ext>]      an image of the library          /i/k3Jd9s/w_300,fmt_webp
/i/<id>[.<ext>]                    the same without options
/i/<id>?w=300&fmt=webp             one step as a query
/r/<source>/<spec>/<path>          an object of a source; `-` ends the spec where a path looks like one
/_ipx/<step>/<id or path>          the order of IPX; `&` separates like `,`
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

## Words from elsewhere

Cloudinary and IPX strings work as they are, and so do Cloudflare's lists (`width=80,quality=75,format=auto`). The
exceptions: without `c` the mode is `limit` · `a` bare, `a_true` and `a_false` mean animated, otherwise an angle ·
`crop_` with four numbers is a region, otherwise a mode · bare `rotate` applies the EXIF orientation · `w_1` is one
pixel; fractions lie strictly between 0 and 1.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "asked for by who runs the tests")]
    fn the_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/transforms.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, render()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(page == render(), "docs/transforms.md is old: run `UPDATE_DOCS=1 cargo test --lib docs`");
    }
}
