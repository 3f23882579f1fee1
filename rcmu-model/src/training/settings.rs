use serde::{Deserialize, Serialize};

use super::TrainError;
use crate::ComputeDtype;

/// Which parts of the model stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Frozen {
    /// The vision tower without its merger. Picture features up to the merger are not cached unless it is frozen too.
    pub vision: bool,
    /// The merger between tower and decoder.
    pub merger: bool,
    /// The decoder with embeddings and head.
    pub language: bool,
}

impl Frozen {
    /// Whether a parameter stays as it is.
    pub(crate) fn holds(self, name: &str) -> bool {
        if name.starts_with("visual.merger.") {
            self.merger
        } else if name.starts_with("visual.") {
            self.vision
        } else {
            self.language
        }
    }
}

/// Low-rank adapters instead of full tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoraSettings {
    /// Rank of the two factors.
    pub rank: usize,
    /// The product of the factors is multiplied by `alpha / rank`.
    pub alpha: f64,
    /// Last parts of the names of the layers that get an adapter, such as `q_proj`.
    pub targets: Vec<String>,
}

impl Default for LoraSettings {
    fn default() -> Self {
        let targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
        Self { rank: 8, alpha: 16.0, targets: targets.map(str::to_owned).to_vec() }
    }
}

/// How gradients change the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Optimizer {
    /// `AdamW` for all parameters.
    #[default]
    AdamW,
    /// Muon for the matrices between the layers, `AdamW` for the others. Its steps have the size of those of `AdamW`, so that
    /// the same rates are good for both.
    Muon,
}

/// How to train. A JSON file may name any of the fields; the others keep their defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainSettings {
    /// Steps in all; each changes the weights once.
    pub steps: u64,
    /// Conversations per step.
    pub batch: usize,
    /// Conversations that go through the model together; a step adds up the gradients of its micro-batches.
    pub micro_batch: usize,
    /// Micro-batches that are worked on at the same time. More than one pays on CPUs, where one operation rarely keeps
    /// all cores busy. Does not change results.
    pub workers: usize,
    /// Steps whose conversations are sorted by length together, so that a micro-batch needs little padding.
    pub bucket_steps: usize,
    /// The most tokens of a conversation.
    pub max_tokens: usize,
    /// How gradients change the weights.
    pub optimizer: Optimizer,
    /// Largest learning rate.
    pub learning_rate: f64,
    /// Steps in which the learning rate rises from 0.
    pub warmup_steps: u64,
    /// Share of the learning rate that is left at the end of the cosine.
    pub final_share: f64,
    /// `AdamW`'s decay rates of the two moments.
    pub betas: [f64; 2],
    /// `AdamW`'s guard against division by zero.
    pub epsilon: f64,
    /// `AdamW`'s weight decay, for matrices only.
    pub weight_decay: f64,
    /// Largest norm of all gradients together; larger ones are scaled down.
    pub clip_norm: f64,
    /// What stays as it is; where there are adapters, those of these parts.
    pub frozen: Frozen,
    /// Weight of what the pictures show where, next to the answers; 0 leaves it out. For models trained from nothing: beside
    /// adapters the heads that help with it stay as they begin, at zero, and only what the model's own head says of the
    /// pictures counts.
    pub sight_weight: f64,
    /// Trains adapters instead of the weights.
    pub lora: Option<LoraSettings>,
    /// What activations and gradients are computed in. The weights and the optimiser's moments are kept in f32, and so are losses.
    /// Adapters need `f32`: what they change at first is too little to be told beside a weight of eight bits.
    pub compute: ComputeDtype,
    /// Recomputes cheap operations on the way back instead of keeping their results.
    pub gradient_checkpointing: bool,
    /// Start of the random sequences: order of the data, adapters.
    pub seed: u64,
    /// Steps between checkpoints.
    pub checkpoint_steps: u64,
    /// Checkpoints to keep; at least 2.
    pub keep: usize,
    /// Steps between validations; 0 for none.
    pub validation_steps: u64,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            steps: 1000,
            batch: 16,
            micro_batch: 8,
            workers: 1,
            bucket_steps: 8,
            max_tokens: 4096,
            optimizer: Optimizer::default(),
            learning_rate: 1e-3,
            warmup_steps: 50,
            final_share: 0.1,
            betas: [0.9, 0.98],
            epsilon: 1e-8,
            weight_decay: 0.01,
            clip_norm: 1.0,
            frozen: Frozen::default(),
            sight_weight: 0.0,
            lora: None,
            compute: ComputeDtype::F32,
            gradient_checkpointing: false,
            seed: 0,
            checkpoint_steps: 200,
            keep: 2,
            validation_steps: 0,
        }
    }
}

impl TrainSettings {
    /// Checks every setting against its range.
    ///
    /// # Errors
    ///
    /// [`TrainError::Setting`] naming the first that is out of range.
    pub fn check(&self) -> Result<(), TrainError> {
        let whole = |setting, value: u64, expected, good: bool| {
            if good {
                Ok(())
            } else {
                Err(TrainError::Setting { setting, found: value.to_string(), expected })
            }
        };
        let number = |setting, value: f64, expected, good: bool| {
            if value.is_finite() && good {
                Ok(())
            } else {
                Err(TrainError::Setting { setting, found: value.to_string(), expected })
            }
        };
        whole("steps", self.steps, "1 and above", self.steps >= 1)?;
        whole("batch", self.batch as u64, "1..=65536", (1..=65_536).contains(&self.batch))?;
        let fits = (1..=self.batch).contains(&self.micro_batch);
        whole("micro_batch", self.micro_batch as u64, "1 up to `batch`", fits)?;
        whole("workers", self.workers as u64, "1..=64", (1..=64).contains(&self.workers))?;
        whole("bucket_steps", self.bucket_steps as u64, "1..=1024", (1..=1024).contains(&self.bucket_steps))?;
        whole("max_tokens", self.max_tokens as u64, "1 and above", self.max_tokens >= 1)?;
        whole("checkpoint_steps", self.checkpoint_steps, "1 and above", self.checkpoint_steps >= 1)?;
        whole("keep", self.keep as u64, "2 and above", self.keep >= 2)?;
        number("learning_rate", self.learning_rate, "above 0", self.learning_rate > 0.0)?;
        number("final_share", self.final_share, "0..=1", (0.0..=1.0).contains(&self.final_share))?;
        for beta in self.betas {
            number("betas", beta, "0..1", (0.0..1.0).contains(&beta))?;
        }
        number("epsilon", self.epsilon, "above 0", self.epsilon > 0.0)?;
        number("weight_decay", self.weight_decay, "0 and above", self.weight_decay >= 0.0)?;
        number("sight_weight", self.sight_weight, "0 and above", self.sight_weight >= 0.0)?;
        number("clip_norm", self.clip_norm, "above 0", self.clip_norm > 0.0)?;
        if let Some(lora) = &self.lora {
            if self.compute != ComputeDtype::F32 {
                let (setting, found) = ("compute", format!("{:?}", self.compute).to_lowercase());
                return Err(TrainError::Setting { setting, found, expected: "`f32` beside adapters" });
            }
            whole("lora.rank", lora.rank as u64, "1..=1024", (1..=1024).contains(&lora.rank))?;
            number("lora.alpha", lora.alpha, "above 0", lora.alpha > 0.0)?;
            whole("lora.targets", lora.targets.len() as u64, "one or more names", !lora.targets.is_empty())?;
        }
        Ok(())
    }

    /// The learning rate of a step, counted from 0: a linear rise, then half a cosine down.
    pub fn learning_rate_at(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.learning_rate * (step + 1) as f64 / self.warmup_steps as f64;
        }
        let rest = self.steps.saturating_sub(self.warmup_steps).max(1) as f64;
        let share = ((step - self.warmup_steps) as f64 / rest).min(1.0);
        let cosine = f64::midpoint(1.0, (std::f64::consts::PI * share).cos());
        self.learning_rate * (self.final_share + (1.0 - self.final_share) * cosine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_and_falls() {
        let settings = TrainSettings {
            steps: 110,
            warmup_steps: 10,
            learning_rate: 2.0,
            final_share: 0.1,
            ..TrainSettings::default()
        };

        // 2 * 1/10; the top; 2 * (0.1 + 0.9 * 1/2) in the middle of the cosine; 2 * 0.1 at its end
        for (step, expected) in [(0, 0.2), (10, 2.0), (60, 1.1), (110, 0.2), (500, 0.2)] {
            let rate = settings.learning_rate_at(step);
            assert!((rate - expected).abs() < 1e-12, "step {step}: {rate}");
        }
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let refused = |change: fn(&mut TrainSettings)| {
            let mut settings = TrainSettings::default();
            change(&mut settings);
            match settings.check() {
                Err(TrainError::Setting { setting, .. }) => setting,
                other => panic!("expected an error, found {other:?}"),
            }
        };

        assert_eq!(refused(|s| s.steps = 0), "steps");
        assert_eq!(refused(|s| s.micro_batch = 17), "micro_batch");
        assert_eq!(refused(|s| s.learning_rate = f64::NAN), "learning_rate");
        assert_eq!(refused(|s| s.betas = [0.9, 1.0]), "betas");
        assert_eq!(refused(|s| s.keep = 1), "keep");
        let lora = LoraSettings { rank: 0, ..LoraSettings::default() };
        assert_eq!(
            TrainSettings { lora: Some(lora), ..TrainSettings::default() }.check().map_err(|e| e.to_string()),
            Err("`lora.rank` is 0, expected 1..=1024".into())
        );
        let compute = ComputeDtype::Bf16;
        let beside = |lora| TrainSettings { lora, compute, ..TrainSettings::default() }.check();
        assert_eq!(
            beside(Some(LoraSettings::default())).map_err(|e| e.to_string()),
            Err("`compute` is bf16, expected `f32` beside adapters".into())
        );
        assert!(beside(None).is_ok());
        assert!(TrainSettings::default().check().is_ok());
    }
}
