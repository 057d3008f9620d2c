//! Where an original comes from.
