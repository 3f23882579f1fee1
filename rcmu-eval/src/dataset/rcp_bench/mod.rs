mod read;
mod samples;
mod write;

pub(super) use read::read_each;
pub(super) use samples::samples_of;

use rcmu_data::{PictureSource, Provenance, SampleReference};
use serde::{Deserialize, Serialize};

/// What the first line calls the format.
pub(super) const FORMAT: &str = "rcmu-rcp-bench";
/// The version of the fields that this program reads and writes.
const SCHEMA: u64 = 1;

/// A benchmark in the shape of RC&P-Bench: a header line, then one item a line.
///
/// Written out over several lines, an item is:
///
/// ```json
/// {
///   "id": "shelf-1",
///   "query": {"file": "shelf-1/query.png"},
///   "references": [
///     {"picture": {"file": "shelf-1/1.png"}, "profile": "This figurine belongs to Victoria Blackwell, …"},
///     {"picture": {"file": "shelf-1/2.png"}, "profile": "Marcus Reed, 52, found this figurine …"}
///   ],
///   "questions": [
///     {
///       "id": "shelf-1/q1",
///       "group": "C2V",
///       "question": "Which figurine is owned by Victoria Blackwell?",
///       "options": ["The doll in the yellow box", "The bear in the red box", "There is not enough information to answer the question"],
///       "answer": "A"
///     }
///   ]
/// }
/// ```
///
/// The header is `{"format":"rcmu-rcp-bench","schema":1}`. Picture files are named relative to the file's folder. There
/// may be any number of references and, per question, 2 to 26 options. `answer` is the letter of the right one. Further
/// fields are possible: `facts` of a reference; `accepted`, `citations` (numbers of the references that the answer rests
/// on) and `provenance` of a question. Nothing else is: a benchmark is not guessed at.
///
/// # Source
///
/// Theirs: what an item has, as the figure of RC&P-Bench in arXiv 2508.12263 shows. Ours: the file format.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RcpBench {
    /// The items in order.
    pub items: Vec<RcpItem>,
}

/// Reference pictures with profiles, one picture of their objects, and questions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RcpItem {
    /// A name.
    pub id: String,
    /// The picture that is asked about.
    pub query: PictureSource,
    /// The pictures of single objects, numbered from 1.
    #[serde(serialize_with = "write::references")]
    pub references: Vec<SampleReference>,
    /// The questions.
    pub questions: Vec<RcpQuestion>,
}

/// Which way a question leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Group {
    /// From what is seen to what a profile tells.
    #[serde(rename = "V2C")]
    VisualToContext,
    /// From what a profile tells to what is seen.
    #[serde(rename = "C2V")]
    ContextToVisual,
}

/// A multiple-choice question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RcpQuestion {
    /// A name that is unique in the benchmark.
    pub id: String,
    /// Which way it leads.
    pub group: Group,
    /// The question.
    pub question: String,
    /// 2 to 26 options.
    pub options: Vec<String>,
    /// The letter of the right option.
    pub answer: String,
    /// What a right answer has to say; empty for the words of the right option.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<String>,
    /// Numbers of the references that the answer rests on, ascending; empty when unknown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub citations: Vec<u32>,
    /// Who made the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}
