//! LLaVA conversations: `image`, and `conversations` of `human` and `gpt`.
//!
//! ```json
//! [{"id": "s-1", "image": "a.png", "conversations": [
//!     {"from": "human", "value": "<image>\nWho is this?"},
//!     {"from": "gpt", "value": "Lily."}]}]
//! ```
//!
//! With reference pictures, `image` is a list and every `<image>` has its number before it. Boxes are those of
//! Qwen2-VL, `<|box_start|>(x1,y1),(x2,y2)<|box_end|>` in thousandths of the side.

mod read;
mod write;

pub use read::{open, read};
pub use write::{create, write};
