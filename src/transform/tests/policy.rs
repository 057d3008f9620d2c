//! The unsigned policy `ladder`.

use crate::error::Fault as _;
use crate::transform::{Client, Ladder, Presets, Spec, SpecError};

use super::{WEBP, parse};

fn made(text: &str) -> String {
    match Ladder::new(&[111]).apply(&parse(text).unwrap(), &WEBP) {
        Ok(spec) => spec.to_string(),
        Err(error) => {
            let option = error.detail().option.unwrap_or_default();
            format!("{} {option}", error.code())
        }
    }
}

#[test]
fn sizes_and_qualities_are_snapped() {
    for (text, expected) in [
        ("w_300", "w_300"),
        ("w_301", "w_320"),
        ("w_1", "w_16"),
        ("w_5000", "w_3840"),
        ("w_101", "w_111"),
        ("w_310,h_155,c_fill", "w_320,h_160,c_fill"),
        ("w_3,h_310", "w_3,h_320"),
        ("w_5000,h_2,c_fill", "w_3840,h_2,c_fill"),
        ("w_16384,h_1,c_scale", "w_3840,h_1,c_scale"),
        ("w_iw,h_310,c_pad", "w_iw,h_320,c_pad"),
        ("w_150,dpr_2", "w_300"),
        ("w_31/w_33", "w_32/w_48"),
        ("q_77", "q_75"),
        ("q_78", "q_80"),
        ("q_65", "q_70"),
        ("q_1", "q_30"),
        ("q_100", "q_95"),
        ("q_auto:eco", "q_auto:eco"),
        ("b_red,c_pad,w_32,h_32", "w_32,h_32,c_pad,b_ff0000"),
        ("b_fe0107,c_pad,w_32,h_32", "w_32,h_32,c_pad,b_ff0000"),
        ("b_12345678,c_pad,w_32,h_32", "w_32,h_32,c_pad,b_11335577"),
        ("gray,blur_20", "gray_1,blur_20"),
        ("w_100,h_100,c_fill,g_ne", "w_100,h_100,c_fill,g_ne"),
        ("a_90,flip,b_red,r_max", "a_90,flip_1,r_max,b_ff0000"),
        ("x_5", "_"),
    ] {
        assert_eq!(made(text), expected, "{text}");
    }
}

#[test]
fn the_rest_needs_a_signature_and_says_which_option() {
    for (text, option) in [
        ("w_0.5", "w_0.5"),
        ("h_0.5,ar_1", "h_0.5"),
        ("w_iw,ar_1:3", "ar_1:3"),
        ("ex_0:0:.5:.5", "ex_0:0:0.5:0.5"),
        ("ex_1:2:3:4", "ex_1:2:3:4"),
        ("pad_5", "pad_5"),
        ("a_45", "a_45"),
        ("r_5", "r_5"),
        ("bo_1:red", "bo_1:ff0000"),
        ("mb_1000", "mb_1000"),
        ("q_lossless,f_webp", "q_lossless"),
        ("w_300/w_200/w_100", "w_100"),
        ("w_9,h_9,c_fill,x_1", "x_1"),
        ("w_9,h_9,c_fill,g_fp:0:0.1", "g_fp:0:0.1"),
        ("blur_21", "blur_21"),
        ("sharp_1", "sharp_1"),
        ("bri_2", "bri_2"),
        ("l_cat", "l_cat"),
        ("pix_5", "pix_5"),
        ("o_5", "o_5"),
    ] {
        assert_eq!(made(text), format!("needs_signature {option}"), "{text}");
    }
}

#[test]
fn hints_are_snapped_like_sizes() {
    let client = Client { dpr: Some(1.25), width: Some(777), ..WEBP };
    let made = |text: &str| Ladder::new(&[]).apply(&parse(text).unwrap(), &client).unwrap().to_string();
    assert_eq!(made("w_auto"), "w_800");
    assert_eq!(made("w_300,dpr_auto"), "w_384");
}

/// What the ladder and the policy `presets` make of a spec, where the configuration has presets.
fn with_presets(text: &str) -> (String, String) {
    let texts = [
        ("odd", "w_333,h_222,c_fill,q_77,b_123456"),
        ("mark", "l_logo,w_100"),
        ("chain", "ex_0:0:.5:.5/a_45/w_333/pad_7"),
        ("wide", "ar_3:1,c_fill"),
        ("hint", "w_auto"),
    ];
    let texts = texts.map(|(name, spec)| (name.to_owned(), spec.to_owned()));
    let presets = Presets::new(&texts.into()).unwrap();
    let spec = Spec::parse(text, &presets).unwrap();
    let (ladder, client) = (Ladder::new(&[]), Client { width: Some(777), ..WEBP });
    let said = |made: Result<Spec, SpecError>| match made {
        Ok(spec) => spec.to_string(),
        Err(error) => format!("{} {}", error.code(), error.detail().option.unwrap_or_default()),
    };
    (said(ladder.apply(&spec, &client)), said(ladder.apply_presets(&spec, &client)))
}

#[test]
fn what_presets_bring_is_not_policed_and_what_stands_beside_them_is() {
    for (text, ladder, presets) in [
        ("t_odd", "w_333,h_222,c_fill,b_123456,q_77", "="),
        ("t_mark", "w_100,l_logo", "="),
        ("t_chain", "ex_0:0:0.5:0.5/a_45/w_333/pad_7", "="),
        // What the client says is not the operator's.
        ("t_hint", "w_800", "="),
        ("t_odd/t_mark", "w_333,h_222,c_fill,b_123456/w_100,l_logo,q_77", "="),
        ("t_odd:mark", "w_100,h_222,c_fill,l_logo,b_123456,q_77", "="),
        ("t_odd:mark:odd", "needs_signature t", "needs_signature t"),
        ("t_odd,w_301", "w_320,h_222,c_fill,b_123456,q_77", "needs_signature w"),
        ("t_odd,q_79", "w_333,h_222,c_fill,b_123456,q_80", "needs_signature q"),
        ("t_odd,b_123", "w_333,h_222,c_fill,b_112233,q_77", "needs_signature b"),
        ("t_odd,pad_3", "needs_signature pad_3", "needs_signature pad"),
        ("t_mark,l_cat", "needs_signature l_cat", "needs_signature l"),
        ("t_odd,dpr_2", "w_666,h_444,c_fill,b_123456,q_77", "needs_signature dpr"),
        ("t_wide,w_301", "w_320,h_106,c_fill", "needs_signature w"),
        ("t_chain/w_301/w_100", "ex_0:0:0.5:0.5/a_45/w_333/pad_7/w_320/w_100", "needs_signature w"),
        ("t_chain/w_301/w_100/w_50", "needs_signature w_50", "needs_signature w"),
        ("w_301", "w_320", "needs_signature w"),
        ("_", "_", "needs_signature _"),
    ] {
        let presets = if presets == "=" { ladder } else { presets };
        assert_eq!(with_presets(text), (ladder.to_owned(), presets.to_owned()), "{text}");
    }
}

#[test]
fn pictures_that_a_spec_names_are_known_with_who_named_them() {
    let texts = [("mark".to_owned(), "l_logo/w_10".to_owned())];
    let presets = Presets::new(&texts.into()).unwrap();
    let spec = Spec::parse("t_mark/l_cat,d_none/l_text:~YQ", &presets).unwrap();
    let named: Vec<_> = spec.named_pictures().map(|n| (n.option, n.id, n.trusted)).collect();
    assert_eq!(named, [("l", "logo", true), ("l", "cat", false), ("d", "none", false)]);
}
