//! Counts what the hot paths allocate.

fn main() {}
