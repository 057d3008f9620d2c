//! Few colours for many: a palette for the pixels of a picture, and which of its colours is nearest. Boxes of colours
//! are cut in two where that helps most (Wu), then each colour moves to the middle of those it stands for (k-means).
//! The same pixels always get the same palette.

/// A colour and how many pixels have it.
#[derive(Clone, Copy)]
struct Counted {
    colour: [u8; 3],
    count: u32,
}

/// At most 256 colours and the answers given so far.
pub(super) struct Palette {
    /// Sorted.
    pub(super) colours: Vec<[u8; 3]>,
    /// Colour + 1 and answer, by a hash of the colour; 0 = none.
    answers: Vec<(u32, u8)>,
}

/// Mean square of the distance from which on more colours only cost bytes: nobody sees it.
const CLOSE: f64 = 2.0;
const ANSWERS: usize = 1 << 14;

impl Palette {
    /// At most `most` colours that stand best for `pixels`. What stands for all exactly is found where there is one.
    pub(super) fn of(pixels: impl Iterator<Item = [u8; 3]>, most: usize) -> Self {
        /// Where there are so few, all are kept.
        const FEW: usize = 16;
        let counted = count(pixels);
        let colours = if counted.len() <= most.min(FEW) {
            counted.iter().map(|counted| counted.colour).collect()
        } else {
            settled(&counted, cut(counted.clone(), most))
        };
        Self { colours, answers: vec![(0, 0); ANSWERS] }
    }

    /// The index of the colour that is nearest; 0 where there is none.
    pub(super) fn nearest(&mut self, colour: [u8; 3]) -> u8 {
        let [r, g, b] = colour.map(u32::from);
        let key = (r << 16 | g << 8 | b) + 1;
        let slot = (key.wrapping_mul(0x9E37_79B1) >> 18) as usize % ANSWERS;
        let (known, answer) = self.answers[slot];
        if known == key {
            return answer;
        }
        let found = nearest(&self.colours, colour);
        self.answers[slot] = (key, found);
        found
    }
}

/// The square of the distance.
pub(super) fn distance(one: [u8; 3], other: [u8; 3]) -> u32 {
    let square = |i: usize| u32::from(one[i].abs_diff(other[i])).pow(2);
    square(0) + square(1) + square(2)
}

/// `colours` are sorted, so those that differ too much in their first sample need not be looked at.
fn nearest(colours: &[[u8; 3]], colour: [u8; 3]) -> u8 {
    let middle = colours.partition_point(|candidate| candidate[0] < colour[0]);
    let (mut best, mut least) = (0, u32::MAX);
    let (mut below, mut above) = (middle, middle);
    loop {
        let reach = |candidate: Option<&[u8; 3]>| {
            candidate.map_or(u32::MAX, |candidate| u32::from(candidate[0].abs_diff(colour[0])).pow(2))
        };
        let (down, up) = (below.checked_sub(1), above);
        let (far_down, far_up) = (reach(down.and_then(|at| colours.get(at))), reach(colours.get(up)));
        if far_down.min(far_up) >= least {
            return best as u8;
        }
        let at = if far_down <= far_up {
            below -= 1;
            below
        } else {
            above += 1;
            up
        };
        let distance = distance(colours[at], colour);
        if distance < least {
            (best, least) = (at, distance);
        }
    }
}

/// All colours, or where there are very many, the means of those that are close together.
fn count(pixels: impl Iterator<Item = [u8; 3]>) -> Vec<Counted> {
    /// More make no better palette.
    const ENOUGH: usize = 12_000;
    let packed = |[r, g, b]: [u8; 3]| u32::from(r) << 16 | u32::from(g) << 8 | u32::from(b);
    let mut all: Vec<u32> = pixels.map(packed).collect();
    all.sort_unstable();
    let counted = |run: &[u32]| {
        let [_, r, g, b] = run[0].to_be_bytes();
        Counted { colour: [r, g, b], count: run.len() as u32 }
    };
    let mut counts: Vec<Counted> = all.chunk_by(|a, b| a == b).map(counted).collect();
    for bits in [2, 3] {
        if counts.len() > ENOUGH {
            let key = |counted: &Counted| counted.colour.map(|sample| sample >> bits);
            counts.sort_by_key(key);
            counts = counts.chunk_by(|a, b| key(a) == key(b)).map(mean).collect();
        }
    }
    counts
}

fn mean(group: &[Counted]) -> Counted {
    let count: u64 = group.iter().map(|one| u64::from(one.count)).sum();
    let sample = |i: usize| {
        let sum: u64 = group.iter().map(|one| u64::from(one.colour[i]) * u64::from(one.count)).sum();
        ((sum + count / 2) / count.max(1)) as u8
    };
    Counted { colour: [sample(0), sample(1), sample(2)], count: count as u32 }
}

/// A box of colours: a range of the list, where and along which side it is best cut, and how much that gains.
struct Part {
    from: usize,
    to: usize,
    axis: usize,
    cut: usize,
    gain: f64,
}

/// The means of at most `most` boxes, of fewer where these are close enough.
fn cut(mut counts: Vec<Counted>, most: usize) -> Vec<[u8; 3]> {
    let end = counts.len();
    let pixels: f64 = counts.iter().map(|one| f64::from(one.count)).sum();
    let mut left = squares(&counts);
    let mut parts = vec![part(&mut counts, 0, end)];
    while parts.len() < most && left > CLOSE * pixels {
        let best = parts.iter().enumerate().max_by(|(_, a), (_, b)| a.gain.total_cmp(&b.gain));
        left -= best.map_or(0.0, |(_, part)| part.gain);
        let Some((index, _)) = best.filter(|(_, part)| part.gain > 0.0) else { break };
        let Part { from, to, axis, cut, .. } = parts.swap_remove(index);
        sort(&mut counts[from..to], axis);
        let one = part(&mut counts, from, from + cut);
        parts.push(one);
        let other = part(&mut counts, from + cut, to);
        parts.push(other);
    }
    parts.iter().map(|part| mean(&counts[part.from..part.to]).colour).collect()
}

/// The squares of the distances from the mean, summed.
fn squares(counts: &[Counted]) -> f64 {
    let (mut count, mut sum, mut all) = (0.0, [0.0; 3], 0.0);
    for one in counts {
        let weight = f64::from(one.count);
        count += weight;
        for (sum, &sample) in sum.iter_mut().zip(&one.colour) {
            *sum += weight * f64::from(sample);
            all += weight * (f64::from(sample) * f64::from(sample));
        }
    }
    all - sum.iter().map(|sum| sum * sum).sum::<f64>() / f64::max(count, 1.0)
}

fn sort(counts: &mut [Counted], axis: usize) {
    // The other samples too, so that equal ones do not depend on the order before.
    counts.sort_unstable_by_key(|one| (one.colour[axis], one.colour));
}

/// Finds the cut of a range that leaves the least squares behind.
fn part(counts: &mut [Counted], from: usize, to: usize) -> Part {
    let counts = &mut counts[from..to];
    let mut best = Part { from, to, axis: 0, cut: 0, gain: 0.0 };
    let add = |(count, sum): (f64, [f64; 3]), one: &Counted| {
        let weight = f64::from(one.count);
        (count + weight, std::array::from_fn(|i| sum[i] + weight * f64::from(one.colour[i])))
    };
    // What the squares around a mean are less than those around zero.
    let saved = |(count, sum): (f64, [f64; 3])| sum.iter().map(|sum| sum * sum).sum::<f64>() / count.max(1.0);
    let all = counts.iter().fold((0.0, [0.0; 3]), add);
    for axis in 0..3 {
        sort(counts, axis);
        let mut low = (0.0, [0.0; 3]);
        for (index, pair) in counts.windows(2).enumerate() {
            low = add(low, &pair[0]);
            if pair[0].colour[axis] == pair[1].colour[axis] {
                continue;
            }
            let high = (all.0 - low.0, std::array::from_fn(|i| all.1[i] - low.1[i]));
            let gain = saved(low) + saved(high) - saved(all);
            if gain > best.gain {
                best = Part { axis, cut: index + 1, gain, ..best };
            }
        }
    }
    best
}

/// `colours` moved to the middle of what they stand for.
fn settled(counts: &[Counted], mut colours: Vec<[u8; 3]>) -> Vec<[u8; 3]> {
    const ROUNDS: usize = 3;
    colours.sort_unstable();
    for _ in 0..ROUNDS {
        let mut sums = vec![[0_u64; 4]; colours.len()];
        for one in counts {
            let [r, g, b, count] = &mut sums[usize::from(nearest(&colours, one.colour))];
            let weight = u64::from(one.count);
            *r += u64::from(one.colour[0]) * weight;
            *g += u64::from(one.colour[1]) * weight;
            *b += u64::from(one.colour[2]) * weight;
            *count += weight;
        }
        let before = colours.clone();
        for (colour, &[r, g, b, count]) in colours.iter_mut().zip(&sums).filter(|(_, sums)| sums[3] > 0) {
            *colour = [r, g, b].map(|sum| ((sum + count / 2) / count) as u8);
        }
        if before == colours {
            break;
        }
        colours.sort_unstable();
    }
    colours.dedup();
    colours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_colours_stay_as_they_are() {
        let pixels = [[1, 2, 3], [200, 100, 0], [1, 2, 3], [0, 0, 0]];
        let mut palette = Palette::of(pixels.into_iter(), 3);
        assert_eq!(palette.colours, [[0, 0, 0], [1, 2, 3], [200, 100, 0]]);
        assert_eq!(palette.nearest([199, 99, 4]), 2);
        assert_eq!(palette.nearest([199, 99, 4]), 2);
        assert_eq!(palette.nearest([1, 2, 2]), 1);
    }

    #[test]
    fn a_ramp_is_divided_evenly_and_nothing_is_far_from_its_colour() {
        let ramp = || (0..=255_u8).flat_map(|gray| [[gray; 3]; 4]);
        let mut palette = Palette::of(ramp(), 16);
        assert_eq!(palette.colours.len(), 16);
        for pixel in ramp() {
            let index = usize::from(palette.nearest(pixel));
            assert!(palette.colours[index][0].abs_diff(pixel[0]) <= 14, "{pixel:?} {:?}", palette.colours);
        }
    }

    #[test]
    fn what_is_found_is_the_nearest() {
        let noise =
            |seed: u32| (0..3000_u32).map(move |i| ((i + seed).wrapping_mul(2_654_435_761)).to_be_bytes());
        let mut palette = Palette::of(noise(0).map(|[r, g, b, _]| [r, g, b]), 200);
        for [r, g, b, _] in noise(7777) {
            let index = usize::from(palette.nearest([r, g, b]));
            let found = palette.colours[index];
            let least = palette.colours.iter().map(|&colour| distance(colour, [r, g, b])).min();
            assert_eq!(Some(distance(found, [r, g, b])), least, "{r} {g} {b}");
        }
    }

    #[test]
    fn no_pixels_no_colours() {
        let mut palette = Palette::of(std::iter::empty(), 255);
        assert!(palette.colours.is_empty());
        assert_eq!(palette.nearest([1, 2, 3]), 0);
    }
}
