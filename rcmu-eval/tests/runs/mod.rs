//! What the tests of runs and journals share: scratch folders, a dataset and a generator that needs no model.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rcmu_core::{
    BBox, CancelToken, Control, Event, FinishReason, GenerateError, GenerateOptions, Generation, Generator,
    Region, Request, Stats,
};
use rcmu_data::{Kind, PictureSource, Provenance, Sample, SampleRegion};
use rcmu_eval::{
    Error,
    dataset::Dataset,
    run::{Run, RunOptions, RunSummary},
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
        visual: std::collections::BTreeMap::default(),
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

/// Answers with the length of the prompt and the seed; fails where the prompt says `question 5`, `15`, `25`, …
pub(crate) struct Echo {
    /// How long it takes.
    pub(crate) delay: Duration,
    /// Is told of each call before it is answered.
    pub(crate) log: Option<PathBuf>,
    /// How many calls it got.
    pub(crate) calls: AtomicU64,
    /// Cancels this after so many calls.
    pub(crate) cancel: Option<(CancelToken, u64)>,
}

impl Echo {
    pub(crate) fn new() -> Self {
        Self { delay: Duration::ZERO, log: None, calls: AtomicU64::new(0), cancel: None }
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
        use std::io::Write;

        let calls = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(log) = &self.log {
            let mut log = fs::OpenOptions::new().create(true).append(true).open(log).expect("a scratch file");
            log.write_all(b".").expect("one byte");
        }
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
        Ok(Generation { text, token_ids: Vec::new(), finish, stats: Stats::default() })
    }
}

/// A run with these options.
pub(crate) fn run(
    dataset: &Dataset,
    echo: &Echo,
    options: RunOptions,
    path: &Path,
) -> Result<RunSummary, Error> {
    Run::new(dataset, echo, options)?.execute(path)
}

/// Options with a small number of tokens.
pub(crate) fn options() -> RunOptions {
    RunOptions { generate: GenerateOptions::greedy(16), ..RunOptions::default() }
}
