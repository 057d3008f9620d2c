//! How bytes become an image of the library.
