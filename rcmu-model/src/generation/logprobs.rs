use rcmu_core::{TokenLogprob, TokenLogprobs};

/// Logits of a step, for how likely its token was.
#[derive(Debug)]
pub(super) struct Odds {
    logits: Vec<f32>,
    /// How many of the likeliest are told.
    likeliest: usize,
}

impl Odds {
    /// Of logits as the model has made them.
    pub(super) fn new(logits: &[f32], likeliest: u32) -> Self {
        Self { logits: logits.to_vec(), likeliest: likeliest as usize }
    }

    /// The logarithm of the softmax, of the token that was taken and of the likeliest, equal ones by their ids.
    pub(super) fn of(self, id: u32) -> TokenLogprobs {
        let Self { logits, likeliest } = self;
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        // In f64: a sum of 151,936 terms.
        let sum: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
        let log_sum = f64::from(largest) + sum.ln();
        let logprob = |id: u32| {
            let logit = logits.get(id as usize).copied().unwrap_or(f32::NEG_INFINITY);
            TokenLogprob { id, logprob: (f64::from(logit) - log_sum).min(0.0) as f32 }
        };
        let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
        let order = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
        if likeliest < ids.len() {
            ids.select_nth_unstable_by(likeliest, order);
            ids.truncate(likeliest);
        }
        ids.sort_unstable_by(order);
        TokenLogprobs { chosen: logprob(id), likeliest: ids.into_iter().map(logprob).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_those_of_the_softmax() {
        // e^0 : e^ln 2 : e^ln 5 : e^ln 2 = 1 : 2 : 5 : 2.
        let logits = [0.0, 2.0_f32.ln(), 5.0_f32.ln(), 2.0_f32.ln()].map(|logit| logit + 1000.0);

        let found = Odds::new(&logits, 3).of(0);

        assert!((found.chosen.logprob - 0.1_f32.ln()).abs() < 1e-4);
        assert_eq!(found.likeliest.iter().map(|token| token.id).collect::<Vec<_>>(), [2, 1, 3]);
        for (token, expected) in found.likeliest.iter().zip([0.5_f32, 0.2, 0.2]) {
            assert!((token.logprob - expected.ln()).abs() < 1e-4, "{token:?}");
        }
    }

    #[test]
    fn a_sure_token_has_the_logarithm_of_one_and_no_list_is_longer_than_the_vocabulary() {
        let found = Odds::new(&[-1e30, 7.0], 20).of(1);

        assert_eq!((found.chosen.logprob, found.likeliest.len()), (0.0, 2));
        assert_eq!(Odds::new(&[1.0, 2.0], 0).of(1).likeliest, []);
    }
}
