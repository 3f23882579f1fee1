use std::{path::Path, sync::Arc};

use rcmu_core::{Answer, Control, GenerateOptions, Generator, Question, Scene};
use rcmu_model::{ComputeDtype, Device, LoadProgress, Model, Plan, WeightFormats};
use rcmu_prompt::{BuiltPrompt, PromptBuilder, TextPolicy, grammar_of, parse};

use crate::{AnswerStream, Chat, Error, default_device, open::check_size, source::checkpoint_dir};

/// How to load a model.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LoadOptions {
    /// Where to run; by default the fastest backend that is compiled in.
    pub device: Option<Device>,
    /// Dtype, ways of reading pictures, limits and budget.
    pub model: rcmu_model::LoadOptions,
}

impl LoadOptions {
    /// Runs on this device.
    pub fn on(mut self, device: Device) -> Self {
        self.device = Some(device);
        self
    }

    /// Keeps the weights of linear layers in this format, or in one per kind of layer; on other devices than the CPU in 8 or 4
    /// bits only.
    pub fn with_weights(mut self, formats: impl Into<WeightFormats>) -> Self {
        self.model.weights = Some(formats.into());
        self
    }

    /// Computes in this dtype; by default in f32 on the CPU and in bf16 where a GPU has it.
    pub const fn with_dtype(mut self, dtype: ComputeDtype) -> Self {
        self.model.dtype = Some(dtype);
        self
    }

    /// Shrinks pictures to so many pixels at most: one token stands for 28×28 of them, and a photo of twelve megapixels has
    /// 15,552 tokens otherwise.
    pub const fn with_max_pixels(mut self, pixels: u64) -> Self {
        self.model.picture_options.max_pixels = Some(pixels);
        self
    }

    /// Enlarges pictures to so many pixels at least, for finer boxes.
    pub const fn with_min_pixels(mut self, pixels: u64) -> Self {
        self.model.picture_options.min_pixels = Some(pixels);
        self
    }

    /// Refuses, before they are read or run, weights and requests that need more bytes of memory.
    pub const fn with_memory_budget(mut self, bytes: u64) -> Self {
        self.model.memory_budget = Some(bytes);
        self
    }
}

/// A loaded model that answers questions about scenes.
///
/// Cheap to clone and shared between threads; every question starts afresh. Use [`Rcmu::chat`] for several questions
/// about one picture.
#[derive(Clone, Debug)]
pub struct Rcmu {
    model: Model,
    policy: TextPolicy,
    system: Option<Arc<str>>,
}

/// A model that was loaded, adapted or trained by itself.
impl From<Model> for Rcmu {
    fn from(model: Model) -> Self {
        Self { model, policy: TextPolicy::default(), system: None }
    }
}

impl Rcmu {
    /// Loads a checkpoint directory in the Hugging Face layout or, with the feature `hub`, a repository by its id
    /// (`owner/name`, or `owner/name@revision` to pin it).
    ///
    /// # Errors
    ///
    /// [`Error::Device`] without a backend, [`Error::Model`] when a file, the config, the tokenizer or a weight is not what it
    /// must be; with the feature `hub`, `Error::Hub` when a repository cannot be fetched.
    pub fn load(source: &str, options: &LoadOptions) -> Result<Self, Error> {
        Self::load_with_progress(source, options, &mut |_| {})
    }

    /// As [`Rcmu::load`], telling how far it has come after every tensor.
    ///
    /// # Errors
    ///
    /// As [`Rcmu::load`].
    pub fn load_with_progress(
        source: &str,
        options: &LoadOptions,
        progress: &mut dyn FnMut(LoadProgress),
    ) -> Result<Self, Error> {
        Self::load_from(&checkpoint_dir(source)?, options, progress)
    }

    /// Loads a checkpoint directory, never a repository; telling how far it has come after every tensor.
    ///
    /// # Errors
    ///
    /// As [`Rcmu::load`].
    pub fn load_from(
        dir: &Path,
        options: &LoadOptions,
        progress: &mut dyn FnMut(LoadProgress),
    ) -> Result<Self, Error> {
        let device = options.device.clone().map_or_else(default_device, Ok)?;
        Ok(Model::load(dir, &device, &options.model, progress)?.into())
    }

    /// Tells the model what it is, in place of the default "You are a helpful assistant.".
    ///
    /// The text is your own and is written as it is, line breaks among it; control tokens in it stay text.
    pub fn with_system(mut self, text: impl Into<Arc<str>>) -> Self {
        self.system = Some(text.into());
        self
    }

    /// Sets what becomes of line breaks, control characters and forged context lines in texts; by default they are written
    /// otherwise, and [`Rcmu::prompt`] tells how.
    pub fn with_text_policy(mut self, policy: TextPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// The prompt of a question as the model will read it, and what was changed in its texts.
    ///
    /// # Errors
    ///
    /// [`Error::Prompt`]; [`Error::Model`] when the picture's header cannot be read; [`Error::SceneSize`] when the scene has
    /// not the size in which the model sees its picture, so that boxes would be elsewhere. A turn that leaves the size as it
    /// is cannot be told.
    pub fn prompt(&self, scene: &Scene, question: &Question) -> Result<BuiltPrompt, Error> {
        check_size(scene, self.model.processor())?;
        Ok(self.builder(scene, question).build()?)
    }

    /// The model itself: plans, sessions, batches.
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// Tells image tokens, grid, text tokens and memory of a question before anything runs.
    ///
    /// # Errors
    ///
    /// As [`Rcmu::prompt`]; [`Error::Model`] when the question cannot be asked at all.
    pub fn plan(&self, scene: &Scene, question: &Question) -> Result<Plan, Error> {
        self.plan_with(scene, question, GenerateOptions::default())
    }

    /// As [`Rcmu::plan`], with the given settings: how many tokens are made at most counts.
    ///
    /// # Errors
    ///
    /// As [`Rcmu::plan`].
    pub fn plan_with(
        &self,
        scene: &Scene,
        question: &Question,
        options: GenerateOptions,
    ) -> Result<Plan, Error> {
        Ok(self.model.plan(&self.prompt(scene, question)?.into_request(options))?)
    }

    /// Answers a question greedily, with the checkpoint's own settings otherwise.
    ///
    /// # Errors
    ///
    /// As [`Rcmu::prompt`]; [`Error::Model`] when the model refuses the question, [`Error::Generate`] when it breaks.
    pub fn ask(&self, scene: &Scene, question: &Question) -> Result<Answer, Error> {
        self.ask_with(scene, question, greedy(), &Control::default())
    }

    /// As [`Rcmu::ask`], but the model can write only citations of what is there and whole boxes, or only the letter of an
    /// option: the answer follows [`grammar_of`] the question. Needs the feature `grammar`.
    ///
    /// # Errors
    ///
    /// As [`Rcmu::ask`]; [`Error::Model`] without the feature, too.
    pub fn ask_strict(&self, scene: &Scene, question: &Question) -> Result<Answer, Error> {
        self.ask_with(scene, question, strict(scene, question), &Control::default())
    }

    /// Answers a question with the given settings, until it is done, cancelled or too late.
    ///
    /// # Errors
    ///
    /// As [`Rcmu::prompt`]; [`Error::Generate`]. Cancellation and deadline are no errors: the answer is partial then.
    pub fn ask_with(
        &self,
        scene: &Scene,
        question: &Question,
        options: GenerateOptions,
        control: &Control,
    ) -> Result<Answer, Error> {
        let built = self.prompt(scene, question)?;
        let targets = built.targets;
        let made = self.model.generate(&built.into_request(options), control, &mut |_| {})?;
        Ok(parse(&made.text, targets, made.finish))
    }

    /// Answers several questions about one scene at once, greedily; picture and context are read a single time.
    ///
    /// # Errors
    ///
    /// As [`Rcmu::ask`]; one bad question fails all.
    pub fn ask_all(&self, scene: &Scene, questions: &[Question]) -> Result<Vec<Answer>, Error> {
        self.ask_all_with(scene, questions, &greedy(), &Control::default())
    }

    /// Answers several questions about one scene at once with the given settings.
    ///
    /// # Errors
    ///
    /// As [`Rcmu::ask_with`]; one bad question fails all.
    pub fn ask_all_with(
        &self,
        scene: &Scene,
        questions: &[Question],
        options: &GenerateOptions,
        control: &Control,
    ) -> Result<Vec<Answer>, Error> {
        let built = questions.iter().map(|question| self.prompt(scene, question));
        let built = built.collect::<Result<Vec<_>, _>>()?;
        let (targets, requests): (Vec<_>, Vec<_>) =
            built.into_iter().map(|built| (built.targets, built.into_request(options.clone()))).unzip();
        let made = self.model.generate_batch(&requests, control)?;
        let answers = made.into_iter().zip(targets);
        Ok(answers.map(|(made, targets)| parse(&made.text, targets, made.finish)).collect())
    }

    /// Answers a question on a thread of its own and yields what happens; dropping the stream cancels.
    ///
    /// # Errors
    ///
    /// As [`Rcmu::prompt`]; what goes wrong later comes out of the stream.
    pub fn stream(&self, scene: &Scene, question: &Question) -> Result<AnswerStream, Error> {
        self.stream_with(scene, question, greedy(), Control::default())
    }

    /// As [`Rcmu::stream`], with the given settings.
    ///
    /// # Errors
    ///
    /// As [`Rcmu::stream`].
    pub fn stream_with(
        &self,
        scene: &Scene,
        question: &Question,
        options: GenerateOptions,
        control: Control,
    ) -> Result<AnswerStream, Error> {
        let built = self.prompt(scene, question)?;
        let targets = built.targets;
        let generator: Arc<dyn Generator> = Arc::new(self.model.clone());
        let events = rcmu_core::stream(generator, built.into_request(options), control);
        Ok(AnswerStream::new(events, targets))
    }

    /// Starts a conversation about one scene; picture and context are encoded once.
    pub fn chat(&self, scene: Scene) -> Chat {
        Chat::new(self.clone(), scene)
    }

    /// Begins the prompt of a question.
    pub(crate) fn builder<'a>(&'a self, scene: &'a Scene, question: &'a Question) -> PromptBuilder<'a> {
        let builder = PromptBuilder::new(scene, question).policy(self.policy);
        match &self.system {
            Some(text) => builder.system(text),
            None => builder,
        }
    }
}

/// Greedy decoding with the default length.
pub(crate) fn greedy() -> GenerateOptions {
    GenerateOptions { sample: Some(false), ..GenerateOptions::default() }
}

/// Greedy decoding within the grammar of the question.
pub(crate) fn strict(scene: &Scene, question: &Question) -> GenerateOptions {
    GenerateOptions { grammar: Some(grammar_of(scene, question)), ..greedy() }
}
