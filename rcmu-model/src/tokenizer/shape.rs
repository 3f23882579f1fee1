//! The settings of the Qwen2 tokenizer; nothing else is accepted.

use crate::Error;

use super::{
    json::{Json, Object, shorten},
    split,
};

/// What the files of a tokenizer hold, before the entries are checked.
pub(super) struct Parts {
    /// Name of the file of the vocabulary, for messages.
    pub(super) file: &'static str,
    /// Tokens and their ids.
    pub(super) vocab: Vec<(String, u32)>,
    /// Pairs of tokens that become one, first things first.
    pub(super) merges: Vec<(String, String)>,
    /// Tokens outside the vocabulary.
    pub(super) added: Vec<AddedToken>,
    /// What is ignored.
    pub(super) notes: Vec<String>,
}

/// A token that stands outside the vocabulary.
#[derive(Debug)]
pub(super) struct AddedToken {
    pub(super) id: u32,
    pub(super) content: String,
    /// Whether decoding may leave it out.
    pub(super) special: bool,
}

/// Where a setting stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) file: &'static str,
    pub(super) field: &'a str,
}

impl Place<'_> {
    pub(super) fn refuse(self, key: &str, found: Option<&Json>, expected: &'static str) -> Error {
        let key = shorten(key);
        let field = match (self.field, key.as_str()) {
            ("", key) => key.to_owned(),
            (field, "") => field.to_owned(),
            (field, key) => format!("{field}.{key}"),
        };
        let found = found.map_or_else(|| "nothing".to_owned(), Json::to_string);
        Error::TokenizerSetting { file: self.file, field, found, expected }
    }
}

/// Fields of an object that are taken out one by one; what is left at the end is not known.
pub(super) struct Fields<'a> {
    place: Place<'a>,
    object: Object,
}

impl<'a> Fields<'a> {
    pub(super) fn new(place: Place<'a>, object: Object) -> Self {
        Self { place, object }
    }

    /// The fields of a value that must be an object.
    pub(super) fn of(place: Place<'a>, value: Option<Json>) -> Result<Self, Error> {
        match value {
            Some(Json::Object(object)) => Ok(Self::new(place, object)),
            other => Err(place.refuse("", other.as_ref(), "an object")),
        }
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Json> {
        self.object.remove(key)
    }

    /// Takes a field that must have one of some values; `None` allows the field to be missing.
    pub(super) fn expect(
        &mut self,
        key: &str,
        allowed: &[Option<Json>],
        expected: &'static str,
    ) -> Result<(), Error> {
        let found = self.take(key);
        if allowed.contains(&found) { Ok(()) } else { Err(self.place.refuse(key, found.as_ref(), expected)) }
    }

    pub(super) fn expect_text(&mut self, key: &str, text: &'static str) -> Result<(), Error> {
        self.expect(key, &[Some(Json::Text(text.to_owned()))], text)
    }

    /// Takes a field that must be `false`; nothing counts as `false`.
    pub(super) fn expect_false(&mut self, key: &str) -> Result<(), Error> {
        self.expect(key, &[Some(Json::Bool(false)), None], "false")
    }

    /// Takes a field that may be anything of two values: it does not change ids or texts.
    fn ignore_bool(&mut self, key: &str) -> Result<(), Error> {
        let any = [Some(Json::Bool(false)), Some(Json::Bool(true)), None];
        self.expect(key, &any, "true or false")
    }

    /// Refuses fields that nobody took.
    pub(super) fn finish(self) -> Result<(), Error> {
        match self.object.iter().next() {
            Some((key, value)) => Err(self.place.refuse(key, Some(value), "no such field")),
            None => Ok(()),
        }
    }
}

/// The settings of `model`, but for its vocabulary and merges.
pub(super) fn check_model(file: &'static str, model: Object) -> Result<(), Error> {
    let nothing = [Some(Json::Null), None];
    let no_text = [Some(Json::Null), Some(Json::Text(String::new())), None];
    let mut fields = Fields::new(Place { file, field: "model" }, model);
    fields.expect_text("type", "BPE")?;
    fields.expect("dropout", &nothing, "null")?;
    fields.expect("unk_token", &nothing, "null")?;
    fields.expect("continuing_subword_prefix", &no_text, "null or an empty text")?;
    fields.expect("end_of_word_suffix", &no_text, "null or an empty text")?;
    fields.expect_false("fuse_unk")?;
    fields.expect_false("byte_fallback")?;
    fields.expect_false("ignore_merges")?;
    fields.finish()
}

/// The normaliser: NFC.
pub(super) fn check_normalizer(file: &'static str, value: Option<Json>) -> Result<(), Error> {
    let mut fields = Fields::of(Place { file, field: "normalizer" }, value)?;
    fields.expect_text("type", "NFC")?;
    fields.finish()
}

/// The pre-tokenizer: the pattern of Qwen2, then byte level without a pattern of its own.
pub(super) fn check_pre_tokenizer(file: &'static str, value: Option<Json>) -> Result<(), Error> {
    let place = Place { file, field: "pre_tokenizer" };
    let mut fields = Fields::of(place, value)?;
    fields.expect_text("type", "Sequence")?;
    let [split, byte_level] = match fields.take("pretokenizers") {
        Some(Json::List(steps)) => <[Json; 2]>::try_from(steps)
            .map_err(|steps| place.refuse("pretokenizers", Some(&Json::List(steps)), "two steps"))?,
        other => return Err(place.refuse("pretokenizers", other.as_ref(), "two steps")),
    };
    fields.finish()?;

    let mut fields = Fields::of(Place { file, field: "pre_tokenizer.pretokenizers[0]" }, Some(split))?;
    fields.expect_text("type", "Split")?;
    let pattern = Json::Object([("Regex".to_owned(), Json::Text(split::PATTERN.to_owned()))].into());
    fields.expect("pattern", &[Some(pattern)], "the pattern of Qwen2")?;
    fields.expect_text("behavior", "Isolated")?;
    fields.expect_false("invert")?;
    fields.finish()?;

    let mut fields = Fields::of(Place { file, field: "pre_tokenizer.pretokenizers[1]" }, Some(byte_level))?;
    fields.expect_text("type", "ByteLevel")?;
    // Both are true where they are missing, so they must be there.
    let no = [Some(Json::Bool(false))];
    fields.expect("add_prefix_space", &no, "false")?;
    fields.expect("use_regex", &no, "false")?;
    fields.ignore_bool("trim_offsets")?;
    fields.finish()
}

/// The post-processor or the decoder: byte level; its settings change neither ids nor texts.
pub(super) fn check_byte_level(
    file: &'static str,
    field: &'static str,
    value: Option<Json>,
) -> Result<(), Error> {
    let mut fields = Fields::of(Place { file, field }, value)?;
    fields.expect_text("type", "ByteLevel")?;
    fields.ignore_bool("add_prefix_space")?;
    fields.ignore_bool("trim_offsets")?;
    fields.ignore_bool("use_regex")?;
    fields.finish()
}

/// One entry of `added_tokens`, or of `added_tokens_decoder` with its id as the key.
pub(super) fn added_token(place: Place<'_>, id: Option<u32>, value: Json) -> Result<AddedToken, Error> {
    let mut fields = Fields::of(place, Some(value))?;
    let id = match id {
        Some(id) => id,
        None => match fields.take("id") {
            Some(Json::Count(id)) if u32::try_from(id).is_ok() => id as u32,
            other => return Err(place.refuse("id", other.as_ref(), "a token id")),
        },
    };
    let content = match fields.take("content") {
        Some(Json::Text(content)) => content,
        other => return Err(place.refuse("content", other.as_ref(), "text")),
    };
    for key in ["single_word", "lstrip", "rstrip"] {
        fields.expect_false(key)?;
    }
    // Such a token is looked for in the text after NFC: one of ASCII is found before it as well, but where an accent
    // follows it.
    let allowed = [Some(Json::Bool(false)), None, content.is_ascii().then_some(Json::Bool(true))];
    fields.expect("normalized", &allowed, "false, or true beside ASCII text")?;
    let special = match fields.take("special") {
        Some(Json::Bool(special)) => special,
        None => false,
        other => return Err(place.refuse("special", other.as_ref(), "true or false")),
    };
    fields.expect("__type", &[Some(Json::Text("AddedToken".to_owned())), None], "AddedToken")?;
    fields.finish()?;
    Ok(AddedToken { id, content, special })
}
