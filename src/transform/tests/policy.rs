//! The unsigned policy `ladder`.

use crate::error::Fault as _;
use crate::transform::{Client, Ladder};

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
