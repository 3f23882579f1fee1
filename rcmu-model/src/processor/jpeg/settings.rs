//! The tables and marks that the segments of a file set for the scans behind them.

use super::{
    Coded, blocks::place, color::ColorModel, frame::Frame, huffman::HuffmanTable, idct::Block,
    scan::HuffmanTables,
};

/// What the segments before a scan have set.
#[derive(Default)]
pub(super) struct Settings {
    steps: [Option<Block<u16>>; 4],
    pub(super) tables: HuffmanTables,
    /// Units between restart markers; 0 for none.
    pub(super) restart_interval: usize,
    has_jfif: bool,
    /// The transform that an Adobe segment names.
    adobe: Option<u8>,
}

impl Settings {
    /// Takes in a segment of tables or of an application.
    pub(super) fn set(&mut self, marker: u8, segment: &[u8]) -> Coded<()> {
        match marker {
            0xC4 => self.set_huffman(segment),
            0xDB => self.set_steps(segment),
            0xDD => {
                let interval = segment.try_into().map_err(|_| "the restart interval has a wrong length")?;
                self.restart_interval = u16::from_be_bytes(interval).into();
                Ok(())
            }
            0xE0 => {
                self.has_jfif |= segment.len() >= 14 && segment.starts_with(b"JFIF\0");
                Ok(())
            }
            0xEE => {
                if let Some(&transform) = segment.get(11).filter(|_| segment.starts_with(b"Adobe")) {
                    self.adobe = Some(transform);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn set_huffman(&mut self, mut segment: &[u8]) -> Coded<()> {
        while let Some((&place, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or("a Huffman table is too short")?;
            let len = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(len).ok_or("a Huffman table is too short")?;
            let tables = match place >> 4 {
                0 => &mut self.tables.dc,
                1 => &mut self.tables.ac,
                _ => return Err("a Huffman table has an unknown class"),
            };
            let table = tables.get_mut(usize::from(place & 15)).ok_or("there are more than 4 tables")?;
            *table = Some(HuffmanTable::new(counts, symbols)?);
            segment = rest;
        }
        Ok(())
    }

    fn set_steps(&mut self, mut segment: &[u8]) -> Coded<()> {
        const SHORT: &str = "a table of quantisation steps is too short";
        while let Some((&which, rest)) = segment.split_first() {
            let table = self.steps.get_mut(usize::from(which & 15)).ok_or("there are more than 4 tables")?;
            let mut steps = [0; 64];
            if which >> 4 == 0 {
                let (bytes, rest) = rest.split_at_checked(64).ok_or(SHORT)?;
                bytes.iter().enumerate().for_each(|(k, &step)| steps[place(k)] = step.into());
                segment = rest;
            } else {
                let (bytes, rest) = rest.split_at_checked(128).ok_or(SHORT)?;
                for (k, step) in bytes.as_chunks::<2>().0.iter().enumerate() {
                    steps[place(k)] = u16::from_be_bytes(*step);
                }
                segment = rest;
            }
            *table = Some(steps);
        }
        Ok(())
    }

    /// What the components of the frame stand for.
    pub(super) fn model(&self, frame: &Frame) -> ColorModel {
        let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
        ColorModel::of(&ids, self.has_jfif, self.adobe)
    }

    /// The quantisation steps of a component.
    pub(super) fn steps(&self, frame: &Frame, component: usize) -> Coded<Block<u16>> {
        self.steps[frame.components[component].steps].ok_or("a table of quantisation steps is missing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_stored_along_the_diagonals_in_one_byte_or_two() {
        let mut settings = Settings::default();
        let bytes: Vec<u8> = (0..64).collect();
        let words: Vec<u8> = (0..64).flat_map(|k| [k, 7]).collect();

        settings.set(0xDB, &[&[0x01][..], &bytes, &[0x12], &words].concat()).unwrap();

        // The third as stored is the first of the second row.
        assert_eq!(settings.steps[1].unwrap()[8], 2);
        assert_eq!(settings.steps[2].unwrap()[8], 0x0207);
        assert!(settings.set(0xDB, &bytes[..64]).is_err());
        assert!(settings.set(0xDB, &[&[4][..], &bytes].concat()).is_err());
    }

    #[test]
    fn several_huffman_tables_come_in_one_segment() {
        let mut settings = Settings::default();
        let counts = [&[1][..], &[0; 15]].concat();
        let one = |place: u8| [&[place][..], &counts, &[5]].concat();

        settings.set(0xC4, &[one(0x03), one(0x10)].concat()).unwrap();

        assert!(settings.tables.dc[3].is_some() && settings.tables.ac[0].is_some());
        for wrong in [one(0x20), one(0x04), one(0x00)[..17].to_vec(), vec![0]] {
            assert!(settings.set(0xC4, &wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_restart_interval_has_two_bytes() {
        let mut settings = Settings::default();

        settings.set(0xDD, &[1, 2]).unwrap();

        assert_eq!(settings.restart_interval, 258);
        assert!(settings.set(0xDD, &[1]).is_err());
    }
}
