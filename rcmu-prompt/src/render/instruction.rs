use rcmu_core::Prompt;

/// Before a question about a scene with context.
///
/// # Source
///
/// The form with citations is the published one (arXiv 2508.12263); this one leaves its last words out.
pub(crate) const ANSWER: &str =
    "Answer the following question based on the information above and the given image.";
/// Before a question that asks for `[k]` marks.
pub(crate) const ANSWER_CITED: &str = "Answer the following question based on the information above and the given \
                                       image, and provide citations for your response.";
/// After the options of a multiple-choice question.
pub(crate) const CHOOSE: &str = "Answer with the option's letter from the given choices directly.";

/// The texts of a question after their policy.
pub(crate) struct QuestionTexts {
    /// The words of the question.
    pub(crate) text: String,
    /// Its options.
    pub(crate) choices: Vec<String>,
}

/// Writes the instruction line of a question about a scene with context.
pub(crate) fn push_instruction(prompt: &mut Prompt, cited: bool) {
    prompt.push_template(if cited { ANSWER_CITED } else { ANSWER });
    prompt.push_template("\n");
}

/// Writes a question with its options, without a line break at the end.
pub(crate) fn push_question(prompt: &mut Prompt, question: &QuestionTexts) {
    prompt.push_untrusted(&question.text);
    for (letter, choice) in ('A'..='Z').zip(&question.choices) {
        prompt.push_template(&format!("\n{letter}. "));
        prompt.push_untrusted(choice);
    }
    if !question.choices.is_empty() {
        prompt.push_template("\n");
        prompt.push_template(CHOOSE);
    }
}
