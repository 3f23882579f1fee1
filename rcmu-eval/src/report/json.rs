use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::{
    Error,
    report::{ComparisonReport, Report, text::is_hidden},
};

/// The version of the JSON form; a reader of this crate reads this one alone.
pub const REPORT_VERSION: u32 = 2;

/// The version of the JSON form of a comparison; a reader of this crate reads this one alone.
pub const COMPARISON_VERSION: u32 = 2;

const SCHEMA: &str = "rcmu-eval-report";
const COMPARISON_SCHEMA: &str = "rcmu-eval-comparison";

#[derive(Serialize)]
struct WrittenComparison<'a> {
    schema: &'a str,
    version: u32,
    comparison: &'a ComparisonReport,
}

#[derive(Serialize)]
struct Written<'a> {
    schema: &'a str,
    version: u32,
    headline: String,
    report: &'a Report,
}

#[derive(Deserialize)]
struct Version {
    schema: String,
    version: u64,
}

#[derive(Deserialize)]
struct Read {
    report: Report,
}

#[derive(Deserialize)]
struct ReadComparison {
    comparison: ComparisonReport,
}

impl Report {
    /// Writes it as JSON; `schema` and `version` come first.
    ///
    /// Characters that mean something in HTML, and those that hide or reorder text, are written as `\u003c`, so that
    /// the text may stand in a page or a terminal.
    ///
    /// # Errors
    ///
    /// [`Error::ReportField`] naming a number that is not finite, for JSON has no such numbers.
    ///
    /// # Panics
    ///
    /// Never: all keys are texts, and a string takes all text.
    pub fn to_json(&self) -> Result<String, Error> {
        self.check_numbers()?;
        let written = Written {
            schema: SCHEMA,
            version: REPORT_VERSION,
            headline: self.headline().words(),
            report: self,
        };
        Ok(written_text(&written))
    }

    /// Reads what [`Report::to_json`] wrote; numbers come back to within one unit in the last place.
    ///
    /// # Errors
    ///
    /// [`Error::ReportSyntax`] for anything that is no report, [`Error::ReportVersion`] for a report of another
    /// version, [`Error::ReportField`] naming a citation of nothing, or a picture that is not there.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        check_version(json, SCHEMA, REPORT_VERSION)?;
        let Read { report } = serde_json::from_str(json).map_err(|source| Error::ReportSyntax { source })?;
        report.check_numbers()?;
        for (at, item) in report.items.iter().enumerate() {
            let most = item.sample.regions.len() + item.sample.references.len();
            if let Some(number) = item.cited.iter().find(|&&number| number == 0 || number as usize > most) {
                let message = format!("{number} is none of 1..={most}");
                return Err(Error::ReportField { field: format!("items[{at}].cited"), message });
            }
            if let Some(number) = item.invalid.iter().find(|&&number| number > 0 && number <= most as u64) {
                let message = format!("{number} is one of 1..={most}");
                return Err(Error::ReportField { field: format!("items[{at}].invalid"), message });
            }
            if let Some(place) = item.picture.filter(|&place| place >= report.pictures.len()) {
                let message = format!("{place} is none of the {} pictures", report.pictures.len());
                return Err(Error::ReportField { field: format!("items[{at}].picture"), message });
            }
        }
        Ok(report)
    }

    fn check_numbers(&self) -> Result<(), Error> {
        for (at, row) in self.rows.iter().enumerate() {
            let ends = row.interval.map(|interval| [interval.low, interval.high]).into_iter().flatten();
            for value in [row.value, row.worst, row.best].into_iter().chain(row.chance).chain(ends) {
                check(format!("rows[{at}]"), value)?;
            }
        }
        for (at, item) in self.items.iter().enumerate() {
            for (name, value) in &item.score.measures {
                check(format!("items[{at}].score.measures.{name}"), *value)?;
            }
        }
        Ok(())
    }
}

impl ComparisonReport {
    /// Writes it as JSON, in the form of [`Report::to_json`].
    ///
    /// # Errors
    ///
    /// [`Error::ReportField`] naming a row with a number that is not finite, for JSON has no such numbers.
    ///
    /// # Panics
    ///
    /// Never: all keys are texts, and a string takes all text.
    pub fn to_json(&self) -> Result<String, Error> {
        self.check_numbers()?;
        Ok(written_text(&WrittenComparison {
            schema: COMPARISON_SCHEMA,
            version: COMPARISON_VERSION,
            comparison: self,
        }))
    }

    /// Reads what [`ComparisonReport::to_json`] wrote; numbers come back to within one unit in the last place.
    ///
    /// # Errors
    ///
    /// [`Error::ReportSyntax`] for anything that is no comparison, [`Error::ReportVersion`] for one of another version,
    /// [`Error::ReportField`] naming another schema, or a row with a number that is not finite.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        check_version(json, COMPARISON_SCHEMA, COMPARISON_VERSION)?;
        let ReadComparison { comparison } =
            serde_json::from_str(json).map_err(|source| Error::ReportSyntax { source })?;
        comparison.check_numbers()?;
        Ok(comparison)
    }

    fn check_numbers(&self) -> Result<(), Error> {
        for (at, row) in self.rows.iter().enumerate() {
            let (paired, test) = (&row.comparison.paired, row.comparison.mcnemar);
            let ends = paired.interval.map(|interval| [interval.low, interval.high]);
            let test = test.map(|test| [test.exact_p, test.chi_square, test.chi_square_p, test.g]);
            let values = [paired.first, paired.second, paired.difference].into_iter();
            let values = values.chain(paired.p_value).chain(paired.effect_size);
            for value in values.chain(ends.into_iter().flatten()).chain(test.into_iter().flatten()) {
                check(format!("rows[{at}]"), value)?;
            }
        }
        Ok(())
    }
}

fn check(field: String, value: f64) -> Result<(), Error> {
    let message = format!("is {value}");
    if value.is_finite() { Ok(()) } else { Err(Error::ReportField { field, message }) }
}

/// A value as JSON that may stand in a page or a terminal.
fn written_text(value: &impl Serialize) -> String {
    let plain = serde_json::to_string_pretty(value).expect("all keys are texts");
    let mut json = String::new();
    for c in plain.chars() {
        // None of these stands outside of a string.
        if matches!(c, '<' | '>' | '&' | '\'') || is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(json, "\\u{unit:04x}").expect("a string takes all text");
            }
        } else {
            json.push(c);
        }
    }
    json.push('\n');
    json
}

fn check_version(json: &str, wanted: &str, expected: u32) -> Result<(), Error> {
    let Version { schema, version } =
        serde_json::from_str(json).map_err(|source| Error::ReportSyntax { source })?;
    if schema != wanted {
        let message = format!("is no `{wanted}`");
        return Err(Error::ReportField { field: "schema".into(), message });
    }
    if version != u64::from(expected) {
        return Err(Error::ReportVersion { found: version, expected });
    }
    Ok(())
}

/// Samples that a report shares with its dataset.
pub(super) mod shared {
    use std::sync::Arc;

    use rcmu_data::Sample;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::report) fn serialize<S: Serializer>(
        sample: &Arc<Sample>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Sample::serialize(sample, serializer)
    }

    pub(in crate::report) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<Sample>, D::Error> {
        Sample::deserialize(deserializer).map(Arc::new)
    }
}

/// Pictures as Base64.
pub(super) mod pictures {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::report::text::{from_base64, to_base64};

    pub(in crate::report) fn serialize<S: Serializer>(
        pictures: &[Vec<u8>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(pictures.iter().map(|picture| to_base64(picture)))
    }

    pub(in crate::report) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Vec<u8>>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let read =
            |text: String| from_base64(&text).ok_or_else(|| D::Error::custom("a picture is no Base64"));
        texts.into_iter().map(read).collect()
    }
}
