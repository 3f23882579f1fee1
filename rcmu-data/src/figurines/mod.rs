//! The figurine world: small scenes of figurines with profiles, drawn and told from a seed.
//!
//! ```text
//! seed ─ layout ─► SceneSpec ─ draw ─► picture
//!                      └─ profile ─► facts, info ─ items ─► Sample
//! ```

mod spec;

pub use spec::{Accessory, Backdrop, Colour, Figurine, SceneSpec, Shape, Size, Stand};
