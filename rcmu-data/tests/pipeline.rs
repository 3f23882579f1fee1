//! The pipeline with templates: whole runs, cut runs, hostile drafts.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

use std::{
    cell::{Cell, OnceCell},
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use rcmu_core::BBox;
use rcmu_data::{
    Error, Kind, PictureSource, Sample,
    formats::jsonl,
    pipeline::{
        AnnotatedObject, AnnotatedPicture, CitedDescription, CitedDescriptionInput, ContextualDraft,
        ContextualQuestions, Criterion, Description, DescriptionDraft, DescriptionInput, Drafts, Failure,
        KnownObject, Maker, Pipeline, PipelineError, PipelineOptions, PoolRequest, ProfilePool,
        ProfilesDraft, PromptId, Report, SeenObject, StepName, Templates, ToldObject, TopicsDraft,
        UnmentionedTopics, VisualDraft, VisualQuestions, criteria::marks,
    },
};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        // Tests that run at the same time may choose the same name.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rcmu-pipeline-{name}-{}-{count}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn object(noun: &str, expressions: &[&str]) -> AnnotatedObject {
    AnnotatedObject {
        noun: noun.into(),
        bbox: BBox::new(100, 80, 420, 960).unwrap(),
        expressions: expressions.iter().map(|&it| it.to_owned()).collect(),
    }
}

fn pictures(count: usize) -> Vec<AnnotatedPicture> {
    (0..count)
        .map(|at| AnnotatedPicture {
            id: format!("park-{at}"),
            picture: PictureSource::File(format!("park-{at}.jpg")),
            objects: vec![
                object("woman", &["the woman in the red coat", "woman on the left"]),
                object("woman", &["the woman in the green dress"]),
                object("dog", &["the black dog in the middle"]),
                object("bench", &[]),
            ],
            caption: (at % 2 == 0).then(|| "Two women [1][2] and a dog [3] rest in a park.".to_owned()),
        })
        .collect()
}

fn run<M: Maker>(maker: M, pictures: &[AnnotatedPicture], folder: &Folder) -> (Report, Vec<Sample>) {
    go_on(&Pipeline::new(maker, PipelineOptions::default()).unwrap(), pictures, folder)
}

fn go_on<M: Maker>(
    pipeline: &Pipeline<M>,
    pictures: &[AnnotatedPicture],
    folder: &Folder,
) -> (Report, Vec<Sample>) {
    let mut samples = Vec::new();
    let report = pipeline.run(pictures, &folder.journal(), |sample| {
        samples.push(sample);
        Ok(())
    });
    (report.unwrap(), samples)
}

#[test]
fn templates_make_every_product_with_and_without_citations() {
    let folder = Folder::new("products");
    let (report, samples) = run(Templates, &pictures(4), &folder);
    let mut kinds: BTreeMap<_, [usize; 2]> = BTreeMap::new();
    for sample in &samples {
        sample.check().unwrap();
        kinds.entry(sample.kind).or_default()[usize::from(sample.cited)] += 1;
        let cited: Vec<_> = marks(&sample.answer).into_iter().map(|mark| mark.1).collect();
        assert_eq!(sample.cited && sample.answerable, !cited.is_empty(), "{sample:?}");
        assert!(cited.iter().all(|mark| sample.citations.contains(mark)), "{sample:?}");
        assert!(sample.accepted.iter().all(|value| sample.answer.contains(value)), "{sample:?}");
        assert!(!sample.question.contains(['{', '}']) && !sample.provenance.step.is_empty());
        assert!(sample.provenance.prompt.contains("template-"), "{:?}", sample.provenance);
    }

    assert!(report.is_complete() && report.failures.is_empty(), "{report:?}");
    assert_eq!(
        kinds.keys().copied().collect::<Vec<_>>(),
        [
            Kind::Description,
            Kind::VisualToContext,
            Kind::ContextToVisual,
            Kind::UnanswerableVisualToContext,
            Kind::UnanswerableContextToVisual,
        ]
    );
    assert!(kinds.values().all(|[plain, cited]| plain == cited), "each item in both forms");
    let path = folder.0.join("samples.jsonl");
    let mut writer = jsonl::create(&path).unwrap();
    for sample in &samples {
        writer.write(sample).unwrap();
    }
    writer.finish().unwrap();
    let read: Vec<_> = jsonl::open(&path).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(read, samples, "they can be written and read");
}

#[test]
fn a_question_from_the_picture_names_one_woman_and_cites_her() {
    let (_, samples) = run(Templates, &pictures(1), &Folder::new("meaning"));
    let asked = |kind| samples.iter().filter(move |it| it.kind == kind && it.cited);
    for sample in asked(Kind::VisualToContext) {
        let by_looks =
            [("red coat", 1), ("on the left", 1), ("green dress", 2), ("black dog", 3), ("the bench", 4)];
        let (_, number) = by_looks.into_iter().find(|(words, _)| sample.question.contains(words)).unwrap();
        assert_eq!(sample.citations, [number], "{}", sample.question);
        let facts = &sample.regions[number as usize - 1].facts;
        assert!(facts.values().any(|value| sample.accepted.contains(value)), "{sample:?}");
    }
    for sample in asked(Kind::ContextToVisual) {
        let region = &sample.regions[sample.citations[0] as usize - 1];
        assert!(region.facts.values().any(|value| sample.question.contains(value)), "{}", sample.question);
        assert!(region.visual.values().any(|value| sample.accepted.contains(value)), "{sample:?}");
    }
    for sample in asked(Kind::UnanswerableContextToVisual) {
        let told = sample.regions.iter().flat_map(|region| region.facts.values());
        assert!(told.into_iter().all(|value| !sample.question.contains(value.as_str())), "{sample:?}");
    }
    assert!(asked(Kind::VisualToContext).count() >= 8 && asked(Kind::ContextToVisual).count() >= 3);
}

#[test]
fn a_run_that_is_cut_at_any_byte_gives_the_same_samples() {
    let folder = Folder::new("cut");
    let pictures = pictures(2);
    let (_, whole) = run(Templates, &pictures, &folder);
    let journal = fs::read(folder.journal()).unwrap();
    let header = journal.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    for end in (0..journal.len()).step_by(97).chain([header, header + 1, journal.len() - 1]) {
        fs::write(folder.journal(), &journal[..end]).unwrap();
        let (report, samples) = run(Templates, &pictures, &folder);

        assert_eq!(samples, whole, "cut at byte {end}");
        let line = journal[..end].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        assert_eq!(report.torn_bytes, (end - line) as u64);
    }
    assert_eq!(fs::read(folder.journal()).unwrap(), journal, "and the same journal");
}

#[test]
fn a_changed_byte_is_refused_with_its_line() {
    let folder = Folder::new("corrupt");
    let pictures = pictures(1);
    run(Templates, &pictures, &folder);
    let journal = fs::read(folder.journal()).unwrap();
    let pipeline = Pipeline::new(Templates, PipelineOptions::default()).unwrap();
    let last = journal.iter().rposition(|&byte| byte == b'}').unwrap();
    for at in (0..last).step_by(211) {
        let mut changed = journal.clone();
        // Never a line break, and never the byte that was there.
        changed[at] = if journal[at] == b'#' { b'+' } else { b'#' };
        if journal[at] == b'\n' {
            continue;
        }
        fs::write(folder.journal(), &changed).unwrap();
        let error = pipeline.run(&pictures, &folder.journal(), |_| Ok(())).unwrap_err();
        let line = journal[..at].split(|&byte| byte == b'\n').count() as u64;

        match error {
            PipelineError::Data(Error::Line { line: found, .. }) => assert_eq!(found, line, "byte {at}"),
            PipelineError::Configuration { .. } => assert_eq!(line, 1),
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read(folder.journal()).unwrap(), changed, "what is corrupt is left as it is");
    }
}

#[test]
fn another_seed_or_another_maker_does_not_go_on_with_a_journal() {
    let folder = Folder::new("other");
    run(Templates, &pictures(1), &folder);
    let options = PipelineOptions { seed: 1, ..PipelineOptions::default() };
    let pipeline = Pipeline::new(Templates, options).unwrap();
    let error = pipeline.run(&pictures(1), &folder.journal(), |_| Ok(())).unwrap_err();

    assert!(matches!(&error, PipelineError::Configuration { field, .. } if field == "seed"), "{error:?}");
    assert!(error.to_string().contains("`seed` 0, this one has 1"), "{error}");
}

#[test]
fn bad_annotations_are_refused_with_their_field() {
    let mut cases = vec![pictures(1); 7];
    cases[0][0].objects.clear();
    cases[1][0].objects[2].noun = " ".into();
    cases[2][0].caption = Some("A dog [9].".into());
    cases[3][0].picture = PictureSource::File("../secret.png".into());
    cases[4][0].objects[0].expressions[1] = "two\nlines".into();
    cases[5][0].objects[3].noun = "x".repeat(65);
    cases[6][0].objects = vec![object("dog", &[]); 65];
    let fields = [
        "objects",
        "objects[2].noun",
        "caption",
        "picture",
        "objects[0].expressions[1]",
        "objects[3].noun",
        "objects",
    ];
    let pipeline = Pipeline::new(Templates, PipelineOptions::default()).unwrap();
    let folder = Folder::new("annotations");
    for (case, expected) in cases.iter().zip(fields) {
        match pipeline.run(case, &folder.journal(), |_| Ok(())) {
            Err(PipelineError::Picture { source: Error::Field { field, .. }, .. }) => {
                assert_eq!(field, expected);
            }
            other => panic!("{other:?}"),
        }
    }
    let twice = [pictures(1), pictures(1)].concat();
    let error = pipeline.run(&twice, &folder.journal(), |_| Ok(())).unwrap_err();
    assert!(matches!(error, PipelineError::DuplicateId { .. }));
    let zero = PipelineOptions { profiles_per_noun: 0, ..PipelineOptions::default() };
    assert!(
        matches!(Pipeline::new(Templates, zero), Err(PipelineError::Option { field, .. }) if field == "profiles_per_noun")
    );
}

/// Templates that spoil the drafts of one step.
struct Spoilt<F> {
    step: StepName,
    spoil: F,
    times: Cell<u32>,
}

impl<F> Maker for Spoilt<F>
where
    F: Fn(&mut serde_json::Value),
{
    fn identity(&self) -> String {
        "spoilt".into()
    }
}

macro_rules! spoilt {
    ($($step:ty, $input:ty, $draft:ty;)+) => {$(
        impl<F: Fn(&mut serde_json::Value)> Drafts<$step> for Spoilt<F> {
            fn prompt(&self) -> PromptId {
                Drafts::<$step>::prompt(&Templates)
            }

            fn draft(&self, input: &$input, seed: u64) -> Result<$draft, Failure> {
                let draft = Drafts::<$step>::draft(&Templates, input, seed)?;
                if <$step as rcmu_data::pipeline::Step>::NAME != self.step || self.times.get() == 0 {
                    return Ok(draft);
                }
                self.times.set(self.times.get() - 1);
                let mut value = serde_json::to_value(draft).unwrap();
                (self.spoil)(&mut value);
                Ok(serde_json::from_value(value).unwrap())
            }
        }
    )+};
}

spoilt! {
    ProfilePool, PoolRequest, ProfilesDraft;
    VisualQuestions, Vec<SeenObject>, VisualDraft;
    ContextualQuestions, Vec<ToldObject>, ContextualDraft;
    UnmentionedTopics, Vec<KnownObject>, TopicsDraft;
    Description, DescriptionInput, DescriptionDraft;
    CitedDescription, CitedDescriptionInput, DescriptionDraft;
}

/// What a run reports when the first draft of a step is spoilt, and what the next run gives.
fn spoil(step: StepName, spoil: impl Fn(&mut serde_json::Value)) -> (Report, Vec<Sample>) {
    let [(first, _), (_, samples)] = run_twice(Spoilt { step, spoil, times: Cell::new(1) });
    (first, samples)
}

/// Two runs with one journal.
fn run_twice<M: Maker>(maker: M) -> [(Report, Vec<Sample>); 2] {
    let folder = Folder::new("twice");
    let pipeline = Pipeline::new(maker, PipelineOptions::default()).unwrap();
    let pictures = pictures(2);
    [(); 2].map(|()| go_on(&pipeline, &pictures, &folder))
}

#[test]
fn single_faults_are_dropped_and_counted() {
    let text =
        |value: &mut serde_json::Value, at: &str, text: &str| *value.pointer_mut(at).unwrap() = text.into();
    let cases: [(StepName, &str, &str, Criterion); 15] = [
        (StepName::VisualQuestions, "/questions/0/question", "Is the red coat on {x}?", Criterion::NoLeak),
        (StepName::UnmentionedTopics, "/questions/0/topic", "the first name", Criterion::TopicUnmentioned),
        (
            StepName::ProfilePool,
            "/profiles/1/text",
            "No full stop stands at the end of this text",
            Criterion::EndsAsSentence,
        ),
        (StepName::VisualQuestions, "/questions/0/question", "What colour is it?", Criterion::OnePlaceholder),
        (
            StepName::VisualQuestions,
            "/questions/0/question",
            "Tell me about {x}.",
            Criterion::EndsInQuestionMark,
        ),
        (StepName::VisualQuestions, "/questions/0/answer", "No idea.", Criterion::ValueInAnswer),
        (StepName::VisualQuestions, "/attributes/0/value", "velvet cape", Criterion::LiteralValue),
        (StepName::ContextualQuestions, "/facts/0/value", "Nobody", Criterion::LiteralValue),
        (StepName::ContextualQuestions, "/questions/0/answer", "Cannot be answered.", Criterion::NoRefusal),
        (StepName::ContextualQuestions, "/questions/0/answer", "It is [2].", Criterion::NoMarks),
        (StepName::ContextualQuestions, "/references/0/text", "the person", Criterion::LiteralValue),
        (StepName::ContextualQuestions, "/questions/0/about", "shoe size", Criterion::KnownName),
        (StepName::UnmentionedTopics, "/questions/0/topic", "the [1] job", Criterion::NoMarks),
        (StepName::ProfilePool, "/profiles/0/text", "Too short.", Criterion::Length),
        (StepName::ProfilePool, "/profiles/0/name", "Someone Else", Criterion::NameInText),
    ];
    for (step, at, replaced, criterion) in cases {
        let (report, samples) = spoil(step, |value| text(value, at, replaced));

        assert!(
            report.filtered.get(&criterion).is_some_and(|&count| count >= 1),
            "{at} {replaced}: {report:?}"
        );
        assert!(report.is_complete(), "{at}: the rest is kept");
        assert!(!samples.is_empty());
    }
}

#[test]
fn a_draft_that_is_wrong_as_a_whole_fails_and_is_made_again() {
    let (_, undisturbed) = spoil(StepName::Matching, |_| unreachable!("nobody is asked for this step"));
    let cases: [(StepName, &str, serde_json::Value, Criterion); 5] = [
        (StepName::VisualQuestions, "/attributes/0/object", 9.into(), Criterion::KnownObject),
        (StepName::ContextualQuestions, "/facts/0/object", 0.into(), Criterion::KnownObject),
        (StepName::Description, "/description", "A park with a dog.".into(), Criterion::EveryObjectTold),
        (StepName::Description, "/description", "A park [1].".into(), Criterion::NoMarks),
        (StepName::CitedDescription, "/description", "A park.".into(), Criterion::SameWithoutMarks),
    ];
    for (step, at, replaced, expected) in cases {
        let (report, samples) = spoil(step, |value| *value.pointer_mut(at).unwrap() = replaced.clone());
        let failure = &report.failures[0];

        assert_eq!(report.unfinished, ["park-0"], "the other picture is whole");
        assert_eq!((failure.step, failure.unit.as_str()), (step, "park-0"));
        assert!(
            matches!(&failure.failure, Failure::Criterion { criterion, .. } if *criterion == expected),
            "{failure:?}"
        );
        assert_eq!(samples, undisturbed, "nothing is lost");
    }
}

#[test]
fn too_few_profiles_leave_a_picture_out_and_say_so() {
    let options = PipelineOptions { profiles_per_noun: 1, ..PipelineOptions::default() };
    let pipeline = Pipeline::new(Templates, options).unwrap();
    let folder = Folder::new("few");
    let report = pipeline.run(&pictures(1), &folder.journal(), |_| Ok(())).unwrap();

    assert_eq!(report.unfinished, ["park-0"]);
    assert_eq!(report.failures[0].step, StepName::Matching);
    assert!(report.failures[0].failure.to_string().contains("enough_profiles"));
}

#[test]
fn what_a_failed_step_dropped_is_counted() {
    let drafted = Cell::new(0);
    let (report, _) = spoil(StepName::VisualQuestions, |draft| {
        let questions = draft["questions"].as_array_mut().unwrap();
        drafted.set(questions.len() as u64);
        for question in questions {
            question["question"] = "Tell me about {x}.".into();
        }
    });
    let criterion = Criterion::EndsInQuestionMark;

    assert!(
        matches!(&report.failures[..], [it] if matches!(it.failure, Failure::NothingLeft { criterion: found } if found == criterion)),
        "{report:?}"
    );
    assert_eq!(report.filtered.get(&criterion), Some(&drafted.get()));
}

#[test]
fn a_request_without_new_profiles_is_made_up_for_by_the_next() {
    let first = OnceCell::new();
    let repeat = |draft: &mut serde_json::Value| *draft = first.get_or_init(|| draft.clone()).clone();
    let maker = Spoilt { step: StepName::ProfilePool, spoil: repeat, times: Cell::new(2) };
    let [(report, samples), (again, same)] = run_twice(maker);

    assert!(report.is_complete() && report.failures.is_empty(), "{report:?}");
    let requests = 3 * 16 / 4 + 1;
    assert_eq!(report.steps[&StepName::ProfilePool].done, requests, "16 profiles of 3 nouns, and one more");
    assert!(again.steps.values().all(|count| count.done + count.failed == 0), "nothing is asked again");
    assert_eq!(same, samples);
}

#[test]
fn a_pool_that_began_with_a_useless_draft_stays_as_it_is() {
    let shorten = |draft: &mut serde_json::Value| {
        for profile in draft["profiles"].as_array_mut().unwrap() {
            profile["text"] = "Too short.".into();
        }
    };
    let maker = Spoilt { step: StepName::ProfilePool, spoil: shorten, times: Cell::new(1) };
    let [(report, samples), (again, same)] = run_twice(maker);

    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.failures.iter().map(|it| it.unit.as_str()).collect::<Vec<_>>(), ["bench/0"]);
    assert!(again.steps.values().all(|count| count.done + count.failed == 0), "nothing is asked again");
    assert_eq!(same, samples);
}

#[test]
fn a_noun_without_any_profiles_is_asked_for_again_by_the_next_run() {
    let (_, undisturbed) = spoil(StepName::Matching, |_| unreachable!("nobody is asked for this step"));
    let requests = 2 * 16 / 4;
    let empty = |draft: &mut serde_json::Value| draft["profiles"] = serde_json::json!([]);
    let maker = Spoilt { step: StepName::ProfilePool, spoil: empty, times: Cell::new(requests) };
    let [(report, _), (_, samples)] = run_twice(maker);

    assert_eq!(report.unfinished, ["park-0", "park-1"]);
    assert_eq!(report.steps[&StepName::ProfilePool].failed, u64::from(requests));
    assert_eq!(samples, undisturbed, "nothing is lost");
}
