//! From canonical spec to plan, rule by rule.

use crate::codec::{Format, Orientation, Rect, avif};
use crate::error::{Fault as _, Kind};
use crate::transform::plan::Op;
use crate::transform::{
    Accepts, Client, Haste, Resolution, ResolveLimits, SourceFacts, resolve, resolve_seen,
};

use super::{WEBP, parse, plan, planned, source};

fn photo() -> SourceFacts {
    source(Format::Jpeg, 4032, 3024)
}

/// The operations alone, printed.
fn ops(source: &SourceFacts, text: &str) -> String {
    let plan = plan(source, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    plan.ops.iter().map(Op::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_whole_line() {
    let mut turned = photo();
    turned.header.orientation = Orientation::from_exif(6);
    assert_eq!(
        planned(&turned, "w_300"),
        "or6 resize 300x400 lanczos3 -> 300x400 webp q_auto:good e5 md_copyright"
    );
    assert_eq!(
        planned(&turned, "w_300,or_0,f_jpg,q_80,il,ss_444,md_none"),
        "resize 300x225 lanczos3 -> 300x225 jpg q_80 e0 il_1 ss_444 md_none"
    );
    assert_eq!(planned(&turned, "f_orig"), "orig -> jpg md_copyright");
}

#[test]
fn a_negotiated_avif_is_not_larger_than_somebody_would_wait_for() {
    let both = Client { accepts: Accepts { avif: true, webp: true }, ..Client::default() };
    let only = Client { accepts: Accepts { avif: true, webp: false }, ..Client::default() };
    let format = |text: &str, client: &Client| {
        resolve(&parse(text).unwrap(), &photo(), client, &ResolveLimits::default()).unwrap().output.format
    };
    assert_eq!(format("w_2000", &both), Format::Avif);
    assert_eq!(format("_", &both), Format::Webp);
    assert_eq!(format("_", &only), Format::Jpeg);
    assert_eq!(format("f_avif", &only), Format::Avif);
}

#[test]
fn specs_that_mean_the_same_picture_share_a_plan() {
    for same in [
        "w_5000",
        "w_4032",
        "w_iw",
        "h_3024,c_limit",
        "w_4032,h_3024,c_fill",
        "ex_0:0:4032:3024",
        "a_90/a_270",
    ] {
        assert_eq!(planned(&photo(), same), planned(&photo(), "_"), "{same}");
    }
    for same in ["flip/flip", "flop/w_9999,c_limit/flop", "a_180/a_90/a_90", "b_red", "b_transparent"] {
        assert_eq!(planned(&photo(), same), planned(&photo(), "_"), "{same}");
    }
    assert_eq!(planned(&photo(), "f_png,q_auto:best,il_0"), planned(&photo(), "f_png"));
    assert_eq!(planned(&photo(), "f_png,q_100"), planned(&photo(), "f_png"));
    assert_ne!(planned(&photo(), "f_png,q_80"), planned(&photo(), "f_png"), "of fewer colours");
    assert_eq!(planned(&photo(), "f_tiff,q_80"), planned(&photo(), "f_tiff,il_1"));
    assert_eq!(planned(&photo(), "f_bmp,md_copyright"), planned(&photo(), "f_bmp,cs_p3,md_none"));
    assert_eq!(planned(&photo(), "w_300/a_90"), planned(&photo(), "w_300,a_90"));
    assert_ne!(planned(&photo(), "w_300/a_90"), planned(&photo(), "a_90/w_300"));
    assert_eq!(
        planned(&photo(), "w_100,h_100,c_fill,g_fp:1:1"),
        planned(&photo(), "w_100,h_100,c_fill,g_se")
    );
}

#[test]
fn steps_run_in_the_order_of_the_table() {
    assert_eq!(
        ops(&photo(), "pad_10,flop,flip,a_90,w_400,ex_0:0:4000:3000,b_red"),
        "crop 0,0,4000x3000 resize 400x300 lanczos3 rotate 90 flip flop canvas 320x420+10+10 ff0000"
    );
    assert_eq!(ops(&photo(), "w_300,h_300,c_fill,k_linear"), "resize 400x300 linear crop 50,0,300x300");
    assert_eq!(ops(&photo(), "ex_16:8:1000:1000/ex_10_10_500_500"), "crop 26,18,500x500");
}

#[test]
fn regions() {
    assert_eq!(ops(&photo(), "ex_0.5:0.5:0.5:0.5"), "crop 2016,1512,2016x1512");
    assert_eq!(ops(&source(Format::Png, 3, 1), "ex_0.9999:0.9999:0.0001:0.0001"), "crop 2,0,1x1");
    for outside in ["ex_4000:0:33:10", "ex_0:3024:1:1", "w_100/ex_0:0:101:1"] {
        let error = plan(&photo(), outside).unwrap_err();
        assert_eq!(error.code(), "bad_value");
        assert!(error.to_string().contains("px here"), "{error}");
    }
}

#[test]
fn sides_of_the_source() {
    assert_eq!(ops(&photo(), "w_0.5"), "resize 2016x1512 lanczos3");
    assert_eq!(ops(&photo(), "ex_0:0:1000:500,w_0.1"), "crop 0,0,1000x500 resize 100x50 lanczos3");
    assert_eq!(ops(&photo(), "w_100/w_iw,c_fit"), "resize 100x75 lanczos3 resize 4032x3024 lanczos3");
    assert_eq!(ops(&photo(), "w_ih,h_ih,c_crop"), "crop 504,0,3024x3024");
    assert_eq!(ops(&photo(), "w_0.5,ar_1:1,c_fill"), "resize 2688x2016 lanczos3 crop 336,0,2016x2016");
    // Fractions are those of the upright picture.
    let mut turned = photo();
    turned.header.orientation = Orientation::from_exif(8);
    assert_eq!(ops(&turned, "w_0.5"), "resize 1512x2016 lanczos3");
}

#[test]
fn gravity_and_offsets() {
    let square = "w_300,h_300,c_fill";
    for (gravity, x) in [
        ("g_w", 0),
        ("g_e", 100),
        ("g_c", 50),
        ("g_w,x_10", 10),
        ("g_e,x_10", 90),
        ("g_ne,x_10", 90),
        ("g_c,x_10", 60),
        ("x_-10", 40),
        ("g_n,x_10,y_99", 60),
        ("g_w,x_0.25", 25),
        ("g_w,x_500", 100),
        ("g_e,x_-10", 100),
        ("g_fp:0.25:0", 25),
    ] {
        let expected = format!("resize 400x300 lanczos3 crop {x},0,300x300");
        assert_eq!(ops(&photo(), &format!("{square},{gravity}")), expected, "{gravity}");
    }
    for (gravity, chosen) in [
        ("g_auto", "attention"),
        ("g_entropy", "entropy"),
        // Without a stored point.
        ("g_focus", "attention"),
        ("c_thumb", "attention"),
        ("g_auto,x_10", "attention +10+0"),
    ] {
        let text = format!("w_300,h_300,{gravity}") + if gravity == "c_thumb" { "" } else { ",c_fill" };
        let expected = format!("resize 400x300 lanczos3 choose 300x300 {chosen}");
        assert_eq!(ops(&photo(), &text), expected, "{gravity}");
    }
    // On a canvas there is nothing to choose.
    assert_eq!(ops(&photo(), "w_400,h_400,c_pad,g_auto"), "resize 400x300 lanczos3 canvas 400x400+0+50 none");
    assert_eq!(
        ops(&photo(), "w_400,h_400,c_pad,g_n,y_20"),
        "resize 400x300 lanczos3 canvas 400x400+0+20 none"
    );
    assert_eq!(
        ops(&photo(), "w_400,h_400,c_pad,g_s,y_20"),
        "resize 400x300 lanczos3 canvas 400x400+0+80 none"
    );
}

#[test]
fn the_focal_point_moves_with_the_picture() {
    let focused = SourceFacts { focal: Some((0.75, 0.5)), ..photo() };
    assert_eq!(ops(&focused, "w_300,h_300,c_thumb"), "resize 400x300 lanczos3 crop 75,0,300x300");
    assert_eq!(ops(&focused, "w_300,h_300,c_thumb,g_c"), "resize 400x300 lanczos3 crop 50,0,300x300");
    assert_eq!(ops(&focused, "flop/w_300,h_300,c_thumb"), "flop resize 400x300 lanczos3 crop 25,0,300x300");
    assert_eq!(
        ops(&focused, "a_90/w_300,h_300,c_thumb"),
        "rotate 90 resize 300x400 lanczos3 crop 0,75,300x300"
    );
    assert_eq!(
        ops(&focused, "ex_2016:0:2016:1512/w_100,h_100,c_thumb"),
        "crop 2016,0,2016x1512 resize 133x100 lanczos3 crop 17,0,100x100"
    );
    let turned = |exif| {
        let mut turned = focused.clone();
        turned.header.orientation = Orientation::from_exif(exif);
        ops(&turned, "or_0,w_300,h_300,c_thumb")
    };
    // Upright (¾, ½) is (½, ¼) as stored in 6 and (½, ¾) in 8; the free space is across.
    assert_eq!(turned(3), "resize 400x300 lanczos3 crop 25,0,300x300");
    assert_eq!(turned(6), "resize 400x300 lanczos3 crop 50,0,300x300");
}

#[test]
fn backgrounds_lie_behind() {
    let mut clear = source(Format::Png, 100, 50);
    clear.header.has_alpha = true;
    assert_eq!(ops(&clear, "b_red"), "canvas 100x50+0+0 ff0000");
    assert_eq!(ops(&clear, "b_transparent"), "");
    assert_eq!(ops(&clear, "w_100,h_100,c_pad,b_red"), "canvas 100x100+0+25 ff0000");
    assert_eq!(ops(&clear, "pad_5,b_ff000080,f_jpg"), "canvas 110x60+5+5 ff7f7f");
    assert_eq!(ops(&clear, "pad_5,f_jpg"), "canvas 110x60+5+5 ffffff");
    assert_eq!(ops(&clear, "pad_5,b_transparent"), "canvas 110x60+5+5 none");
    assert_eq!(ops(&photo(), "b_red,f_jpg"), "");
}

#[test]
fn formats_are_negotiated() {
    let with = |source: &SourceFacts, avif, webp, text: &str| {
        let client = Client { accepts: Accepts { avif, webp }, ..Client::default() };
        resolve(&parse(text).unwrap(), source, &client, &ResolveLimits::default()).unwrap().output.format
    };
    let mut clear = source(Format::Webp, 9, 9);
    clear.header.has_alpha = true;
    assert_eq!(with(&photo(), true, true, "w_5"), Format::Avif);
    assert_eq!(with(&photo(), false, true, "w_5"), Format::Webp);
    assert_eq!(with(&photo(), false, false, "w_5"), Format::Jpeg);
    assert_eq!(with(&clear, false, false, "w_5"), Format::Png);
    assert_eq!(with(&source(Format::Gif, 9, 9), false, false, "w_5"), Format::Png);
    assert_eq!(with(&source(Format::Png, 9, 9), false, false, "w_5"), Format::Png);
    assert_eq!(with(&photo(), true, true, "q_lossless"), Format::Webp);
    assert_eq!(with(&photo(), true, false, "q_lossless"), Format::Png);
    assert_eq!(with(&photo(), false, false, "f_avif"), Format::Avif);
    assert_eq!(planned(&photo(), "f_jpg,q_lossless,w_5"), "conflict");
    let lossless = planned(&photo(), "f_avif,q_lossless");
    assert_eq!(lossless == "unsupported_option", !avif::HAS_LOSSLESS, "{lossless}");
}

#[test]
fn what_a_format_does_not_know_is_refused_by_name_and_folded_where_it_was_negotiated() {
    let photo = photo();
    assert_eq!(planned(&photo, "f_png,il_1"), "unsupported_option");
    assert!(parse("f_png,il_1").unwrap().check_supported().is_err());
    assert_eq!(planned(&photo, "f_avif,ss_420") == "unsupported_option", !avif::HAS_420);
    assert_ne!(planned(&photo, "w_9,f_webp,ss_444"), planned(&photo, "w_9,f_webp"));
    assert_ne!(planned(&photo, "w_9,f_png,cs_p3"), planned(&photo, "w_9,f_png"));
    assert_ne!(planned(&photo, "w_9,f_png,mb_999"), planned(&photo, "w_9,f_png"));
    for (one, other) in [
        ("w_9,f_webp,ss_444,q_lossless", "w_9,f_webp,q_lossless"),
        ("w_9,f_json,q_5,mb_999,ss_444,cs_p3,md_all", "w_9,f_json"),
        ("w_9,f_lqip,md_none", "w_9,f_lqip"),
        ("w_9,f_png,il_0", "w_9,f_png"),
        ("w_9,f_webp,il_1", "w_9,f_webp"),
        ("w_9,il_1", "w_9"),
        ("w_9,an_0", "w_9"),
        ("w_9,mf_3", "w_9"),
        ("w_9,f_png,an_1", "w_9,f_png"),
        ("f_jpg,an_0", "f_jpg"),
        ("f_jpg,mf_3", "f_orig"),
    ] {
        assert_eq!(planned(&photo, one), planned(&photo, other), "{one}");
    }
}

#[test]
fn the_originals_own_format_is_the_original() {
    assert!(plan(&photo(), "f_jpg").unwrap().output.original);
    assert!(plan(&photo(), "f_jpg,md_all").unwrap().output.original);
    assert!(plan(&source(Format::Gif, 9, 9), "f_gif").unwrap().output.original);
    assert!(plan(&source(Format::Svg, 9, 9), "f_svg").unwrap().output.original);
    for other in ["f_jpg,w_5", "f_jpg,q_80", "f_png", "_"] {
        assert!(!plan(&photo(), other).unwrap().output.original, "{other}");
    }
    assert_eq!(planned(&photo(), "f_svg"), "unsupported_option");
    // Where an original may hold something private that cannot be taken out, its format's name asks for a picture.
    let avif = source(Format::Avif, 9, 9);
    assert_eq!(
        planned(&avif, "f_avif"),
        format!("orig -> avif md_copyright else {}", planned(&source(Format::Png, 9, 9), "f_avif"))
    );
    assert_eq!(planned(&avif, "f_orig"), "orig -> avif md_copyright");
    assert_eq!(planned(&avif, "f_avif,md_all"), "orig -> avif md_all");
    assert_eq!(planned(&photo(), "f_jpg"), "orig -> jpg md_copyright");
    assert_eq!(planned(&source(Format::Heic, 9, 9), "f_heic"), "orig -> heic md_copyright");
    let mut turned = photo();
    turned.header.orientation = Orientation::from_exif(6);
    let plan = plan(&turned, "f_orig").unwrap();
    assert_eq!((plan.width, plan.height, plan.ops.len()), (3024, 4032, 0));
}

#[test]
fn results_have_a_largest_side() {
    for text in
        ["w_12001,c_fit", "w_100,h_12001,c_pad", "w_12000,c_fit/pad_1", "pad_12000", "w_16384,c_scale/w_10"]
    {
        assert_eq!(planned(&photo(), text), "result_too_large", "{text}");
    }
    for (text, option, says) in [
        ("w_12001,c_fit", Some("w_12001"), "12001x9001"),
        ("w_100/h_12001,c_pad", Some("h_12001"), "result"),
        ("w_12000,c_fit/bo_1:fff", Some("bo_1:ffffff"), "result"),
        ("pad_12000", Some("pad_12000"), "result"),
        ("w_12000,c_fit/a_30", Some("a_30"), "result"),
        ("w_100,l_text:Hi,lw_16384", Some("lw_16384"), "the overlay"),
    ] {
        let error = plan(&photo(), text).unwrap_err();
        assert_eq!((error.code(), error.detail().option.as_deref()), ("result_too_large", option), "{text}");
        assert!(error.to_string().contains(says), "{error}");
    }
    assert_eq!(planned(&source(Format::Png, 12_001, 1), "_"), "result_too_large");
    assert!(plan(&source(Format::Png, 12_001, 1), "w_600").is_ok());
    // Scaled it would be 12,000 × 360 million, but only the middle of it is ever made.
    let thin = plan(&source(Format::Png, 1, 30_000), "w_12000,h_12000,c_fill").unwrap();
    assert_eq!((thin.width, thin.height), (12_000, 12_000));
    assert_eq!(planned(&source(Format::Png, 1, 1_000_000), "w_12000,h_9,c_fill"), "result_too_large");
}

/// JPEG XL knows them, its encoder does not.
#[test]
fn a_format_may_need_more_than_one_pixel() {
    let line = source(Format::Png, 40, 1);
    let error = plan(&line, "f_jxl").unwrap_err();
    let option = error.detail().option;
    assert_eq!(
        (error.code(), error.kind(), option.as_deref()),
        ("result_too_small", Kind::Unprocessable, Some("f_jxl"))
    );
    assert!(plan(&line, "h_2,c_fit,f_jxl").is_ok() && plan(&line, "f_webp").is_ok());
    assert_eq!(planned(&photo(), "w_1,f_jxl"), "result_too_small");
}

#[test]
fn what_is_not_built_is_refused_and_never_ignored() {
    for text in ["w_9,h_9,c_fill,g_face", "f_png,il_1", "f_tiff,md_all", "w_9,f_svg"] {
        assert_eq!(planned(&photo(), text), "unsupported_option", "{text}");
        assert!(parse(text).unwrap().check_supported().is_err(), "{text}");
    }
    for text in ["g_auto", "w_9,g_face", "blur_0", "pg_0", "an_0", "mf_5", "an_1,f_png", "gray_0", "a_360"] {
        assert!(plan(&photo(), text).is_ok(), "{text}");
        assert!(parse(text).unwrap().check_supported().is_ok(), "{text}");
    }
    let detail = plan(&photo(), "w_5,h_5,c_fill,g_face").unwrap_err().detail();
    assert_eq!((detail.option.as_deref(), detail.position), (Some("g_face"), Some(15)));
}

#[test]
fn what_is_told_is_told_of_the_result_and_looked_at_small() {
    let told = plan(&photo(), "w_800,h_400,c_fill,f_blurhash").unwrap();
    assert_eq!((told.width, told.height), (64, 32));
    assert_eq!(told.output.mime(), "text/plain; charset=utf-8");
    assert!(told.to_string().ends_with("-> 64x32 blurhash of 800x400 md_none"), "{told}");
    assert_eq!(plan(&photo(), "f_json").unwrap().output.mime(), "application/json");
    let thin = plan(&source(Format::Png, 2000, 1), "f_thumbhash").unwrap();
    assert_eq!((thin.width, thin.height), (64, 1));
}

#[test]
fn hints() {
    let hinted = |dpr, width, text: &str| {
        let client = Client { dpr, width, ..WEBP };
        parse(text).unwrap().with_hints(&client).unwrap().to_string()
    };
    assert_eq!(hinted(Some(2.0), Some(640), "w_auto"), "w_640");
    assert_eq!(hinted(None, None, "w_auto,c_fill,g_n"), "_");
    assert_eq!(hinted(None, None, "w_auto,ar_2:1"), "_");
    assert_eq!(hinted(None, Some(640), "w_auto,ar_2:1,c_fill"), "w_640,h_320,c_fill");
    assert_eq!(hinted(Some(1.6), Some(640), "w_auto,h_100,c_fill,dpr_auto"), "w_640,h_150,c_fill");
    assert_eq!(hinted(Some(99.0), None, "w_10,dpr_auto"), "w_40");
    assert_eq!(hinted(Some(f64::NAN), None, "w_10,dpr_auto"), "w_10");
    let varies = parse("w_auto,dpr_auto").unwrap().varies();
    assert!(varies.accept && varies.width && varies.dpr);
    assert_eq!(parse("w_5,f_png").unwrap().varies(), Default::default());
}

#[test]
fn effects_follow_the_order_of_the_table() {
    for (text, expected) in [
        ("gray,bri_2,w_400,f_png", "resize 400x300 lanczos3 brightness 2 gray ->"),
        ("o_50,r_8,blur_2.5,w_400,f_png", "resize 400x300 lanczos3 blur 2.5 round 8,8,8,8 opacity 50 ->"),
        (
            "w_400,bo_5:red,r_max,f_png",
            "resize 400x300 lanczos3 round 150,150,150,150 border 5 ff0000 150,150,150,150 ->",
        ),
        (
            "w_400,h_300,pad_10,bo_5:red,b_fff,f_png",
            "resize 400x300 lanczos3 border 5 ff0000 0,0,0,0 canvas 430x330+10+10",
        ),
        (
            "w_400,bri_1,con_1,sat_1,hue_360,gam_1,sep_0,neg_0,blur_0,r_0,o_100,pix_0,median_1,f_png",
            "resize 400x300 lanczos3 ->",
        ),
    ] {
        let plan = planned(&photo(), text);
        assert!(plan.starts_with(expected), "{text}: {plan}");
    }
}

#[test]
fn other_angles_enlarge_the_canvas() {
    let square = source(Format::Jpeg, 100, 100);
    assert_eq!(ops(&square, "a_45,b_f00"), "tilt 45 141x141 ff0000");
    assert_eq!(ops(&square, "a_45,f_jpg"), "tilt 45 141x141 ffffff");
    assert_eq!(ops(&square, "a_-30.5,b_auto"), "tilt 329.5 137x137 auto");
    assert_eq!(ops(&square, "w_50,a_10"), "resize 50x50 lanczos3 tilt 10 58x58 none");
    assert_eq!(ops(&square, "w_200,h_100,c_pad,b_blur"), "canvas 200x100+50+0 blur:8");
    assert_eq!(ops(&square, "w_200,h_100,c_pad,b_blur:3"), "canvas 200x100+50+0 blur:3");
    let focused = SourceFacts { focal: Some((1.0, 0.5)), ..square };
    // The point on the right edge goes to the lower right with the picture.
    assert_eq!(ops(&focused, "a_45/w_40,h_40,c_crop,g_focus"), "tilt 45 141x141 none crop 76,76,40x40");
}

#[test]
fn what_was_seen_of_a_border_is_cut_off() {
    let resolve = |text: &str, seen: &[Rect]| {
        resolve_seen(&parse(text).unwrap(), &photo(), &Client::default(), &ResolveLimits::default(), seen)
    };
    let looks = |text: &str, seen: &[Rect]| match resolve(text, seen) {
        Ok(Resolution::Look(look)) => look.to_string(),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(looks("trim_5,w_100", &[]), "look or1 trim 5");
    assert_eq!(looks("ex_0:0:900:900,trim_5:fff/w_9", &[]), "look or1 crop 0,0,900x900 trim 5 ffffff");
    let seen = Rect { x: 100, y: 50, width: 2000, height: 1000 };
    let Ok(Resolution::Plan(plan)) = resolve("trim_5,w_100", &[seen]) else { panic!("it was seen") };
    assert!(plan.to_string().starts_with("crop 100,50,2000x1000 resize 100x50 "), "{plan}");
    assert_eq!(
        looks("trim/w_100/trim", &[seen]),
        "look or1 crop 100,50,2000x1000 resize 100x50 lanczos3 trim 10"
    );
}

#[test]
fn overlays_are_placed_when_they_are_drawn() {
    assert_eq!(
        ops(&photo(), "w_400,l_cat,lw_0.5,lg_se,lx_5,lo_50"),
        "resize 400x300 lanczos3 draw picture 0 200xauto se 5,0 o_50"
    );
    assert_eq!(
        ops(&photo(), "w_400,l_cat,lt/l_text:a\"b,ls_20,lf_bold,lc_f00,f_webp"),
        "resize 400x300 lanczos3 draw picture 0 autoxauto c 0,0 o_100 tiled \
         draw text \"a\\\"b\" sans-bold 20 ff0000 autoxauto c 0,0 o_100"
    );
    assert_eq!(ops(&photo(), "w_400,l_cat/l_dog,lo_0/l_cow"), ops(&photo(), "w_400,l_a/l_b,lo_0/l_c"));
    assert!(ops(&photo(), "w_400,l_cat,lo_0/l_cow").contains("draw picture 1"));
    assert_eq!(planned(&photo(), "lw_5"), "bad_value");
    assert_eq!(planned(&photo(), "l_cat,lw_16000"), "result_too_large");
    assert_eq!(planned(&photo(), "l_cat,lg_face"), "unsupported_option");
}

#[test]
fn who_is_not_waited_for_tries_harder() {
    let limits = ResolveLimits { haste: Haste::Background, ..ResolveLimits::default() };
    for text in
        ["w_300,f_webp", "w_300,f_avif", "w_300,f_png", "w_300,f_jpg", "f_orig", "w_300,f_json", "f_best"]
    {
        let (spec, photo) = (parse(text).unwrap(), photo());
        let slow = resolve(&spec, &photo, &Client::default(), &limits).unwrap();
        let fast = plan(&photo, text).unwrap();
        // Same key, same bytes: where it makes a difference the plans differ.
        let same = matches!(text, "w_300,f_jpg" | "f_orig" | "w_300,f_json");
        assert_eq!(slow.to_string() == fast.to_string(), same, "{slow} | {fast}");
    }
}

/// A strip that is too long to be shown can still be described.
#[test]
fn what_is_told_of_a_picture_is_small_however_large_it_is() {
    let strip = source(Format::Png, 16_384, 1);
    for form in ["json", "lqip", "blurhash", "thumbhash"] {
        let told = planned(&strip, &format!("f_{form}"));
        assert!(told.contains("resize 64x1") && told.contains(&format!("{form} of 16384x1")), "{told}");
    }
    let error = plan(&strip, "_").unwrap_err();
    assert_eq!(error.code(), "result_too_large");
    assert!(error.to_string().contains("`w_12000`"), "{error}");
    assert_eq!(planned(&strip, "w_12000,f_png").split(' ').next(), Some("resize"));
    assert!(plan(&source(Format::Png, 1, 16_384), "f_webp").unwrap_err().to_string().contains("`h_12000`"));
    assert!(plan(&strip, "w_16384,c_pad,h_100,f_json").is_err(), "a canvas is drawn");
}
