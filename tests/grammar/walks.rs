//! Tokens chosen from hostile logits.

use std::{collections::VecDeque, path::Path};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use rcmu::{
    core::{FinishReason, Grammar, SpecialToken},
    model::{
        Constraint, Error, GrammarCompiler,
        tokenizer::{Specials, Tokenizer},
    },
    prompt::{Targets, answer_grammar, box_grammar, choice_grammar, parse},
};

use crate::{TestResult, faults, size};

/// What a model could write to get something past the reader, and harmless neighbours of it.
const FRAGMENTS: [&str; 48] = [
    "[1]",
    "[0]",
    "[9]",
    "[99]",
    "[513]",
    "[1, 2]",
    "[1,999]",
    "[007]",
    "[1-3]",
    "[2;700]",
    "[ 4 ]",
    "[5",
    "]",
    "[",
    "[[1]]",
    "[\u{a0}8]",
    "[x]",
    "[1 2]",
    "[\n6]",
    "(",
    ")",
    "(1,2),(3,4)",
    "(1 2) (3 4)",
    "(1,2)",
    ",(",
    "(1,2), (3",
    "(5000,1),(2,3)",
    "<|box_start|>",
    "<|box_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|quad_start|>",
    "<|im_start|>",
    "<|image_pad|>",
    "<|box_start|>(1,2),(3,4)<|box_end|>",
    "<|box_start|>(1,2),(3,1001)<|box_end|>",
    "<|box_start|>(01,2),(3,4)<|box_end|>",
    "<",
    "|",
    "<|",
    "|>",
    "Lily",
    " walks.",
    " the dog",
    "é",
    "。",
    "(34) (35)",
    "12",
];

/// A tokenizer, what ends its answers, and its compiler.
struct Case {
    tokenizer: Tokenizer,
    end: u32,
    compiler: GrammarCompiler,
    /// Answers for each number of regions.
    seeds: u64,
}

/// The home-made tokenizer of the fixtures; the published one where `RCMU_QWEN_TOKENIZER` names its directory.
fn cases() -> Vec<Case> {
    let case = |dir: &Path, vocab_rows, seeds| {
        let tokenizer = Tokenizer::from_dir(dir, vocab_rows).unwrap();
        let end = tokenizer.id(SpecialToken::ImEnd);
        let compiler = GrammarCompiler::new(&tokenizer, &[end]).unwrap();
        Case { tokenizer, end, compiler, seeds }
    };
    let small = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/golden/tokenizer_small");
    let mut cases = vec![case(small.as_ref(), 1024, 60)];
    match std::env::var_os("RCMU_QWEN_TOKENIZER") {
        Some(dir) => cases.push(case(dir.as_ref(), 151_936, 2)),
        None => println!("skipped: RCMU_QWEN_TOKENIZER names no directory with the published tokenizer"),
    }
    cases
}

/// Logits that ask for hostile fragments, once spelled in ordinary characters and once with control tokens, and then for the
/// end.
struct Hostile {
    random: ChaCha8Rng,
    base: Vec<f32>,
    wanted: VecDeque<u32>,
    closers: Vec<u32>,
}

impl Hostile {
    /// Tokens after which only the end is wanted.
    const LEN: usize = 40;

    fn new(case: &Case, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let rows = if case.tokenizer.len() > 1024 { 151_936 } else { 1024 };
        let base = (0..rows).map(|_| random.next_u32() as f32 / u32::MAX as f32).collect();
        let closers = ["<|box_end|>", "<|object_ref_end|>", "]", ")", ",", "(", "0", "1"];
        let closers = closers.map(|text| case.tokenizer.encode_reference(text).unwrap()[0]);
        // Every other answer begins with a box.
        let opening = if seed.is_multiple_of(2) { "<|box_start|>(" } else { "" };
        let wanted = case.tokenizer.encode_reference(opening).unwrap().into();
        Self { random, base, wanted, closers: [case.end].into_iter().chain(closers).collect() }
    }

    fn logits(&mut self, case: &Case, at: usize) -> Vec<f32> {
        let mut logits = self.base.clone();
        let shift = self.random.next_u32() as usize % logits.len();
        logits.rotate_left(shift);
        if at >= Self::LEN {
            for (rank, &id) in self.closers.iter().enumerate() {
                logits[id as usize] = 100.0 - rank as f32;
            }
        } else {
            if self.wanted.is_empty() {
                let text = FRAGMENTS[self.random.next_u32() as usize % FRAGMENTS.len()];
                let spelled = self.random.next_u32().is_multiple_of(4);
                let encoded = if spelled {
                    case.tokenizer.encode_text(text)
                } else {
                    case.tokenizer.encode_reference(text)
                };
                self.wanted.extend(encoded.unwrap());
            }
            logits[self.wanted.pop_front().unwrap() as usize] = 10.0;
        }
        logits
    }
}

fn likeliest(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    best.0 as u32
}

/// An answer to hostile logits, within the constraint if there is one.
fn walk(case: &Case, seed: u64, mut constraint: Option<Constraint>) -> Vec<u32> {
    let mut hostile = Hostile::new(case, seed);
    let mut ids = Vec::new();
    for at in 0..4 * Hostile::LEN {
        let mut logits = hostile.logits(case, at);
        if let Some(constraint) = &mut constraint {
            constraint.mask(&mut logits).unwrap();
        }
        let id = likeliest(&logits);
        if let Some(constraint) = &mut constraint {
            constraint.advance(id).unwrap();
        }
        if id == case.end {
            return ids;
        }
        ids.push(id);
    }
    panic!("seed {seed}: no end after {:?}", case.tokenizer.decode(&ids, Specials::Keep));
}

#[test]
fn no_logits_lead_to_a_citation_or_a_box_that_is_none() -> TestResult {
    let pointing = [
        SpecialToken::BoxStart,
        SpecialToken::BoxEnd,
        SpecialToken::ObjectRefStart,
        SpecialToken::ObjectRefEnd,
    ];
    for case in cases() {
        let (mut citations, mut boxes) = (0, 0);
        for regions in [0, 1, 3, 9, 10, 64, 256, 512] {
            let targets = Targets::new(regions, 0, size());
            let constraint = || case.compiler.compile(&answer_grammar(targets));
            let mut faults_without = 0;
            for seed in (0..case.seeds).map(|seed| seed + 1000 * regions as u64) {
                let free = case.tokenizer.decode(&walk(&case, seed, None), Specials::Keep);
                faults_without += faults(&parse(&free, targets, FinishReason::EndOfText)).len();

                let ids = walk(&case, seed, Some(constraint()?));

                let text = case.tokenizer.decode(&ids, Specials::Keep);
                let answer = parse(&text, targets, FinishReason::EndOfText);
                assert_eq!(faults(&answer), [""; 0], "{regions} regions, seed {seed}: {text:?}");
                let others = ids.iter().filter(|&&id| case.tokenizer.is_control(id));
                let others: Vec<_> = others.filter_map(|&id| case.tokenizer.special(id)).collect();
                assert!(others.iter().all(|token| pointing.contains(token)), "{others:?} in {text:?}");
                citations +=
                    answer.statements().iter().map(|statement| statement.citations.len()).sum::<usize>();
                boxes += answer.boxes.len();
            }
            assert!(faults_without > 0, "{regions} regions: the logits are too tame");
        }
        assert!(citations > 4 && boxes > 4, "{citations} citations, {boxes} boxes: nothing was tested");
    }
    Ok(())
}

#[test]
fn a_box_and_a_letter_are_all_there_is() -> TestResult {
    for case in cases() {
        for seed in 0..case.seeds {
            let ids = walk(&case, seed, Some(case.compiler.compile(&box_grammar())?));
            let answer = parse(
                &case.tokenizer.decode(&ids, Specials::Keep),
                Targets::new(0, 0, size()),
                FinishReason::EndOfText,
            );
            assert_eq!((answer.boxes.len(), faults(&answer)), (1, Vec::new()), "{}", answer.text);
            assert!(answer.statements().iter().all(|statement| statement.text.is_empty()), "{}", answer.text);

            let ids = walk(&case, seed, Some(case.compiler.compile(&choice_grammar(4))?));
            let text = case.tokenizer.decode(&ids, Specials::Keep);
            assert!(["A", "B", "C", "D"].contains(&text.as_str()), "{text}");
        }
    }
    Ok(())
}

/// Rules that go down from one to the next, as many as fit.
fn chain(open: &str, close: &str) -> String {
    let mut lark = "start: a0\n".to_owned();
    for at in 0.. {
        let rule = format!("a{at}: {open}\"x\" a{}{close}\n", at + 1);
        if lark.len() + rule.len() + 16 > Grammar::MAX_BYTES {
            return format!("{lark}a{at}: \"z\"\n");
        }
        lark.push_str(&rule);
    }
    unreachable!("the rules come to an end")
}

#[test]
fn grammars_as_deep_and_as_broad_as_they_can_be_end_in_an_answer_or_an_error() -> TestResult {
    let case = &cases()[0];
    let broad = (0..2400).map(|at| format!("\"k{at}\"")).collect::<Vec<_>>().join(" | ");
    let grammars = [
        chain("", ""),
        chain(&"(".repeat(27), &")".repeat(27)),
        chain("", "").replace('a', "T").replace("stTrt", "start"),
        format!("start: {broad}"),
        format!("start: {}\"a\"{}", "(".repeat(16_000), ")".repeat(16_000)),
        format!("start: /{}a{}/", "(".repeat(16_000), ")".repeat(16_000)),
        "start: /((a|bc){9999}b?){9999}/".into(),
        "start: /(.|\\n)*a.{1000}/".into(),
        "start: s\ns: s s | \"a\" | \"a\" \"a\"".into(),
        format!("start: %json {}{}", "{\"not\":".repeat(4000), "}".repeat(4000)),
    ];
    for lark in grammars {
        let start: String = lark.chars().take(60).collect();
        let mut constraint = match case.compiler.compile(&Grammar::new(lark)?) {
            Ok(constraint) => constraint,
            Err(Error::Grammar { problem }) => {
                assert!(problem.len() < 2500, "{start}: {} bytes", problem.len());
                continue;
            }
            Err(other) => panic!("{start}: {other:?}"),
        };
        for at in 0..40 {
            let mut logits = vec![0.0; 1024];
            logits[at % 1024] = 1.0;
            let step = constraint.mask(&mut logits).and_then(|()| constraint.advance(likeliest(&logits)));
            match step {
                Ok(()) if likeliest(&logits) == case.end => break,
                Ok(()) => {}
                Err(Error::GrammarStep { .. }) => break,
                Err(other) => panic!("{start}: {other:?}"),
            }
        }
    }
    Ok(())
}
