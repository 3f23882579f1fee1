use std::{io, path::PathBuf};

/// Why a model could not be loaded or a request not be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // ---- files -------------------------------------------------------------------------------------------------
    /// A file cannot be opened or read.
    #[error("cannot read {path}")]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    WriteFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    // ---- config ------------------------------------------------------------------------------------------------
    /// A settings file is not JSON of the expected form.
    #[error("cannot read {file}")]
    ConfigSyntax {
        /// Name of the file.
        file: &'static str,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// Settings are missing, out of range or contradict each other.
    #[error("{file}: {}", problems.join("; "))]
    Config {
        /// Name of the file.
        file: &'static str,
        /// Everything that is wrong.
        problems: Vec<String>,
    },
    // ---- tokenizer ---------------------------------------------------------------------------------------------
    /// A file of the tokenizer is not a regular file, or is too large.
    #[error("{path} {problem}")]
    TokenizerFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file of the tokenizer is not JSON of the expected form.
    #[error("cannot read {file}")]
    TokenizerSyntax {
        /// Name of the file.
        file: &'static str,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// A setting is not that of the Qwen2 tokenizer.
    #[error("{file}: {field} is {found}, expected {expected}")]
    TokenizerSetting {
        /// Name of the file.
        file: &'static str,
        /// The field.
        field: String,
        /// Its value, shortened.
        found: String,
        /// What Qwen2 has.
        expected: &'static str,
    },
    /// An entry of the vocabulary, a merge or an added token is not valid.
    #[error("{file}: {entry} {problem}")]
    TokenizerEntry {
        /// Name of the file.
        file: &'static str,
        /// Which entry.
        entry: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The tokenizer lacks control tokens of Qwen2-VL.
    #[error("{file}: control tokens are missing: {}", names.join(", "))]
    MissingSpecials {
        /// Name of the file.
        file: &'static str,
        /// All that are missing.
        names: Vec<&'static str>,
    },
    /// A text is longer than the tokenizer takes.
    #[error("{bytes} bytes of text, the limit is {max}")]
    TextTooLong {
        /// Bytes of the text, or of all texts of a prompt.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Encoding a text gave a control token; the text is refused.
    #[error("a text became the control token {id}")]
    ControlInText {
        /// Id of the token.
        id: u32,
    },
    /// The BPE model failed on a checked vocabulary.
    #[error("byte pair encoding failed")]
    Bpe {
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A prompt has more or fewer places than there are pictures.
    #[error("the prompt has {slots} {kind} slots, {given} were given")]
    VisualCount {
        /// Images or videos.
        kind: crate::tokenizer::SlotKind,
        /// Places in the prompt.
        slots: usize,
        /// Pictures given.
        given: usize,
    },
    /// A picture has no tokens, or the tokens of all are more than can be counted.
    #[error("{kind} {index} has {tokens} tokens")]
    VisualTokens {
        /// Image or video.
        kind: crate::tokenizer::SlotKind,
        /// Which one, counted from 0.
        index: usize,
        /// Its tokens.
        tokens: usize,
    },
    /// A prompt holds a piece that this version does not know.
    #[error("piece {index} of the prompt is of an unknown kind")]
    UnknownPiece {
        /// Which piece, counted from 0.
        index: usize,
    },
    // ---- weights -----------------------------------------------------------------------------------------------
    /// A file of the checkpoint cannot be used.
    #[error("{path} {problem}")]
    CheckpointFile {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The tensors of the files are not those of the model.
    #[error("{} tensors do not fit the config: {}", problems.len(), problems.join("; "))]
    Weights {
        /// Every tensor that is missing, unexpected, or has another shape or format.
        problems: Vec<String>,
    },
    /// Reading a tensor failed.
    #[error("cannot read {path} from byte {offset} on")]
    ReadWeights {
        /// The file.
        path: PathBuf,
        /// Where the bytes that could not be read begin.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// A weight is NaN or infinite.
    #[error("value {index} of tensor {name} is not finite")]
    NonFiniteWeight {
        /// The tensor.
        name: String,
        /// Its place, counted row by row from 0.
        index: usize,
    },
    // ---- pictures ----------------------------------------------------------------------------------------------
    /// A path is not a regular file, or its file changed while it was read.
    #[error("{path} {problem}")]
    PictureFile {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Bytes are not a picture of a format that is read here.
    #[error("the picture is {found}, expected PNG, JPEG or WebP without animation")]
    PictureFormat {
        /// What the bytes look like.
        found: &'static str,
    },
    /// A picture asks for more than the limit allows.
    #[error("the picture's {what} would be {found}, the limit is {max}")]
    PictureLimit {
        /// What is limited: the field of `PictureLimits` in words.
        what: &'static str,
        /// What the picture asks for.
        found: u64,
        /// The limit.
        max: u64,
    },
    /// A picture file ends before its end.
    #[error("the {format} file ends in the middle of {place}")]
    PictureTruncated {
        /// Name of the format.
        format: &'static str,
        /// Where the file ends.
        place: &'static str,
    },
    /// A picture file breaks the rules of its format.
    #[error("the {format} file is not valid: {problem}")]
    PictureInvalid {
        /// Name of the format.
        format: &'static str,
        /// What was found.
        problem: String,
    },
    /// The decoder cannot read a picture.
    #[error("cannot decode the {format} file")]
    PictureDecode {
        /// Name of the format.
        format: &'static str,
        /// What the decoder said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The decoder panicked on a picture; nothing is left half done.
    #[error("the decoder failed on the {format} file")]
    PictureDecoderPanic {
        /// Name of the format.
        format: &'static str,
    },
    /// RGB pixels are not the pixels of their size.
    #[error("{len} bytes are not the RGB pixels of a {size} picture")]
    PixelCount {
        /// Width and height.
        size: rcmu_core::ImageSize,
        /// Bytes given.
        len: usize,
    },
    /// A picture is too long and thin.
    #[error("a {size} picture has one side more than {max} times the other")]
    AspectRatio {
        /// Width and height.
        size: rcmu_core::ImageSize,
        /// The largest ratio allowed.
        max: u32,
    },
    /// Resizing would leave a side without a pixel, or with more than can be counted.
    #[error("a {size} picture has no size of whole blocks within {max_pixels} pixels")]
    EmptyResize {
        /// Width and height before resizing.
        size: rcmu_core::ImageSize,
        /// The most pixels allowed.
        max_pixels: u64,
    },
    /// The bounds of a picture's pixels are not in order or too large.
    #[error("min_pixels {min} and max_pixels {max} need 1 <= min_pixels <= max_pixels <= {limit}")]
    PixelBounds {
        /// The fewest pixels.
        min: u64,
        /// The most pixels.
        max: u64,
        /// The largest bound allowed.
        limit: u64,
    },
    /// A frame of a video has another size than the first.
    #[error("frame {frame} is {found}, the first frame is {expected}")]
    FrameSize {
        /// Which frame, counted from 0.
        frame: usize,
        /// Its size.
        found: rcmu_core::ImageSize,
        /// Size of the first frame.
        expected: rcmu_core::ImageSize,
    },
    /// A frame of a video cannot be used; the cause says why.
    #[error("frame {frame} cannot be used")]
    Frame {
        /// Which frame, counted from 0.
        frame: usize,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// Frames cannot be chosen from a video.
    #[error("cannot choose {wanted} of {total} frames: expected 2 to {most} and a positive frame rate")]
    FrameCount {
        /// Frames asked for or worked out.
        wanted: u64,
        /// Frames of the video.
        total: u64,
        /// The most that may be chosen.
        most: u64,
    },
    /// A video has no frame.
    #[error("a video needs at least one frame")]
    EmptyVideo,
    /// A slot of the prompt holds something that this version does not know.
    #[error("this kind of picture or video is not known")]
    UnknownVisual,
    /// A setting of the processor is out of its range.
    #[error("processor setting {field} is {found}, expected {expected}")]
    ProcessorSetting {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// The allowed range, in words.
        expected: &'static str,
    },
    // ---- generation --------------------------------------------------------------------------------------------
    /// A prompt has no token to go on from.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// An option of generation is out of its range.
    #[error(transparent)]
    Options(#[from] rcmu_core::Error),
    /// A grammar was asked for, and this build cannot follow one.
    #[error("a grammar needs the feature `grammar`")]
    GrammarFeature,
    /// A grammar cannot be compiled for the model's tokenizer, or no answer follows it.
    #[error("the grammar cannot be used: {problem}")]
    Grammar {
        /// What llguidance said.
        problem: String,
    },
    /// A grammar allows no further token, or costs more than it may.
    #[error("the grammar ends after {tokens} tokens of the answer: {problem}")]
    GrammarStep {
        /// Tokens made before.
        tokens: usize,
        /// What llguidance said.
        problem: String,
    },
    /// Prompt and answer together are longer than the model can hold.
    #[error("{prompt} prompt tokens and {new} new tokens do not fit into the context window of {available}")]
    ContextWindow {
        /// Tokens of the prompt.
        prompt: usize,
        /// The most tokens to be made.
        new: usize,
        /// Tokens that fit.
        available: usize,
    },
    /// Weights were asked for in formats that the device does not keep.
    #[error("{device} keeps no such weights beside {dtype:?} (CPU: any, mapped, beside F32; others: q8, q4)")]
    PackedWeights {
        /// The device.
        device: String,
        /// What the model was to compute in.
        dtype: crate::ComputeDtype,
    },
    /// The weights, or a request beside them, need more memory than they may take.
    #[error("{needed} bytes of memory are needed in all, the budget is {budget}")]
    MemoryBudget {
        /// Bytes of weights and, for a request, of cache and activations.
        needed: u64,
        /// Bytes allowed.
        budget: u64,
    },
    /// A patch grid has an empty side or one that does not split into merged patches.
    #[error("a grid of {thw:?} patches does not split into blocks of {merge_size}x{merge_size}")]
    PatchGrid {
        /// Patches in time, height and width.
        thw: [usize; 3],
        /// Patches per side of a block.
        merge_size: usize,
    },
    /// A logit is NaN or infinite: the weights or the backend are broken.
    #[error("the logit of token {token} is not finite")]
    NonFiniteLogits {
        /// The first such token.
        token: u32,
    },
    /// A token id outside the vocabulary.
    #[error("token id {id} is outside the vocabulary of {vocab}")]
    TokenId {
        /// The id.
        id: u32,
        /// Rows of the embedding table.
        vocab: usize,
    },
    /// Patches do not fill their grid.
    #[error("{found} pixel values, the grid needs {expected}")]
    PixelValues {
        /// Values given.
        found: usize,
        /// Values that the grid needs.
        expected: usize,
    },
    /// The pass was ended from outside.
    #[error("the pass was stopped")]
    Stopped,
    /// The backend failed or panicked.
    #[error("the backend failed: {message}")]
    Backend {
        /// What it said.
        message: String,
    },
    /// The picture tokens of a sequence are not those of its pictures.
    #[error("the sequence has {tokens} picture tokens, its pictures need {features}")]
    ImageTokens {
        /// Picture tokens found in the sequence.
        tokens: usize,
        /// Feature rows of the pictures.
        features: usize,
    },
}
