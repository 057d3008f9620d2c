//! When work on a picture ends early: at its deadline, or between two of its steps if nobody waits for it any more.

use std::time::Instant;

use crate::transform::render::{RenderError, in_time};

/// How long work goes on; made of a deadline alone, it goes on whoever has left.
#[derive(Clone, Copy)]
pub struct Until<'a> {
    pub(crate) deadline: Instant,
    waits: &'a dyn Fn(Before) -> bool,
}

/// Where work asks whether it is still waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// One more step, after which it asks again.
    Step,
    /// Encoding, which is most of the work and is not stopped for its audience: what was encoded is worth keeping, and
    /// callers who are less patient than an encoder is fast would never get a picture if each try began anew.
    Encode,
}

impl<'a> Until<'a> {
    /// `waits` says whether somebody still waits for the result.
    pub fn new(deadline: Instant, waits: &'a dyn Fn(Before) -> bool) -> Self {
        Self { deadline, waits }
    }

    /// To be asked before each step.
    pub(crate) fn check(self, before: Before) -> Result<(), RenderError> {
        in_time(self.deadline)?;
        if (self.waits)(before) { Ok(()) } else { Err(RenderError::Unwanted) }
    }
}

impl From<Instant> for Until<'static> {
    fn from(deadline: Instant) -> Self {
        Self { deadline, waits: &|_| true }
    }
}
