use std::fmt;

use serde::{Deserialize, Serialize};

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepReport {
    /// Steps done, this one included.
    pub step: u64,
    /// Mean negative log-likelihood of the tokens to predict, in nats, before the step, and with a `sight_weight` what that
    /// adds.
    pub loss: f64,
    /// Norm of all gradients before clipping.
    pub gradient_norm: f64,
    /// The learning rate.
    pub learning_rate: f64,
    /// Tokens that went through the model, padding included.
    pub tokens: usize,
    /// Tokens that had to be predicted.
    pub targets: usize,
    /// How long it took.
    pub seconds: f64,
}

impl fmt::Display for StepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.tokens as f64 / self.seconds;
        write!(f, "step {:>6}  loss {:<8.4} norm {:<8.3}", self.step, self.loss, self.gradient_norm)?;
        write!(f, " rate {:.2e}  {rate:.0} tokens/s", self.learning_rate)
    }
}
