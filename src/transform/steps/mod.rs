//! The operations of a plan, one file a step. All work on 8-bit interleaved [`Bitmap`]s in stored orientation: turns
//! are only noted down ([`turn::Turn`]) and done once, at the end, on what is left of the picture.
//!
//! [`Bitmap`]: crate::codec::Bitmap

pub(crate) mod adjust;
pub(crate) mod backdrop;
pub(crate) mod blend;
pub(crate) mod blocks;
pub(crate) mod blur;
pub(crate) mod canvas;
pub(crate) mod corners;
pub(crate) mod crop;
pub(crate) mod flatten;
pub(crate) mod fold;
pub(crate) mod interest;
pub(crate) mod overlay;
pub(crate) mod resample;
pub(crate) mod rotate;
pub(crate) mod text;
pub(crate) mod trim;
pub(crate) mod turn;
