//! ShareGPT conversations with pictures: `messages` of `user` and `assistant`, and a list of `images`.
//!
//! ```json
//! [{"id": "s-1", "messages": [
//!     {"role": "user", "content": "<image>Who is this?"},
//!     {"role": "assistant", "content": "Lily."}], "images": ["a.png"]}]
//! ```
//!
//! The older spelling, `conversations` with `from` and `value`, is read too. Each `<image>` stands for the next
//! picture. Boxes are those of Qwen2-VL, `<|box_start|>(x1,y1),(x2,y2)<|box_end|>` in thousandths of the side.

mod read;
mod write;

pub use read::{open, read};
pub use write::{create, write};
