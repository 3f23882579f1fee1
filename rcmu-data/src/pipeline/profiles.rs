use serde::{Deserialize, Serialize};

use super::{
    Criterion, Failure, Step, StepName, Tally,
    criteria::{
        MAX_NAME, MAX_PROFILE, PROFILE_WORDS, check_text, ends_as_sentence, is_plain, need, normalised, says,
    },
    step::{check_count, check_left, keep},
};

/// What is known about someone or something that is not in any picture yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The name, which the text says.
    pub name: String,
    /// The text.
    pub text: String,
}

/// Asks for profiles of things with a class noun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolRequest {
    /// The class noun.
    pub noun: String,
    /// How many profiles.
    pub count: usize,
    /// Names that are taken.
    pub taken: Vec<String>,
}

/// Profiles as they are drafted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfilesDraft {
    /// The profiles.
    pub profiles: Vec<Profile>,
}

/// Step 1: writes profiles for a class noun. Where names are taken already, none may be left.
#[derive(Clone, Copy, Debug)]
pub enum ProfilePool {}

impl Step for ProfilePool {
    const NAME: StepName = StepName::ProfilePool;
    type Input = PoolRequest;
    type Draft = ProfilesDraft;
    type Output = Vec<Profile>;

    fn accept(
        request: &PoolRequest,
        draft: ProfilesDraft,
        tally: &mut Tally,
    ) -> Result<Vec<Profile>, Failure> {
        check_count("profiles", draft.profiles.len())?;
        let mut kept = keep(draft.profiles, tally, |profile, kept: &[Profile]| {
            check_text(&profile.name, MAX_NAME)?;
            need(is_plain(&profile.name), Criterion::PlainWords)?;
            check_text(&profile.text, MAX_PROFILE)?;
            need(PROFILE_WORDS.contains(&profile.text.split_whitespace().count()), Criterion::Length)?;
            need(ends_as_sentence(&profile.text), Criterion::EndsAsSentence)?;
            need(says(&profile.text, &profile.name), Criterion::NameInText)?;
            let name = normalised(&profile.name);
            let mut taken = request.taken.iter().chain(kept.iter().map(|profile| &profile.name));
            need(taken.all(|other| normalised(other) != name), Criterion::NoDuplicate)?;
            Ok(profile)
        });
        // Where there are profiles, a request may add none; without any there is nothing to go on with.
        if kept.is_empty() && request.taken.is_empty() {
            check_left(0, tally)?;
            return Err(Failure::at(Criterion::EnoughProfiles, "an empty list"));
        }
        kept.truncate(request.count);
        Ok(kept)
    }
}
