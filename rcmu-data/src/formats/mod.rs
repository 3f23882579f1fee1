//! Reads and writes datasets.
