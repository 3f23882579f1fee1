use rcmu_core::{Answer, Control, Event, GenerateOptions, Question, Scene, Stats};
use rcmu_model::Session;
use rcmu_prompt::{Change, PromptBuilder, TextPolicy, parse};

use crate::{
    Error,
    assistant::{greedy, strict},
    open::check_size,
};

/// A conversation about one scene.
///
/// Picture features, keys and values of everything said before are kept, so that a further question costs its own tokens
/// only.
#[derive(Debug)]
pub struct Chat {
    session: Session,
    scene: Scene,
    policy: TextPolicy,
    turns: Vec<(Question, String)>,
    changes: Vec<Change>,
    stats: Stats,
}

impl Chat {
    pub(crate) fn new(session: Session, scene: Scene, policy: TextPolicy) -> Self {
        Self { session, scene, policy, turns: Vec::new(), changes: Vec::new(), stats: Stats::default() }
    }

    /// Answers the next question.
    ///
    /// # Errors
    ///
    /// [`Error::Prompt`], [`Error::Model`], [`Error::SceneSize`], [`Error::Generate`]; the conversation stays as it was.
    pub fn ask(&mut self, question: &Question) -> Result<Answer, Error> {
        self.ask_with(question, greedy(), &Control::default(), &mut |_| {})
    }

    /// As [`Chat::ask`], but the model can write only citations of what is there and whole boxes, or only the letter of an
    /// option. Needs the feature `grammar`.
    ///
    /// # Errors
    ///
    /// As [`Chat::ask`]; [`Error::Generate`] without the feature, too.
    pub fn ask_strict(&mut self, question: &Question) -> Result<Answer, Error> {
        let options = strict(&self.scene, question);
        self.ask_with(question, options, &Control::default(), &mut |_| {})
    }

    /// Answers the next question with the given settings, telling what happens.
    ///
    /// # Errors
    ///
    /// As [`Chat::ask`]. A cancelled answer is kept as far as it came.
    pub fn ask_with(
        &mut self,
        question: &Question,
        options: GenerateOptions,
        control: &Control,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Answer, Error> {
        check_size(&self.scene, self.session.model().processor())?;
        let first = self.turns.first().map_or(question, |(first, _)| first);
        let mut builder = PromptBuilder::new(&self.scene, first).policy(self.policy);
        let later = self.turns.iter().skip(1).map(|(asked, _)| asked).chain([question]);
        for ((_, answer), next) in self.turns.iter().zip(later) {
            builder = builder.follow_up(answer, next);
        }
        let mut built = builder.build()?;
        let (targets, changes) = (built.targets, std::mem::take(&mut built.changes));
        let made = self.session.generate(&built.into_request(options), control, on_event)?;
        self.turns.push((question.clone(), made.text.clone()));
        (self.stats, self.changes) = (made.stats, changes);
        Ok(parse(&made.text, targets, made.finish))
    }

    /// The scene.
    pub const fn scene(&self) -> &Scene {
        &self.scene
    }

    /// What was changed in the texts of the prompt that the last answer is to.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What the last answer cost, and how much of the prompt was there already.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Questions asked so far.
    pub fn questions(&self) -> impl ExactSizeIterator<Item = &Question> {
        self.turns.iter().map(|(question, _)| question)
    }
}
