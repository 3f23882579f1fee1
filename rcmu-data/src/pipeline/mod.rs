//! Makes samples for real pictures.
