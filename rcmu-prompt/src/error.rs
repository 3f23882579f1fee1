use crate::Field;

/// Why a prompt could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text has a character that [`TextPolicy::Reject`](crate::TextPolicy::Reject) does not let through.
    #[error("{field} has {found:?} at byte {byte}")]
    Text {
        /// Which text.
        field: Field,
        /// Where the character begins, in bytes of the text as given.
        byte: usize,
        /// The character, or the `[` of a forged context line.
        found: char,
    },
    /// The texts of a prompt are longer than the limit.
    #[error("the prompt has {len} bytes of text, the limit is {max}")]
    TooLong {
        /// Bytes of all its texts.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
}
