use std::error::Error as StdError;

use rcmu_core::{Control, FinishReason, GenerateError, Generator, Request};
use rcmu_data::Sample;

use crate::{Reply, finish_name};

/// Longest text that is kept, in bytes.
const MAX_TEXT: usize = 8 << 20; // its JSON fits into a record, however much of it has to be escaped
/// Longest reason that is kept, in bytes.
const MAX_REASON: usize = 500;

/// A request and the item that it asks.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The item, as the dataset has it.
    pub sample: &'a Sample,
    /// Which of the answers to this item is wanted, from 0.
    pub repeat: u32,
    /// The item as the run's mode shows it.
    pub request: &'a Request,
}

/// Anything that answers the items of a run: every [`Generator`], which sees the request alone, and a
/// [`Replay`](super::Replay), which goes by the item's id.
pub trait Answerer: Send + Sync {
    /// A stable name of the weights and settings, for keys and reports.
    fn identity(&self) -> String;

    /// Answers; `None` when the work was cancelled, so that there is nothing to record.
    ///
    /// # Errors
    ///
    /// Where no further item can be answered either: the run ends, and goes on from here another time. What is wrong with
    /// one item is [`Reply::Failed`].
    fn answer(&self, asked: &Asked<'_>, control: &Control) -> Result<Option<Reply>, GenerateError>;
}

impl<G: Generator + ?Sized> Answerer for G {
    fn identity(&self) -> String {
        Generator::identity(self)
    }

    fn answer(&self, asked: &Asked<'_>, control: &Control) -> Result<Option<Reply>, GenerateError> {
        let result = self.generate(asked.request, control, &mut |_| {});
        let cancelled = control.cancel.is_cancelled();
        Ok(match result {
            Ok(generation) if cancelled && generation.finish == FinishReason::Cancelled => None,
            // A generator that has no other way to say that it was stopped.
            Err(_) if cancelled => None,
            Ok(generation) if generation.text.len() > MAX_TEXT => Some(Reply::Failed {
                reason: format!("the text has {} bytes, the limit is {MAX_TEXT}", generation.text.len()),
            }),
            // No text is no answer, and must not be scored as one.
            Ok(generation) if generation.finish == FinishReason::Deadline && generation.text.is_empty() => {
                Some(Reply::Failed { reason: "no text within the time limit".into() })
            }
            Ok(generation) => {
                Some(Reply::Text { text: generation.text, finish: finish_name(generation.finish).to_owned() })
            }
            Err(error @ GenerateError::BackendFailed { .. }) => return Err(error),
            Err(error) => Some(Reply::Failed { reason: reason(&error) }),
        })
    }
}

/// An error and its causes in one line of bounded length.
fn reason(error: &dyn StdError) -> String {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause
        && reason.len() <= MAX_REASON
    {
        reason = format!("{reason}: {error}");
        cause = error.source();
    }
    reason.truncate(reason.floor_char_boundary(MAX_REASON));
    reason
}

#[cfg(test)]
mod tests {
    use rcmu_core::GenerateError;

    use super::*;

    #[test]
    fn a_reason_has_its_causes_and_an_end() {
        let engine = GenerateError::Engine("the pump is dry".into());
        assert_eq!(reason(&engine), "the engine failed: the pump is dry");

        let engine = GenerateError::Engine("é".repeat(1000).into());
        assert_eq!(reason(&engine).len(), 499, "the limit lies within a character");
    }
}
