//! Integration tests
mod architecture;
