//! What a picture may cost, and what the work is done with.

use std::time::Duration;

use serde::Deserialize;

use crate::units::{Auto, ByteSize, Pixels, Span};

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Images {
    /// The largest frame that is decoded.
    pub max_pixels: Pixels,
    /// The most pixels of all frames together.
    pub max_pixels_summed: Pixels,
    /// The longest side of a result, in pixels.
    pub max_result_side: u32,
    /// Threads that decode, transform and encode; `auto` is one a CPU.
    pub workers: Auto<u32>,
    /// Memory that pictures in work may fill; `auto` is derived from the machine's.
    pub memory_budget: Auto<ByteSize>,
    /// Decoded pictures kept for the other widths of a srcset; 0 for none.
    pub bitmap_cache: ByteSize,
    /// How long a request may have to wait for a worker; who would wait longer is refused on arrival.
    pub queue: Span,
    /// How long one picture may take, from its source's first byte to its result.
    pub timeout: Span,
    /// Sizes that the `ladder` policy knows beside the built-in ones, in pixels.
    pub ladder: Vec<u32>,
}

impl Default for Images {
    fn default() -> Self {
        Self {
            max_pixels: Pixels(100_000_000),
            max_pixels_summed: Pixels(250_000_000),
            max_result_side: 12_000,
            workers: Auto::Auto,
            memory_budget: Auto::Auto,
            bitmap_cache: ByteSize(64 << 20),
            queue: Span(Duration::from_secs(4)),
            timeout: Span(Duration::from_secs(20)),
            ladder: Vec::new(),
        }
    }
}

impl Images {
    pub fn validate(&self) -> Result<(), String> {
        if self.max_pixels.0 == 0 {
            return Err("`images.max_pixels`: 0 refuses every picture; give a size like `100MP`".to_owned());
        }
        if self.max_pixels_summed < self.max_pixels {
            return Err(format!(
                "`images.max_pixels_summed`: {} is less than `images.max_pixels`, {}, of a single frame",
                self.max_pixels_summed, self.max_pixels
            ));
        }
        if !(1..=16_384).contains(&self.max_result_side) {
            return Err(format!("`images.max_result_side`: {} is not from 1 to 16384", self.max_result_side));
        }
        if let Auto::Value(workers) = self.workers
            && !(1..=1024).contains(&workers)
        {
            return Err(format!("`images.workers`: {workers} is not from 1 to 1024, or `auto`"));
        }
        if let Auto::Value(budget) = self.memory_budget
            && budget < ByteSize(16 << 20)
        {
            return Err(format!(
                "`images.memory_budget`: {budget} is too little; give at least `16MiB`, or `auto`"
            ));
        }
        for (key, span) in [("queue", self.queue), ("timeout", self.timeout)] {
            if span.0.is_zero() {
                return Err(format!("`images.{key}`: 0 refuses every picture; give a time like `4s`"));
            }
        }
        match self.ladder.iter().position(|size| !(1..=16_384).contains(size)) {
            Some(index) => {
                Err(format!("`images.ladder[{index}]`: {} is not from 1 to 16384", self.ladder[index]))
            }
            None => Ok(()),
        }
    }
}
