use std::fmt;

/// A control token of the Qwen2-VL vocabulary.
///
/// Its id depends on the checkpoint; the tokenizer looks it up by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpecialToken {
    /// `<|endoftext|>`, also the padding token.
    EndOfText,
    /// `<|im_start|>`, begins a turn.
    ImStart,
    /// `<|im_end|>`, ends a turn.
    ImEnd,
    /// `<|object_ref_start|>`, before the name of a grounded object.
    ObjectRefStart,
    /// `<|object_ref_end|>`.
    ObjectRefEnd,
    /// `<|box_start|>`, before the corners of a box.
    BoxStart,
    /// `<|box_end|>`.
    BoxEnd,
    /// `<|quad_start|>`, before the corners of a quadrilateral.
    QuadStart,
    /// `<|quad_end|>`.
    QuadEnd,
    /// `<|vision_start|>`, before the tokens of a picture.
    VisionStart,
    /// `<|vision_end|>`.
    VisionEnd,
    /// `<|vision_pad|>`.
    VisionPad,
    /// `<|image_pad|>`, stands for one merged patch of an image.
    ImagePad,
    /// `<|video_pad|>`, stands for one merged patch of a video.
    VideoPad,
}

impl SpecialToken {
    /// All control tokens, in the order of the published vocabulary.
    pub const ALL: [Self; 14] = [
        Self::EndOfText,
        Self::ImStart,
        Self::ImEnd,
        Self::ObjectRefStart,
        Self::ObjectRefEnd,
        Self::BoxStart,
        Self::BoxEnd,
        Self::QuadStart,
        Self::QuadEnd,
        Self::VisionStart,
        Self::VisionEnd,
        Self::VisionPad,
        Self::ImagePad,
        Self::VideoPad,
    ];

    /// The token as it is written in the vocabulary.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EndOfText => "<|endoftext|>",
            Self::ImStart => "<|im_start|>",
            Self::ImEnd => "<|im_end|>",
            Self::ObjectRefStart => "<|object_ref_start|>",
            Self::ObjectRefEnd => "<|object_ref_end|>",
            Self::BoxStart => "<|box_start|>",
            Self::BoxEnd => "<|box_end|>",
            Self::QuadStart => "<|quad_start|>",
            Self::QuadEnd => "<|quad_end|>",
            Self::VisionStart => "<|vision_start|>",
            Self::VisionEnd => "<|vision_end|>",
            Self::VisionPad => "<|vision_pad|>",
            Self::ImagePad => "<|image_pad|>",
            Self::VideoPad => "<|video_pad|>",
        }
    }

    /// The token that is written like this.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|token| token.as_str() == name)
    }
}

impl fmt::Display for SpecialToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a text comes from.
///
/// Both kinds are encoded with control tokens switched off; the difference is a matter of record, so that a
/// prompt can be audited and its spans of foreign text be found again after encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Words of the prompt format itself.
    Template,
    /// Words from outside: labels, infos, questions, earlier answers.
    Untrusted,
}

/// One piece of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Piece {
    /// A control token, inserted by id; in a [`Prompt`] never a pad token, which is [`Piece::Image`] or
    /// [`Piece::Video`].
    Special(SpecialToken),
    /// Text; nothing inside it can become a control token.
    Text(String, Trust),
    /// The place of the next image of the request; becomes one `<|image_pad|>` per merged patch.
    Image,
    /// The place of the next video of the request; becomes one `<|video_pad|>` per merged patch.
    Video,
}

/// What the model reads: typed pieces, never one string.
///
/// Images and videos fill their places in the order of the request's list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Prompt {
    pieces: Vec<Piece>,
}

impl Prompt {
    /// An empty prompt.
    pub const fn new() -> Self {
        Self { pieces: Vec::new() }
    }

    /// Appends a control token; a pad token becomes the place of an image or a video.
    pub fn push_special(&mut self, token: SpecialToken) -> &mut Self {
        self.pieces.push(match token {
            SpecialToken::ImagePad => Piece::Image,
            SpecialToken::VideoPad => Piece::Video,
            other => Piece::Special(other),
        });
        self
    }

    /// Appends words of the prompt format.
    pub fn push_template(&mut self, text: &str) -> &mut Self {
        self.push_text(text, Trust::Template)
    }

    /// Appends words from outside.
    pub fn push_untrusted(&mut self, text: &str) -> &mut Self {
        self.push_text(text, Trust::Untrusted)
    }

    /// Appends text; joins it to a neighbour of the same trust.
    pub fn push_text(&mut self, text: &str, trust: Trust) -> &mut Self {
        if text.is_empty() {
            return self;
        }
        match self.pieces.last_mut() {
            Some(Piece::Text(last, same)) if *same == trust => last.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned(), trust)),
        }
        self
    }

    /// Appends an image between `<|vision_start|>` and `<|vision_end|>`.
    pub fn push_image(&mut self) -> &mut Self {
        self.push_visual(Piece::Image)
    }

    /// Appends a video between `<|vision_start|>` and `<|vision_end|>`.
    pub fn push_video(&mut self) -> &mut Self {
        self.push_visual(Piece::Video)
    }

    fn push_visual(&mut self, piece: Piece) -> &mut Self {
        self.push_special(SpecialToken::VisionStart);
        self.pieces.push(piece);
        self.push_special(SpecialToken::VisionEnd)
    }

    /// Appends all pieces of another prompt.
    pub fn append(&mut self, other: &Self) -> &mut Self {
        for piece in &other.pieces {
            match piece {
                Piece::Text(text, trust) => {
                    self.push_text(text, *trust);
                }
                other => self.pieces.push(other.clone()),
            }
        }
        self
    }

    /// The prompt that the reference would read from this string: every control token written in it counts, and
    /// each `<|image_pad|>` or `<|video_pad|>` is the place of a picture.
    ///
    /// For text of your own only. Anything from outside belongs into [`Prompt::push_untrusted`].
    pub fn from_reference_text(text: &str) -> Self {
        let mut prompt = Self::new();
        let mut rest = text;
        while let Some((at, token)) = first_special(rest) {
            prompt.push_template(&rest[..at]);
            prompt.push_special(token);
            rest = &rest[at + token.as_str().len()..];
        }
        prompt.push_template(rest);
        prompt
    }

    /// The pieces in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// How many images the prompt has room for.
    pub fn image_slots(&self) -> usize {
        self.pieces.iter().filter(|piece| matches!(piece, Piece::Image)).count()
    }

    /// How many videos the prompt has room for.
    pub fn video_slots(&self) -> usize {
        self.pieces.iter().filter(|piece| matches!(piece, Piece::Video)).count()
    }

    /// The prompt as one string, as the reference's chat template would print it: one pad token per picture.
    ///
    /// For people and logs. Encoding this string instead of the pieces would turn written control tokens into real
    /// ones.
    pub fn to_reference_text(&self) -> String {
        let parts = self.pieces.iter().map(|piece| match piece {
            Piece::Special(token) => token.as_str(),
            Piece::Text(text, _) => text,
            Piece::Image => SpecialToken::ImagePad.as_str(),
            Piece::Video => SpecialToken::VideoPad.as_str(),
        });
        parts.collect()
    }
}

/// The first control token written in `text` and the byte where it begins.
fn first_special(text: &str) -> Option<(usize, SpecialToken)> {
    let mut from = 0;
    while let Some(found) = text[from..].find("<|") {
        let at = from + found;
        if let Some(token) =
            SpecialToken::ALL.into_iter().find(|token| text[at..].starts_with(token.as_str()))
        {
            return Some((at, token));
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_text_makes_the_round_trip() {
        let text = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>a<|<|im_end|>|>\n";

        let prompt = Prompt::from_reference_text(text);

        assert_eq!(prompt.to_reference_text(), text);
        assert_eq!(prompt.image_slots(), 1);
        assert!(prompt.pieces().contains(&Piece::Special(SpecialToken::ImEnd)));
    }

    #[test]
    fn a_pad_token_is_the_place_of_a_picture_however_it_is_pushed() {
        let mut prompt = Prompt::new();

        prompt.push_special(SpecialToken::ImagePad).push_special(SpecialToken::VideoPad);

        assert_eq!((prompt.image_slots(), prompt.video_slots()), (1, 1));
        assert_eq!(prompt, Prompt::from_reference_text(&prompt.to_reference_text()));
    }

    #[test]
    fn written_tokens_stay_text() {
        let mut prompt = Prompt::new();

        prompt.push_untrusted("<|im_end|>");

        assert_eq!(prompt.pieces(), [Piece::Text("<|im_end|>".into(), Trust::Untrusted)]);
    }

    #[test]
    fn every_token_is_found_by_its_name() {
        for token in SpecialToken::ALL {
            assert_eq!(SpecialToken::from_name(token.as_str()), Some(token));
        }
        assert_eq!(SpecialToken::from_name("<|IM_END|>"), None);
    }
}
