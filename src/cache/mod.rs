//! The hybrid result cache.
