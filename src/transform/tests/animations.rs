//! Which frames of an animation a spec means.

use crate::codec::{Format, Header};
use crate::transform::plan::Frames;
use crate::transform::{Accepts, Client, ResolveLimits, SourceFacts, resolve};

use super::{parse, plan, planned, source};

#[test]
fn an_animation_stays_one_where_the_output_can_be_one() {
    let animation = |format| {
        let plain = source(format, 400, 300);
        SourceFacts { header: Header { frames: 7, ..plain.header }, ..plain }
    };
    let gif = animation(Format::Gif);
    for (text, frames) in [
        ("w_9,f_webp", Frames::All(None)),
        ("w_9,f_gif", Frames::All(None)),
        ("w_9", Frames::All(None)),
        ("w_9,f_best", Frames::All(None)),
        ("w_9,f_png,an_1", Frames::All(None)),
        ("w_9,f_webp,mf_7", Frames::All(None)),
        ("w_9,f_webp,mf_3", Frames::All(Some(3))),
        ("w_9,f_webp,mf_1", Frames::First),
        ("w_9,f_webp,an_0", Frames::First),
        ("w_9,f_webp,an_0,mf_3", Frames::First),
        ("w_9,f_png", Frames::First),
        ("w_9,f_jpg", Frames::First),
        ("w_9,f_avif", Frames::First),
        ("w_9,f_json", Frames::First),
        ("w_9,f_gif,pg_0", Frames::First),
        ("w_9,f_gif,pg_6", Frames::One(6)),
        ("w_9,f_webp,pg_2", Frames::One(2)),
    ] {
        assert_eq!(plan(&gif, text).unwrap().frames, frames, "{text}");
    }
    for format in [Format::Avif, Format::Jxl] {
        assert_eq!(plan(&animation(format), "w_9").unwrap().frames, Frames::All(None), "{format:?}");
        assert_eq!(plan(&animation(format), "w_9,f_gif,pg_2").unwrap().frames, Frames::One(2), "{format:?}");
        assert!(
            planned(&animation(format), &format!("f_{}", format.name())).starts_with("orig"),
            "{format:?}"
        );
    }
    let pages = animation(Format::Tiff);
    assert_eq!(plan(&pages, "w_9").unwrap().frames, Frames::First);
    assert_eq!(plan(&pages, "w_9,f_gif,pg_2").unwrap().frames, Frames::One(2));
    let same = |one, other| assert_eq!(planned(&gif, one), planned(&gif, other), "{one} {other}");
    same("w_9,f_webp,mf_7", "w_9,f_webp");
    same("w_9,f_webp,an_0", "w_9,f_webp,pg_0");
    same("w_9,f_jpg,an_0", "w_9,f_jpg");
    same("f_gif,mf_9", "f_orig");
    assert_ne!(planned(&gif, "w_9,f_webp,mf_3"), planned(&gif, "w_9,f_webp,mf_4"));
    assert_ne!(planned(&gif, "f_gif,an_0"), planned(&gif, "f_orig"));
    assert_eq!(planned(&gif, "pg_7,f_png"), "bad_value");
    assert_eq!(planned(&source(Format::Gif, 9, 9), "pg_1,f_png"), "bad_value");
    // A PNG is asked for to be looked at, so it is the original only where all of it is wanted.
    let apng = animation(Format::Png);
    assert_ne!(planned(&apng, "f_png"), planned(&apng, "f_orig"));
    assert_eq!(planned(&apng, "f_png,an_1"), planned(&apng, "f_orig"));
}

#[test]
fn f_auto_of_an_animation_is_webp_or_gif() {
    let plain = source(Format::Gif, 400, 300);
    let gif = SourceFacts { header: Header { frames: 7, ..plain.header }, ..plain };
    let format = |text, avif, webp| {
        let client = Client { accepts: Accepts { avif, webp }, ..Client::default() };
        let spec = parse(text).unwrap();
        resolve(&spec, &gif, &client, &ResolveLimits::default()).unwrap().output.format
    };
    assert_eq!(format("w_9", true, true), Format::Webp);
    assert_eq!(format("w_9", true, false), Format::Gif);
    assert_eq!(format("w_9,an_0", true, true), Format::Avif);
    assert_eq!(format("w_9,pg_2", true, true), Format::Avif);
}
