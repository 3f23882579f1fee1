use std::{
    collections::VecDeque,
    fmt,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use burn::tensor::{Device, Tensor};

use super::{
    TrainError, TrainSettings, TrainingData,
    adamw::{AdamW, clip},
    batch::{Batch, Totals},
    checkpoint::{self, Checkpoints},
    features::FeatureStore,
    lora::{self, TrainedWeight},
    ordered::OrderedSum,
    parameters::{Parameter, gradients, parameters, replica, without_trained},
    report::StepReport,
    sights::{SightHead, SubjectHead},
    student::{HELPERS, Student},
    window::Item,
};
use crate::{LoadOptions, model::Model, params::ComputeDtype, weights::expected_tensors};

/// What happens while a training runs.
#[derive(Debug)]
#[non_exhaustive]
pub enum TrainEvent<'a> {
    /// A step was done.
    Step(StepReport),
    /// A checkpoint was written to this folder.
    Saved(&'a Path),
    /// It is time to validate.
    Validate(&'a Trainer),
}

/// RCVIT: fine-tunes a Qwen2-VL on conversations about regions, answers only.
pub struct Trainer {
    /// The model of the start, without the weights that training changes.
    model: Model,
    /// The structure, with adapters if there are any, without what training changes.
    student: Student,
    device: Device,
    pub(super) parameters: Vec<Parameter>,
    pub(super) optimizer: AdamW,
    pub(super) settings: TrainSettings,
    pub(super) step: u64,
    pub(super) data: String,
    start: PathBuf,
    /// The conversations of the next steps.
    pub(super) queue: VecDeque<Vec<Item>>,
    /// What was seen before; only where training does not change what the model sees.
    pub(super) features: Option<FeatureStore>,
}

impl Trainer {
    /// Begins a training with a checkpoint directory in the Hugging Face layout.
    ///
    /// # Errors
    ///
    /// [`TrainError::Setting`], or [`TrainError::Model`] when the checkpoint cannot be loaded.
    pub fn new(
        start: &Path,
        device: &Device,
        settings: TrainSettings,
        options: &LoadOptions,
    ) -> Result<Self, TrainError> {
        settings.check()?;
        let plain = device.clone().without_autodiff();
        if !settings.compute.is_supported(&plain) {
            let (setting, found) = ("compute", format!("{:?}", settings.compute).to_lowercase());
            return Err(TrainError::Setting {
                setting,
                found,
                expected: "a type that the device computes in",
            });
        }
        // The weights are kept in full precision whatever the activations are computed in.
        let options =
            LoadOptions { dtype: Some(ComputeDtype::F32), weights: None, expands: true, ..options.clone() };
        let model = Model::load(start, &plain, &options, &mut |_| ())?;
        let names = expected_tensors(model.config()).into_iter().map(|tensor| tensor.name);
        let names: Vec<String> = names.chain(HELPERS.map(str::to_owned)).collect();
        let network = match &settings.lora {
            Some(lora) => lora::attach(model.network().clone(), lora, model.config())?,
            None => model.network().clone(),
        };
        let head = || SightHead::new(model.config(), &plain);
        // Where nobody asks for sights there is no table of all words.
        let words = if settings.sight_weight > 0.0 { model.config().text.vocab_size } else { 1 };
        let subject = SubjectHead::new(words, model.config(), &plain);
        let student = Student { network, sight: head(), gather: head(), subject };
        let mut parameters = parameters(&student, &names);
        for parameter in &mut parameters {
            let name = &parameter.name;
            parameter.trained = match &settings.lora {
                Some(_) => lora::is_factor(name) && !settings.frozen.holds(name),
                // The helpers learn only where sights are asked for.
                None if is_helper(name) => settings.sight_weight > 0.0,
                None => !settings.frozen.holds(name),
            };
        }
        if parameters.iter().all(|parameter| !parameter.trained) {
            let (setting, found) = ("frozen", format!("{:?}", settings.frozen));
            return Err(TrainError::Setting { setting, found, expected: "something that learns" });
        }
        if let Some(lora) = &settings.lora {
            lora::initialize(&mut parameters, lora, settings.seed);
        }
        let sees_anew =
            parameters.iter().any(|parameter| parameter.trained && parameter.name.starts_with("visual."));
        let device = plain.autodiff();
        let device = if settings.gradient_checkpointing { device.gradient_checkpointing() } else { device };
        Ok(Self {
            optimizer: AdamW::new(&parameters),
            student: without_trained(student, &parameters),
            model: model.with_structure(without_trained(model.network().clone(), &parameters)),
            device,
            parameters,
            settings,
            step: 0,
            data: String::new(),
            start: start.to_owned(),
            queue: VecDeque::new(),
            features: (!sees_anew).then(FeatureStore::default),
        })
    }

    /// Goes on from the newest whole checkpoint of a folder, or begins anew where there is none.
    ///
    /// # Errors
    ///
    /// As [`Trainer::new`]; [`TrainError::Checkpoint`] when the checkpoint belongs to another training.
    pub fn resume(
        start: &Path,
        checkpoints: &Path,
        device: &Device,
        settings: TrainSettings,
        options: &LoadOptions,
    ) -> Result<Self, TrainError> {
        let mut trainer = Self::new(start, device, settings, options)?;
        if let Some(newest) = Checkpoints::new(checkpoints).newest()? {
            checkpoint::restore(&mut trainer, &newest)?;
        }
        Ok(trainer)
    }

    /// Trains until the last step, or until `on_event` breaks off; saves checkpoints into a folder on the way.
    ///
    /// # Errors
    ///
    /// Any [`TrainError`]; the checkpoints written before stay whole.
    pub fn run(
        &mut self,
        data: &dyn TrainingData,
        checkpoints: &Path,
        on_event: &mut dyn FnMut(TrainEvent<'_>) -> ControlFlow<()>,
    ) -> Result<(), TrainError> {
        let store = Checkpoints::new(checkpoints);
        let mut saved = self.step;
        while self.step < self.settings.steps {
            let report = self.step(data)?;
            let mut flow = on_event(TrainEvent::Step(report));
            let every = self.settings.validation_steps;
            if flow.is_continue() && every > 0 && self.step.is_multiple_of(every) {
                flow = on_event(TrainEvent::Validate(self));
            }
            let due = self.step.is_multiple_of(self.settings.checkpoint_steps);
            if due || flow.is_break() || self.step == self.settings.steps {
                let dir = store.save(self)?;
                saved = self.step;
                if on_event(TrainEvent::Saved(&dir)).is_break() {
                    break;
                }
            }
            if flow.is_break() {
                break;
            }
        }
        if saved < self.step {
            store.save(self)?;
        }
        Ok(())
    }

    /// Does one step.
    ///
    /// # Errors
    ///
    /// [`TrainError::Item`] or [`TrainError::TooLong`] for a bad conversation, [`TrainError::NotFinite`] when the loss
    /// or a gradient is not a number; the weights are then as before.
    pub fn step(&mut self, data: &dyn TrainingData) -> Result<StepReport, TrainError> {
        let began = Instant::now();
        self.fill(data)?;
        let batches = self.batches()?;
        let step = self.step + 1;
        let totals = Totals::new(&batches, self.settings.sight_weight);
        let targets = totals.targets;
        let tokens = batches.iter().map(Batch::tokens).sum();

        let (loss, gradients, gradient_norm) = self.clipped_gradients(&batches, totals, step)?;
        // After an error it is the same step's the next time.
        self.queue.pop_front();
        let learning_rate = self.settings.learning_rate_at(self.step);
        self.optimizer.step(&mut self.parameters, gradients, &self.settings, learning_rate);
        self.step = step;
        let seconds = began.elapsed().as_secs_f64();
        Ok(StepReport { step, loss, gradient_norm, learning_rate, tokens, targets, seconds })
    }

    /// The loss, the gradients and their norm before they were clipped, all of them numbers.
    fn clipped_gradients(
        &self,
        batches: &[Batch],
        totals: Totals,
        step: u64,
    ) -> Result<(f64, Vec<Option<Tensor<1>>>, f64), TrainError> {
        let (loss, mut gradients) = self.gradients_of(batches, totals);
        if !loss.is_finite() {
            return Err(TrainError::NotFinite { step, what: "the loss" });
        }
        let norm = clip(&mut gradients, self.settings.clip_norm, step)?;
        Ok((loss, gradients, norm))
    }

    /// Mean loss over all tokens to predict, with what is asked of sights, and its gradients in the order of the parameters.
    ///
    /// Micro-batches are added up in their order as they are done, however many workers there are.
    pub(super) fn gradients_of(&self, batches: &[Batch], totals: Totals) -> Found {
        let workers = self.settings.workers.min(batches.len()).max(1);
        let one = |student: &Student, batch: &Batch| {
            let loss = batch.loss(student, self.model.config(), totals, &self.device);
            let value: f32 = loss.clone().into_scalar();
            if !loss.is_tracked() {
                return (f64::from(value), vec![None; self.parameters.len()]);
            }
            let mut found = loss.backward();
            (f64::from(value), gradients(student, &self.parameters, &mut found))
        };
        let sum = OrderedSum::new(workers, add);
        // Each worker takes the next one that nobody has: they differ in length.
        let next = AtomicUsize::new(0);
        let work = || {
            let _watch = sum.watch();
            let student = self.replica(&self.device, self.settings.compute);
            let places = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            let own = places.map_while(|place| Some((place, batches.get(place)?)));
            for (place, batch) in own {
                if sum.add(place, one(&student, batch)).is_break() {
                    break;
                }
            }
        };
        if workers == 1 {
            work();
        } else {
            std::thread::scope(|scope| {
                let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
                for handle in handles {
                    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                }
            });
        }
        sum.into_sum().unwrap_or_default()
    }

    /// The model as it is now, to generate with; adapters are merged.
    pub fn to_model(&self) -> Model {
        let (device, config) = (self.device.clone().without_autodiff(), self.model.config());
        let weights = lora::weights(&self.parameters, self.settings.lora.as_ref());
        let merged: Vec<_> = weights.into_iter().map(TrainedWeight::into_parameter).collect();
        let network = self.model.network().clone();
        let mut network = replica(network, &merged, &device, ComputeDtype::F32.dtype());
        network.retie(config);
        let name = format!("step {}", self.step);
        let is_adapted = self.settings.lora.is_some();
        if is_adapted { self.model.adapted(network, &name) } else { self.model.with_network(network, &name) }
    }

    /// Steps done.
    pub const fn steps_done(&self) -> u64 {
        self.step
    }

    /// Parameters of the model that the training changes.
    pub fn trained_parameters(&self) -> u64 {
        let trained =
            self.parameters.iter().filter(|parameter| parameter.trained && !is_helper(&parameter.name));
        trained.map(|parameter| parameter.dims.iter().product::<usize>() as u64).sum()
    }

    /// The settings.
    pub const fn settings(&self) -> &TrainSettings {
        &self.settings
    }

    pub(super) const fn model(&self) -> &Model {
        &self.model
    }

    /// The checkpoint directory that the training began with.
    pub(super) fn start(&self) -> &Path {
        &self.start
    }

    pub(super) const fn device(&self) -> &Device {
        &self.device
    }

    pub(super) fn replica(&self, device: &Device, dtype: ComputeDtype) -> Student {
        let mut student = replica(self.student.clone(), &self.parameters, device, dtype.dtype());
        student.network.retie(self.model.config());
        student
    }
}

impl fmt::Debug for Trainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("start", &self.start)
            .field("step", &self.step)
            .field("trained_parameters", &self.trained_parameters())
            .finish_non_exhaustive()
    }
}

/// Whether a parameter helps in training only.
pub(super) fn is_helper(name: &str) -> bool {
    HELPERS.contains(&name)
}

/// A loss with its gradients in the order of the parameters.
type Found = (f64, Vec<Option<Tensor<1>>>);

/// Adds a loss and its gradients to a sum.
fn add(sum: &mut Found, next: Found) {
    sum.0 += next.0;
    for (gradient, more) in sum.1.iter_mut().zip(next.1) {
        *gradient = match (gradient.take(), more) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
    }
}
