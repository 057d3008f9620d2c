//! Colour spaces that a file names by the numbers of H.273 instead of describing them: as the profile that says the
//! same. For the two transfers of HDR it holds a table that brings their brightness down to what sRGB can show.

use ::jxl::api::{JxlColorEncoding, JxlPrimaries, JxlTransferFunction, JxlWhitePoint};

/// `None` where it is sRGB, or nothing that is known here, which browsers take for sRGB too.
///
/// The transfers of television count as sRGB's, with which they are meant to be shown.
pub(super) fn profile(primaries: u16, transfer: u16) -> Option<Vec<u8>> {
    use JxlTransferFunction as Transfer;
    let transfer_function = match transfer {
        4 => Transfer::Gamma(1.0 / 2.2),
        5 => Transfer::Gamma(1.0 / 2.8),
        8 => Transfer::Linear,
        16 => Transfer::PQ,
        17 => Transfer::DCI,
        18 => Transfer::HLG,
        _ => Transfer::SRGB,
    };
    let (primaries, white_point) = match primaries {
        9 => (JxlPrimaries::BT2100, JxlWhitePoint::D65),
        11 => (JxlPrimaries::P3, JxlWhitePoint::DCI),
        12 => (JxlPrimaries::P3, JxlWhitePoint::D65),
        _ if transfer_function == Transfer::SRGB => return None,
        _ => (JxlPrimaries::SRGB, JxlWhitePoint::D65),
    };
    // A value to change, because the type of its fourth field has no public name.
    let mut encoding = JxlColorEncoding::srgb(false);
    if let JxlColorEncoding::RgbColorSpace { white_point: w, primaries: p, transfer_function: t, .. } =
        &mut encoding
    {
        (*w, *p, *t) = (white_point, primaries, transfer_function);
    }
    encoding.maybe_create_profile().ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Bitmap, Layout, colour};

    fn shown(primaries: u16, transfer: u16, pixel: [u8; 3]) -> [u8; 3] {
        let bitmap = Bitmap { width: 1, height: 1, layout: Layout::Rgb, data: pixel.to_vec() };
        let profile = profile(primaries, transfer);
        let data = colour::to_srgb(bitmap, profile.as_deref()).unwrap().data;
        [data[0], data[1], data[2]]
    }

    #[test]
    fn srgb_by_any_name_needs_no_profile() {
        for (primaries, transfer) in [(1, 13), (2, 2), (1, 1), (0, 0), (6, 6), (1, 14), (999, 999)] {
            assert_eq!(profile(primaries, transfer), None, "{primaries} {transfer}");
        }
    }

    #[test]
    fn wide_colours_become_more_saturated_numbers() {
        let gray = shown(12, 13, [128; 3]);
        assert!(gray.iter().all(|v| v.abs_diff(128) <= 1), "{gray:?}");
        for primaries in [9, 12] {
            let [r, g, b] = shown(primaries, 13, [100, 150, 100]);
            assert!(r < 92 && g > 150 && b < 100, "{primaries}: {r} {g} {b}");
        }
        let linear = shown(1, 8, [55; 3]);
        assert!(linear.iter().all(|v| v.abs_diff(128) <= 2), "{linear:?}");
    }

    #[test]
    fn the_brightness_of_hdr_comes_down_to_what_can_be_shown() {
        // PQ and HLG at the white of a page (203 nits) and at a highlight.
        for (transfer, white, highlight) in [(16, 148_u8, 200_u8), (18, 191, 240)] {
            let white = shown(9, transfer, [white; 3]);
            let highlight = shown(9, transfer, [highlight; 3]);
            assert!((140..=245).contains(&white[1]), "{transfer}: {white:?}");
            assert!(highlight[1] >= white[1] + 20, "{transfer}: {white:?} {highlight:?}");
            assert!(white[0].abs_diff(white[2]) <= 6, "{transfer}: {white:?}");
            assert_eq!(shown(9, transfer, [0; 3]), [0; 3], "{transfer}");
        }
    }
}
