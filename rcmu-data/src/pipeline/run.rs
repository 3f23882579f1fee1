use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::{Map, Value, json};

use super::{
    AnnotatedPicture, CitedDescription, CitedDescriptionInput, ContextualQuestions, Description,
    DescriptionInput, Drafts, Failure, KnownObject, Maker, PipelineError, PoolRequest, Profile, ProfilePool,
    Report, SeenObject, Step, StepFailure, StepName, Tally, ToldObject, UnmentionedTopics, VisualFindings,
    VisualQuestions,
    caption::{grounded_caption, usable_expressions},
    hash::{digest, number},
    input::check_all,
    journal::{Entry, Journal, Outcome, hex},
    matching::{Pools, contexts, pool_noun},
    questions::by_name,
    substitution::{Finished, Prompts, Substitution},
};
use crate::{Error, Sample};

/// The version of criteria, matching and substitution: with another one, the same drafts give other samples.
const VERSION: u32 = 1;
/// Most profiles of one request.
const PROFILES_PER_REQUEST: usize = 4;
/// Most profiles of a class noun.
const MAX_PROFILES: usize = 128;

/// How a run goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineOptions {
    /// Start of every random choice.
    pub seed: u64,
    /// How many profiles a class noun gets, 1 to 128; at least as many as a picture has objects of it. 16 by default.
    pub profiles_per_noun: usize,
    /// After so many failed calls in a row nothing more is asked in this run, at least 1; 16 by default.
    pub give_up_after: u32,
}

impl Default for PipelineOptions {
    fn default() -> Self {
        Self { seed: 0, profiles_per_noun: 16, give_up_after: 16 }
    }
}

/// Makes samples of annotated pictures.
///
/// # Examples
///
/// ```
/// use rcmu_core::BBox;
/// use rcmu_data::{
///     PictureSource,
///     pipeline::{AnnotatedObject, AnnotatedPicture, Pipeline, PipelineOptions, Templates},
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("rcmu-pipeline-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let picture = AnnotatedPicture {
///     id: "park-1".into(),
///     picture: PictureSource::File("park.jpg".into()),
///     objects: vec![AnnotatedObject {
///         noun: "dog".into(),
///         bbox: BBox::new(100, 80, 420, 960)?,
///         expressions: vec!["the black dog on the left".into()],
///     }],
///     caption: Some("A dog [1] is lying on the grass.".into()),
/// };
/// let pipeline = Pipeline::new(Templates, PipelineOptions::default())?;
/// let mut samples = Vec::new();
/// let report = pipeline.run(&[picture], &folder.join("run.journal"), |sample| {
///     samples.push(sample);
///     Ok(())
/// })?;
///
/// assert!(report.is_complete());
/// assert!(samples.iter().any(|sample| sample.question.contains("the black dog on the left")));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Pipeline<M> {
    maker: M,
    options: PipelineOptions,
}

impl<M: Maker> Pipeline<M> {
    /// Sets the pipeline up; nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`PipelineError::Option`] when an option is outside its limits.
    pub fn new(maker: M, options: PipelineOptions) -> Result<Self, PipelineError> {
        let outside = |field, found, expected| Err(PipelineError::Option { field, found, expected });
        if !(1..=MAX_PROFILES).contains(&options.profiles_per_noun) {
            return outside("profiles_per_noun", options.profiles_per_noun as u64, "1..=128");
        }
        if options.give_up_after == 0 {
            return outside("give_up_after", 0, "at least 1");
        }
        Ok(Self { maker, options })
    }

    /// The maker.
    pub const fn maker(&self) -> &M {
        &self.maker
    }

    /// Goes on with the journal, or begins it, and gives the samples of every picture that has all its steps, in order.
    ///
    /// What is in the journal is not asked again. A step that fails is in the report; the run goes on with the
    /// others. The same pictures, options and drafts give the same samples, however often the run was cut.
    ///
    /// # Errors
    ///
    /// [`PipelineError`] when a picture, the journal or `sink` is at fault. Finished steps are in the journal.
    pub fn run(
        &self,
        pictures: &[AnnotatedPicture],
        journal: &Path,
        mut sink: impl FnMut(Sample) -> Result<(), Error>,
    ) -> Result<Report, PipelineError> {
        check_all(pictures)?;
        let prompts = Prompts::of(&self.maker);
        let journal = Journal::open(journal, self.configuration(&prompts))?;
        let report = Report { torn_bytes: journal.torn_bytes, ..Report::default() };
        let mut run = Run { pipeline: self, journal, report, failed_calls: 0 };
        let pools = run.pools(pictures)?;
        let mut finished = Vec::new();
        for picture in pictures {
            let it = run.picture(picture, &pools)?;
            if it.is_none() {
                run.report.unfinished.push(picture.id.clone());
            }
            finished.push(it);
        }
        let mut report = run.report;
        let maker = format!("pipeline-{VERSION}/{}", self.maker.identity());
        let substitution = Substitution::new(pictures, &finished, self.options.seed, (maker, prompts));
        for at in 0..pictures.len() {
            let mut tally = Tally::new();
            for sample in substitution.samples(at, &mut tally)? {
                sample.check()?;
                *report.samples.entry(sample.kind).or_default() += 1;
                sink(sample)?;
            }
            report.add(&tally);
        }
        Ok(report)
    }

    /// Everything that the samples depend on beside the pictures.
    fn configuration(&self, prompts: &Prompts) -> Map<String, Value> {
        // In the order of their names, so that it is the same text whether or not `serde_json` keeps the order of keys.
        [
            ("maker", json!(self.maker.identity())),
            ("pipeline", json!(VERSION)),
            ("profiles_per_noun", json!(self.options.profiles_per_noun)),
            ("prompts", json!(prompts.all().map(|prompt| prompt.to_string()))),
            ("seed", json!(self.options.seed)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

/// A run on its way.
struct Run<'a, M> {
    pipeline: &'a Pipeline<M>,
    journal: Journal,
    report: Report,
    /// Calls that failed one after the other.
    failed_calls: u32,
}

impl<M: Maker> Run<'_, M> {
    /// Takes a step from the journal or has it drafted; `None` when it is not done.
    fn step<S: Step>(&mut self, unit: &str, input: &S::Input) -> Result<Option<S::Output>, PipelineError>
    where
        M: Drafts<S>,
    {
        let (key, seed) = self.key::<S>(unit, input)?;
        if let Some(kept) = self.journal.find(&key) {
            let read = serde_json::from_value(kept.output.clone());
            let Ok(read) = read else {
                return Err(self.journal.corrupt(kept.line, "has an output of another form"));
            };
            self.report.add(&kept.filtered);
            self.report.count(S::NAME).resumed += 1;
            return Ok(Some(read));
        }
        if self.report.gave_up {
            self.report.count(S::NAME).not_asked += 1;
            return Ok(None);
        }
        let drafted = Drafts::<S>::draft(&self.pipeline.maker, input, seed);
        self.called(drafted.as_ref().err());
        let mut filtered = Tally::new();
        let accepted = drafted.and_then(|draft| S::accept(input, draft, &mut filtered));
        self.report.add(&filtered);
        let (outcome, result) = match accepted {
            Ok(accepted) => {
                self.report.count(S::NAME).done += 1;
                let output =
                    serde_json::to_value(&accepted).map_err(|error| no_json(S::NAME, unit, &error))?;
                (Outcome::Done { output, filtered }, Some(accepted))
            }
            Err(failure) => {
                let text = failure.to_string();
                self.fail(unit, S::NAME, failure);
                (Outcome::NotDone { failure: text }, None)
            }
        };
        self.journal.append(&Entry { key, unit: unit.to_owned(), step: S::NAME, outcome })?;
        Ok(result)
    }

    /// The key of a step in the journal, and the start of its random sequence.
    fn key<S: Step>(&self, unit: &str, input: &S::Input) -> Result<(String, u64), PipelineError>
    where
        M: Drafts<S>,
    {
        let maker = &self.pipeline.maker;
        let (identity, prompt) = (maker.identity(), Drafts::<S>::prompt(maker).to_string());
        let json = serde_json::to_string(input).map_err(|error| no_json(S::NAME, unit, &error))?;
        let parts = [&identity, S::NAME.name(), &prompt, unit, &json];
        let digest = digest(&format!("rcmu-pipeline-step-{VERSION}"), self.pipeline.options.seed, &parts);
        Ok((hex(&digest), number(&digest)))
    }

    /// Counts a call of the maker; any reply ends the failed ones, a useless one too.
    fn called(&mut self, failure: Option<&Failure>) {
        self.failed_calls = match failure {
            Some(Failure::Asking { .. }) => self.failed_calls + 1,
            _ => 0,
        };
        self.report.gave_up |= self.failed_calls >= self.pipeline.options.give_up_after;
    }

    fn fail(&mut self, unit: &str, step: StepName, failure: Failure) {
        self.report.count(step).failed += 1;
        self.report.failures.push(StepFailure { unit: unit.to_owned(), step, failure });
    }

    /// The profiles of all class nouns; a noun whose profiles are not done has none.
    fn pools(&mut self, pictures: &[AnnotatedPicture]) -> Result<Pools, PipelineError> {
        let objects = pictures.iter().flat_map(|picture| &picture.objects);
        let nouns: BTreeSet<String> = objects.map(|object| pool_noun(&object.noun)).collect();
        let mut pools = BTreeMap::new();
        for noun in nouns {
            if let Some(pool) = self.pool(&noun)? {
                pools.insert(noun, pool);
            }
        }
        Ok(pools)
    }

    /// The profiles of a class noun; a request that gives none is made up for by the next.
    fn pool(&mut self, noun: &str) -> Result<Option<Vec<Profile>>, PipelineError> {
        let wanted = self.pipeline.options.profiles_per_noun;
        // Twice as many requests as are needed when nothing is dropped.
        let requests = 2 * wanted.div_ceil(PROFILES_PER_REQUEST);
        let unit = |request: usize| format!("{noun}/{request}");
        let mut input =
            PoolRequest { noun: noun.to_owned(), count: PROFILES_PER_REQUEST.min(wanted), taken: Vec::new() };
        // What is in the journal builds on the first request that gave profiles: those before it are not tried again.
        let mut first = 0;
        for request in 0..requests {
            if self.journal.find(&self.key::<ProfilePool>(&unit(request), &input)?.0).is_some() {
                first = request;
                break;
            }
        }
        let mut pool: Vec<Profile> = Vec::new();
        for request in first..requests {
            input.count = PROFILES_PER_REQUEST.min(wanted - pool.len());
            if input.count == 0 {
                break;
            }
            input.taken = pool.iter().map(|profile| profile.name.clone()).collect();
            match self.step::<ProfilePool>(&unit(request), &input)? {
                // A journal from elsewhere may hold more than was asked for.
                Some(more) => pool.extend(more.into_iter().take(input.count)),
                None if self.left_nothing(&unit(request)) => {}
                None => return Ok(None),
            }
        }
        Ok(Some(pool).filter(|pool| !pool.is_empty()))
    }

    /// Whether a unit was drafted last, and nothing of its draft could be kept.
    fn left_nothing(&self, unit: &str) -> bool {
        self.report.failures.last().is_some_and(|it| {
            it.unit == unit && matches!(it.failure, Failure::NothingLeft { .. } | Failure::Criterion { .. })
        })
    }

    /// All steps of a picture, those too that come after another one's failure and do not need it.
    fn picture(
        &mut self,
        picture: &AnnotatedPicture,
        pools: &Pools,
    ) -> Result<Option<Finished>, PipelineError> {
        let id = picture.id.as_str();
        let visual = self.visual(picture)?;
        if picture.objects.iter().any(|object| !pools.contains_key(&pool_noun(&object.noun))) {
            return Ok(None);
        }
        let contexts = match contexts(picture, pools, self.pipeline.options.seed) {
            Ok(contexts) => contexts,
            Err(failure) => {
                self.fail(id, StepName::Matching, failure);
                return Ok(None);
            }
        };
        let described = || (1..).zip(picture.objects.iter().zip(&contexts));
        let told: Vec<_> = described()
            .map(|(number, (object, profile))| ToldObject {
                object: number,
                noun: object.noun.clone(),
                context: profile.text.clone(),
            })
            .collect();
        let Some(contextual) = self.step::<ContextualQuestions>(id, &told)? else { return Ok(None) };
        let known: Vec<_> = told
            .into_iter()
            .map(|ToldObject { object, noun, context }| {
                let facts = by_name(&contextual.facts, object);
                KnownObject { object, noun, context, facts }
            })
            .collect();
        let topics = self.step::<UnmentionedTopics>(id, &known)?;
        let input = DescriptionInput { caption: grounded_caption(picture), objects: known };
        let Some(description) = self.step::<Description>(id, &input)? else { return Ok(None) };
        let input = CitedDescriptionInput { description, objects: input.objects };
        let cited = self.step::<CitedDescription>(id, &input)?;
        let (Some(visual), Some(topics), Some(cited)) = (visual, topics, cited) else { return Ok(None) };
        let description = input.description;
        Ok(Some(Finished { contexts, visual, contextual, topics, description, cited }))
    }

    /// Step 2; a picture without expressions has nothing to be asked.
    fn visual(&mut self, picture: &AnnotatedPicture) -> Result<Option<VisualFindings>, PipelineError> {
        let seen = (1..).zip(&picture.objects).map(|(number, object)| SeenObject {
            object: number,
            noun: object.noun.clone(),
            expressions: usable_expressions(object),
        });
        let seen: Vec<_> = seen.filter(|it| !it.expressions.is_empty()).collect();
        if seen.is_empty() {
            return Ok(Some(VisualFindings::default()));
        }
        self.step::<VisualQuestions>(&picture.id, &seen)
    }
}

fn no_json(step: StepName, unit: &str, error: &serde_json::Error) -> PipelineError {
    PipelineError::Output { step, unit: unit.to_owned(), problem: format!("is no JSON: {error}") }
}
