//! Encodes typed prompts.

use std::{fmt, ops::Range};

use rcmu_core::{Piece, Prompt, SpecialToken, Trust};

use super::{Tokenizer, run::Normalized};
use crate::Error;

/// The token ids of a prompt, with one pad token for each picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedPrompt {
    ids: Vec<u32>,
    slots: Vec<Slot>,
    spans: Vec<Span>,
    piece_starts: Vec<usize>,
}

/// The place of a picture in a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// What belongs there.
    pub kind: SlotKind,
    /// Which of the ids is its pad token.
    pub index: usize,
}

/// What belongs into a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlotKind {
    /// An image, written as `<|image_pad|>`.
    Image,
    /// A video, written as `<|video_pad|>`.
    Video,
}

impl fmt::Display for SlotKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Image => "image",
            Self::Video => "video",
        })
    }
}

/// Neighbouring text tokens of the same trust.
///
/// A token that holds a byte from outside is from outside, whatever else it holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// Which of the ids.
    pub range: Range<usize>,
    /// Where their text comes from.
    pub trust: Trust,
}

impl EncodedPrompt {
    /// The token ids; each picture has one pad token.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The places of pictures, in order.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The text tokens, in order; what is in no span is a control token.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// For each piece of the prompt: which of the ids is its first.
    ///
    /// A token that holds the end of one piece and the beginning of the next belongs to the earlier one.
    pub fn piece_starts(&self) -> &[usize] {
        &self.piece_starts
    }

    /// How many tokens [`EncodedPrompt::expand`] makes; to be checked before they are made.
    ///
    /// # Errors
    ///
    /// As [`EncodedPrompt::expand`].
    pub fn expanded_len(&self, image_tokens: &[usize], video_tokens: &[usize]) -> Result<usize, Error> {
        let mut len = self.ids.len() - self.slots.len();
        for (kind, tokens) in [(SlotKind::Image, image_tokens), (SlotKind::Video, video_tokens)] {
            let slots = self.slots.iter().filter(|slot| slot.kind == kind).count();
            if slots != tokens.len() {
                return Err(Error::VisualCount { kind, slots, given: tokens.len() });
            }
            for (index, &tokens) in tokens.iter().enumerate() {
                len = Some(tokens)
                    .filter(|tokens| *tokens > 0)
                    .and_then(|tokens| len.checked_add(tokens))
                    .ok_or(Error::VisualTokens { kind, index, tokens })?;
            }
        }
        Ok(len)
    }

    /// The token ids with each pad token repeated for all merged patches of its picture.
    ///
    /// `image_tokens` and `video_tokens` are the numbers of merged patches, in the order of the prompt.
    ///
    /// # Errors
    ///
    /// - [`Error::VisualCount`] when there are more or fewer pictures than places;
    /// - [`Error::VisualTokens`] when a picture has no tokens, or more than can be counted.
    pub fn expand(&self, image_tokens: &[usize], video_tokens: &[usize]) -> Result<Vec<u32>, Error> {
        let mut ids = Vec::with_capacity(self.expanded_len(image_tokens, video_tokens)?);
        let mut from = 0;
        for (slot, tokens) in self.slots.iter().zip(self.in_order(image_tokens, video_tokens)) {
            ids.extend_from_slice(&self.ids[from..slot.index]);
            ids.extend(std::iter::repeat_n(self.ids[slot.index], tokens));
            from = slot.index + 1;
        }
        ids.extend_from_slice(&self.ids[from..]);
        Ok(ids)
    }

    /// The numbers of tokens in the order of the slots; the lists have been counted.
    fn in_order(&self, image_tokens: &[usize], video_tokens: &[usize]) -> impl Iterator<Item = usize> {
        let (mut image_tokens, mut video_tokens) = (image_tokens.iter(), video_tokens.iter());
        self.slots.iter().map(move |slot| {
            let tokens = match slot.kind {
                SlotKind::Image => image_tokens.next(),
                SlotKind::Video => video_tokens.next(),
            };
            *tokens.expect("there are as many pictures as slots")
        })
    }

    /// Appends the tokens of one run of text; `ends` are the bytes where texts of one trust end.
    fn push_run(&mut self, tokenizer: &Tokenizer, run: &str, ends: &[(usize, Trust)]) -> Result<(), Error> {
        let normalized = Normalized::new(run);
        let first = self.ids.len();
        let mut origins = Vec::new();
        tokenizer.vocabulary.encode_normalized(normalized.as_str(), |id, range| {
            self.ids.push(id);
            origins.push(normalized.origin(range.start));
        })?;
        for at in 0..ends.len() {
            let start = if at == 0 { 0 } else { ends[at - 1].0 };
            self.piece_starts.push(first + origins.partition_point(|&origin| origin < start));
        }
        for (index, &start) in origins.iter().enumerate() {
            // Up to the next token: normalising may have taken in what follows.
            let end = origins.get(index + 1).copied().unwrap_or(run.len()).max(start + 1);
            let from = ends.partition_point(|(piece_end, _)| *piece_end <= start);
            let mut pieces = ends[from..].iter().scan(start, |piece_start, (piece_end, trust)| {
                let begins_before = *piece_start < end;
                *piece_start = *piece_end;
                begins_before.then_some(*trust)
            });
            let trust = if pieces.any(|trust| trust == Trust::Untrusted) {
                Trust::Untrusted
            } else {
                Trust::Template
            };
            self.push_span(first + index, trust);
        }
        Ok(())
    }

    fn push_span(&mut self, index: usize, trust: Trust) {
        match self.spans.last_mut() {
            Some(last) if last.range.end == index && last.trust == trust => last.range.end += 1,
            _ => self.spans.push(Span { range: index..index + 1, trust }),
        }
    }

    fn push_slot(&mut self, kind: SlotKind, pad: u32) {
        self.slots.push(Slot { kind, index: self.ids.len() });
        self.ids.push(pad);
    }
}

/// Text that waits for its end.
#[derive(Default)]
struct Run {
    text: String,
    ends: Vec<(usize, Trust)>,
}

/// See [`Tokenizer::encode`].
pub(super) fn encode(tokenizer: &Tokenizer, prompt: &Prompt) -> Result<EncodedPrompt, Error> {
    let texts = prompt.pieces().iter().filter_map(|piece| match piece {
        Piece::Text(text, _) => Some(text.len()),
        _ => None,
    });
    tokenizer.check_len(texts.fold(0, usize::saturating_add))?;

    let mut encoded = EncodedPrompt::default();
    let mut run = Run::default();
    for (index, piece) in prompt.pieces().iter().enumerate() {
        if let Piece::Text(text, trust) = piece {
            run.text.push_str(text);
            run.ends.push((run.text.len(), *trust));
            continue;
        }
        encoded.push_run(tokenizer, &run.text, &run.ends)?;
        run.text.clear();
        run.ends.clear();
        encoded.piece_starts.push(encoded.ids.len());
        let image = tokenizer.id(SpecialToken::ImagePad);
        let video = tokenizer.id(SpecialToken::VideoPad);
        match piece {
            // A pad token is the place of a picture, however it was pushed.
            Piece::Image | Piece::Special(SpecialToken::ImagePad) => {
                encoded.push_slot(SlotKind::Image, image);
            }
            Piece::Video | Piece::Special(SpecialToken::VideoPad) => {
                encoded.push_slot(SlotKind::Video, video);
            }
            Piece::Special(token) => encoded.ids.push(tokenizer.id(*token)),
            _ => return Err(Error::UnknownPiece { index }),
        }
    }
    encoded.push_run(tokenizer, &run.text, &run.ends)?;
    Ok(encoded)
}
