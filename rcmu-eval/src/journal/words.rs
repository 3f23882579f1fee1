use std::fmt;

use super::{Contents, Record, RepairReport, TornTail};
use crate::Reply;

/// Failures that are told one by one.
const SHOWN: usize = 5;

impl Contents {
    /// The records without a text, and why they have none.
    pub fn failures(&self) -> impl Iterator<Item = (&Record, &str)> {
        self.records.iter().filter_map(|record| match &record.reply {
            Reply::Text { .. } => None,
            Reply::Failed { reason } => Some((record, reason.as_str())),
        })
    }
}

impl fmt::Display for Contents {
    /// What the run is, how far it is and what failed, in lines for a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (manifest, dataset) = (&self.manifest, &self.manifest.dataset);
        writeln!(f, "model    {}", manifest.model)?;
        writeln!(f, "dataset  {}, {} items, SHA-256 {}", dataset.name, dataset.items, dataset.hash)?;
        writeln!(f, "asked    {:?}, part {}, {} times", manifest.mode, manifest.shard, manifest.repeats)?;
        writeln!(f, "settings {:?}", manifest.options)?;
        write!(f, "records  {} of {}, ", self.records.len(), manifest.records())?;
        write!(f, "{} missing, {} without a text", self.missing(), self.failures().count())?;
        for (record, reason) in self.failures().take(SHOWN) {
            write!(f, "\nfailed   {}, repeat {}: {}", record.item, record.repeat, reason.replace('\n', " "))?;
        }
        write_torn(f, self.torn, "the run")
    }
}

/// Tells a torn tail, if there is one, and who cuts it.
pub(super) fn write_torn(f: &mut fmt::Formatter<'_>, torn: Option<TornTail>, who: &str) -> fmt::Result {
    let Some(TornTail { offset, bytes }) = torn else { return Ok(()) };
    write!(f, "\ntorn     {bytes} bytes at byte {offset}: {who} cuts them when it goes on")
}

impl fmt::Display for RepairReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records kept, {} left out as repeated", self.kept, self.repeated)?;
        for lost in &self.lost {
            write!(f, "; {} bytes lost at byte {}", lost.bytes, lost.offset)?;
        }
        Ok(())
    }
}
