//! Keeping a part of a picture, pixel for pixel.

use crate::codec::{Bitmap, Rect};

/// The part `rect` of `bitmap`; moves rows inside the same memory, since what is kept is never larger.
pub(crate) fn crop(mut bitmap: Bitmap, rect: Rect) -> Bitmap {
    let channels = bitmap.layout.channels();
    if rect == (Rect { x: 0, y: 0, width: bitmap.width, height: bitmap.height }) {
        return bitmap;
    }
    let stride = bitmap.width as usize * channels;
    let length = rect.width as usize * channels;
    for row in 0..rect.height as usize {
        let start = (rect.y as usize + row) * stride + rect.x as usize * channels;
        bitmap.data.copy_within(start..start + length, row * length);
    }
    bitmap.data.truncate(rect.height as usize * length);
    bitmap.data.shrink_to_fit();
    Bitmap { width: rect.width, height: rect.height, ..bitmap }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Layout;

    #[test]
    fn keeps_the_rectangle() {
        let data = (0..4 * 3 * 3).collect();
        let bitmap = Bitmap { width: 4, height: 3, layout: Layout::Rgb, data };
        let part = crop(bitmap, Rect { x: 2, y: 1, width: 2, height: 2 });
        assert_eq!((part.width, part.height), (2, 2));
        assert_eq!(part.data, [18, 19, 20, 21, 22, 23, 30, 31, 32, 33, 34, 35]);
    }
}
