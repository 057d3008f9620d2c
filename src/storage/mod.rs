//! OpenDAL operators and key layout.
