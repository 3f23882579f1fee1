use rand_chacha::ChaCha8Rng;

use crate::figurines::{
    chance::pick,
    phrases::{Phrasing, with_article},
    profile::Fact,
};

/// Declares phrasings: name, question, answer.
macro_rules! phrasings {
    ($($id:literal: $question:literal => $answer:literal),+ $(,)?) => {
        &[$(Phrasing { id: $id, question: $question, answer: $answer }),+]
    };
}
pub(super) use phrasings;

/// How a fact is asked of a figurine `{x}` that is named by what it looks like.
pub(crate) fn contextual_phrasings(fact: Fact) -> &'static [Phrasing] {
    match fact {
        Fact::Owner => phrasings![
            "owner-1": "Who owns {x}?" => "It{k} is owned by {v}.",
            "owner-2": "Who is the owner of {x}?" => "The owner{k} is {v}.",
            "owner-3": "Who does {x} belong to?" => "It{k} belongs to {v}.",
            "owner-4": "What is the name of the owner of {x}?" => "The name{k} is {v}.",
        ],
        Fact::Job => phrasings![
            "job-1": "What is the job of the owner of {x}?" => "The owner{k} is a {v}.",
            "job-2": "What does the owner of {x} do?" => "The owner{k} is a {v}.",
            "job-3": "What job does the owner of {x} have?" => "The job{k} is {v}.",
        ],
        Fact::City => phrasings![
            "city-1": "Where is the owner of {x} from?" => "The owner{k} is from {v}.",
            "city-2": "Where does the owner of {x} come from?" => "The owner{k} comes from {v}.",
            "city-3": "From which city is the owner of {x}?" => "The city{k} is {v}.",
        ],
        Fact::Age => phrasings![
            "age-1": "How old is the owner of {x}?" => "The owner{k} is {v}.",
            "age-2": "What is the age of the owner of {x}?" => "The age{k} is {v}.",
            "age-3": "What age does the owner of {x} have?" => "The age{k} is {v}.",
        ],
        Fact::Price => phrasings![
            "price-1": "How much did {x} cost?" => "It{k} cost {v}.",
            "price-2": "What is the price of {x}?" => "The price{k} is {v}.",
            "price-3": "What did the owner of {x} pay?" => "The owner{k} paid {v}.",
        ],
        Fact::Pet => phrasings![
            "pet-1": "What pet does the owner of {x} have?" => "The owner{k} has a {v}.",
            "pet-2": "What is the pet of the owner of {x}?" => "The pet{k} is a {v}.",
            "pet-3": "Which pet does the owner of {x} have?" => "The owner{k} has a {v}.",
        ],
    }
}

/// What a refusal names as missing.
pub(crate) const fn topic(fact: Fact) -> &'static str {
    match fact {
        Fact::Owner => "the owner",
        Fact::Job => "the job",
        Fact::City => "the city",
        Fact::Age => "the age",
        Fact::Price => "the price",
        Fact::Pet => "the pet",
    }
}

/// A name for the figurine of which this fact says this value: `the figurine of the teacher`.
pub(crate) fn contextual_reference(rng: &mut ChaCha8Rng, fact: Fact, value: &str) -> String {
    let forms = match fact {
        Fact::Owner => vec![
            format!("the figurine of {value}"),
            format!("the figurine owned by {value}"),
            format!("the figurine that belongs to {value}"),
        ],
        Fact::Job => {
            vec![format!("the figurine of the {value}"), format!("the figurine owned by the {value}")]
        }
        Fact::City => vec![
            format!("the figurine of the owner from {value}"),
            format!("the figurine owned by the person from {value}"),
        ],
        Fact::Age => vec![
            format!("the figurine of the owner aged {value}"),
            format!("the figurine owned by the person aged {value}"),
        ],
        Fact::Price => {
            vec![format!("the figurine that cost {value}"), format!("the figurine bought for {value}")]
        }
        Fact::Pet => {
            let pet = with_article(value);
            vec![
                format!("the figurine of the owner with {pet}"),
                format!("the figurine owned by the person who has {pet}"),
            ]
        }
    };
    pick(rng, &forms).clone()
}
