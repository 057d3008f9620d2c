//! Text to pixels, within the process that has nothing to lose. Nothing is fetched, opened or looked up: pictures
//! count where they are part of the text, and the fonts are those in the binary.

use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{ImageHrefResolver, ImageKind, Options, Size, Tree};

use super::head::{Head, UNKNOWN};
use crate::codec::{Format, Limits, Probe, fonts, probe};

/// Straight RGBA of a region, given in the picture's own pixels.
pub(super) fn draw(
    text: &[u8],
    [x, y, width, height]: [u32; 4],
    target: (u32, u32),
) -> Result<Vec<u8>, String> {
    let head = Head::read(text).map_err(|_| "its root element is not one".to_owned())?;
    let text = std::str::from_utf8(text).map_err(|_| "its text is not UTF-8".to_owned())?;
    let tree = tree(text)?;
    let (whole_width, whole_height) = head.pixels();
    let mut pixmap = Pixmap::new(target.0, target.1).ok_or("there is no memory for its pixels")?;
    let scale = |target: u32, region: u32| f64::from(target) / f64::from(region);
    let (across, down) = (scale(target.0, width), scale(target.1, height));
    // From user units to the picture's own pixels, whose sides are rounded, to those of the target.
    let own = (f64::from(whole_width) / head.width, f64::from(whole_height) / head.height);
    let transform = Transform::from_row(
        (own.0 * across) as f32,
        0.0,
        0.0,
        (own.1 * down) as f32,
        (-f64::from(x) * across) as f32,
        (-f64::from(y) * down) as f32,
    );
    resvg::render(&tree, transform, &mut pixmap.as_mut());
    Ok(pixmap.take_demultiplied())
}

fn tree(text: &str) -> Result<Tree, String> {
    let options = Options {
        default_size: Size::from_wh(UNKNOWN.0 as f32, UNKNOWN.1 as f32).ok_or("there is no size")?,
        font_size: super::FONT_SIZE as f32,
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(|_, data, _| embedded(data)),
            // An address or a path, whatever it says.
            resolve_string: Box::new(|_, _| None),
        },
        font_family: fonts::SANS.to_owned(),
        fontdb: Arc::new(fonts::database()),
        ..Options::default()
    };
    let document = super::clean::document(text)?;
    Tree::from_xmltree(&document, &options).map_err(|error| error.to_string())
}

/// A picture within the picture, by its content. One that is an SVG itself could hold the next.
fn embedded(data: Arc<Vec<u8>>) -> Option<ImageKind> {
    let limits = Limits { max_pixels: 25_000_000, max_pixels_summed: 25_000_000, ..Limits::default() };
    match probe(&data, data.len() as u64, &limits) {
        Ok(Probe::Complete(header)) => match header.format {
            Format::Jpeg => Some(ImageKind::JPEG(data)),
            Format::Png => Some(ImageKind::PNG(data)),
            Format::Webp => Some(ImageKind::WEBP(data)),
            Format::Gif => Some(ImageKind::GIF(data)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: &str = "<svg xmlns='http://www.w3.org/2000/svg' width='8' height='4'>\
                          <rect width='4' height='4' fill='#f00'/>\
                          <rect x='4' width='4' height='4' fill='#00f' fill-opacity='0.5'/></svg>";

    fn pixel(data: &[u8], width: usize, x: usize, y: usize) -> [u8; 4] {
        data[(y * width + x) * 4..][..4].try_into().unwrap()
    }

    #[test]
    fn a_region_is_drawn_at_the_size_that_is_asked_for() {
        let whole = draw(SQUARE.as_bytes(), [0, 0, 8, 4], (80, 40)).unwrap();
        assert_eq!(whole.len(), 80 * 40 * 4);
        assert_eq!(pixel(&whole, 80, 39, 20), [255, 0, 0, 255]);
        let [r, g, b, a] = pixel(&whole, 80, 40, 20);
        assert_eq!((r, g, b), (0, 0, 255), "straight, not premultiplied");
        assert!(a.abs_diff(128) <= 1);
        let right = draw(SQUARE.as_bytes(), [4, 0, 4, 2], (4, 2)).unwrap();
        assert_eq!(pixel(&right, 4, 0, 0)[2], 255);
    }

    #[test]
    fn text_is_set_in_the_fonts_that_are_there() {
        for family in ["", "font-family='Helvetica, serif'", "font-family='No such'"] {
            let text = format!(
                "<svg xmlns='http://www.w3.org/2000/svg' width='60' height='20'><text y='16' {family}>AV\u{4F60}</text></svg>"
            );
            let drawn = draw(text.as_bytes(), [0, 0, 60, 20], (60, 20)).unwrap();
            let inked = drawn.chunks_exact(4).filter(|pixel| pixel[3] > 128).count();
            assert!(inked > 60, "{family}: {inked}");
        }
    }

    #[test]
    fn what_is_outside_stays_outside() {
        for href in
            ["file:///etc/hostname", "/etc/hostname", "http://127.0.0.1:1/a.png", "//127.0.0.1/a", "a.png"]
        {
            let text = format!(
                "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' width='2' \
                 height='2'><image width='2' height='2' xlink:href='{href}'/></svg>"
            );
            assert!(draw(text.as_bytes(), [0, 0, 2, 2], (2, 2)).unwrap().iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn a_picture_within_counts_unless_it_is_an_svg() {
        use base64::Engine as _;
        let png =
            std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sources/one-pixel.png")).unwrap();
        for (kind, bytes, seen) in [
            ("png", png.as_slice(), true),
            ("svg+xml", SQUARE.as_bytes(), false),
            ("png", SQUARE.as_bytes(), false),
        ] {
            let data = base64::engine::general_purpose::STANDARD.encode(bytes);
            let text = format!(
                "<svg xmlns='http://www.w3.org/2000/svg' width='2' height='2'><image width='2' height='2' \
                 href='data:image/{kind};base64,{data}'/></svg>"
            );
            let drawn = draw(text.as_bytes(), [0, 0, 2, 2], (2, 2)).unwrap();
            assert_eq!(drawn.iter().any(|&byte| byte != 0), seen, "{kind}");
        }
    }

    #[test]
    fn broken_text_is_an_error() {
        for text in
            ["<svg width='2' height='2'", "<svg xmlns='http://www.w3.org/2000/svg' width='2' height='2'><g>"]
        {
            draw(text.as_bytes(), [0, 0, 2, 2], (2, 2)).unwrap_err();
        }
    }
}
