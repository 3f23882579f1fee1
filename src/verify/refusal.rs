use super::json::Node;

/// An error that the reference raised: its class and its words.
pub(super) struct Refusal {
    class: String,
    message: String,
}

impl Refusal {
    /// Reads an error; `None` when the node holds a result.
    pub(super) fn of(node: &Node<'_>) -> Option<Result<Self, String>> {
        let class = node.get("error")?;
        Some(node.field("message").and_then(|message| Ok(Self { class: class.take()?, message })))
    }

    /// Checks the class of the error.
    pub(super) fn is_one_of(&self, classes: &[&str]) -> Result<(), String> {
        if classes.contains(&self.class.as_str()) {
            Ok(())
        } else {
            Err(format!(
                "the reference raised {}, which does not fit; expected {}",
                self.class,
                classes.join(" or ")
            ))
        }
    }

    /// Checks that the words hold a phrase.
    pub(super) fn says(&self, phrase: &str) -> Result<(), String> {
        if self.message.contains(phrase) {
            Ok(())
        } else {
            Err(format!("the reference said {:?}, expected {phrase:?} in it", self.message))
        }
    }

    /// Checks all numbers in the words, in order.
    pub(super) fn counts(&self, expected: &[f64]) -> Result<(), String> {
        let found = numbers(&self.message);
        if found == expected {
            Ok(())
        } else {
            Err(format!("the reference counted {found:?} in {:?}, here it is {expected:?}", self.message))
        }
    }
}

/// The numbers written in a text that stand for themselves, so not the 2 of `x2`.
fn numbers(text: &str) -> Vec<f64> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
    let words = text.split(|c: char| !is_part(c));
    words.filter_map(|word| word.trim_matches('.').parse().ok()).filter(|n: &f64| n.is_finite()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_between_words() {
        assert_eq!(numbers("nframes in [2, 17], got `n=8`. x2 nan"), [2.0, 17.0, 8.0]);
        assert_eq!(numbers("smaller than 200, got 201.5"), [200.0, 201.5]);
    }
}
