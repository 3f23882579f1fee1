//! What the tests of recorded verdicts share: answers to judge, and judges that count what they are asked.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use rcmu_core::{CancelToken, ScriptedGenerator};
use rcmu_data::{Kind, Sample, figurines::WorldOptions};
use rcmu_eval::{
    Error,
    dataset::{Dataset, figurine_scenes},
    journal::{self, Contents, RecordKey, SyncPolicy},
    judge::{
        Entailment, FactVision, JudgeError, Judges, RecordedEntailment, RecordedVision, RuleEntailment,
        Verdict, VisionCheck,
    },
    metrics::BootstrapOptions,
    report::{ReportOptions, ScoreOptions, Scores},
    run::{Run, RunOptions},
};
use serde_json::Value;

use crate::runs::{Logged, Right, Scratch, numbers, options, run};

/// Answers about the figurine world that have not been scored yet.
pub(crate) struct Answers {
    pub(crate) dataset: Dataset,
    pub(crate) contents: Contents,
}

impl Answers {
    /// Answers in [`numbers`], all of them right.
    pub(crate) fn in_numbers(folder: &Path, items: usize) -> Self {
        let (dataset, path) = (numbers(folder, items), folder.join("run"));
        run(&dataset, &Right, RunOptions { sync: batch(), ..options() }, &path).unwrap();
        Self { dataset, contents: journal::read(path).unwrap() }
    }

    /// Descriptions of scenes and questions about one region; half of the answers are those of the next item.
    pub(crate) fn new(path: &Path, items: usize) -> Self {
        let mut world = WorldOptions::test();
        world.mix.description = 50;
        let all = figurine_scenes(3, 12, &world).unwrap();
        let is_judged = |sample: &Sample| {
            let is_plain = sample.answerable && sample.options.is_empty();
            is_plain && (sample.kind == Kind::VisualToContext || sample.kind == Kind::Open && sample.cited)
        };
        let described = all.items().iter().filter(|sample| sample.kind == Kind::Description);
        let others = all.items().iter().filter(|sample| is_judged(sample));
        let chosen: Vec<_> = described.take(items / 2).chain(others).take(items).cloned().collect();
        assert_eq!(chosen.len(), items, "there are enough items that a judge is asked about");
        let said = |at: usize| chosen[(at + at % 2) % items].answer.clone();
        let generator = ScriptedGenerator::new((0..items).map(said).collect::<Vec<_>>());
        let dataset = Dataset::new("judged", "", chosen.iter().cloned()).unwrap();
        let _ = fs::remove_file(path);
        Run::new(&dataset, &generator, RunOptions::default()).unwrap().execute(path).unwrap();
        Self { dataset, contents: journal::read(path).unwrap() }
    }

    /// The scores by these judges.
    pub(crate) fn scores(&self, judges: &Judges<'_>) -> Scores<'_> {
        Scores::of(&self.dataset, &self.contents, judges).unwrap()
    }

    /// Every form of the report by a judge of texts.
    pub(crate) fn report(&self, judge: &dyn Entailment) -> [String; 4] {
        forms(&self.scores(&Judges { entailment: judge, vision: &FactVision }))
    }

    /// Every form of the report by a judge whose verdicts are kept at `path`, by many threads.
    pub(crate) fn recorded(
        &self,
        path: &Path,
        judge: &dyn Entailment,
        parallel: usize,
    ) -> Result<[String; 4], Error> {
        let recorded = RecordedEntailment::open(path, judge, batch())?;
        let judges = Judges { entailment: &recorded, vision: &FactVision };
        let options = ScoreOptions { parallel, ..ScoreOptions::default() };
        Ok(forms(&Scores::with_options(&self.dataset, &self.contents, &judges, &options)?))
    }

    /// Every form of the report by a judge of pictures whose verdicts are kept at `path`.
    pub(crate) fn seen(&self, path: &Path, judge: &dyn VisionCheck) -> Result<[String; 4], Error> {
        let recorded = RecordedVision::open(path, judge, batch())?;
        let judges = Judges { entailment: &RuleEntailment, vision: &recorded };
        Ok(forms(&Scores::of(&self.dataset, &self.contents, &judges)?))
    }
}

/// The scoring of answers to which nothing happened: the report, and the journal of the verdicts.
pub(crate) struct Undisturbed {
    pub(crate) answers: Answers,
    pub(crate) report: [String; 4],
    pub(crate) journal: Vec<u8>,
    pub(crate) questions: usize,
}

impl Undisturbed {
    /// Scores answers by this judge.
    pub(crate) fn new(scratch: &Scratch, answers: Answers, judge: &Careful) -> Self {
        let path = scratch.path("undisturbed");
        let report = answers.recorded(&path, judge, 1).unwrap();
        let questions = judge.count();
        assert!(questions >= 10, "there is something to ask: {questions}");
        Self { answers, report, journal: fs::read(path).unwrap(), questions }
    }
}

/// Every form of the report but the page, whose pictures take long to write.
pub(crate) fn forms(scores: &Scores<'_>) -> [String; 4] {
    let bootstrap = BootstrapOptions { resamples: 100, ..BootstrapOptions::default() };
    let options =
        ReportOptions { shown: Some(0), allowed_failures: usize::MAX, bootstrap, ..ReportOptions::default() };
    let report = scores.report(&options).unwrap();
    [report.to_json().unwrap(), report.to_csv(), report.to_markdown(), report.to_junit()]
}

/// Leaves verdicts unflushed until the end, which a process that dies does not mind.
pub(crate) fn batch() -> SyncPolicy {
    SyncPolicy::Batch(1000.try_into().unwrap())
}

/// What a judge does with a question, by its number from 1.
#[derive(Clone, Debug)]
pub(crate) enum Mood {
    /// Says what the rules say.
    Rules,
    /// Fails at all questions.
    Fails,
    /// Fails at hypotheses that have this text.
    FailsAt(&'static str),
    /// Says what the rules say to every other question, and `contradict` to the others.
    Changes,
    /// Says what the key of the question draws.
    Draws,
    /// Dies at the question of this number.
    Dies(usize),
    /// Cancels at the question of this number, and fails at all that come after.
    Cancels(CancelToken, usize),
}

/// A judge that remembers what it is asked, in memory and, if it has a log, in a file that outlives the process.
pub(crate) struct Careful {
    pub(crate) name: &'static str,
    pub(crate) mood: Mood,
    pub(crate) delay: Duration,
    pub(crate) log: Option<PathBuf>,
    pub(crate) asked: Mutex<Vec<String>>,
}

impl Careful {
    pub(crate) fn new(mood: Mood) -> Self {
        Self { name: "careful-1", mood, delay: Duration::ZERO, log: None, asked: Mutex::default() }
    }

    /// How many questions it got.
    pub(crate) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// How often it got each question.
    pub(crate) fn asked(&self) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for question in self.asked.lock().unwrap().iter() {
            *times.entry(question.clone()).or_default() += 1;
        }
        times
    }

    /// Remembers a question and gives its number.
    fn hear(&self, question: &str, key: RecordKey) -> usize {
        if let Some(log) = &self.log {
            Logged::write(log, name(&key.to_string()));
        }
        let mut asked = self.asked.lock().unwrap();
        asked.push(question.to_owned());
        asked.len()
    }
}

impl Entailment for Careful {
    fn identity(&self) -> String {
        self.name.into()
    }

    fn entails(&self, premise: &str, hypothesis: &str) -> Result<Verdict, JudgeError> {
        let key = Entailment::question_key(self, premise, hypothesis)?;
        let number = self.hear(&format!("{premise}\n=> {hypothesis}"), key);
        std::thread::sleep(self.delay);
        match &self.mood {
            Mood::Fails => return Err(JudgeError::Empty),
            Mood::FailsAt(text) if hypothesis.contains(text) => return Err(JudgeError::Mark),
            Mood::Changes if number.is_multiple_of(2) => return Ok(Verdict::Contradict),
            Mood::Draws => {
                let verdicts = [Verdict::Entail, Verdict::Neutral, Verdict::Contradict];
                return Ok(verdicts[key.to_string().bytes().map(usize::from).sum::<usize>() % 3]);
            }
            Mood::Dies(at) if number == *at => std::process::abort(),
            Mood::Cancels(token, at) if number >= *at => {
                token.cancel();
                return Err(JudgeError::Cut(rcmu_core::FinishReason::Cancelled));
            }
            _ => {}
        }
        RuleEntailment.entails(premise, hypothesis)
    }
}

impl VisionCheck for Careful {
    fn identity(&self) -> String {
        self.name.into()
    }

    fn shows(&self, sample: &Sample, index: usize, words: &str) -> Result<Option<bool>, JudgeError> {
        let key = VisionCheck::question_key(self, sample, index, words)?;
        self.hear(&format!("{}[{index}] {words}", sample.id), key);
        match self.mood {
            Mood::Fails => Err(JudgeError::Empty),
            _ => FactVision.shows(sample, index, words),
        }
    }

    fn question_key(&self, sample: &Sample, index: usize, words: &str) -> Result<RecordKey, JudgeError> {
        FactVision.question_key(sample, index, words)
    }
}

/// The name of a question in a log: as much of its key as a line has room for.
fn name(key: &str) -> &str {
    &key[..Logged::LINE as usize - 1]
}

/// The names of the questions that a journal has verdicts on, and whether it ends in a torn tail.
pub(crate) fn names(bytes: &[u8]) -> (Vec<String>, bool) {
    let ends = ends(bytes);
    let whole = ends.iter().take_while(|&&end| end <= bytes.len()).count();
    let named = |pair: &[usize]| {
        let record: Value = serde_json::from_slice(&bytes[pair[0] + 12..pair[1]]).unwrap();
        name(record["record"]["key"].as_str().unwrap()).to_owned()
    };
    (ends[..whole].windows(2).map(named).collect(), whole < ends.len())
}

/// The hypothesis of a question as it is remembered.
pub(crate) fn hypothesis(question: &str) -> &str {
    question.rsplit("\n=> ").next().unwrap()
}

/// Where the manifest ends, and each record; the end of a torn tail lies behind the last byte.
pub(crate) fn ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut end = 12;
    while end < bytes.len() {
        let length =
            bytes.get(end..end + 4).map_or(0, |length| u32::from_le_bytes(length.try_into().unwrap()));
        end += 12 + length as usize;
        ends.push(end);
    }
    ends
}
