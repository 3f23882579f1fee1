use serde::{Deserialize, Serialize};

use crate::Error;

/// What kind of question is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Task {
    /// A free question; nothing is known about its kind.
    #[default]
    Open,
    /// Region-level context-aware image description (RCID).
    Description,
    /// RCVQA from a visual mention to a contextual fact (V2C).
    VisualToContext,
    /// RCVQA from a contextual mention to a visual fact (C2V).
    ContextToVisual,
}

/// A question about a scene.
///
/// # Invariant
///
/// The text is not blank and at most [`Question::MAX_TEXT`] bytes long; a multiple-choice question has 2 to 26 options,
/// each at most that long and not blank.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    task: Task,
    text: String,
    choices: Vec<String>,
    cited: bool,
}

impl Question {
    /// Longest question or option in bytes.
    pub const MAX_TEXT: usize = 64 * 1024;

    /// Asks for a description: "Describe the image."
    pub fn describe() -> Self {
        Self {
            task: Task::Description,
            text: "Describe the image.".into(),
            choices: Vec::new(),
            cited: false,
        }
    }

    /// Asks a free question.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyText`] or [`Error::TextTooLong`].
    pub fn new(text: impl Into<String>) -> Result<Self, Error> {
        let text = checked("question", text.into())?;
        Ok(Self { task: Task::Open, text, choices: Vec::new(), cited: false })
    }

    /// States what kind of question it is.
    pub const fn with_task(mut self, task: Task) -> Self {
        self.task = task;
        self
    }

    /// Asks for `[k]` marks in the answer.
    pub const fn with_citations(mut self) -> Self {
        self.cited = true;
        self
    }

    /// Makes it a multiple-choice question with options A, B, C, …
    ///
    /// # Errors
    ///
    /// [`Error::Choices`] unless there are 2 to 26 options; [`Error::EmptyText`] or [`Error::TextTooLong`] for a bad one.
    pub fn with_choices<S: Into<String>>(
        mut self,
        choices: impl IntoIterator<Item = S>,
    ) -> Result<Self, Error> {
        // One more than allowed is enough to know, however long the iterator is.
        let choices: Vec<String> = choices.into_iter().take(27).map(Into::into).collect();
        if !(2..=26).contains(&choices.len()) {
            return Err(Error::Choices { count: choices.len() });
        }
        self.choices = choices.into_iter().map(|text| checked("option", text)).collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// What kind of question it is.
    pub const fn task(&self) -> Task {
        self.task
    }

    /// The words of the question.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The options in order; empty unless it is a multiple-choice question.
    pub fn choices(&self) -> &[String] {
        &self.choices
    }

    /// Whether `[k]` marks are asked for.
    pub const fn is_cited(&self) -> bool {
        self.cited
    }
}

fn checked(field: &'static str, text: String) -> Result<String, Error> {
    if text.trim().is_empty() {
        return Err(Error::EmptyText { field });
    }
    if text.len() > Question::MAX_TEXT {
        return Err(Error::TextTooLong { field, len: text.len(), max: Question::MAX_TEXT });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_option_or_twenty_seven_are_refused() -> Result<(), Error> {
        let question = Question::new("Who?")?;

        assert_eq!(question.clone().with_choices(["a"]), Err(Error::Choices { count: 1 }));
        assert_eq!(question.clone().with_choices(vec!["a"; 27]), Err(Error::Choices { count: 27 }));
        let error = question.clone().with_choices(vec!["a"; 100]).expect_err("the limit is 26");
        assert!(error.to_string().ends_with("found 27 or more"), "{error}");
        assert_eq!(question.with_choices(["a", "b"])?.choices().len(), 2);
        Ok(())
    }

    #[test]
    fn a_blank_question_is_refused() {
        assert_eq!(Question::new(" \n"), Err(Error::EmptyText { field: "question" }));
    }
}
