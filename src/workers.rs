//! The bounded CPU pool and the memory budget.
