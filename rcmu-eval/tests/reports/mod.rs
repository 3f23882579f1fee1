//! Reports with a text of choice, and small readers of what reports write.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;

use rcmu_core::{BBox, Region};
use rcmu_data::{Kind, PictureSource, Provenance, Sample, SampleReference, SampleRegion};
use rcmu_eval::{
    Interval, IntervalMethod, ItemScore, Outcome, Reply, SummaryRow,
    journal::DatasetIdentity,
    metrics::{BootstrapOptions, compare},
    report::{
        ComparedSetting, ComparisonReport, ComparisonRow, Report, ReportItem, Uncompared, UncomparedRow,
        count_outcomes,
    },
    run::Mode,
};

/// A report with this text wherever a text may stand.
pub(crate) fn report_of(text: &str) -> Report {
    let short: String = text.chars().take(200).collect();
    let info: String = text.chars().take(9000).collect();
    let region = Region::new(format!("x{short}"), BBox::new(100, 100, 400, 500).ok(), info.as_str())
        .expect("a label of fitting size");
    let facts = BTreeMap::from([(text.to_owned(), text.to_owned())]);
    let sample = Sample {
        id: text.into(),
        picture: PictureSource::File(text.into()),
        references: vec![SampleReference {
            picture: PictureSource::File(text.into()),
            info: text.into(),
            facts: facts.clone(),
        }],
        regions: vec![SampleRegion { region, facts: facts.clone(), visual: facts }],
        kind: Kind::VisualToContext,
        question: text.into(),
        options: vec![text.into(), text.into()],
        cited: true,
        answer: text.into(),
        accepted: vec![text.into()],
        citations: vec![1],
        answerable: true,
        provenance: Provenance { maker: text.into(), ..Provenance::default() },
    };
    let score = |outcome, accuracy| ItemScore {
        item: text.into(),
        kind: Kind::VisualToContext,
        cluster: text.into(),
        outcome,
        how: text.into(),
        measures: BTreeMap::from([(text.to_owned(), 0.25), ("accuracy".to_owned(), accuracy)]),
    };
    let said = Reply::Text { text: text.into(), finish: text.into() };
    let items = vec![
        ReportItem::new(sample.clone(), Some(0), said.clone(), score(Outcome::Scored, 1.0)),
        ReportItem::new(sample.clone(), None, said, score(Outcome::Scored, 0.0)),
        ReportItem::new(
            sample,
            None,
            Reply::Failed { reason: text.into() },
            score(Outcome::ModelFailed, 0.0),
        ),
    ];
    let row = |measure: &str| SummaryRow {
        measure: measure.into(),
        slice: text.into(),
        count: 2,
        value: 0.5,
        interval: Some(Interval { low: 0.25, high: 0.75, method: IntervalMethod::Wilson }),
        worst: 0.25,
        best: 0.75,
        chance: Some(0.25),
    };
    Report {
        title: text.into(),
        model: text.into(),
        dataset: DatasetIdentity { name: text.into(), hash: text.into(), items: 3 },
        mode: Mode::Full,
        settings: vec![(text.into(), text.into())],
        allowed_failures: 1,
        rows: vec![row("accuracy"), row(text)],
        outcomes: count_outcomes(items.iter().map(|item| &item.score)),
        shown: None,
        pictures: vec![text.as_bytes().to_vec()],
        items,
    }
}

/// A comparison with this text wherever a text may stand.
pub(crate) fn comparison_of(text: &str) -> ComparisonReport {
    let scores = |values: [f64; 4]| -> Vec<ItemScore> {
        let score = |(at, value)| ItemScore {
            item: format!("{at}"),
            kind: Kind::Open,
            cluster: format!("{at}"),
            outcome: Outcome::Scored,
            how: String::new(),
            measures: BTreeMap::from([(text.to_owned(), value)]),
        };
        values.into_iter().enumerate().map(score).collect()
    };
    let (first, second) = (scores([0.0, 0.0, 1.0, 0.0]), scores([1.0, 1.0, 1.0, 0.0]));
    let comparison =
        compare(&first, &second, text, &BootstrapOptions::default()).expect("the items are shared");
    ComparisonReport {
        title: text.into(),
        first: text.into(),
        second: text.into(),
        settings: vec![ComparedSetting { name: text.into(), first: text.into(), second: text.into() }],
        rows: vec![ComparisonRow { slice: text.into(), comparison }],
        uncompared: vec![UncomparedRow {
            measure: text.into(),
            slice: text.into(),
            first: 4,
            second: 0,
            why: Uncompared::OnlyFirst,
        }],
    }
}

/// The tags of a page with the names of their attributes, without values and text.
pub(crate) fn skeleton(page: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        let mut tag = String::new();
        let mut in_value = false;
        let mut end = rest.len();
        for (at, c) in rest[start..].char_indices() {
            match c {
                '"' => in_value = !in_value,
                '>' if !in_value => {
                    end = start + at + 1;
                    break;
                }
                _ if !in_value => tag.push(c),
                _ => {}
            }
        }
        tags.push(tag);
        rest = &rest[end..];
    }
    tags
}

/// The records of a CSV text (RFC 4180).
pub(crate) fn csv_records(csv: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut cell, mut quoted) = (vec![], vec![], String::new(), false);
    let mut chars = csv.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            _ => cell.push(c),
        }
    }
    assert!(cell.is_empty() && record.is_empty() && !quoted, "the last line ends");
    records
}
