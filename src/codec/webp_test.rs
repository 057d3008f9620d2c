//! Lossless WebPs of the kind that overran libwebp's tables (CVE-2023-4863): Huffman codes that are no codes. Written here
//! bit by bit, so that every such shape can be tried.

use std::time::{Duration, Instant};

use super::{Bitmap, CodecError, DecodeRequest, Limits, Probe, decode, probe};

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    /// The lowest bit first, as VP8L has it.
    fn put(&mut self, value: u32, count: u32) {
        for bit in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let last = self.bytes.len() - 1;
            self.bytes[last] |= ((value >> bit & 1) as u8) << (self.used % 8);
            self.used += 1;
        }
    }

    /// A code with one symbol, which takes no bits.
    fn single(&mut self, symbol: u32) {
        self.put(1, 1);
        self.put(0, 1);
        self.put(1, 1);
        self.put(symbol, 8);
    }

    /// A code by the lengths of its symbols, each written in four bits.
    fn code(&mut self, lengths: &[u8]) {
        self.put(0, 1);
        // Lengths of the code for lengths, in the order of the format: 0…15 take four bits, the repetitions none.
        const ORDER: [u32; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        self.put(15, 4);
        for symbol in ORDER {
            self.put(if symbol < 16 { 4 } else { 0 }, 3);
        }
        self.put(0, 1);
        for &length in lengths {
            // Codes stand with their highest bit first.
            self.put(u32::from(length).reverse_bits() >> 28, 4);
        }
    }
}

/// One pixel, whose distance code (of 40 symbols, never used) has these lengths, and whose green code may have others.
fn file(green: Option<&[u8]>, distance: &[u8]) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(0x2F, 8);
    bits.put(0, 14);
    bits.put(0, 14);
    bits.put(0, 1);
    bits.put(0, 3);
    // No transform, no cache of colours, one group of codes.
    bits.put(0, 3);
    match green {
        Some(lengths) => bits.code(lengths),
        None => bits.single(7),
    }
    (0..3).for_each(|_| bits.single(9));
    bits.code(distance);
    // What a green code may read, and room behind it.
    bits.put(0, 32);
    let mut chunk = bits.bytes;
    if chunk.len() % 2 == 1 {
        chunk.push(0);
    }
    let size = |length: usize| (length as u32).to_le_bytes();
    [b"RIFF", &size(chunk.len() + 12)[..], b"WEBPVP8L", &size(chunk.len()), &chunk].concat()
}

fn decoded(file: &[u8]) -> Result<Bitmap, CodecError> {
    let Probe::Complete(header) = probe(file, file.len() as u64, &Limits::default())? else {
        return Err(CodecError::NotAnImage);
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let request = DecodeRequest { region: None, target: None, deadline };
    Ok(decode(file, &header, &request)?.bitmap)
}

/// Lengths of 40 symbols: so many of each.
fn lengths(counts: &[(usize, u8)]) -> Vec<u8> {
    let mut lengths: Vec<u8> =
        counts.iter().flat_map(|&(count, length)| std::iter::repeat_n(length, count)).collect();
    lengths.resize(40, 0);
    lengths
}

#[test]
fn codes_that_are_complete_are_read() {
    for counts in [&[(2, 1)][..], &[(1, 1), (1, 2), (2, 3)], &[(7, 3), (14, 7), (4, 8)]] {
        let bitmap =
            decoded(&file(None, &lengths(counts))).unwrap_or_else(|error| panic!("{counts:?}: {error}"));
        assert_eq!(bitmap.data[1], 7, "{counts:?}");
    }
    // Lengths 1 to 14 once and 15 twice: the deepest code there is.
    let deepest: Vec<(usize, u8)> = (1..15).map(|length| (1, length)).chain([(2, 15)]).collect();
    assert!(decoded(&file(None, &lengths(&deepest))).is_ok());
}

#[test]
fn codes_that_are_none_are_refused() {
    let mut rows: Vec<Vec<(usize, u8)>> = vec![
        // Too many, by little and by much.
        vec![(3, 1)],
        vec![(1, 1), (3, 2)],
        vec![(40, 5)],
        vec![(2, 1), (38, 15)],
        // Too few: what let the second tables of libwebp grow beyond their room.
        vec![(1, 1), (1, 15)],
        vec![(1, 9), (1, 10), (1, 11), (1, 12), (1, 13), (1, 14), (24, 15)],
        vec![(40, 15)],
        vec![(16, 8), (24, 15)],
    ];
    rows.extend((2..=15).map(|length| vec![(1, 1), (1, length), (3, 15)]));
    for counts in rows {
        let complete: u32 = counts.iter().map(|&(count, length)| (count as u32) << (15 - length)).sum();
        assert_ne!(complete, 1 << 15, "{counts:?} is a code");
        assert!(decoded(&file(None, &lengths(&counts))).is_err(), "{counts:?}");
    }
    // The same in the largest of the five.
    for green in [vec![8; 280], vec![15; 280], vec![1; 280]] {
        assert!(decoded(&file(Some(&green), &lengths(&[(2, 1)]))).is_err());
    }
}
