use rcmu_core::{Control, GenerateOptions, Generator};
use rcmu_prompt::PromptBuilder;

use super::{
    TrainError, TrainingData,
    batch::{Batch, Totals},
    trainer::Trainer,
};
use crate::ComputeDtype;

/// What a model answered to the first questions of conversations that it does not learn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validation {
    /// Each answer beside the one that was wanted, in the order of the conversations.
    pub answers: Vec<ValidationAnswer>,
}

/// One generated answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationAnswer {
    /// The question.
    pub question: String,
    /// What was wanted.
    pub expected: String,
    /// What was generated, without white space around it.
    pub found: String,
}

impl Validation {
    /// Answers that are the wanted ones, letter by letter.
    ///
    /// A strict measure, to be followed over a training; `rcmu-eval` has those to report.
    pub fn exact(&self) -> usize {
        self.answers.iter().filter(|answer| answer.found == answer.expected.trim()).count()
    }
}

impl Trainer {
    /// Mean loss over conversations that the training does not see.
    ///
    /// # Errors
    ///
    /// As [`Trainer::step`].
    pub fn validation_loss(&self, data: &dyn TrainingData, count: u64) -> Result<f64, TrainError> {
        let device = self.device().clone().without_autodiff();
        let student = self.replica(&device, ComputeDtype::F32);
        let (mut sum, mut targets) = (0.0, 0);
        for index in 0..data.len().map_or(count, |len| len.min(count)) {
            let example = self.example(data, index)?;
            let batch = Batch::new(&[&example]);
            let totals = Totals::new([&batch], 0.0);
            let loss: f32 = batch.loss(&student, self.model().config(), totals, &device).into_scalar();
            sum += f64::from(loss) * totals.targets as f64;
            targets += totals.targets;
        }
        if targets == 0 { Err(TrainError::NoData) } else { Ok(sum / targets as f64) }
    }

    /// Answers the first questions of so many conversations that the training does not see, greedily.
    ///
    /// # Errors
    ///
    /// [`TrainError::Item`] for a bad conversation or when no answer can be generated; [`TrainError::NoData`] when there is
    /// no question.
    pub fn validation_answers(
        &self,
        data: &dyn TrainingData,
        count: u64,
        max_new_tokens: u32,
    ) -> Result<Validation, TrainError> {
        let model = self.to_model();
        let mut answers = Vec::new();
        for index in 0..data.len().map_or(count, |len| len.min(count)) {
            let failed = |source| TrainError::Item { index, source };
            let conversation = data.conversation(index).map_err(failed)?;
            let Some((question, expected)) = conversation.turns.first() else { continue };
            let built = PromptBuilder::new(&conversation.scene, question).build();
            let built = built.map_err(|error| failed(error.into()))?;
            let request = built.into_request(GenerateOptions::greedy(max_new_tokens));
            let generated = model.generate(&request, &Control::default(), &mut |_| ());
            let found = generated.map_err(|error| failed(error.into()))?.text.trim().to_owned();
            let question = question.text().to_owned();
            answers.push(ValidationAnswer { question, expected: expected.clone(), found });
        }
        if answers.is_empty() { Err(TrainError::NoData) } else { Ok(Validation { answers }) }
    }
}
