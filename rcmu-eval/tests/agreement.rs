//! Agreement with independent implementations; `fixtures/export.py` makes the files.

#![allow(clippy::float_cmp, reason = "0 and 1 are exact, and hand calculations are meant to be")]

use rcmu_eval::{
    judge::{Entailment, JudgeError, Verdict},
    metrics::{mcnemar, wilson},
    scorers::{CitedStatement, alce, exact_match, token_f1},
};
use serde::{Deserialize, de::DeserializeOwned};

/// Two ways to compute the same number in double precision.
const TOLERANCE: f64 = 1e-12;
/// Quantiles and distribution functions are series and continued fractions that stop at different places.
const SERIES_TOLERANCE: f64 = 1e-9;

fn cases<T: DeserializeOwned>(text: &str, at_least: usize) -> Vec<T> {
    let cases: Vec<T> = serde_json::from_str(text).expect("the fixture is valid");
    assert!(cases.len() >= at_least, "{} cases", cases.len());
    cases
}

/// The largest difference so far.
#[derive(Default)]
struct Largest(f64);

impl Largest {
    fn see(&mut self, found: f64, expected: f64, tolerance: f64, case: &str) {
        let apart = (found - expected).abs();
        assert!(apart <= tolerance, "{case}: {found} instead of {expected}");
        self.0 = self.0.max(apart);
    }
}

#[test]
fn exact_match_and_f1_agree_with_torchmetrics() {
    #[derive(Deserialize)]
    struct Case {
        prediction: String,
        expected: String,
        exact_match: f64,
        token_f1: f64,
    }
    let mut largest = Largest::default();

    for case in cases::<Case>(include_str!("fixtures/squad.json"), 400) {
        let name = format!("{:?} against {:?}", case.prediction, case.expected);
        largest.see(exact_match(&case.prediction, &case.expected), case.exact_match, 0.0, &name);
        largest.see(token_f1(&case.prediction, &case.expected), case.token_f1, TOLERANCE, &name);
    }

    println!("SQuAD: largest difference {:e}", largest.0);
}

#[test]
fn wilson_agrees_with_statsmodels() {
    #[derive(Deserialize)]
    struct Case {
        successes: usize,
        count: usize,
        low: f64,
        high: f64,
    }
    let mut largest = Largest::default();

    for case in cases::<Case>(include_str!("fixtures/wilson.json"), 100) {
        let name = format!("{} of {}", case.successes, case.count);
        let interval = wilson(case.successes, case.count).expect("there are trials");
        largest.see(interval.low, case.low, SERIES_TOLERANCE, &name);
        largest.see(interval.high, case.high, SERIES_TOLERANCE, &name);
    }

    println!("Wilson: largest difference {:e}", largest.0);
}

#[test]
fn mcnemar_agrees_with_statsmodels() {
    #[derive(Deserialize)]
    struct Case {
        only_first: usize,
        only_second: usize,
        exact_p: f64,
        chi_square: Option<f64>,
        chi_square_p: Option<f64>,
    }
    let mut largest = Largest::default();

    for case in cases::<Case>(include_str!("fixtures/mcnemar.json"), 100) {
        let name = format!("{} against {}", case.only_first, case.only_second);
        let test = mcnemar(case.only_first, case.only_second);
        largest.see(test.exact_p, case.exact_p, SERIES_TOLERANCE, &name);
        if let (Some(chi_square), Some(p)) = (case.chi_square, case.chi_square_p) {
            largest.see(test.chi_square, chi_square, SERIES_TOLERANCE, &name);
            largest.see(test.chi_square_p, p, SERIES_TOLERANCE, &name);
        }
    }

    println!("McNemar: largest difference {:e}", largest.0);
}

/// A premise entails a hypothesis when it has all its letters.
struct Letters;

impl Entailment for Letters {
    fn identity(&self) -> String {
        "letters".into()
    }

    fn entails(&self, premise: &str, hypothesis: &str) -> Result<Verdict, JudgeError> {
        let has_all = hypothesis.chars().all(|letter| premise.contains(letter));
        Ok(if has_all { Verdict::Entail } else { Verdict::Neutral })
    }
}

/// The hand-written counts: so many of so many.
type Counts = Option<(usize, usize)>;

#[test]
fn citation_quality_agrees_with_fifty_cases_counted_by_hand() {
    #[derive(Deserialize)]
    struct Case {
        passages: Vec<String>,
        statements: Vec<(String, Vec<usize>)>,
        /// Supported statements of those that need support.
        recall: Counts,
        /// Precise citations of those that count.
        precision: Counts,
    }
    // Where statements need support and nothing is cited, precision is 0.
    let ratio = |(part, whole): (usize, usize)| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };

    for case in cases::<Case>(include_str!("fixtures/alce.json"), 50) {
        let statement = |(needs, cited): &(String, Vec<usize>)| CitedStatement {
            hypotheses: if needs.is_empty() { Vec::new() } else { vec![needs.clone()] },
            cited: cited.iter().map(|number| number.checked_sub(1)).collect(),
        };
        let statements: Vec<_> = case.statements.iter().map(statement).collect();
        let passages: Vec<_> = case.passages.iter().map(String::as_str).collect();

        let score = alce(&statements, &passages, &Letters).expect("letters never fail");

        let name = format!("{:?} {:?}", case.passages, case.statements);
        assert_eq!(
            (score.recall, score.precision),
            (case.recall.map(ratio), case.precision.map(ratio)),
            "{name}"
        );
        let of = |counts: Counts| counts.map_or(0, |(_, whole)| whole);
        assert_eq!((score.statements, score.citations), (of(case.recall), of(case.precision)), "{name}");
    }
}
