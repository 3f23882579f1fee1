/// How an option says that the question cannot be answered.
///
/// # Source
///
/// The first is the option of RC&P-Bench (arXiv 2508.12263), whose wording and case vary; the others are ours.
pub(crate) const INSUFFICIENT: [&str; 5] = [
    "There is not enough information to answer the question",
    "there is not enough information to answer the question",
    "Not enough information",
    "There is not enough information.",
    "Cannot be answered",
];

#[cfg(test)]
mod tests {
    use rcmu_prompt::is_refusal;

    use super::*;

    #[test]
    fn every_insufficient_option_is_read_as_a_refusal() {
        for option in INSUFFICIENT {
            assert!(is_refusal(option), "{option}");
            assert!(is_refusal(&format!("C. {option}")), "{option}");
        }
    }
}
