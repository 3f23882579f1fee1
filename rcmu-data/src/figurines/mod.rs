//! The figurine world: small scenes of figurines with profiles, drawn and told from a seed.
//!
//! ```text
//! seed ─ layout ─► SceneSpec ─ draw ─► picture
//!                      └─ profile ─► facts, info ─ items ─► Sample
//! ```

pub(crate) mod chance;
mod curriculum;
mod dataset;
mod draw;
mod items;
mod layout;
mod names;
mod phrases;
mod profile;
mod rcp;
mod spec;

pub use curriculum::{Curriculum, Lesson, Part};
pub use dataset::{Mix, SceneItems, Split, WorldOptions, samples, scene_items};
pub use draw::{draw, picture};
pub use layout::{Combos, LayoutOptions, is_held_out, layout};
pub use names::is_held_out_pair;
pub use profile::Fact;
pub use rcp::rcp_items;
pub use spec::{Accessory, Backdrop, Colour, Figurine, SceneSpec, Shape, Size, Stand};
