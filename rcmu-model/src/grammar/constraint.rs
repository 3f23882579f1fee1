use std::fmt;

use llguidance::{Matcher, toktrie::SimpleVob};

use super::said;
use crate::Error;

/// A grammar, and how far an answer has followed it.
///
/// An answer that is cut short is the beginning of one that follows the grammar.
pub struct Constraint {
    matcher: Matcher,
    /// What may come next, once it is known.
    allowed: Option<SimpleVob>,
    /// Tokens of the answer so far.
    tokens: usize,
}

impl Constraint {
    /// Begins an answer.
    pub(super) fn new(matcher: Matcher) -> Result<Self, Error> {
        let mut constraint = Self { matcher, allowed: None, tokens: 0 };
        let allowed = constraint.matcher.compute_mask_or_eos();
        constraint.allowed = Some(allowed.map_err(|error| Error::Grammar { problem: said(&error) })?);
        Ok(constraint)
    }

    /// Makes the logits of all tokens that may not come next minus infinity. A token that ends the answer may come where the
    /// grammar may end, and where nothing else may come.
    ///
    /// # Errors
    ///
    /// [`Error::GrammarStep`] when no token may come, or finding out costs more than llguidance's limits allow.
    pub fn mask(&mut self, logits: &mut [f32]) -> Result<(), Error> {
        let allowed = match self.allowed.take() {
            Some(allowed) => allowed,
            None => self.matcher.compute_mask_or_eos().map_err(|error| self.stuck(&error))?,
        };
        let known = allowed.len();
        let mut any = false;
        for (id, logit) in logits.iter_mut().enumerate() {
            if id < known && allowed.get(id) {
                any = true;
            } else {
                *logit = f32::NEG_INFINITY;
            }
        }
        self.allowed = Some(allowed);
        if any { Ok(()) } else { Err(self.stuck(&"no token may follow")) }
    }

    /// Takes the token that was chosen.
    ///
    /// # Errors
    ///
    /// [`Error::GrammarStep`] when it may not come here.
    pub fn advance(&mut self, id: u32) -> Result<(), Error> {
        let known = self.allowed.take();
        let allowed = known.is_some_and(|known| (id as usize) < known.len() && known.get(id as usize));
        // Where the grammar has come to its end, llguidance wants no token any more, not even the one that says so.
        if !(allowed && self.matcher.is_stopped()) {
            self.matcher.consume_token(id).map_err(|error| self.stuck(&error))?;
        }
        self.tokens += 1;
        Ok(())
    }

    fn stuck(&self, error: &impl fmt::Display) -> Error {
        Error::GrammarStep { tokens: self.tokens, problem: said(error) }
    }
}

impl fmt::Debug for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Constraint").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}
