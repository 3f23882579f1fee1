//! The conversations of the next steps: chosen, encoded, cut into micro-batches.

use super::{
    TrainError, TrainingData, batch::Batch, conversation::Example, order, parameters::Parameter,
    trainer::Trainer,
};

impl Trainer {
    /// Keeps nothing of what was seen, and sees anew, where the tower is not that of the start any more.
    pub(super) fn forget_seen(&mut self) {
        self.queue.clear();
        let changes_tower = |parameter: &Parameter| {
            let is_factor = parameter.name.starts_with("visual.") && parameter.name.ends_with(".lora_b");
            is_factor && parameter.value.clone().abs().max().into_scalar::<f32>() > 0.0
        };
        if self.parameters.iter().any(changes_tower) {
            self.features = None;
        }
    }

    /// Encodes a conversation.
    pub(super) fn example(&self, data: &dyn TrainingData, index: u64) -> Result<Example, TrainError> {
        let mut conversation =
            data.conversation(index).map_err(|source| TrainError::Item { index, source })?;
        if self.settings.sight_weight == 0.0 && !conversation.turns.is_empty() {
            // Nobody asks for them.
            conversation.sights = None;
        }
        let mut example = Example::new(self.model(), index, &conversation)?;
        if example.len() > self.settings.max_tokens {
            let (tokens, max) = (example.len(), self.settings.max_tokens);
            return Err(TrainError::TooLong { index, tokens, max });
        }
        if let Some(store) = &self.features {
            store.see(&mut example, self.model());
        }
        Ok(example)
    }

    /// Prepares the steps of the current window if none are left.
    pub(super) fn fill(&mut self, data: &dyn TrainingData) -> Result<(), TrainError> {
        let fingerprint = data.fingerprint();
        if !self.data.is_empty() && self.data != fingerprint {
            let problem = format!("it was made with the data `{}`, these are `{fingerprint}`", self.data);
            return Err(TrainError::Checkpoint { path: self.start().to_owned(), problem });
        }
        if !self.queue.is_empty() {
            return Ok(());
        }
        if data.is_empty() {
            return Err(TrainError::NoData);
        }
        let bucket = self.settings.bucket_steps as u64;
        let window = self.step / bucket;
        let indices = order::window(&self.settings, data.len(), window);
        let examples = self.examples(data, &indices)?;
        let steps = order::steps(&self.settings, window, &examples);
        let skip = (self.step - window * bucket) as usize;
        self.queue = steps
            .into_iter()
            .skip(skip)
            .map(|step| {
                let micro = step.chunks(self.settings.micro_batch);
                micro
                    .map(|chunk| Batch::new(&chunk.iter().map(|&at| &examples[at]).collect::<Vec<_>>()))
                    .collect()
            })
            .collect();
        self.data = fingerprint;
        Ok(())
    }

    /// Encodes conversations with all workers.
    fn examples(&self, data: &dyn TrainingData, indices: &[u64]) -> Result<Vec<Example>, TrainError> {
        let share = indices.len().div_ceil(self.settings.workers).max(1);
        std::thread::scope(|scope| {
            let handles: Vec<_> = indices
                .chunks(share)
                .map(|chunk| scope.spawn(|| chunk.iter().map(|&index| self.example(data, index)).collect()))
                .collect();
            let mut examples = Vec::with_capacity(indices.len());
            for handle in handles {
                let part: Result<Vec<Example>, TrainError> =
                    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                examples.extend(part?);
            }
            Ok(examples)
        })
    }
}
