//! Fine-tuning data of Qwen-VL: pictures stand in the text, boxes and object names between tags.
//!
//! ```json
//! [{"id": "s-1", "conversations": [
//!     {"from": "user", "value": "Picture 1: <img>a.png</img>\nWhere is the dog?"},
//!     {"from": "assistant", "value": "<ref>the dog</ref><box>(214,424),(583,884)</box>"}]}]
//! ```
//!
//! Coordinates are thousandths of the side, as in Qwen2-VL. In a sample, `<box>` is `<|box_start|>` and `<ref>` is
//! `<|object_ref_start|>`. Records with an `image` field and `<image>` in the text, as the tools of later Qwen models
//! take them, are read too.

mod read;
mod write;

pub use read::{open, read};
pub use write::{create, write};
