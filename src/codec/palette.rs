//! Few colours: the ones that a picture has, where they fit into a palette, and the best ones for a picture that has
//! more. A PNG of 256 colours takes a fourth of the bytes before it is deflated, and often less after.

use std::collections::HashMap;
use std::time::Instant;

use color_quant::NeuQuant;

use super::{Bitmap, CodecError, Layout, check_deadline};

/// A palette has no more.
pub const MOST: usize = 256;

/// Fewer are not learnt well.
pub const LEAST: usize = 64;

/// A picture by numbers.
pub(super) struct Indexed {
    /// Straight RGBA; those that are not opaque come first.
    pub(super) colours: Vec<[u8; 4]>,
    /// One for each pixel.
    pub(super) indices: Vec<u8>,
}

/// The colours of a picture, if a palette holds all of them.
pub(super) fn exact(bitmap: &Bitmap) -> Option<Indexed> {
    let mut numbers: HashMap<[u8; 4], u8> = HashMap::with_capacity(MOST);
    let mut colours: Vec<[u8; 4]> = Vec::new();
    let mut indices = Vec::new();
    let mut last = None;
    for colour in pixels(bitmap) {
        let index = match last {
            Some((before, index)) if before == colour => index,
            _ => match numbers.get(&colour) {
                Some(&index) => index,
                None if colours.len() == MOST => return None,
                None => {
                    let index = colours.len() as u8;
                    colours.push(colour);
                    numbers.insert(colour, index);
                    index
                }
            },
        };
        last = Some((colour, index));
        indices.push(index);
    }
    let mut order: Vec<u8> = (0..=255).take(colours.len()).collect();
    order.sort_by_key(|&index| colours[usize::from(index)][3] == 255);
    let mut place = [0; MOST];
    for (new, &old) in order.iter().enumerate() {
        place[usize::from(old)] = new as u8;
    }
    for index in &mut indices {
        *index = place[usize::from(*index)];
    }
    let colours = order.iter().map(|&old| colours[usize::from(old)]).collect();
    Some(Indexed { colours, indices })
}

/// The same picture in at most so many colours, 64…256, its shades mixed from neighbours.
pub fn reduced(bitmap: &Bitmap, colours: usize, deadline: Instant) -> Result<Bitmap, CodecError> {
    check_deadline(deadline)?;
    let Some(net) = learn(bitmap, colours.clamp(LEAST, MOST)) else { return Ok(bitmap.clone()) };
    let opaque = bitmap.layout != Layout::Rgba;
    let (width, height) = (bitmap.width as usize, bitmap.height as usize);
    let channels = if opaque { 3 } else { 4 };
    let mut data = Vec::with_capacity(width * height * channels);
    // What a row owes to the next one, a pixel of margin on either side; in sixteenths.
    let (mut now, mut next) = (vec![[0_i32; 3]; width + 2], vec![[0_i32; 3]; width + 2]);
    let mut row = pixels(bitmap);
    for _ in 0..height {
        check_deadline(deadline)?;
        for x in 0..width {
            let Some(wanted) = row.next() else { break };
            let owed = now[x + 1];
            let mut asked = wanted;
            for (sample, owed) in asked.iter_mut().zip(owed) {
                *sample = (i32::from(*sample) + owed / 16).clamp(0, 255) as u8;
            }
            let got = if wanted[3] == 0 { [0; 4] } else { nearest(&net, asked) };
            if wanted[3] > 0 {
                for channel in 0..3 {
                    let error = i32::from(asked[channel]) - i32::from(got[channel]);
                    now[x + 2][channel] += error * 7;
                    next[x][channel] += error * 3;
                    next[x + 1][channel] += error * 5;
                    next[x + 2][channel] += error;
                }
            }
            data.extend_from_slice(&got[..channels]);
        }
        std::mem::swap(&mut now, &mut next);
        next.fill([0; 3]);
    }
    let layout = if opaque { Layout::Rgb } else { Layout::Rgba };
    Ok(Bitmap { width: bitmap.width, height: bitmap.height, layout, data })
}

/// Bytes beside the pixels that [`reduced`] takes for each of them: its result, and at most as many samples as it
/// learns from.
pub fn memory_per_pixel() -> u64 {
    8
}

/// The nearest of the learnt colours, which depends on nothing but the learning.
fn nearest(net: &NeuQuant, colour: [u8; 4]) -> [u8; 4] {
    let mut pixel = colour;
    net.map_pixel(&mut pixel);
    // Nearly is seen where everything around is wholly so.
    match pixel[3] {
        250.. => pixel[3] = 255,
        0..=5 => pixel = [0; 4],
        _ => {}
    }
    pixel
}

/// Learns the colours from some hundred thousand pixels, evenly spread, of which transparent ones teach nothing.
/// `None` where the picture has no more colours than that.
fn learn(bitmap: &Bitmap, colours: usize) -> Option<NeuQuant> {
    const SAMPLES: usize = 300_000;
    /// Every third of the samples; all of them take three times as long for less than can be seen.
    const THOROUGH: i32 = 3;
    if exact(bitmap).is_some_and(|exact| exact.colours.len() <= colours) {
        return None;
    }
    let all = bitmap.width as usize * bitmap.height as usize;
    let samples: Vec<u8> = pixels(bitmap)
        .step_by(all.div_ceil(SAMPLES).max(1))
        .filter(|colour| colour[3] > 0)
        .flatten()
        .collect();
    // Nothing is a colour of its own.
    let spare = usize::from(bitmap.layout == Layout::Rgba);
    Some(NeuQuant::new(THOROUGH, colours - spare, &samples))
}

fn pixels(bitmap: &Bitmap) -> Box<dyn Iterator<Item = [u8; 4]> + '_> {
    match bitmap.layout {
        Layout::Gray => Box::new(bitmap.data.iter().map(|&gray| [gray, gray, gray, 255])),
        Layout::Rgb => Box::new(bitmap.data.as_chunks::<3>().0.iter().map(|&[r, g, b]| [r, g, b, 255])),
        Layout::Rgba | Layout::Cmyk => Box::new(bitmap.data.as_chunks::<4>().0.iter().copied()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn picture(layout: Layout, colour: impl Fn(u32, u32) -> [u8; 4]) -> Bitmap {
        let (width, height) = (120, 80);
        let data = (0..width * height)
            .flat_map(|at| colour(at % width, at / width).into_iter().take(layout.channels()))
            .collect();
        Bitmap { width, height, layout, data }
    }

    fn rainbow(layout: Layout) -> Bitmap {
        picture(layout, |x, y| {
            [(x * 2) as u8, (y * 3) as u8, (x + y) as u8, if x < 10 { 0 } else { (y * 4).min(255) as u8 }]
        })
    }

    fn distinct(bitmap: &Bitmap) -> usize {
        pixels(bitmap).collect::<HashSet<_>>().len()
    }

    #[test]
    fn few_colours_are_numbered_and_the_clear_ones_come_first() {
        let few = picture(Layout::Rgba, |x, _| [x as u8, 0, 0, if x % 3 == 0 { 128 } else { 255 }]);
        let indexed = exact(&few).unwrap();
        assert_eq!(indexed.colours.len(), 120);
        assert!(indexed.colours[..40].iter().all(|colour| colour[3] == 128));
        let back: Vec<u8> = indexed.indices.iter().flat_map(|&i| indexed.colours[usize::from(i)]).collect();
        assert_eq!(back, few.data);
        assert!(exact(&rainbow(Layout::Rgb)).is_none());
    }

    #[test]
    fn many_become_few_and_look_the_same_from_afar() {
        for layout in [Layout::Rgb, Layout::Rgba] {
            for colours in [64, 100, 256] {
                let before = rainbow(layout);
                let after = reduced(&before, colours, soon()).unwrap();
                assert_eq!((after.width, after.height, after.layout), (120, 80, layout));
                let found = distinct(&after);
                assert!(found <= colours && found > colours / 2, "{layout:?} {colours}: {found}");
                assert!(exact(&after).is_some());
                let mean = |bitmap: &Bitmap, channel: usize| {
                    let seen = pixels(bitmap).map(|c| f64::from(c[channel]) * f64::from(c[3]) / 255.0);
                    seen.sum::<f64>() / f64::from(120 * 80)
                };
                for channel in 0..3 {
                    let off = (mean(&before, channel) - mean(&after, channel)).abs();
                    assert!(off < 4.0, "{layout:?} {colours}: {off}");
                }
                let clear = |bitmap: &Bitmap| pixels(bitmap).filter(|c| c[3] == 0).count();
                assert!(clear(&after) >= clear(&before), "what is clear stays clear");
            }
        }
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let gray = picture(Layout::Gray, |x, _| [x as u8; 4]);
        assert!(reduced(&gray, 256, soon()).unwrap() == gray);
        assert!(distinct(&reduced(&gray, 64, soon()).unwrap()) <= 64);
        let few = picture(Layout::Rgb, |x, _| [x as u8, 3, 9, 255]);
        assert_eq!(reduced(&few, 128, soon()).unwrap().data, few.data);
    }
}
