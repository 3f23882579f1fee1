//! What most programs need.

pub use rcmu_core::{Answer, BBox, PixelBox, Question, Scene};

pub use crate::{AnswerEvent, Chat, LoadOptions, Rcmu};
