use serde::de::DeserializeOwned;

use super::{
    CitedDescription, ContextualQuestions, Description, Drafts, Failure, Maker, ProfilePool, PromptId, Step,
    UnmentionedTopics, VisualQuestions,
};
use crate::remote::{ChatClient, ChatFinish, ChatMessage, ChatOptions, ChatRole};

/// Most characters of what is wrong with a reply.
const MAX_PROBLEM: usize = 200;

/// A prompt with its name and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Name and version; they are in the provenance of every sample.
    pub id: PromptId,
    /// The system message. The input of the step follows as JSON.
    pub text: &'static str,
}

/// A step that a language model can be asked for.
pub trait Prompted: Step {
    /// How it is asked.
    const PROMPT: Prompt;
}

/// Asks a language model behind an OpenAI-compatible endpoint.
///
/// The input of a step is sent as JSON, and the reply has to be the JSON of the draft, with or without a code fence
/// around it. Nothing in a reply is trusted: the criteria look at it as at every draft.
///
/// # Examples
///
/// ```no_run
/// use std::path::Path;
///
/// use rcmu_data::pipeline::{Pipeline, PipelineOptions, RemoteMaker};
/// use rcmu_data::remote::{ChatClient, ChatOptions, Endpoint};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let pictures = [];
/// let endpoint = Endpoint::new("https://api.openai.com/v1", "gpt-4o-mini").with_key_from_env("OPENAI_API_KEY")?;
/// let maker = RemoteMaker::new(ChatClient::new(endpoint)?, ChatOptions::default());
/// let pipeline = Pipeline::new(maker, PipelineOptions::default())?;
/// let report = pipeline.run(&pictures, Path::new("run.journal"), |sample| {
///     println!("{}", sample.question);
///     Ok(())
/// })?;
/// println!("{} pictures wait for another run", report.unfinished.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RemoteMaker {
    client: ChatClient,
    options: ChatOptions,
}

impl RemoteMaker {
    /// Asks through a client. Where `options` has no seed, every step gives its own.
    pub const fn new(client: ChatClient, options: ChatOptions) -> Self {
        Self { client, options }
    }
}

impl Maker for RemoteMaker {
    fn identity(&self) -> String {
        let ChatOptions { temperature, max_tokens, seed, stop } = &self.options;
        // In the order of their names, so that it is the same text whether or not `serde_json` keeps the order of keys.
        let options = serde_json::json!({
            "max_tokens": max_tokens, "seed": seed, "stop": stop, "temperature": temperature,
        });
        format!("{} {options}", self.client.endpoint().model)
    }
}

impl<S: Prompted> Drafts<S> for RemoteMaker {
    fn prompt(&self) -> PromptId {
        S::PROMPT.id
    }

    fn draft(&self, input: &S::Input, seed: u64) -> Result<S::Draft, Failure> {
        let input =
            serde_json::to_string(input).map_err(|source| Failure::Asking { source: source.into() })?;
        let messages =
            [ChatMessage::text(ChatRole::System, S::PROMPT.text), ChatMessage::text(ChatRole::User, input)];
        // Endpoints read it as a signed number, some as one of 32 bits.
        let seed = self.options.seed.unwrap_or(seed >> 33);
        let options = ChatOptions { seed: Some(seed), ..self.options.clone() };
        let reply = self.client.chat(&messages, &options);
        let reply = reply.map_err(|source| Failure::Asking { source: source.into() })?;
        if reply.finish_reason == ChatFinish::Length {
            return Err(Failure::Reply { problem: "is cut at the most tokens".to_owned() });
        }
        read_json(&reply.text)
    }
}

/// Reads a draft; says briefly what is wrong with it.
fn read_json<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    let text = text.trim();
    let inside = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    let json = inside.map_or(text, |inside| inside.strip_prefix("json").unwrap_or(inside));
    serde_json::from_str(json).map_err(|error| {
        let problem = format!("is not the JSON that was asked for: {error}");
        Failure::Reply { problem: problem.chars().take(MAX_PROBLEM).collect() }
    })
}

impl Prompted for ProfilePool {
    const PROMPT: Prompt = Prompt {
        id: PromptId { name: "profile-prompt", version: 1 },
        text: "You invent profiles for a dataset. The user gives JSON: a class noun, how many profiles to write, and \
               names that are taken. Write that many different profiles of imaginary individuals of this noun. Each \
               has a name that is not taken and a text of 20 to 120 words on one line, which says the name and \
               several checkable facts (for a person: age, job, home, habits; for an animal: age, owner, habits; for \
               a thing: owner, price, origin, story). Say nothing about looks. Never use square brackets.\n\
               Reply with JSON only: {\"profiles\": [{\"name\": \"...\", \"text\": \"...\"}]}",
    };
}

impl Prompted for VisualQuestions {
    const PROMPT: Prompt = Prompt {
        id: PromptId { name: "visual-prompt", version: 1 },
        text: "You write questions for a dataset. The user gives JSON: objects of a picture, each with a class noun \
               and expressions that say how it looks. List the visual attributes that the expressions tell, each \
               with a short name and its value copied word for word. For each attribute write one question that has \
               the placeholder {x} exactly once where the object is named, ends in a question mark and does not \
               contain the value, and a short answer that contains the value. `about` is the name of the attribute.\n\
               Reply with JSON only: {\"attributes\": [{\"object\": 1, \"name\": \"...\", \"value\": \"...\"}], \
               \"questions\": [{\"object\": 1, \"about\": \"...\", \"question\": \"What is {x} wearing?\", \
               \"answer\": \"...\"}]}",
    };
}

impl Prompted for ContextualQuestions {
    const PROMPT: Prompt = Prompt {
        id: PromptId { name: "contextual-prompt", version: 1 },
        text: "You write questions for a dataset. The user gives JSON: objects, each with a class noun and a text of \
               what is known about it. List the facts of each text (name, job, age, owner, ...), each with a short \
               name and its value copied word for word. For each fact write one question that has the placeholder \
               {x} exactly once where the object is named, ends in a question mark and does not contain the value, \
               and a short answer that contains the value. For facts that only one of the texts tells, write a \
               reference, a phrase that names the object by the fact and contains the value, such as `the person \
               who is a teacher`. `about` is the name of the fact.\n\
               Reply with JSON only: {\"facts\": [{\"object\": 1, \"name\": \"...\", \"value\": \"...\"}], \
               \"questions\": [{\"object\": 1, \"about\": \"...\", \"question\": \"What is the job of {x}?\", \
               \"answer\": \"...\"}], \"references\": [{\"object\": 1, \"about\": \"...\", \"text\": \"...\"}]}",
    };
}

impl Prompted for UnmentionedTopics {
    const PROMPT: Prompt = Prompt {
        id: PromptId { name: "topic-prompt", version: 1 },
        text: "You write unanswerable questions for a dataset. The user gives JSON: objects, each with a class noun, a \
               text of what is known about it, and the facts in it. For each object write two questions that one \
               might well ask but that neither its text nor its looks answer. Each has the placeholder {x} exactly \
               once where the object is named, and ends in a question mark. `topic` names what is not told in plain \
               words, such as `the training`; none of its words may be in the text or among the names of the facts.\n\
               Reply with JSON only: {\"questions\": [{\"object\": 1, \"topic\": \"the training\", \
               \"question\": \"What training has {x} received?\"}]}",
    };
}

impl Prompted for Description {
    const PROMPT: Prompt = Prompt {
        id: PromptId { name: "description-prompt", version: 1 },
        text: "You write descriptions for a dataset. The user gives JSON: a caption of a picture, in which [k] stands \
               behind the mention of object k, and the objects with what is known about them. Write a description \
               on one line that tells what the caption tells and weaves in what is known about every object, with at \
               least one fact of each word for word. Invent nothing. Use no marks and no square brackets. End with a \
               full stop.\n\
               Reply with JSON only: {\"description\": \"...\"}",
    };
}

impl Prompted for CitedDescription {
    const PROMPT: Prompt = Prompt {
        id: PromptId { name: "citation-prompt", version: 1 },
        text: "You add citations for a dataset. The user gives JSON: a description and the objects with what is known \
               about them. Repeat the description letter for letter, and put [k] behind the words that tell \
               something about object k, at least once for every object and only for these. Put one space before a \
               mark and nothing else.\n\
               Reply with JSON only: {\"description\": \"...\"}",
    };
}
