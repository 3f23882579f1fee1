//! What the tests of runs and journals share: scratch folders, a dataset and a generator that needs no model.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rcmu_core::{
    BBox, CancelToken, Control, Event, FinishReason, GenerateError, GenerateOptions, Generation, Generator,
    Region, Request, Stats,
};
use rcmu_data::{Kind, PictureSource, Provenance, Sample, SampleRegion};
use rcmu_eval::{
    Error, Reply,
    dataset::Dataset,
    journal::{self, Contents, SyncPolicy},
    judge::Judges,
    report::{ReportOptions, Scores},
    run::{Answerer, Asked, Run, RunOptions, RunSummary},
};

/// A folder that is removed in the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// An empty folder of this name.
    pub(crate) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("rcmu-eval-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the system has a folder for scratch files");
        Self(folder)
    }

    /// A file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A picture of 2 x 2 pixels.
pub(crate) fn write_picture(path: &Path, value: u8) {
    let picture = image::RgbImage::from_pixel(2, 2, image::Rgb([value; 3]));
    picture.save(path).expect("a small PNG can be written");
}

/// Questions about one picture, `p.png` in `folder`, each with three regions.
pub(crate) fn dataset(folder: &Path, items: usize) -> Dataset {
    let picture = folder.join("p.png");
    if !picture.exists() {
        // Written aside: a process that is killed here must not leave half a picture to the next one.
        let whole = folder.join("whole.png");
        write_picture(&whole, 7);
        fs::rename(whole, &picture).expect("a scratch file can be renamed");
    }
    let region = |at: u16| SampleRegion {
        region: Region::new("dog", BBox::new(at, at, 500 + at, 500).ok(), format!("Dog number {at}."))
            .unwrap(),
        facts: [("number".into(), at.to_string())].into(),
        visual: BTreeMap::default(),
    };
    let item = |at: usize| Sample {
        id: format!("item-{at}"),
        picture: PictureSource::File("p.png".into()),
        references: vec![],
        regions: (0..3).map(region).collect(),
        kind: Kind::Open,
        question: format!("What is the number of question {at}?"),
        options: vec![],
        cited: false,
        answer: at.to_string(),
        accepted: vec![],
        citations: vec![],
        answerable: true,
        provenance: Provenance::default(),
    };
    Dataset::new("questions", folder, (0..items).map(item)).expect("all ids differ")
}

/// Questions that are answered with a number, about which judges are asked: is it that of the first region, or of
/// another one?
pub(crate) fn numbers(folder: &Path, items: usize) -> Dataset {
    let plain = dataset(folder, items);
    let item = |(at, sample): (usize, &Arc<Sample>)| {
        let mut sample = Sample::clone(sample);
        for (region, number) in sample.regions.iter_mut().zip((at..).step_by(items)) {
            region.facts = [("number".into(), number.to_string())].into();
        }
        sample.kind = Kind::VisualToContext;
        sample.citations = vec![1];
        sample.answer = format!("Its number is {at}.");
        sample
    };
    Dataset::new("numbers", folder, plain.items().iter().enumerate().map(item)).expect("all ids differ")
}

/// Says of every item what is right.
pub(crate) struct Right;

impl Answerer for Right {
    fn identity(&self) -> String {
        "right-1".into()
    }

    fn answer(&self, asked: &Asked<'_>, _: &Control) -> Result<Option<Reply>, GenerateError> {
        Ok(Some(Reply::Text { text: asked.sample.answer.clone(), finish: "end_of_text".into() }))
    }
}

/// Answers with the length of the prompt and the seed; fails where the prompt says `question 5`, `15`, `25`, …
pub(crate) struct Echo {
    /// How long it takes.
    pub(crate) delay: Duration,
    /// How many calls it got.
    pub(crate) calls: AtomicU64,
    /// Cancels this after so many calls.
    pub(crate) cancel: Option<(CancelToken, u64)>,
}

impl Echo {
    pub(crate) fn new() -> Self {
        Self { delay: Duration::ZERO, calls: AtomicU64::new(0), cancel: None }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Generator for Echo {
    fn identity(&self) -> String {
        "echo-1".into()
    }

    fn generate(
        &self,
        request: &Request,
        control: &Control,
        _on_event: &mut dyn FnMut(Event),
    ) -> Result<Generation, GenerateError> {
        let calls = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        std::thread::sleep(self.delay);
        if let Some((token, after)) = &self.cancel
            && calls >= *after
        {
            token.cancel();
        }
        let finish = control.stop_reason().unwrap_or(FinishReason::EndOfText);
        let prompt = request.prompt.to_reference_text();
        if prompt.contains("5?") {
            return Err(GenerateError::Engine("fives are not served".into()));
        }
        let text = format!("{} characters, seed {}, \"é\"\n", prompt.chars().count(), request.options.seed);
        Ok(Generation { text, token_ids: Vec::new(), finish, stats: Stats::default(), logprobs: Vec::new() })
    }
}

/// An [`Echo`] that tells a file of each item before it answers; what stands there outlives the process.
pub(crate) struct Logged {
    pub(crate) echo: Echo,
    pub(crate) log: PathBuf,
}

impl Logged {
    /// Bytes of one line of the log.
    pub(crate) const LINE: u64 = 16;

    pub(crate) fn new(log: PathBuf) -> Self {
        Self { echo: Echo::new(), log }
    }

    /// Adds a line to a log.
    pub(crate) fn write(log: &Path, name: &str) {
        let line = format!("{name:<15}\n");
        assert_eq!(line.len() as u64, Self::LINE);
        let log = fs::OpenOptions::new().create(true).append(true).open(log);
        log.and_then(|mut log| log.write_all(line.as_bytes())).expect("a scratch file can be written");
    }
}

impl Answerer for Logged {
    fn identity(&self) -> String {
        Answerer::identity(&self.echo)
    }

    fn answer(&self, asked: &Asked<'_>, control: &Control) -> Result<Option<Reply>, GenerateError> {
        Self::write(&self.log, &asked.sample.id);
        self.echo.answer(asked, control)
    }
}

/// How often each item was asked, by the log of a [`Logged`].
pub(crate) fn times_asked(log: &Path) -> BTreeMap<String, u64> {
    let mut times = BTreeMap::new();
    for line in fs::read_to_string(log).unwrap_or_default().lines() {
        *times.entry(line.trim_end().to_owned()).or_default() += 1;
    }
    times
}

/// Whether a process ended because it was killed, and of nothing else.
pub(crate) fn is_kill(status: ExitStatus) -> bool {
    #[cfg(unix)]
    return std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
    #[cfg(not(unix))]
    return !status.success();
}

/// The finished run of a dataset to which nothing happened.
pub(crate) struct Undisturbed {
    pub(crate) dataset: Dataset,
    pub(crate) bytes: Vec<u8>,
    pub(crate) contents: Contents,
    /// How many items its report shows.
    shown: usize,
    report: [String; 5],
}

impl Undisturbed {
    pub(crate) fn new(scratch: &Scratch, items: usize, shown: usize) -> Self {
        let dataset = dataset(&scratch.path(""), items);
        let path = scratch.path("undisturbed");
        let sync = SyncPolicy::Batch(1000.try_into().expect("1000 is not 0"));
        run(&dataset, &Echo::new(), RunOptions { sync, ..options() }, &path).expect("nothing happens to it");
        let bytes = fs::read(&path).expect("it was just written");
        let contents = journal::read(&path).expect("it was just written");
        let report = report(&dataset, &contents, shown);
        Self { dataset, bytes, contents, shown, report }
    }

    /// Checks that a journal has every answer once, and that its report has the same bytes in every form.
    pub(crate) fn check(&self, path: &Path, place: &str) {
        let contents = journal::read(path).unwrap_or_else(|error| panic!("{place}: {error}"));
        let mut places: Vec<_> = contents.records.iter().map(|record| record.place as usize).collect();
        places.sort_unstable();
        let all: Vec<_> = (0..self.dataset.items().len()).collect();
        assert!(places == all, "{place}: answers are lost or double: {places:?}");
        let report = report(&self.dataset, &contents, self.shown);
        assert!(report == self.report, "{place}: the report is another one");
    }
}

/// Every form of the report.
fn report(dataset: &Dataset, contents: &Contents, shown: usize) -> [String; 5] {
    let options = ReportOptions {
        shown: Some(shown),
        allowed_failures: dataset.items().len(),
        ..ReportOptions::default()
    };
    let scores = Scores::of(dataset, contents, &Judges::rules()).expect("it is about this dataset");
    let report = scores.report(&options).expect("the picture is there");
    let html = report.to_html().expect("the template fits");
    let json = report.to_json().expect("a report has text keys only");
    [html, json, report.to_csv(), report.to_markdown(), report.to_junit()]
}

/// A run with these options.
pub(crate) fn run(
    dataset: &Dataset,
    answerer: &impl Answerer,
    options: RunOptions,
    path: &Path,
) -> Result<RunSummary, Error> {
    Run::new(dataset, answerer, options)?.execute(path)
}

/// Options with a small number of tokens.
pub(crate) fn options() -> RunOptions {
    RunOptions { generate: GenerateOptions::greedy(16), ..RunOptions::default() }
}
