//! A picture request, step by step.
