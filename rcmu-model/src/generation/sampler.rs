use std::{cmp::Ordering, collections::BTreeMap};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use rcmu_core::GenerateOptions;

use crate::{Error, config::GenerationConfig, grammar::Constraint};

/// How a token is chosen from logits, with the checkpoint's defaults filled in: bias, penalties, grammar, then what draws.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SamplerSettings {
    /// Takes the likeliest token; temperature, top-k, top-p and min-p are then unused.
    pub greedy: bool,
    /// Divides the logits.
    pub temperature: f32,
    /// Keeps the k likeliest tokens and all that tie with the last of them; 0 keeps all.
    pub top_k: Option<usize>,
    /// Keeps the likeliest tokens whose probabilities reach p.
    pub top_p: Option<f32>,
    /// Drops tokens less likely than p times the likeliest.
    pub min_p: Option<f32>,
    /// Divides positive and multiplies negative logits of tokens already seen.
    pub repetition_penalty: f32,
    /// Taken from the logits of tokens that the answer has already.
    pub presence_penalty: f32,
    /// Taken from the logits of tokens for each time that the answer has them already.
    pub frequency_penalty: f32,
    /// Added to the logits of tokens, by id.
    pub logit_bias: Vec<(u32, f32)>,
}

impl SamplerSettings {
    /// Fills the gaps of the options from the checkpoint's `generation_config.json`.
    ///
    /// Where a caller names any sampling setting without saying `sample`, sampling is on and the checkpoint's other
    /// filters (`top_k: 1` in the published files) are off: a temperature would otherwise have no effect. Without any
    /// setting decoding follows the checkpoint, which for the published files is as good as greedy.
    pub fn resolve(options: &GenerateOptions, config: &GenerationConfig) -> Self {
        let named = options.temperature.is_some()
            || options.top_k.is_some()
            || options.top_p.is_some()
            || options.min_p.is_some();
        let greedy = match options.sample {
            Some(sample) => !sample,
            None => !named && !config.do_sample,
        };
        let default = |value: Option<f32>| if named { None } else { value };
        let top_k = options.top_k.or(if named { None } else { config.top_k });
        Self {
            greedy,
            temperature: options.temperature.or(default(config.temperature)).unwrap_or(1.0),
            top_k: top_k.map(|k| k as usize),
            top_p: options.top_p.or(default(config.top_p)).filter(|&p| p < 1.0),
            min_p: options.min_p.or(default(config.min_p)).filter(|&p| p > 0.0),
            repetition_penalty: options.repetition_penalty.or(config.repetition_penalty).unwrap_or(1.0),
            presence_penalty: options.presence_penalty.unwrap_or(0.0),
            frequency_penalty: options.frequency_penalty.unwrap_or(0.0),
            logit_bias: options.logit_bias.iter().map(|(&id, &bias)| (id, bias)).collect(),
        }
    }

    /// Greedy decoding without penalties.
    pub const fn greedy() -> Self {
        Self {
            greedy: true,
            temperature: 1.0,
            top_k: None,
            top_p: None,
            min_p: None,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: Vec::new(),
        }
    }

    /// Sampling with these filters.
    pub fn sampling(
        temperature: f32,
        top_k: Option<usize>,
        top_p: Option<f32>,
        repetition_penalty: f32,
    ) -> Self {
        Self { temperature, top_k, top_p, repetition_penalty, greedy: false, ..Self::greedy() }
    }

    /// Applies the repetition penalty in place: `logit < 0 ? logit * penalty : logit / penalty` for each token seen.
    pub fn penalize(&self, logits: &mut [f32], seen: &[u32]) {
        let penalty = self.repetition_penalty;
        if (penalty - 1.0).abs() < f32::EPSILON {
            return;
        }
        let mut ids: Vec<u32> = seen.to_vec();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit = if *logit < 0.0 { *logit * penalty } else { *logit / penalty };
            }
        }
    }

    /// Adds the bias in place; before all penalties.
    pub fn bias(&self, logits: &mut [f32]) {
        for &(id, bias) in &self.logit_bias {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit += bias;
            }
        }
    }

    /// Takes off in place what the answer so far, `made`, costs; after the repetition penalty.
    ///
    /// # Source
    ///
    /// The parameters of these names of the endpoints of `OpenAI`, as vLLM reads them: tokens of the prompt do not count.
    pub fn charge(&self, logits: &mut [f32], made: &[u32]) {
        if self.presence_penalty == 0.0 && self.frequency_penalty == 0.0 {
            return;
        }
        let mut times = BTreeMap::new();
        for &id in made {
            *times.entry(id).or_insert(0_u32) += 1;
        }
        for (id, times) in times {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit -= self.presence_penalty + self.frequency_penalty * times as f32;
            }
        }
    }

    /// The tokens that may be drawn, with their probabilities: temperature, top-k, top-p, then min-p.
    ///
    /// # Source
    ///
    /// The logits processors of transformers, in their order: ties with the k-th logit are kept; top-p drops from the
    /// least likely as long as their sum stays within `1 - p`.
    pub fn candidates(&self, logits: &[f32]) -> Vec<Candidate> {
        let mut kept: Vec<Candidate> = logits
            .iter()
            .enumerate()
            .map(|(id, &logit)| Candidate { id: id as u32, probability: logit / self.temperature })
            .collect();
        if let Some(k) = self.top_k.filter(|&k| (1..kept.len()).contains(&k)) {
            let mut scores: Vec<f32> = kept.iter().map(|c| c.probability).collect();
            let (_, &mut kth, _) = scores.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
            kept.retain(|c| c.probability >= kth);
        }
        if let Some(p) = self.top_p {
            // Ascending; of equal logits the highest ids are dropped first, so that the id of greedy decoding stays.
            kept.sort_by(|a, b| a.probability.total_cmp(&b.probability).then(b.id.cmp(&a.id)));
            let weights = softmax(&kept);
            let mut sum = 0.0;
            let drop = weights.iter().take_while(|&&weight| {
                sum += weight;
                sum <= 1.0 - p
            });
            let drop = drop.count().min(kept.len().saturating_sub(1));
            kept.drain(..drop);
            kept.sort_by_key(|c| c.id);
        }
        if let Some(min_p) = self.min_p {
            let weights = softmax(&kept);
            let largest = weights.iter().copied().fold(0.0, f32::max);
            let mut weights = weights.iter();
            kept.retain(|_| weights.next().is_some_and(|&weight| weight >= min_p * largest));
        }
        let weights = softmax(&kept);
        for (candidate, weight) in kept.iter_mut().zip(weights) {
            candidate.probability = weight;
        }
        kept
    }
}

/// A token that may be drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The token.
    pub id: u32,
    /// Its probability among all candidates.
    pub probability: f32,
}

/// Softmax over the scores that the candidates carry in place of probabilities.
fn softmax(scores: &[Candidate]) -> Vec<f32> {
    let largest = scores.iter().map(|c| c.probability).fold(f32::NEG_INFINITY, f32::max);
    let exps: Vec<f32> = scores.iter().map(|c| (c.probability - largest).exp()).collect();
    let sum: f32 = exps.iter().sum();
    exps.into_iter().map(|e| e / sum).collect()
}

/// Chooses tokens one after another.
#[derive(Debug)]
pub(crate) struct Sampler {
    settings: SamplerSettings,
    rng: ChaCha8Rng,
}

impl Sampler {
    pub(crate) fn new(settings: SamplerSettings, seed: u64) -> Self {
        Self { settings, rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Chooses the next token from the logits of the whole vocabulary, of those that the constraint allows; `seen` are the
    /// tokens of the prompt and those that were made since, `made` the latter alone.
    ///
    /// # Errors
    ///
    /// [`Error::NonFiniteLogits`] when a logit is NaN or infinite: the weights or the backend are broken, and a
    /// largest value would mean nothing; [`Error::GrammarStep`] when the constraint allows nothing.
    pub(crate) fn choose(
        &mut self,
        mut logits: Vec<f32>,
        seen: &[u32],
        made: &[u32],
        constraint: Option<&mut Constraint>,
    ) -> Result<u32, Error> {
        if let Some(token) = logits.iter().position(|logit| !logit.is_finite()) {
            return Err(Error::NonFiniteLogits { token: token as u32 });
        }
        self.settings.bias(&mut logits);
        self.settings.penalize(&mut logits, seen);
        self.settings.charge(&mut logits, made);
        if let Some(constraint) = constraint {
            // Minus infinity: never the largest, and of probability 0 in every filter.
            constraint.mask(&mut logits)?;
        }
        if self.settings.greedy {
            return Ok(argmax(&logits));
        }
        let candidates = self.settings.candidates(&logits);
        // 53 random bits: a number in [0, 1).
        let mut left = (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        for candidate in &candidates {
            left -= f64::from(candidate.probability);
            if left < 0.0 {
                return Ok(candidate.id);
            }
        }
        // The probabilities add up to a little under 1.
        let likeliest = |a: &&Candidate, b: &&Candidate| a.probability.total_cmp(&b.probability);
        Ok(candidates.iter().max_by(likeliest).map_or_else(|| argmax(&logits), |c| c.id))
    }
}

/// The first of the largest logits.
pub(crate) fn argmax(logits: &[f32]) -> u32 {
    let order = |a: &(usize, &f32), b: &(usize, &f32)| match a.1.total_cmp(b.1) {
        Ordering::Equal => b.0.cmp(&a.0),
        other => other,
    };
    logits.iter().enumerate().max_by(order).map_or(0, |(id, _)| id as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_takes_the_first_of_equals() -> Result<(), Error> {
        let mut sampler = Sampler::new(SamplerSettings::greedy(), 0);

        assert_eq!(sampler.choose(vec![1.0, 3.0, 3.0], &[], &[], None)?, 1);
        Ok(())
    }

    #[test]
    fn broken_logits_are_an_error() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut sampler = Sampler::new(SamplerSettings::greedy(), 0);
            let result = sampler.choose(vec![0.0, bad], &[], &[], None);
            assert!(matches!(result, Err(Error::NonFiniteLogits { token: 1 })), "{bad}");
        }
    }

    #[test]
    fn min_p_drops_the_unlikely() {
        let mut settings = SamplerSettings::sampling(1.0, None, None, 1.0);
        settings.min_p = Some(0.4);

        // Probabilities 2/4, 1/4, 1/4 of ln 2, 0, 0 - and 0.4 * 2/4 = 0.2; then ln 2, 0, -ln 4: 1/13 falls.
        let kept = settings.candidates(&[2.0_f32.ln(), 0.0, -(4.0_f32.ln())]);

        assert_eq!(kept.iter().map(|c| c.id).collect::<Vec<_>>(), [0, 1]);
        assert!((kept[0].probability - 2.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn what_was_made_costs_once_and_for_each_time() {
        let settings = SamplerSettings {
            presence_penalty: 0.5,
            frequency_penalty: 0.25,
            logit_bias: vec![(3, -100.0), (9, 1.0)],
            ..SamplerSettings::greedy()
        };
        let mut logits = [1.0, 1.0, 1.0, 1.0];

        settings.bias(&mut logits);
        settings.charge(&mut logits, &[2, 1, 2, 2]);

        // 1 - 0.5 - 0.25, 1 - 0.5 - 3 * 0.25, 1 - 100.
        let apart = logits.iter().zip([1.0, 0.25, -0.25, -99.0]).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f32::max) < 1e-6, "{logits:?}");
    }

    #[test]
    fn the_prompt_costs_repetition_only() -> Result<(), Error> {
        let choose = |settings: SamplerSettings| {
            // Token 0 is in the prompt, token 1 was made.
            Sampler::new(settings, 0).choose(vec![3.0, 2.9, 2.0], &[0, 1], &[1], None)
        };
        let presence = SamplerSettings { presence_penalty: 2.0, ..SamplerSettings::greedy() };
        let repetition = SamplerSettings { repetition_penalty: 2.0, ..SamplerSettings::greedy() };
        let biased = SamplerSettings { logit_bias: vec![(2, 1.5)], ..SamplerSettings::greedy() };

        assert_eq!([choose(presence)?, choose(repetition)?, choose(biased)?], [0, 2, 2]);
        // 3 / 2 - 1 = 0.5 and not (3 - 1) / 2 = 1.
        let both =
            SamplerSettings { presence_penalty: 1.0, repetition_penalty: 2.0, ..SamplerSettings::greedy() };
        assert_eq!(Sampler::new(both, 0).choose(vec![3.0, 0.8], &[0], &[0], None)?, 1);
        Ok(())
    }

    #[test]
    fn filters_of_nothing_keep_all_and_none_of_none() {
        let settings = SamplerSettings::sampling(1.0, Some(0), Some(0.0), 1.0);

        assert_eq!(settings.candidates(&[]), []);
        let all = SamplerSettings { top_p: None, ..settings.clone() };
        assert_eq!(all.candidates(&[1.0, 2.0]).len(), 2);
        assert_eq!(settings.candidates(&[1.0, 2.0]), [Candidate { id: 1, probability: 1.0 }]);
    }

    #[test]
    fn draws_follow_the_probabilities_and_the_seed() -> Result<(), Error> {
        let settings = SamplerSettings::sampling(1.0, None, None, 1.0);
        let draw = |seed| -> Result<Vec<u32>, Error> {
            let mut sampler = Sampler::new(settings.clone(), seed);
            (0..4000).map(|_| sampler.choose(vec![3.0_f32.ln(), 0.0], &[], &[], None)).collect()
        };

        let (first, again, other) = (draw(1)?, draw(1)?, draw(2)?);

        assert_eq!(first, again);
        assert_ne!(first, other);
        // Token 0 has probability 3/4; 4000 draws have a standard deviation of sqrt(4000 * 3/16) = 27.4.
        let zeros = first.iter().filter(|&&id| id == 0).count() as f64;
        assert!((zeros - 3000.0).abs() < 6.0 * 27.4, "{zeros}");
        Ok(())
    }
}
