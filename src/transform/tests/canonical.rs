//! The canonical form, rule by rule.

use crate::error::{Detail, Fault as _};

use super::{canonical, parse};

/// Each text beside its canonical form or the code of its error.
fn check(rows: &[(&str, &str)]) {
    for (text, expected) in rows {
        assert_eq!(canonical(text), *expected, "{text}");
    }
}

#[test]
fn values_are_normalised() {
    check(&[
        ("w_0300.0,h_.50", "w_300,h_0.5"),
        ("w_iw,h_IH", "w_iw,h_ih"),
        ("w_auto", "w_auto"),
        ("w_1.0", "w_1"),
        ("W=16384", "w_16384"),
        ("ar_1.333,w_iw", "w_iw,ar_1333:1000"),
        ("ar_8:6,h_0.5", "h_0.5,ar_4:3"),
        ("w_9,h_9,c_pad,g_Right-Top", "w_9,h_9,c_pad,g_ne"),
        ("w_9,h_9,c_pad,gravity_south_west", "w_9,h_9,c_pad,g_sw"),
        ("w_9,h_9,c_pad,pos_right%20bottom", "w_9,h_9,c_pad,g_se"),
        ("w_9,h_9,c_pad,fo_smart", "w_9,h_9,c_pad,g_auto"),
        ("w_9,h_9,c_pad,g_0.50x1.0", "w_9,h_9,c_pad,g_fp:0.5:1"),
        ("w_9,h_9,c_pad,g_fp%3A0%3A.5", "w_9,h_9,c_pad,g_fp:0:0.5"),
        ("w_9,h_9,c_pad,x_-5,y_-.25", "w_9,h_9,c_pad,x_-5,y_-0.25"),
        ("a_-90.50", "a_269.5"),
        ("a_hflip", "flop_1"),
        ("rot_VFLIP,a_450", "a_90,flip_1"),
        ("hue_-30,gam_.10", "hue_330,gam_0.1"),
        ("trim", "trim_10"),
        ("trim_12.5:#F00", "trim_12.5:ff0000"),
        ("sepia,gray,negate", "gray_1,sep_100,neg_1"),
        ("duo_rgb:000:rgb:fff:100", "duo_000000:ffffff"),
        ("duo_red:blue:50", "duo_ff0000:0000ff:50"),
        ("extend_10_20_10_20", "pad_10:20"),
        ("pad_1:2:3", "pad_1:2:3"),
        ("pad_5_5_5_5", "pad_5"),
        ("r_max", "r_max"),
        ("r_1:2:3:2", "r_1:2:3"),
        ("bo_5_red", "bo_5:ff0000"),
        ("b_RebeccaPurple", "b_663399"),
        ("b_transparent", "b_00000000"),
        ("b_blur:5", "b_blur:5"),
        ("f_JPEG,q_auto:ECO", "f_jpg,q_auto:eco"),
        ("max_bytes=5000,md_strip", "mb_5000,md_none"),
        ("l_text:~SGk,lf_BOLD,lc_red", "l_text:~SGk,lf_sans-bold,lc_ff0000"),
        ("l_text:a%2Cb:c", "l_text:~YSxiOmM"),
        ("crop_0_0_.5_1.0", "ex_0:0:0.5:1"),
        ("ex_5_5_1_1", "ex_5:5:1:1"),
        ("k_nearest,w_5", "w_5,k_nearest"),
        ("il,ss_444,f_jpg", "f_jpg,il_1,ss_444"),
    ]);
}

#[test]
fn the_value_decides_three_keys() {
    check(&[
        ("a", "_"),
        ("a_true", "_"),
        ("a_false", "an_0"),
        ("a_1", "a_1"),
        ("rotate", "_"),
        ("or_0,rotate_90", "or_0,a_90"),
        ("or_0,rotate", "conflict"),
        ("rotate_true", "bad_value"),
        ("angle", "bad_value"),
        ("crop_fill,w_5,h_5", "w_5,h_5,c_fill"),
        ("crop=1:2:3:4", "ex_1:2:3:4"),
        ("crop_1:2:3", "bad_value"),
        ("c_1:2:3:4", "bad_value"),
    ]);
}

#[test]
fn boxes_aspects_and_enlarging_fold() {
    check(&[
        ("s_100", "w_100,h_100,c_afill"),
        ("s_100x50,c_limit", "w_100,h_50"),
        ("s_100,fit_contain", "w_100,h_100,c_pad"),
        ("s_100x50,w_100", "conflict"),
        ("h_1,resize_100", "conflict"),
        ("s_100,ar_1", "conflict"),
        ("s_100,s_100x100", "w_100,h_100,c_afill"),
        ("s_100,s_101", "conflict"),
        ("w_100,ar_16:9", "w_100,h_56"),
        ("h_100,ar_1.5", "w_150,h_100"),
        ("ar_1", "bad_value"),
        ("w_1,h_1,ar_1", "conflict"),
        ("w_16384,ar_1:2", "bad_value"),
        ("w_1,ar_1000:1", "w_1,h_1"),
        ("w_9,el", "w_9,c_fit"),
        ("w_9,c_lpad,enlarge_true", "w_9,c_pad"),
        ("w_9,h_9,c_lfill,el", "w_9,h_9,c_fill"),
        ("w_9,c_crop,el", "w_9,c_crop"),
        ("w_9,el_0", "w_9"),
        ("el", "_"),
        ("fit_cover,c_afill,w_9,h_8", "w_9,h_8,c_afill"),
        ("fit_cover,c_fill,w_9,h_8", "conflict"),
        ("fit_outside,w_9,h_8", "w_9,h_8,c_mcover"),
        ("fit_limit,w_9", "bad_value"),
        ("width=80,quality=75,format=auto,fit=scale-down", "w_80,q_75"),
    ]);
}

#[test]
fn dpr_multiplies_pixels_and_is_gone() {
    check(&[
        ("w_150,h_0.5,dpr_2", "w_300,h_0.5"),
        ("dpr_2/w_100,h_100,c_fill,x_5,y_.5/pad_1:2", "w_200,h_200,c_fill,x_10,y_0.5/pad_2:4"),
        ("dpr_1.3,w_100", "w_125"),
        ("dpr_1.125,w_100", "w_125"),
        ("dpr_0.5,w_1", "w_1"),
        ("dpr_2,w_101,ar_2:1", "w_202,h_102"),
        (
            "dpr_3,ex_1:1:9:9,blur_5,bo_2:red,r_10,ls_12,l_a,lw_10,lx_-4",
            "ex_1:1:9:9,blur_5,l_a,lw_30,lx_-12,ls_36,r_30,bo_6:ff0000",
        ),
        ("dpr_2,w_8193", "bad_value"),
        ("dpr_2,w_9,c_crop,x_-9000", "bad_value"),
        ("dpr_1.5,r_8000", "r_8192"),
        ("dpr_2/dpr_2,w_3", "w_6"),
        ("dpr_2/dpr_3,w_3", "conflict"),
        ("dpr_0.4", "bad_value"),
        ("dpr_5", "bad_value"),
        ("dpr_auto,w_3", "w_3,dpr_auto"),
    ]);
}

#[test]
fn what_has_no_effect_is_dropped_and_nothing_else() {
    check(&[
        ("c_fill,g_n,x_1,k_linear", "_"),
        ("w_9,g_n,x_1,y_1", "w_9"),
        ("w_9,c_mpad,k_linear,g_n", "w_9,c_mpad,g_n"),
        ("w_9,c_crop,k_linear", "w_9,c_crop"),
        ("w_9,c_thumb,g_focus", "w_9,c_thumb"),
        ("w_9,c_thumb,g_c", "w_9,c_thumb,g_c"),
        ("il,f_webp", "f_webp"),
        ("il_1", "il_1"),
        ("il_auto,f_jpg", "f_jpg"),
        ("ss_444,f_png", "f_png"),
        ("an_0,mf_5", "an_0"),
        ("mf_5", "mf_5"),
        ("an_1,f_png", "f_png,an_1"),
        ("an_0,f_png,mf_3", "f_png"),
        ("an_1,f_gif", "f_gif"),
        ("lx_5", "lx_5"),
        ("_/_/w_9/_", "w_9"),
        ("flip_0,q_auto:good,md_copyright,or_1,cs_srgb,o_100,pad_0,r_0", "_"),
        ("q_80/w_9/f_png", "w_9,f_png,q_80"),
        ("an_0/flip", "flip_1,an_0"),
    ]);
}

#[test]
fn contradictions_are_conflicts() {
    check(&[
        ("w_1,width_1", "w_1"),
        ("w_1,width_2", "conflict"),
        ("q_1/q_2", "conflict"),
        ("q_1/q_1", "q_1"),
        ("w_1/w_2", "w_1/w_2"),
        ("f_orig", "f_orig"),
        ("f_orig,md_all,d_cat", "f_orig,md_all,d_cat"),
        ("f_orig,w_5", "conflict"),
        ("f_orig,q_5", "conflict"),
        ("f_orig,or_0", "conflict"),
        ("f_orig,il", "f_orig"),
        ("pg_2,an_1", "conflict"),
        ("f_png,an,pg_2", "conflict"),
        ("pg_2/mf_3", "conflict"),
        ("pg_2,an_0", "pg_2,an_0"),
    ]);
}

#[test]
fn wrong_values_are_refused() {
    for text in [
        "w",
        "w_",
        "w=",
        "w_0",
        "w_12.5",
        "w_0.00001",
        "w_1e2",
        "w_+1",
        "w_%zz",
        "w_%ff",
        "w_１",
        "h_-1",
        "s_0",
        "s_1x2x3",
        "ar_0:1",
        "ar_1:2:3",
        "ar_4x3",
        "ex_1:2:3",
        "ex_1:2:3:0",
        "ex_.5:.5:.6:.1",
        "ex_-1:1:1:1",
        "c_",
        "g_fp:2:0",
        "g_fp",
        "g_1x",
        "x_1.5",
        "x_99999",
        "k_lanczos",
        "a_3601",
        "flip_2",
        "bri_11",
        "gam_0.05",
        "sep_101",
        "tint_",
        "duo_red",
        "duo_red:blue:101",
        "blur_251",
        "blur",
        "pix_1.5",
        "median_0",
        "median_26",
        "l_123",
        "l_text:",
        "l_text:~!",
        "r_8193",
        "r_1:2:3:4:5",
        "bo_5",
        "bo_0:red",
        "pad_-1",
        "b_",
        "b_blur:x",
        "b_blurry",
        "o_101",
        "f_",
        "f_heif2",
        "q_0",
        "q_1.5",
        "q_auto:",
        "q_auto_good",
        "q_autox",
        "mb_255",
        "ss_422",
        "md_gps",
        "cs_cmyk",
        "mf_0",
        "d_7",
        "pg_10000",
        "t_",
        "t_a b",
        "",
        "/",
        "w_1/",
        "/w_1",
        "w_1//w_2",
        "w_1,",
        ",",
        "trim_443",
        "trim_1:zz",
    ] {
        assert_eq!(canonical(text), "bad_value", "{text}");
    }
    for text in ["w300", "_,w_1", "%77_300", "__", "-", "wid_3", "w:300", "é_1", "_w_1"] {
        assert_eq!(canonical(text), "unknown_option", "{text}");
    }
}

#[test]
fn limits_hold_for_what_is_sent_and_what_it_becomes() {
    let steps = |n: usize| vec!["w_1"; n].join("/");
    assert_eq!(canonical(&steps(8)), steps(8));
    assert_eq!(canonical(&steps(9)), "too_long");
    assert_eq!(canonical(&["w_1"; 32].join(",")), "w_1");
    assert_eq!(canonical(&["w_1"; 33].join(",")), "too_long");
    let long = |n: usize| format!("l_text:{}", "a".repeat(n));
    assert_eq!(canonical(&long(1018)), "too_long");
    // Sent it is short enough, as base64 it is not.
    assert_eq!(canonical(&long(1000)), "too_long");
    assert!(canonical(&long(700)).starts_with("l_text:~"));
}

#[test]
fn errors_say_what_where_and_what_instead() {
    let detail = |text: &str| parse(text).unwrap_err().detail();
    let unknown = detail("w_300/q_80,fomat_webp");
    assert_eq!((unknown.option.as_deref(), unknown.position), (Some("fomat_webp"), Some(11)));
    assert_eq!(unknown.did_you_mean.as_deref(), Some("format"));
    let value = detail("q_80,c_fil");
    assert_eq!((value.option.as_deref(), value.position), (Some("c_fil"), Some(7)));
    assert_eq!(value.did_you_mean.as_deref(), Some("fill"));
    assert!(value.allowed.unwrap().contains("lfill"));
    assert_eq!(detail("nonsense_1").did_you_mean, None);
    for (written, meant) in [
        ("w300", "w_300"),
        ("W300", "w_300"),
        ("q80", "q_80"),
        ("wauto", "w_auto"),
        ("cfill", "c_fill"),
        ("c_cover", "afill"),
        ("c_contain", "pad"),
        ("c_outside", "mcover"),
        ("300", "w_300"),
        ("300x200", "s_300x200"),
        ("webp", "f_webp"),
        ("orig", "f_orig"),
        ("cover", "fit_cover"),
        ("e_grayscale", "grayscale"),
        ("e_blur:300", "blur"),
        ("w_300px", "w_300"),
        ("w_300&h_200", "w_300,h_200"),
        ("w=300;h=200", "w=300,h=200"),
        ("w_50%", "w_0.5"),
        ("h_7%25", "h_0.07"),
    ] {
        assert_eq!(detail(written).did_you_mean.as_deref(), Some(meant), "{written}");
    }
    for written in ["w3é", "w_100%", "q_50%", "w_300&x", "small"] {
        assert_eq!(detail(written).did_you_mean, None, "{written}");
    }
    assert_eq!(detail("w_1,h_2,w_3").position, Some(8));
    assert_eq!(detail("w_1/q_5/q_6").position, Some(8));
    assert_eq!(detail("b_wite").did_you_mean.as_deref(), Some("white"));
    let error = parse("w_12.5").unwrap_err().to_string();
    assert!(error.contains("`w_12.5`") && error.contains("fraction"), "{error}");
}

#[test]
fn a_text_that_no_font_has_is_no_text() {
    for (text, letters) in [("شكرا", "ش (U+0634) ك"), ("Hi 🎉", "🎉 (U+1F389)"), ("שלום", "ש (U+05E9)")]
    {
        let error = parse(&format!("w_100/l_text:{text}/b_fff")).unwrap_err();
        let Detail { option, position, allowed, .. } = error.detail();
        assert_eq!((error.code(), option.as_deref(), position), ("bad_value", Some("l"), Some(6)));
        assert!(error.to_string().contains(letters), "{error}");
        assert!(allowed.unwrap().contains("Cyrillic, Chinese"));
    }
    assert!(parse("l_text:Größe\u{202F}– Ελλάδα 中文").is_ok());
}
