//! The configuration: file and environment composed from the rooms' own parts.
