//! Where a border of one colour ends.

use crate::codec::{Bitmap, Rect};
use crate::transform::plan::Colour;
use crate::transform::steps::blend::rgba;
use crate::transform::steps::fold::whole;

/// The smallest rectangle around all that differs by more than `tolerance` (a distance in RGB, 0…442) from `colour`, or
/// from the top left pixel where there is none. A picture that is border all over stays as it is.
pub(crate) fn without_border(bitmap: &Bitmap, tolerance: f64, colour: Option<Colour>) -> Rect {
    let border = match colour {
        Some(Colour { r, g, b, a }) => [r, g, b, a],
        None => rgba(bitmap, 0),
    };
    let (width, height) = (bitmap.width as usize, bitmap.height as usize);
    let differs = |index: usize| distance(rgba(bitmap, index), border) > tolerance;
    let row_differs = |y: usize| (0..width).any(|x| differs(y * width + x));
    let Some(top) = (0..height).find(|&y| row_differs(y)) else {
        return whole((bitmap.width, bitmap.height));
    };
    let bottom = (top..height).rev().find(|&y| row_differs(y)).unwrap_or(top);
    // Row by row, looking only at what could still move the edges.
    let (mut left, mut right) = (width - 1, 0);
    for y in top..=bottom {
        let row = y * width;
        left = (0..left).find(|&x| differs(row + x)).unwrap_or(left);
        right = (right + 1..width).rev().find(|&x| differs(row + x)).unwrap_or(right);
    }
    let (left, right) = (left.min(right), right.max(left));
    Rect {
        x: left as u32,
        y: top as u32,
        width: (right - left + 1) as u32,
        height: (bottom - top + 1) as u32,
    }
}

/// How far apart two colours are seen: as far as they are opaque.
fn distance(one: [u8; 4], other: [u8; 4]) -> f64 {
    let seen = |pixel: [u8; 4], c: usize| f64::from(pixel[c]) * f64::from(pixel[3]) / 255.0;
    let colours = (0..3).map(|c| (seen(one, c) - seen(other, c)).powi(2)).sum::<f64>();
    // Black on clear is seen by its opacity alone; all of it counts like black on white.
    let opacity = (f64::from(one[3]) - f64::from(other[3])) * 3_f64.sqrt();
    colours.sqrt().max(opacity.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Layout;

    fn picture(rows: &[&str]) -> Bitmap {
        let pixel = |c| match c {
            '#' => [200, 30, 40, 255],
            '-' => [250, 248, 255, 255],
            ' ' => [0, 0, 0, 0],
            'x' => [0, 0, 0, 255],
            _ => [255; 4],
        };
        let data = rows.iter().flat_map(|row| row.chars().flat_map(pixel)).collect();
        Bitmap { width: rows[0].len() as u32, height: rows.len() as u32, layout: Layout::Rgba, data }
    }

    fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
        Rect { x, y, width, height }
    }

    #[test]
    fn the_border_goes_and_nothing_else() {
        let framed = picture(&["......", "..#...", "....#.", "......"]);
        assert_eq!(without_border(&framed, 10.0, None), rect(2, 1, 3, 2));
        let one = picture(&["...", "..#"]);
        assert_eq!(without_border(&one, 10.0, None), rect(2, 1, 1, 1));
        let first = picture(&[".#.", ".#.", ".#."]);
        assert_eq!(without_border(&first, 10.0, None), rect(1, 0, 1, 3));
        let full = picture(&["#."]);
        assert_eq!(without_border(&full, 10.0, None), rect(1, 0, 1, 1));
    }

    #[test]
    fn tolerance_and_colour_say_what_border_is() {
        let noisy = picture(&[".-..", ".-#.", "...."]);
        assert_eq!(without_border(&noisy, 10.0, None), rect(2, 1, 1, 1));
        assert_eq!(without_border(&noisy, 1.0, None), rect(1, 0, 2, 2));
        let red = Colour { r: 200, g: 30, b: 40, a: 255 };
        assert_eq!(without_border(&picture(&["##.#"]), 5.0, Some(red)), rect(2, 0, 1, 1));
        // Nothing would be left.
        assert_eq!(without_border(&picture(&["##", "##"]), 5.0, Some(red)), rect(0, 0, 2, 2));
        assert_eq!(without_border(&noisy, 442.0, None), rect(0, 0, 4, 3));
    }

    #[test]
    fn transparency_is_a_colour_of_its_own() {
        let logo = picture(&["    ", " x  ", "  . ", "    "]);
        assert_eq!(without_border(&logo, 10.0, None), rect(1, 1, 2, 2));
    }
}
