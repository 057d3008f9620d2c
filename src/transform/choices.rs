//! What is decided by looking at the pixels. In an animation the first frame decides for all, so that nothing jumps
//! from frame to frame.

use std::rc::Rc;

use crate::codec::Bitmap;
use crate::transform::plan::Colour;

/// The decisions of one plan. All frames are asked the same questions in the same order, because they have one
/// geometry.
#[derive(Default)]
pub(crate) struct Choices {
    /// Corners of crops.
    pub(crate) corners: Decided<(u32, u32)>,
    /// Colours of edges.
    pub(crate) edges: Decided<Colour>,
    /// What is drawn on top, and where; it is decoded or set once.
    pub(crate) tops: Decided<(Rc<Bitmap>, (i64, i64))>,
}

impl Choices {
    /// To be called before each frame.
    pub(crate) fn rewind(&mut self) {
        self.corners.next = 0;
        self.edges.next = 0;
        self.tops.next = 0;
    }
}

/// Answers in the order of the questions.
pub(crate) struct Decided<T> {
    made: Vec<T>,
    next: usize,
}

impl<T> Default for Decided<T> {
    fn default() -> Self {
        Self { made: Vec::new(), next: 0 }
    }
}

impl<T: Clone> Decided<T> {
    /// The answer of an earlier frame, else that of `decide`.
    pub(crate) fn or_decide<E>(&mut self, decide: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        if self.made.len() <= self.next {
            self.made.push(decide()?);
        }
        let answer = self.made[self.next].clone();
        self.next += 1;
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_frame_decides() {
        let mut choices = Choices::default();
        let mut frame = |answers: [u32; 2]| -> [(u32, u32); 2] {
            choices.rewind();
            answers.map(|answer| choices.corners.or_decide(|| Ok::<_, ()>((answer, 0))).unwrap())
        };
        assert_eq!(frame([3, 4]), [(3, 0), (4, 0)]);
        assert_eq!(frame([7, 8]), [(3, 0), (4, 0)]);
    }
}
