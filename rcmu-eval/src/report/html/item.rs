use rcmu_core::FinishReason;
use rcmu_data::Sample;
use rcmu_prompt::parse;

use crate::{
    Reply,
    report::{
        Report, ReportItem,
        html::{
            answer::{Segment, colour, segments},
            outcome_class,
            picture::{BoxView, Pictures},
        },
        outcome_words, targets,
        text::percent,
        visible,
    },
    scorers::right_option,
};

/// Items that are unfolded when the page is opened.
const OPEN: usize = 1;

/// One item of the page.
pub(super) struct ItemView {
    pub(super) verdict: &'static str,
    pub(super) outcome: &'static str,
    pub(super) outcome_words: &'static str,
    pub(super) is_open: bool,
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) question: String,
    pub(super) options: Vec<OptionView>,
    pub(super) picture: Option<usize>,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) boxes: Vec<BoxView>,
    pub(super) targets: Vec<TargetView>,
    pub(super) has_text: bool,
    pub(super) reply: Vec<Segment>,
    pub(super) finish: String,
    /// The numbers that point at nothing.
    pub(super) invalid: String,
    pub(super) expected: Vec<Segment>,
    pub(super) accepted: Vec<String>,
    pub(super) how: String,
    pub(super) measures: Vec<(String, String)>,
}

pub(super) struct OptionView {
    pub(super) letter: char,
    pub(super) text: String,
    pub(super) is_right: bool,
}

/// A region or a reference picture, as it can be cited.
pub(super) struct TargetView {
    pub(super) number: u32,
    pub(super) class: String,
    pub(super) label: String,
    pub(super) info: String,
    pub(super) is_cited: bool,
    pub(super) is_right: bool,
}

impl ItemView {
    pub(super) fn new(report: &Report, item: &ReportItem, at: usize, pictures: &mut Pictures) -> Self {
        let (sample, score) = (&item.sample, &item.score);
        let picture = item.picture.and_then(|at| pictures.place(at, report.pictures.get(at)?));
        let (width, height) = picture.map_or((1000.0, 750.0), |place| {
            let picture = &pictures.embedded[place];
            (f64::from(picture.width), f64::from(picture.height))
        });
        let (has_text, reply, finish) = match &item.reply {
            Reply::Text { text, finish } => (true, segments(text, sample), visible(finish)),
            Reply::Failed { reason } => {
                (false, vec![Segment { class: String::new(), text: visible(reason) }], String::new())
            }
        };
        Self {
            verdict: item.verdict().name(),
            outcome: outcome_class(score.outcome),
            outcome_words: outcome_words(score.outcome),
            is_open: at < OPEN,
            id: visible(&sample.id),
            kind: score.kind.name(),
            question: visible(&sample.question),
            options: options(sample),
            picture,
            width,
            height,
            boxes: boxes(item, (width, height)),
            targets: target_views(item),
            has_text,
            reply,
            finish,
            invalid: item.invalid.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            expected: segments(&sample.answer, sample),
            accepted: sample.accepted.iter().map(|text| visible(text)).collect(),
            how: visible(&score.how),
            measures: score.measures.iter().map(|(name, value)| (visible(name), percent(*value))).collect(),
        }
    }
}

fn options(sample: &Sample) -> Vec<OptionView> {
    let right = right_option(sample);
    let letters = ('A'..='Z').zip(&sample.options).enumerate();
    letters
        .map(|(at, (letter, text))| OptionView { letter, text: visible(text), is_right: right == Some(at) })
        .collect()
}

/// The boxes of the regions, and those that the reply names.
fn boxes(item: &ReportItem, size: (f64, f64)) -> Vec<BoxView> {
    let mut boxes = Vec::new();
    for (number, bbox) in (1..).zip(item.sample.boxes()) {
        let cited = if item.cited.contains(&number) { " cited" } else { "" };
        let class = format!("{}{cited}", colour(number));
        boxes.extend(bbox.map(|bbox| BoxView::new(bbox, size, class, number.to_string())));
    }
    if let Reply::Text { text, .. } = &item.reply {
        let answer = parse(text, targets(&item.sample), FinishReason::EndOfText);
        let named = answer.boxes.into_iter();
        boxes.extend(named.map(|named| BoxView::new(named.bbox, size, "named".into(), "named".into())));
    }
    boxes
}

fn target_views(item: &ReportItem) -> Vec<TargetView> {
    let sample = &item.sample;
    let regions = sample.regions.iter().map(|region| (region.region.label(), region.region.info()));
    let references = sample.references.iter().map(|reference| ("reference picture", reference.info.as_str()));
    (1..)
        .zip(regions.chain(references))
        .map(|(number, (label, info))| TargetView {
            number,
            class: colour(number),
            label: visible(label),
            info: visible(info),
            is_cited: item.cited.contains(&number),
            is_right: sample.citations.contains(&number),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rcmu_data::{Kind, PictureSource, Provenance};

    use super::*;

    #[test]
    fn the_right_option_is_the_one_that_scorers_take() {
        let right = |answer: &str| {
            let sample = Sample {
                id: "a".into(),
                picture: PictureSource::File("a.png".into()),
                references: Vec::new(),
                regions: Vec::new(),
                kind: Kind::Open,
                question: "What does she do?".into(),
                options: vec!["teacher".into(), "nurse".into()],
                cited: false,
                answer: answer.into(),
                accepted: Vec::new(),
                citations: Vec::new(),
                answerable: true,
                provenance: Provenance::default(),
            };
            let options = options(&sample).into_iter().filter(|option| option.is_right);
            options.map(|option| option.letter).collect::<String>()
        };

        assert_eq!(["B", "b.", "A nurse."].map(right), ["B"; 3]);
    }
}
