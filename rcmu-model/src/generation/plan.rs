use std::fmt;

use rcmu_core::{GenerateOptions, ImageSize, Stats};

use super::encode::Outline;
use crate::{
    Error, config::ModelConfig, model::Model, processor::PicturePlan, text::KvCache, vision::PatchGrid,
};

/// Image tokens below which boxes lose precision: an image of 1024 tokens has merged patches of about 1/32 of a side.
const GROUNDING_TOKENS: usize = 1024;
/// Image tokens above which reading the picture is what a question waits for.
const MANY_TOKENS: usize = 4 * GROUNDING_TOKENS;

/// What a request will need, known before any pixel is decoded or any kernel runs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// Tokens of the prompt that are text.
    pub text_tokens: usize,
    /// Tokens of the prompt that stand for pictures.
    pub image_tokens: usize,
    /// The most tokens that will be made.
    pub max_new_tokens: usize,
    /// Tokens that the model can hold at once.
    pub context_window: usize,
    /// One entry per picture, in the order of the request.
    pub visuals: Vec<VisualPlan>,
    /// Bytes of the weights, loaded already.
    pub weight_bytes: u64,
    /// Bytes of keys and values for prompt and answer.
    pub kv_bytes: u64,
    /// Estimated bytes of activations at their peak, in the vision tower or the prefill.
    pub activation_bytes: u64,
    /// What a person should know before running it.
    pub hints: Vec<Hint>,
}

/// What one picture will become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VisualPlan {
    /// Patches in time, height and width.
    pub grid: PatchGrid,
    /// Size as a person sees it, after EXIF orientation.
    pub upright_size: ImageSize,
    /// Size as the model sees it.
    pub model_size: ImageSize,
    /// Whether it is a video.
    pub is_video: bool,
}

/// Something worth knowing about a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// The picture is shrunk: small objects may be lost. Raise `max_pixels` to keep more.
    Shrunk {
        /// Which picture, counted from 0.
        picture: usize,
        /// Its size.
        from: ImageSize,
        /// What the model sees.
        to: ImageSize,
    },
    /// The picture has so few tokens that boxes will be coarse. Raise `min_pixels` for finer boxes.
    CoarseBoxes {
        /// Which picture, counted from 0.
        picture: usize,
        /// Its tokens.
        tokens: usize,
    },
    /// The picture has so many tokens that they cost more than all else. Lower `max_pixels` for an earlier answer.
    ManyTokens {
        /// Which picture, counted from 0.
        picture: usize,
        /// Its tokens.
        tokens: usize,
    },
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shrunk { picture, from, to } => {
                write!(f, "picture {picture} is shrunk from {from} to {to}; a larger max_pixels keeps more")
            }
            Self::CoarseBoxes { picture, tokens } => write!(
                f,
                "picture {picture} has {tokens} tokens, boxes may be coarse; a larger min_pixels gives at least \
                 {GROUNDING_TOKENS}"
            ),
            Self::ManyTokens { picture, tokens } => {
                write!(f, "picture {picture} has {tokens} tokens; a smaller max_pixels answers sooner")
            }
        }
    }
}

impl VisualPlan {
    pub(crate) fn new(plan: &PicturePlan, grid: PatchGrid, is_video: bool) -> Self {
        Self { grid, upright_size: plan.upright_size, model_size: plan.model_size, is_video }
    }

    /// Tokens that stand for it in the prompt.
    pub fn tokens(&self) -> usize {
        self.grid.tokens()
    }
}

impl Plan {
    /// Tokens of the prompt.
    pub const fn prompt_tokens(&self) -> usize {
        self.text_tokens + self.image_tokens
    }

    /// What is known of an answer before it begins.
    pub(super) fn stats(&self) -> Stats {
        Stats { prompt_tokens: self.prompt_tokens(), image_tokens: self.image_tokens, ..Stats::default() }
    }

    /// Bytes of weights, cache and activations together.
    pub const fn total_bytes(&self) -> u64 {
        self.weight_bytes.saturating_add(self.kv_bytes).saturating_add(self.activation_bytes)
    }

    /// Checks the plan against the context window and a budget in bytes.
    ///
    /// # Errors
    ///
    /// [`Error::ContextWindow`] or [`Error::MemoryBudget`], with what is needed and what there is.
    pub fn check(&self, memory_budget: Option<u64>) -> Result<(), Error> {
        let needed = self.prompt_tokens() + self.max_new_tokens;
        if needed > self.context_window {
            return Err(Error::ContextWindow {
                prompt: self.prompt_tokens(),
                new: self.max_new_tokens,
                available: self.context_window,
            });
        }
        match memory_budget {
            Some(budget) if self.total_bytes() > budget => {
                Err(Error::MemoryBudget { needed: self.total_bytes(), budget })
            }
            _ => Ok(()),
        }
    }
}

impl Model {
    /// Checks the options, tokens against the vocabulary among them.
    pub(crate) fn check_options(&self, options: &GenerateOptions) -> Result<(), Error> {
        options.check()?;
        let vocab_size = self.config().text.vocab_size;
        match options.logit_bias.keys().find(|&&id| id as usize >= vocab_size) {
            Some(id) => Err(rcmu_core::Error::GenerateOption {
                option: "logit_bias",
                value: format!("one of token {id}"),
                expected: "tokens of the vocabulary",
            }
            .into()),
            None => Ok(()),
        }
    }

    pub(crate) fn plan_outline(&self, outline: &Outline, options: &GenerateOptions) -> Result<Plan, Error> {
        let config = self.config();
        let size = self.compute_dtype().size();
        let prompt = outline.input_ids.len();
        let image_tokens = outline.visuals.iter().map(VisualPlan::tokens).sum();
        let max_new_tokens = options.max_new_tokens as usize;
        let too_long = || Error::ContextWindow {
            prompt,
            new: max_new_tokens,
            available: config.text.max_position_embeddings,
        };
        let kv_bytes = KvCache::bytes(&config.text, prompt + max_new_tokens, size).ok_or_else(too_long)?;
        Ok(Plan {
            text_tokens: prompt - image_tokens,
            image_tokens,
            max_new_tokens,
            context_window: config.text.max_position_embeddings,
            weight_bytes: self.weight_bytes(),
            kv_bytes,
            activation_bytes: pixel_bytes(config, &outline.visuals)
                + self.vision_bytes(&outline.visuals).max(self.prefill_bytes([1, prompt])),
            hints: hints(&outline.visuals),
            visuals: outline.visuals.clone(),
        })
    }

    /// Bytes that several requests of `new` tokens at most need together: every row is as long as the longest, what they
    /// begin with is kept once more, and where they are of several lengths it is marked for each token what it looks at.
    pub(super) fn batch_bytes(&self, outlines: &[Outline], new: usize) -> u64 {
        let (config, rows) = (self.config(), outlines.len());
        let lengths = || outlines.iter().map(|outline| outline.input_ids.len());
        let longest = lengths().max().unwrap_or(0);
        let kept = rows + usize::from(rows > 1);
        let cache = self.cache_bytes(outlines, new);
        // One byte a mark, on the host and on the device.
        let marks = if lengths().all(|len| len == longest) { 0 } else { 2 * longest.saturating_mul(longest) };
        let visuals = || outlines.iter().flat_map(|outline| &outline.visuals);
        let prefill = self.prefill_bytes([rows, longest]).saturating_add((rows * marks) as u64);
        self.weight_bytes()
            .saturating_add(cache.saturating_mul(kept as u64))
            .saturating_add(pixel_bytes(config, visuals()))
            .saturating_add(self.vision_bytes(visuals()).max(prefill))
    }

    /// Bytes of keys and values of one row as long as the longest of these, and so many new tokens.
    pub(super) fn cache_bytes(&self, outlines: &[Outline], new: usize) -> u64 {
        let longest = outlines.iter().map(|outline| outline.input_ids.len()).max().unwrap_or(0);
        KvCache::bytes(&self.config().text, longest + new, self.compute_dtype().size()).unwrap_or(u64::MAX)
    }

    /// Peak of the vision tower: one block and the attention scores of the largest picture.
    fn vision_bytes<'a>(&self, visuals: impl IntoIterator<Item = &'a VisualPlan> + Clone) -> u64 {
        let (vision, size) = (&self.config().vision, self.compute_dtype().size());
        let scores = |visual: &VisualPlan| {
            let patches = visual.grid.patches_per_frame();
            self.score_bytes([vision.num_heads * visual.grid.frames(), patches, patches])
        };
        let scores = visuals.clone().into_iter().map(scores).max().unwrap_or(0);
        vision_bytes(self.config(), visuals, size).saturating_add(scores)
    }

    /// Peak of the prefill of so many rows of so many tokens: one decoder layer and its attention scores.
    fn prefill_bytes(&self, [rows, tokens]: [usize; 2]) -> u64 {
        let config = self.config();
        let scores = self.score_bytes([rows * config.text.num_attention_heads, tokens, tokens]);
        prefill_bytes(config, rows * tokens, self.compute_dtype().size()).saturating_add(scores)
    }

    fn score_bytes(&self, shape: [usize; 3]) -> u64 {
        self.network().attender(self.device()).score_bytes(shape, self.compute_dtype().size())
    }
}

/// Patches of all pictures, which stay in the host's memory as f32 numbers until the answer is there.
fn pixel_bytes<'a>(config: &ModelConfig, visuals: impl IntoIterator<Item = &'a VisualPlan>) -> u64 {
    let patches: u64 = visuals.into_iter().map(|visual| visual.grid.patches() as u64).sum();
    patches * config.vision.patch_dim() as u64 * 4
}

/// Peak of one vision block of the largest picture: pixels, residual stream, normed copy, and the wider of the feed-forward rows (twice, for
/// the activation) and the attention rows (queries, keys, values, turned copies).
fn vision_bytes<'a>(
    config: &ModelConfig,
    visuals: impl IntoIterator<Item = &'a VisualPlan>,
    size: usize,
) -> u64 {
    let vision = &config.vision;
    let patches = visuals.into_iter().map(|visual| visual.grid.patches()).max().unwrap_or(0);
    let rows = vision.patch_dim() + 2 * vision.embed_dim;
    let wide = (3 * vision.intermediate_size()).max(10 * vision.embed_dim);
    (patches as u64) * (rows + wide) as u64 * size as u64
}

/// Peak of one decoder layer: residual stream, normed copy, and gate, up and their product.
fn prefill_bytes(config: &ModelConfig, tokens: usize, size: usize) -> u64 {
    let text = &config.text;
    let per_token = 4 * text.hidden_size + 3 * text.intermediate_size;
    (tokens as u64) * per_token as u64 * size as u64 + (2 * text.vocab_size * 4) as u64
}

fn hints(visuals: &[VisualPlan]) -> Vec<Hint> {
    let mut hints = Vec::new();
    for (picture, visual) in visuals.iter().enumerate() {
        // Rounding to whole patches alone changes a side by less than one merged patch.
        if visual.model_size.pixels() * 4 < visual.upright_size.pixels() * 3 {
            hints.push(Hint::Shrunk { picture, from: visual.upright_size, to: visual.model_size });
        }
        if visual.tokens() < GROUNDING_TOKENS && !visual.is_video {
            hints.push(Hint::CoarseBoxes { picture, tokens: visual.tokens() });
        }
        if visual.tokens() > MANY_TOKENS {
            hints.push(Hint::ManyTokens { picture, tokens: visual.tokens() });
        }
    }
    hints
}
