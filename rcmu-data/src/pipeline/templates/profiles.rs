use super::facts::{
    ENDS, Fact, NAME_ANSWER, NAME_QUESTIONS, NAME_REFERENCE, NAMES, SORTS, Sort, names_of, sort_of,
};
use crate::pipeline::{
    ContextualDraft, KnownObject, NamedValue, PoolRequest, Profile, ProfilesDraft, QuestionDraft,
    ReferenceDraft, ToldObject, TopicDraft, TopicsDraft, hash::choice, matching::pool_noun,
};

/// Facts of one profile, beside the name.
const FACTS: usize = 3;
/// What names have behind them when they come again; for 128 profiles of twenty names.
const AGAIN: [&str; 7] = ["", " II", " III", " IV", " V", " VI", " VII"];
/// Questions for what is not told, for each object.
const TOPICS: usize = 2;

/// Writes profiles with names that are not taken.
pub(super) fn draft(request: &PoolRequest, seed: u64) -> ProfilesDraft {
    let sort = sort_of(&request.noun);
    // When all names are taken, they come again as those of the second, the third, ...
    let profiles = AGAIN.into_iter().flat_map(|again| {
        let names = names_of(&request.noun).into_iter().map(|name| format!("{name}{again}"));
        let free = names.filter(|name| request.taken.iter().all(|taken| taken != name)).collect();
        turned(free, seed, &["names", &request.noun])
    });
    let profiles = profiles.take(request.count).map(|name| profile(sort, &request.noun, &name, seed));
    ProfilesDraft { profiles: profiles.collect() }
}

/// Finds the facts of contexts, asks for them and names the objects by them.
pub(super) fn ask(told: &[ToldObject], seed: u64) -> ContextualDraft {
    let mut draft = ContextualDraft { facts: Vec::new(), questions: Vec::new(), references: Vec::new() };
    for it in told {
        let number = it.object.to_string();
        for found in read(it) {
            let pick = |phrasings: &[&str; 2]| {
                phrasings[choice(seed, &[&number, found.name, "question"], phrasings.len())].to_owned()
            };
            let fill = |phrasing: &str| phrasing.replace("{n}", &it.noun).replace("{v}", found.value);
            let (questions, answer, reference) = match found.fact {
                Some(fact) => (&fact.questions, fact.answer, fact.reference),
                None => (&NAME_QUESTIONS, NAME_ANSWER, NAME_REFERENCE),
            };
            let (object, about) = (it.object, found.name.to_owned());
            draft.facts.push(NamedValue { object, name: about.clone(), value: found.value.to_owned() });
            draft.references.push(ReferenceDraft { object, about: about.clone(), text: fill(reference) });
            let (question, answer) = (pick(questions), fill(answer));
            draft.questions.push(QuestionDraft { object, about, question, answer });
        }
    }
    draft
}

/// Asks for topics that the contexts do not tell.
pub(super) fn ask_unmentioned(known: &[KnownObject], seed: u64) -> TopicsDraft {
    let questions = known.iter().flat_map(|it| {
        let topics = sort_of(&it.noun).topics.iter().collect();
        let topics = turned(topics, seed, &["topics", &it.object.to_string()]).into_iter().take(TOPICS);
        topics.map(|topic| TopicDraft {
            object: it.object,
            topic: topic.topic.to_owned(),
            question: topic.question.to_owned(),
        })
    });
    TopicsDraft { questions: questions.collect() }
}

/// The aside that tells a fact in passing; the bare value for a fact of another maker.
pub(super) fn aside(noun: &str, name: &str, value: &str) -> String {
    let fact = sort_of(noun).facts.iter().find(|fact| fact.name == name);
    fact.map_or_else(|| value.to_owned(), |fact| fact.aside.replace("{v}", value))
}

fn profile(sort: &Sort, noun: &str, name: &str, seed: u64) -> Profile {
    let pick = |what: &str, count| choice(seed, &[noun, name, what], count);
    let named = NAMES[pick("naming", NAMES.len())].replace("{n}", noun);
    let mut text = format!("{named}{name}.");
    let facts = turned(sort.facts.iter().collect(), seed, &["facts", name]);
    for (at, fact) in facts.into_iter().take(FACTS).enumerate() {
        let value = fact.values[pick(fact.name, fact.values.len())];
        let says = fact.says[pick(fact.says[0], fact.says.len())];
        // Two facts in one sentence, then one in its own.
        let (joined, subject) = if at == 1 { (" and", "") } else { (" ", name) };
        if at == 1 {
            text.pop();
        }
        text.extend([joined, subject, says, value, "."]);
    }
    Profile { name: name.to_owned(), text }
}

/// A fact that was found in a context; the name has no entry in the table.
struct Found<'a> {
    fact: Option<&'static Fact>,
    name: &'static str,
    value: &'a str,
}

/// The facts of a context that is written with the table, each once.
fn read(it: &ToldObject) -> Vec<Found<'_>> {
    let text = it.context.as_str();
    // As the pool of the profile knows the noun.
    let noun = pool_noun(&it.noun);
    let name = NAMES.iter().find_map(|before| value_after(text, &before.replace("{n}", &noun)));
    let mut found: Vec<_> = name.into_iter().map(|value| Found { fact: None, name: "name", value }).collect();
    let own = sort_of(&it.noun);
    let others = SORTS.into_iter().filter(|sort| !std::ptr::eq(*sort, own));
    for fact in std::iter::once(own).chain(others).flat_map(|sort| sort.facts) {
        if found.iter().any(|it| it.name == fact.name) {
            continue;
        }
        if let Some(value) = fact.says.iter().find_map(|says| value_after(text, says)) {
            found.push(Found { fact: Some(fact), name: fact.name, value });
        }
    }
    found
}

/// What stands between a phrase and the end of its clause.
fn value_after<'a>(text: &'a str, phrase: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(phrase)?;
    let end = ENDS.iter().filter_map(|end| rest.find(end)).min()?;
    Some(rest[..end].trim()).filter(|value| !value.is_empty())
}

/// The items from a place on that the seed decides, the ones before it last.
fn turned<T>(mut items: Vec<T>, seed: u64, texts: &[&str]) -> Vec<T> {
    let first = choice(seed, texts, items.len());
    items.rotate_left(first);
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_that_is_written_is_read() {
        for (noun, sort) in ["woman", "young child", "dog", "guitar"].into_iter().zip(SORTS) {
            for seed in 0..50 {
                let request = PoolRequest { noun: noun.into(), count: 4, taken: Vec::new() };
                for profile in draft(&request, seed).profiles {
                    let told = ToldObject { object: 1, noun: noun.into(), context: profile.text.clone() };
                    let found = read(&told);

                    assert_eq!(found.len(), 1 + FACTS, "{}", profile.text);
                    assert_eq!(found[0].value, profile.name);
                    for it in &found[1..] {
                        let known = sort.facts.iter().find(|fact| fact.name == it.name).unwrap();
                        assert!(known.values.contains(&it.value), "{} in {}", it.value, profile.text);
                    }
                }
            }
        }
    }

    #[test]
    fn a_name_is_read_however_the_noun_is_written() {
        for noun in ["Dog", "TV", "police  Dog"] {
            let request = PoolRequest { noun: pool_noun(noun), count: 2, taken: Vec::new() };
            for seed in 0..10 {
                for profile in draft(&request, seed).profiles {
                    let told = ToldObject { object: 1, noun: noun.into(), context: profile.text.clone() };

                    let found = ask(&[told], seed);

                    let name = found.facts.iter().find(|fact| fact.name == "name");
                    assert_eq!(name.map(|fact| &fact.value), Some(&profile.name), "{}", profile.text);
                }
            }
        }
    }

    #[test]
    fn nothing_is_asked_that_a_picture_may_show() {
        let known = ["woman", "child", "horse", "bench"].map(|noun| KnownObject {
            object: 1,
            noun: noun.into(),
            context: String::new(),
            facts: [].into(),
        });
        for seed in 0..50 {
            for draft in ask_unmentioned(&known, seed).questions {
                let shown = ["drive", "ride", "food", "sleep", "company", "material"];
                assert!(shown.iter().all(|word| !draft.question.contains(word)), "{}", draft.question);
            }
        }
    }

    #[test]
    fn there_are_names_for_the_most_profiles_and_they_suit_the_noun() {
        for noun in ["woman", "boy", "child", "skier", "dog", "bench"] {
            let request = PoolRequest { noun: noun.into(), count: 128, taken: Vec::new() };
            let names: std::collections::BTreeSet<_> =
                draft(&request, 3).profiles.into_iter().map(|profile| profile.name).collect();

            assert_eq!(names.len(), 128, "{noun}");
            assert!(noun != "woman" || names.contains("Olivia") && !names.contains("Pedro"));
            assert!(noun != "boy" || names.contains("Pedro") && !names.contains("Olivia"));
        }
    }

    #[test]
    fn no_phrase_is_part_of_another_ones_sentence() {
        let facts = || SORTS.into_iter().flat_map(|sort| sort.facts);
        for fact in facts() {
            for other in facts().filter(|other| other.name != fact.name) {
                for says in fact.says {
                    assert!(other.says.iter().all(|it| !it.contains(says)), "{says} in {:?}", other.says);
                    assert!(other.values.iter().all(|value| !value.contains(says)), "{says}");
                }
            }
            assert!(fact.values.iter().all(|value| ENDS.iter().all(|end| !value.contains(end))));
        }
    }
}
