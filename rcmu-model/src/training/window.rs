//! The conversations of the next steps: chosen, and when their step comes encoded and cut into micro-batches.

use super::{
    Conversation, TrainError, TrainingData, batch::Batch, conversation::Example, order,
    parameters::Parameter, trainer::Trainer,
};

/// A conversation that waits for its step. Its pictures are as they came: decoded they would take many times the room.
pub(super) struct Item {
    index: u64,
    conversation: Conversation,
}

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

    /// A conversation as it is learnt.
    fn conversation(&self, data: &dyn TrainingData, index: u64) -> Result<Conversation, TrainError> {
        let mut conversation =
            data.conversation(index).map_err(|source| TrainError::Item { index, source })?;
        if self.settings.sight_weight == 0.0 && !conversation.turns.is_empty() {
            // Nobody asks for them.
            conversation.sights = None;
        }
        Ok(conversation)
    }

    /// A conversation and its tokens, no more than there may be. Its pictures are not decoded yet.
    fn item(&self, data: &dyn TrainingData, index: u64) -> Result<(Item, usize), TrainError> {
        let conversation = self.conversation(data, index)?;
        let tokens = Example::tokens(self.model(), index, &conversation)?;
        if tokens > self.settings.max_tokens {
            return Err(TrainError::TooLong { index, tokens, max: self.settings.max_tokens });
        }
        Ok((Item { index, conversation }, tokens))
    }

    /// Encodes a conversation.
    fn encode(&self, item: &Item) -> Result<Example, TrainError> {
        let mut example = Example::new(self.model(), item.index, &item.conversation)?;
        if let Some(store) = &self.features {
            store.see(&mut example, self.model());
        }
        Ok(example)
    }

    /// Encodes a conversation of the data.
    pub(super) fn example(&self, data: &dyn TrainingData, index: u64) -> Result<Example, TrainError> {
        self.encode(&self.item(data, index)?.0)
    }

    /// Chooses the conversations of the steps of the current window if none are left.
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
        let items = self.with_all_workers(&indices, |&index| self.item(data, index))?;
        let (items, lengths): (Vec<_>, Vec<_>) = items.into_iter().unzip();
        let mut items: Vec<_> = items.into_iter().map(Some).collect();
        let skip = (self.step - window * bucket) as usize;
        let steps = order::steps(&self.settings, window, &lengths).into_iter().skip(skip);
        let items_of = |step: Vec<usize>| {
            step.into_iter().map(|at| items[at].take().expect("in one step only")).collect()
        };
        self.queue = steps.map(items_of).collect();
        self.data = fingerprint;
        Ok(())
    }

    /// The micro-batches of the next step.
    pub(super) fn batches(&self) -> Result<Vec<Batch>, TrainError> {
        let items = self.queue.front().map_or(&[][..], Vec::as_slice);
        let examples = self.with_all_workers(items, |item| self.encode(item))?;
        let micro = examples.chunks(self.settings.micro_batch);
        Ok(micro.map(|chunk| Batch::new(&chunk.iter().collect::<Vec<_>>())).collect())
    }

    /// Does something with each of these, in their order, on all workers.
    fn with_all_workers<T: Sync, R: Send>(
        &self,
        all: &[T],
        work: impl Fn(&T) -> Result<R, TrainError> + Sync,
    ) -> Result<Vec<R>, TrainError> {
        let share = all.len().div_ceil(self.settings.workers).max(1);
        std::thread::scope(|scope| {
            let handles: Vec<_> =
                all.chunks(share).map(|chunk| scope.spawn(|| chunk.iter().map(&work).collect())).collect();
            let mut done = Vec::with_capacity(all.len());
            for handle in handles {
                let part: Result<Vec<R>, TrainError> =
                    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                done.extend(part?);
            }
            Ok(done)
        })
    }
}
