//! Walks over the pieces that picture files are made of: JPEG segments, PNG and RIFF chunks, GIF blocks, ISO boxes. Every
//! length comes from the file, so every step is checked; what ends early says how many bytes would be needed.

/// The bytes end before the piece does; `needed` is how long they would have to be at least, from their beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) needed: usize,
}

fn slice(bytes: &[u8], from: usize, length: usize) -> Result<&[u8], Cut> {
    let needed = from.saturating_add(length);
    bytes.get(from..needed).ok_or(Cut { needed })
}

/// A marker segment of a JPEG file.
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    /// Without marker and length.
    pub(super) body: &'a [u8],
    /// From the 0xFF on.
    pub(super) whole: &'a [u8],
}

pub(super) const EOI: u8 = 0xD9;
pub(super) const SOS: u8 = 0xDA;

/// The segments of a JPEG file; the caller takes the data of a scan with [`Segments::scan`] after its `SOS`.
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    /// `bytes` begin with the two of `SOI`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 2 }
    }

    /// Skips what stands between markers, as every decoder does.
    pub(super) fn next(&mut self) -> Result<Segment<'a>, Cut> {
        let mut from = self.at;
        loop {
            from += self
                .bytes
                .get(from..)
                .and_then(|rest| rest.iter().position(|&b| b == 0xFF))
                .ok_or(Cut { needed: self.bytes.len() + 1 })?;
            match slice(self.bytes, from, 2)?[1] {
                0xFF => from += 1,
                0 => from += 2,
                _ => break,
            }
        }
        let marker = self.bytes[from + 1];
        let length = match marker {
            0x01 | 0xD0..=0xD9 => 2,
            _ => {
                let length = slice(self.bytes, from + 2, 2)?;
                // A length counts its own two bytes.
                2 + usize::from(u16::from_be_bytes([length[0], length[1]])).max(2)
            }
        };
        let whole = slice(self.bytes, from, length)?;
        self.at = from + length;
        Ok(Segment { marker, body: whole.get(4..).unwrap_or(&[]), whole })
    }

    /// The entropy-coded data up to the next marker that is not part of it, or to the end of the file.
    pub(super) fn scan(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at.min(self.bytes.len())..];
        let mut end = 0;
        let length = loop {
            let Some(found) = rest[end..].iter().position(|&b| b == 0xFF) else { break rest.len() };
            end += found;
            match rest.get(end + 1) {
                None => break rest.len(),
                Some(0 | 0xD0..=0xD7) => end += 2,
                // Fill bytes belong to the marker after them.
                Some(0xFF) => end += 1,
                Some(_) => break end,
            }
        };
        self.at += length;
        &rest[..length]
    }
}

/// A chunk of a PNG or RIFF file.
#[derive(Clone, Copy)]
pub(super) struct Chunk<'a> {
    pub(super) kind: [u8; 4],
    pub(super) data: &'a [u8],
    /// With its head and with its checksum or padding.
    pub(super) whole: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Container {
    Png,
    Riff,
}

/// The chunks of a PNG file after its signature, or of a RIFF file or a part of one.
#[derive(Clone)]
pub(super) struct Chunks<'a> {
    bytes: &'a [u8],
    at: usize,
    container: Container,
}

impl<'a> Chunks<'a> {
    pub(super) fn png(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 8, container: Container::Png }
    }

    /// The chunks of a WebP file as far as its own length goes; what is appended to it is not looked at.
    pub(super) fn webp(bytes: &'a [u8]) -> Self {
        let length = bytes.get(4..8).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes) as usize;
        Self {
            bytes: &bytes[..bytes.len().min(length.saturating_add(8))],
            at: 12,
            container: Container::Riff,
        }
    }

    /// The chunks within a chunk.
    pub(super) fn inner(bytes: &'a [u8], from: usize) -> Self {
        Self { bytes, at: from, container: Container::Riff }
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Kind and length of the next chunk, whose data need not be there yet.
    pub(super) fn peek(&self) -> Result<([u8; 4], usize), Cut> {
        let head = slice(self.bytes, self.at, 8)?;
        let word = |at: usize| [head[at], head[at + 1], head[at + 2], head[at + 3]];
        Ok(match self.container {
            Container::Png => (word(4), u32::from_be_bytes(word(0)) as usize),
            Container::Riff => (word(0), u32::from_le_bytes(word(4)) as usize),
        })
    }

    pub(super) fn next(&mut self) -> Result<Chunk<'a>, Cut> {
        let (kind, length) = self.peek()?;
        let data = slice(self.bytes, self.at + 8, length)?;
        let total = match self.container {
            Container::Png => length + 12,
            Container::Riff => length + 8 + length % 2,
        };
        // The padding of the last chunk of a RIFF file is often left out.
        let end = match self.container {
            Container::Riff => (self.at + total).min(self.bytes.len()),
            Container::Png => self.at + total,
        };
        let whole = slice(self.bytes, self.at, end - self.at)?;
        self.at = end;
        Ok(Chunk { kind, data, whole })
    }
}

/// A block of a GIF file after its screen descriptor and global palette.
pub(super) enum Block<'a> {
    Extension {
        label: u8,
        whole: &'a [u8],
    },
    Image {
        x: u16,
        y: u16,
        width: u16,
        height: u16,
        whole: &'a [u8],
    },
    End,
    /// Nothing that a GIF file may hold here.
    Unknown,
}

pub(super) struct Blocks<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Blocks<'a> {
    /// Also gives everything before the first block. `bytes` begin with the signature.
    pub(super) fn new(bytes: &'a [u8]) -> Result<(&'a [u8], Self), Cut> {
        let head = slice(bytes, 0, 13)?;
        let head = slice(bytes, 0, 13 + palette_length(head[10]))?;
        Ok((head, Self { bytes, at: head.len() }))
    }

    pub(super) fn next(&mut self) -> Result<Block<'a>, Cut> {
        let from = self.at;
        match slice(self.bytes, from, 1)?[0] {
            0x21 => {
                let label = slice(self.bytes, from, 2)?[1];
                self.at = self.after_sub_blocks(from + 2)?;
                Ok(Block::Extension { label, whole: &self.bytes[from..self.at] })
            }
            0x2C => {
                let head = slice(self.bytes, from, 10)?;
                let short = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
                let (x, y, width, height) = (short(1), short(3), short(5), short(7));
                // One byte of code size precedes the data.
                self.at = self.after_sub_blocks(from + 10 + palette_length(head[9]) + 1)?;
                Ok(Block::Image { x, y, width, height, whole: &self.bytes[from..self.at] })
            }
            0x3B => Ok(Block::End),
            _ => Ok(Block::Unknown),
        }
    }

    /// Where the picture stands whose data the file does not hold to their end: x, y, width and height.
    pub(super) fn cut_image(&self) -> Option<[u16; 4]> {
        let head = slice(self.bytes, self.at, 10).ok().filter(|head| head[0] == 0x2C)?;
        Some([1, 3, 5, 7].map(|at| u16::from_le_bytes([head[at], head[at + 1]])))
    }

    fn after_sub_blocks(&self, mut at: usize) -> Result<usize, Cut> {
        loop {
            let length = slice(self.bytes, at, 1)?[0];
            at += 1 + usize::from(length);
            if length == 0 {
                return Ok(at);
            }
        }
    }
}

fn palette_length(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// A box of an ISO media file: its type and content.
pub(super) type IsoBox<'a> = ([u8; 4], &'a [u8]);

/// The boxes in a row, or `None` where they are no boxes.
pub(super) fn boxes(mut bytes: &[u8]) -> Option<Vec<IsoBox<'_>>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let size = u32::from_be_bytes(*bytes.first_chunk()?) as u64;
        let kind = *bytes.get(4..)?.first_chunk()?;
        let (head, size) = match size {
            0 => (8, bytes.len() as u64),
            1 => (16, u64::from_be_bytes(*bytes.get(8..)?.first_chunk()?)),
            _ => (8, size),
        };
        let end = usize::try_from(size).ok()?;
        found.push((kind, bytes.get(head..end)?));
        bytes = &bytes[end..];
    }
    Some(found)
}
