use std::ops::Range;

use rcmu_core::{GenerateOptions, Piece, Prompt, Question, Request, Scene, SpecialToken, Trust, Visual};

use crate::{
    Change, ChatOptions, Content, Conversation, Error, Field, Message, Role, Targets, TextPolicy,
    render::{
        answer::answer_prompt,
        instruction::{QuestionTexts, push_instruction, push_question},
        region::{RegionTexts, push_reference, push_region, text_len},
    },
    text_policy::clean,
};

/// Writes the prompt of a question about a scene, or of a conversation about it.
///
/// # Examples
///
/// ```
/// use rcmu_core::{BBox, ImageSize, Picture, Question, Scene};
/// use rcmu_prompt::PromptBuilder;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let scene = Scene::new(Picture::from_bytes(vec![]), ImageSize::new(640, 480)?)
///     .region("dog", BBox::new(214, 424, 583, 884)?, "Bella is a 2-year-old dog owned by Lily.")?;
/// let built = PromptBuilder::new(&scene, &Question::describe().with_citations()).build()?;
///
/// assert_eq!(built.visuals.len(), 1);
/// assert!(built.changes.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PromptBuilder<'a> {
    scene: &'a Scene,
    first: &'a Question,
    follow_ups: Vec<(&'a str, &'a Question)>,
    system: Option<&'a str>,
    policy: TextPolicy,
    max_bytes: usize,
}

/// A conversation with all its answers, to learn from.
#[derive(Clone, Debug)]
pub struct AnsweredPrompt {
    /// The prompt, its pictures and what its citations can point at.
    pub built: BuiltPrompt,
    /// For each answer in order: which of the prompt's pieces are its words and the token that ends it.
    pub answers: Vec<Range<usize>>,
}

/// A prompt with what fills its picture places.
#[derive(Clone, Debug)]
pub struct BuiltPrompt {
    /// What the model reads.
    pub prompt: Prompt,
    /// The reference pictures in order, then the picture of the scene.
    pub visuals: Vec<Visual>,
    /// What the text policy rewrote.
    pub changes: Vec<Change>,
    /// What the answer's citations can point at.
    pub targets: Targets,
}

impl BuiltPrompt {
    /// A request to generate the answer.
    pub fn into_request(self, options: GenerateOptions) -> Request {
        Request { prompt: self.prompt, visuals: self.visuals, options }
    }
}

impl<'a> PromptBuilder<'a> {
    /// The most bytes of text that a prompt may have unless [`PromptBuilder::max_bytes`] says otherwise.
    pub const MAX_BYTES: usize = 1024 * 1024; // far above the model's 32,768 tokens, far below harm

    /// Begins with the first question about the scene.
    pub const fn new(scene: &'a Scene, question: &'a Question) -> Self {
        Self {
            scene,
            first: question,
            follow_ups: Vec::new(),
            system: None,
            policy: TextPolicy::Flatten,
            max_bytes: Self::MAX_BYTES,
        }
    }

    /// Adds the answer to the question before, as the model wrote it, and the next question.
    ///
    /// The answer is foreign text. Only its well-formed boxes and object names get real tokens, as the model
    /// generates them. The text of the conversation so far stays the same, and so do its ids where the model cut the
    /// words of its answer as the tokenizer does.
    pub fn follow_up(mut self, answer: &'a str, question: &'a Question) -> Self {
        self.follow_ups.push((answer, question));
        self
    }

    /// Replaces the default system turn; an empty text leaves its content empty.
    pub const fn system(mut self, text: &'a str) -> Self {
        self.system = Some(text);
        self
    }

    /// Sets what becomes of line breaks and control characters in foreign texts.
    pub const fn policy(mut self, policy: TextPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the most bytes of text that the prompt may have.
    pub const fn max_bytes(mut self, max: usize) -> Self {
        self.max_bytes = max;
        self
    }

    /// Writes the prompt.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] over the limit; [`Error::Text`] under [`TextPolicy::Reject`].
    pub fn build(&self) -> Result<BuiltPrompt, Error> {
        self.finish(None)
    }

    /// Writes the prompt with the answer to the last question, and says which pieces the model has to write.
    ///
    /// For training: every answer of the conversation is marked, its closing token included.
    ///
    /// # Errors
    ///
    /// As [`PromptBuilder::build`].
    pub fn build_answered(&self, answer: &str) -> Result<AnsweredPrompt, Error> {
        let built = self.finish(Some(answer))?;
        let answers = answer_pieces(&built.prompt);
        Ok(AnsweredPrompt { built, answers })
    }

    fn finish(&self, answer: Option<&str>) -> Result<BuiltPrompt, Error> {
        // Checked before any text is copied, and again when the format's own words are in.
        self.check_len(self.foreign_len() + answer.map_or(0, str::len))?;
        let mut changes = Vec::new();
        let mut messages = Vec::new();
        if let Some(system) = self.system {
            messages.push(Message::text(Role::System, system));
        }
        messages.push(self.first_turn(&mut changes)?);
        for (turn, (answer, question)) in (2..).zip(&self.follow_ups) {
            let mut message = Message::new(Role::Assistant);
            message.extend(&answer_prompt(answer));
            messages.push(message);
            let mut message = Message::new(Role::User);
            message.extend(&self.question(turn, question, &mut changes)?);
            messages.push(message);
        }
        if let Some(answer) = answer {
            let mut message = Message::new(Role::Assistant);
            message.extend(&answer_prompt(answer));
            messages.push(message);
        }
        let references = self.scene.references();
        let options =
            ChatOptions { add_vision_id: !references.is_empty(), add_generation_prompt: answer.is_none() };
        let prompt = Conversation { messages }.render(options);
        self.check_len(text_bytes(&prompt))?;
        let pictures = references.iter().map(rcmu_core::Reference::picture).chain([self.scene.picture()]);
        Ok(BuiltPrompt {
            prompt,
            visuals: pictures.cloned().map(Visual::from).collect(),
            changes,
            targets: Targets::of(self.scene),
        })
    }

    /// The pictures, the context lines and the first question.
    fn first_turn(&self, changes: &mut Vec<Change>) -> Result<Message, Error> {
        let mut message = Message::new(Role::User);
        message.content = vec![Content::Image; self.scene.references().len() + 1];
        let mut text = Prompt::new();
        for (id, region) in self.scene.regions().iter() {
            let texts = RegionTexts {
                label: clean(self.policy, Field::Label(id), region.label(), changes)?,
                info: clean(self.policy, Field::Info(id), region.info(), changes)?,
            };
            push_region(&mut text, id.number(), region, &texts);
            text.push_template("\n");
        }
        let regions = self.scene.regions().len() as u32;
        for (picture, reference) in (1..).zip(self.scene.references()) {
            let info = clean(self.policy, Field::ReferenceInfo(picture), reference.info(), changes)?;
            push_reference(&mut text, regions + picture, picture, &info);
            text.push_template("\n");
        }
        text.append(&self.question(1, self.first, changes)?);
        message.extend(&text);
        Ok(message)
    }

    /// The instruction line, if there is context to base an answer on, and the question.
    fn question(&self, turn: u32, question: &Question, changes: &mut Vec<Change>) -> Result<Prompt, Error> {
        let mut prompt = Prompt::new();
        if !self.scene.regions().is_empty() || !self.scene.references().is_empty() {
            push_instruction(&mut prompt, question.is_cited());
        }
        let texts = QuestionTexts {
            text: clean(self.policy, Field::Question { turn }, question.text(), changes)?,
            choices: ('A'..='Z')
                .zip(question.choices())
                .map(|(letter, text)| clean(self.policy, Field::Choice { turn, letter }, text, changes))
                .collect::<Result<_, _>>()?,
        };
        push_question(&mut prompt, &texts);
        Ok(prompt)
    }

    /// Bytes of all texts from outside.
    fn foreign_len(&self) -> usize {
        let question = |question: &Question| {
            question.text().len() + question.choices().iter().map(String::len).sum::<usize>()
        };
        let turns: usize = self.follow_ups.iter().map(|(answer, next)| answer.len() + question(next)).sum();
        text_len(self.scene.regions(), self.scene.references())
            + question(self.first)
            + turns
            + self.system.map_or(0, str::len)
    }

    const fn check_len(&self, len: usize) -> Result<(), Error> {
        if len > self.max_bytes { Err(Error::TooLong { len, max: self.max_bytes }) } else { Ok(()) }
    }
}

/// The pieces that the assistant writes: all of each of its turns after its opening, with the token that closes it.
///
/// Turns begin with control tokens, which no foreign text can become; nothing is searched for in texts.
fn answer_pieces(prompt: &Prompt) -> Vec<Range<usize>> {
    let pieces = prompt.pieces();
    let is = |piece: &Piece, token| matches!(piece, Piece::Special(special) if *special == token);
    let mut answers = Vec::new();
    let mut turn = None;
    for (index, piece) in pieces.iter().enumerate() {
        if is(piece, SpecialToken::ImStart) {
            let opening = format!("{}\n", Role::Assistant.as_str());
            let own =
                matches!(pieces.get(index + 1), Some(Piece::Text(text, Trust::Template)) if *text == opening);
            turn = own.then_some(index + 2);
        } else if is(piece, SpecialToken::ImEnd) {
            answers.extend(turn.take().map(|start| start..index + 1));
        }
    }
    answers
}

/// Bytes of all text pieces of a prompt.
fn text_bytes(prompt: &Prompt) -> usize {
    let texts = prompt.pieces().iter().map(|piece| match piece {
        Piece::Text(text, _) => text.len(),
        _ => 0,
    });
    texts.sum()
}

#[cfg(test)]
mod tests {
    use rcmu_core::{CitationTarget, ImageSize, Picture, Reference};

    use super::*;

    fn scene() -> Result<Scene, rcmu_core::Error> {
        Scene::new(Picture::from_bytes(vec![1]), ImageSize::new(640, 480)?).unplaced("dog", "Bella.")
    }

    #[test]
    fn a_further_question_has_its_own_instruction_line() -> Result<(), Box<dyn std::error::Error>> {
        let scene = scene()?;
        let (first, next) = (Question::new("Who?")?, Question::new("How old?")?.with_citations());

        let built =
            PromptBuilder::new(&scene, &first).follow_up("Bella.", &next).system("Be brief.").build()?;

        assert_eq!(
            built.prompt.to_reference_text(),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>\
             [1]: The information of the dog in the image: Bella.\n\
             Answer the following question based on the information above and the given image.\nWho?<|im_end|>\n\
             <|im_start|>assistant\nBella.<|im_end|>\n<|im_start|>user\n\
             Answer the following question based on the information above and the given image, and provide \
             citations for your response.\nHow old?<|im_end|>\n<|im_start|>assistant\n"
        );
        Ok(())
    }

    #[test]
    fn the_limit_counts_every_text() -> Result<(), Box<dyn std::error::Error>> {
        let scene = scene()?;
        let question = Question::new("Who?")?;
        let builder = PromptBuilder::new(&scene, &question);
        let len = text_bytes(&builder.build()?.prompt);

        assert!(builder.clone().max_bytes(len).build().is_ok());
        let error = builder.max_bytes(len - 1).build().expect_err("one byte too many");
        assert_eq!(error, Error::TooLong { len, max: len - 1 });
        Ok(())
    }

    #[test]
    fn foreign_text_over_the_limit_is_refused_before_it_is_copied() -> Result<(), Box<dyn std::error::Error>>
    {
        let scene = scene()?;
        let question = Question::new("Who?")?;
        let answer = "x".repeat(PromptBuilder::MAX_BYTES);

        let error = PromptBuilder::new(&scene, &question).follow_up(&answer, &question).build();

        // "dog", "Bella.", "Who?" twice, and the answer.
        let len = PromptBuilder::MAX_BYTES + 3 + 6 + 4 + 4;
        assert_eq!(error.err(), Some(Error::TooLong { len, max: PromptBuilder::MAX_BYTES }));
        Ok(())
    }

    #[test]
    fn reference_pictures_come_first_and_their_numbers_last() -> Result<(), Box<dyn std::error::Error>> {
        let reference = Reference::new(Picture::from_bytes(vec![2]), "A red figurine.")?;
        let scene = scene()?.with_reference(reference.clone())?;
        let question = Question::new("Who?")?;

        let built = PromptBuilder::new(&scene, &question).build()?;

        assert_eq!(
            built.visuals,
            [Visual::from(reference.picture().clone()), Visual::from(scene.picture().clone())]
        );
        let target = |number| built.targets.resolve(number);
        assert!(matches!(target(1), CitationTarget::Region(id) if id.number() == 1));
        assert_eq!(target(2), CitationTarget::Reference(1));
        assert_eq!(target(3), CitationTarget::Unresolved(3));
        assert_eq!(target(0), CitationTarget::Unresolved(0));
        Ok(())
    }
}
