//! The few colours that a picture is made of.

use crate::codec::{Bitmap, Layout};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Swatch {
    pub(crate) colour: [u8; 3],
    /// How much of what can be seen of the picture it stands for, 0…1.
    pub(crate) share: f64,
}

/// A cell of a coarse cube of colours.
#[derive(Clone, Copy, Default)]
struct Cell {
    weight: f64,
    /// Of all its pixels, times their weights.
    sum: [f64; 3],
}

const MOST: usize = 6;
const BITS: u32 = 5;
/// Swatches are merged where nobody would tell them apart: distance in RGB, with green counting most.
const ALIKE: f64 = 28.0;
const ROUNDS: usize = 8;

/// At most six, the largest share first; none where nothing can be seen. The same pixels always give the same ones.
pub(crate) fn palette(bitmap: &Bitmap) -> Vec<Swatch> {
    let cells = cells(bitmap);
    let total: f64 = cells.iter().map(|cell| cell.weight).sum();
    if total <= 0.0 {
        return Vec::new();
    }
    let mut centres = seeds(&cells);
    for _ in 0..ROUNDS {
        centres = means(&cells, &centres).into_iter().map(|cell| mean(&cell)).collect();
    }
    let mut groups = means(&cells, &centres);
    groups.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let mut merged: Vec<Cell> = Vec::new();
    for group in groups {
        match merged.iter_mut().find(|other| distance(mean(other), mean(&group)) < ALIKE) {
            Some(other) => add(other, &group),
            None => merged.push(group),
        }
    }
    merged.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let swatch = |cell: &Cell| Swatch {
        colour: mean(cell).map(|value| (value + 0.5) as u8),
        share: cell.weight / total,
    };
    merged.iter().map(swatch).collect()
}

fn cells(bitmap: &Bitmap) -> Vec<Cell> {
    let mut cells = vec![Cell::default(); 1 << (3 * BITS)];
    for pixel in bitmap.data.chunks_exact(bitmap.layout.channels()) {
        let (colour, alpha) = match (bitmap.layout, pixel) {
            (Layout::Rgba, &[r, g, b, a]) => ([r, g, b], a),
            (Layout::Rgb, &[r, g, b]) => ([r, g, b], 255),
            (_, pixel) => ([pixel[0]; 3], 255),
        };
        let at = colour.iter().fold(0, |at, value| at << BITS | usize::from(value >> (8 - BITS)));
        let weight = f64::from(alpha) / 255.0;
        add(&mut cells[at], &Cell { weight, sum: colour.map(|value| f64::from(value) * weight) });
    }
    cells.retain(|cell| cell.weight > 0.0);
    cells
}

fn add(to: &mut Cell, from: &Cell) {
    to.weight += from.weight;
    (0..3).for_each(|c| to.sum[c] += from.sum[c]);
}

fn mean(cell: &Cell) -> [f64; 3] {
    cell.sum.map(|sum| sum / cell.weight)
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    let [r, g, b] = [0, 1, 2].map(|c| a[c] - b[c]);
    (0.75 * r * r + 1.25 * g * g + 0.6 * b * b).sqrt()
}

/// The most common colour, then each time the one that is both common and far from those that are there.
fn seeds(cells: &[Cell]) -> Vec<[f64; 3]> {
    let mut seeds: Vec<[f64; 3]> = Vec::new();
    while seeds.len() < MOST.min(cells.len()) {
        let score = |cell: &Cell| {
            let nearest = seeds.iter().map(|seed| distance(*seed, mean(cell))).fold(f64::INFINITY, f64::min);
            cell.weight.sqrt() * nearest.min(255.0)
        };
        let Some(next) = cells.iter().max_by(|a, b| score(a).total_cmp(&score(b))) else { break };
        seeds.push(mean(next));
    }
    seeds
}

/// Each cell to its nearest centre; centres that got nothing are gone.
fn means(cells: &[Cell], centres: &[[f64; 3]]) -> Vec<Cell> {
    let mut groups = vec![Cell::default(); centres.len()];
    for cell in cells {
        let colour = mean(cell);
        let nearest = (0..centres.len())
            .min_by(|&a, &b| distance(centres[a], colour).total_cmp(&distance(centres[b], colour)));
        if let Some(nearest) = nearest {
            add(&mut groups[nearest], cell);
        }
    }
    groups.retain(|group| group.weight > 0.0);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(layout: Layout, pixels: &[(&[u8], usize)]) -> Bitmap {
        let data: Vec<u8> = pixels.iter().flat_map(|(pixel, times)| pixel.repeat(*times)).collect();
        Bitmap { width: (data.len() / layout.channels()) as u32, height: 1, layout, data }
    }

    #[test]
    fn flat_colours_are_found_with_their_shares() {
        let found =
            palette(&picture(Layout::Rgb, &[(&[200, 10, 10], 60), (&[10, 20, 220], 30), (&[250; 3], 10)]));
        let colours: Vec<_> = found.iter().map(|swatch| swatch.colour).collect();
        assert_eq!(colours, [[200, 10, 10], [10, 20, 220], [250; 3]]);
        assert!((found[0].share - 0.6).abs() < 1e-9 && (found[2].share - 0.1).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_seen_does_not_count_and_likes_are_one() {
        let found = palette(&picture(
            Layout::Rgba,
            &[(&[255, 0, 0, 0], 90), (&[0, 128, 0, 255], 5), (&[3, 131, 2, 255], 5)],
        ));
        assert_eq!(found.len(), 1);
        assert!(found[0].colour[1] > 120 && found[0].share == 1.0);
        assert!(palette(&picture(Layout::Rgba, &[(&[1, 2, 3, 0], 9)])).is_empty());
        assert_eq!(palette(&picture(Layout::Gray, &[(&[77], 4)]))[0].colour, [77; 3]);
    }
}
