//! Follows the frames of an HTTP/2 connection as far as it takes to tell whether the client owes the rest of a head. The
//! codec below knows, but tells nobody, and a ping must not look like the beginning of a request.

/// What a client that speaks HTTP/2 begins with (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Where in the sequence of frames a connection is.
#[derive(Debug)]
pub(super) struct Frames {
    /// Of a frame's own head, as far as it came.
    head: [u8; HEAD],
    have: usize,
    /// Bytes of the payload, or of the preface, that are still to come.
    left: usize,
    kind: u8,
    /// A header block goes on in the next frame.
    goes_on: bool,
}

impl Frames {
    /// The preface itself is fed too.
    pub(super) fn after_preface() -> Self {
        Self { head: [0; HEAD], have: 0, left: PREFACE.len(), kind: HEADERS, goes_on: false }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let skipped = self.left.min(bytes.len());
                self.left -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let taken = (HEAD - self.have).min(bytes.len());
            self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == HEAD {
                self.begin_frame();
            }
        }
    }

    fn begin_frame(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.head;
        self.have = 0;
        self.left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.kind = kind;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.goes_on = flags & END_HEADERS == 0;
        }
    }

    /// Whether something was begun that is no body: a frame, or a header block over several.
    pub(super) fn are_unfinished(&self) -> bool {
        self.goes_on || self.have > 0 || (self.left > 0 && self.kind != DATA)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&len[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// After each byte whether something is owed.
    fn owed(bytes: &[u8]) -> Vec<bool> {
        let mut frames = Frames::after_preface();
        frames.feed(PREFACE);
        let each = |byte: &u8| {
            frames.feed(&[*byte]);
            frames.are_unfinished()
        };
        bytes.iter().map(each).collect()
    }

    #[test]
    fn a_frame_is_owed_until_its_last_byte_and_a_body_is_not() {
        let ping = frame(6, 0, &[7; 8]);
        let owes = owed(&ping);
        assert!(owes[..owes.len() - 1].iter().all(|owes| *owes) && !owes[owes.len() - 1]);
        let owes = owed(&frame(DATA, 0, &[7; 30]));
        assert!(owes[..8].iter().all(|owes| *owes) && owes[8..].iter().all(|owes| !owes));
        assert_eq!(owed(&frame(4, 0, &[])), [vec![true; 8], vec![false]].concat());
    }

    #[test]
    fn a_header_block_is_owed_until_it_says_that_it_ends() {
        let mut bytes = frame(HEADERS, 1, b"abc");
        assert_eq!(owed(&bytes).last(), Some(&true));
        bytes.extend(frame(CONTINUATION, 0, b""));
        assert_eq!(owed(&bytes).last(), Some(&true));
        bytes.extend(frame(CONTINUATION, END_HEADERS, b"de"));
        assert_eq!(owed(&bytes).last(), Some(&false));
    }

    #[test]
    fn pieces_of_any_size_are_followed_alike() {
        let bytes: Vec<u8> = (0..40).flat_map(|n| frame(n % 10, n, &vec![1; usize::from(n) * 3])).collect();
        for size in [1, 2, 7, 64, 1000] {
            let mut frames = Frames::after_preface();
            for piece in [PREFACE.as_slice(), &bytes].concat().chunks(size) {
                frames.feed(piece);
            }
            assert_eq!((frames.have, frames.left), (0, 0));
        }
    }
}
