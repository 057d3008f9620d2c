//! The images a server holds.
