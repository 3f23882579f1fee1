//! From the segments of a JPEG file to its pixels.

use super::{
    Coded,
    blocks::Band,
    color::ColorModel,
    cut,
    frame::Frame,
    idct::Block,
    invalid, next_marker, next_segment,
    render::Renderer,
    scan::{Grid, ScanHeader, ScanReader},
    settings::Settings,
    skip_entropy_coded,
};
use crate::{Error, processor::PictureLimits};

/// A coefficient of which no scan told a bit.
const UNKNOWN: u8 = u8::MAX;

/// Decodes a file that `inspect` has accepted to RGB, grey and inks too.
///
/// The pixels are those of the reference's decoder, libjpeg-turbo as Pillow calls it. A file whose scans leave out
/// a coefficient or end early is refused here, where that decoder fills in what it can.
pub(in crate::processor) fn decode(file: &[u8], limits: &PictureLimits) -> Result<Vec<u8>, Error> {
    let mut rest = &file[2..];
    let mut settings = Settings::default();
    let mut frame = None;
    let mut picture: Option<Waiting> = None;
    while let Some(marker) = next_marker(&mut rest) {
        match marker {
            0xD9 => break,
            0x01 | 0xD0..=0xD7 => continue,
            _ => {}
        }
        let segment = next_segment(&mut rest)?;
        match marker {
            0xC0..=0xC2 => frame = Some(Frame::read(segment, marker == 0xC2, limits)?),
            0xDA => {
                let frame = frame.as_ref().ok_or_else(|| invalid("a scan comes before the frame header"))?;
                let coded = rest;
                skip_entropy_coded(&mut rest).ok_or_else(|| cut("a scan"))?;
                let coded = &coded[..coded.len() - rest.len()];
                let header = ScanHeader::read(segment, frame).map_err(invalid)?;
                if picture.is_none() && frame.in_one_scan(header.members.len()) {
                    return decode_one_scan(frame, &settings, &header, coded).map_err(invalid);
                }
                let waiting = picture.get_or_insert_with(|| Waiting::new(frame, settings.model(frame)));
                waiting.add(frame, &settings, &header, coded).map_err(invalid)?;
            }
            _ => settings.set(marker, segment).map_err(invalid)?,
        }
    }
    match (frame, picture) {
        (Some(frame), Some(picture)) => picture.render(&frame).map_err(invalid),
        _ => Err(invalid("it has no scan")),
    }
}

/// Decodes the only scan; no more than one row of units waits.
fn decode_one_scan(frame: &Frame, settings: &Settings, header: &ScanHeader, coded: &[u8]) -> Coded<Vec<u8>> {
    let count = frame.components.len();
    let steps = (0..count).map(|component| settings.steps(frame, component)).collect::<Coded<Vec<_>>>()?;
    let mut reader = ScanReader::new(frame, header, &settings.tables, settings.restart_interval, coded)?;
    let mut grids = empty_grids(frame, 1);
    let mut renderer = Renderer::new(frame, settings.model(frame));
    for _ in 0..reader.rows() {
        for grid in &mut grids {
            grid.blocks.fill([0; 64]);
        }
        reader.read_row(0, &mut grids)?;
        renderer.push(0, &grids, &steps);
    }
    Ok(renderer.finish())
}

/// Room for this many rows of units.
fn empty_grids(frame: &Frame, rows: usize) -> Vec<Grid> {
    let grid = |component: usize| {
        let across = frame.blocks_across(component);
        let blocks = vec![[0; 64]; across * frame.components[component].sampling[1] * rows];
        Grid { across, blocks }
    };
    (0..frame.components.len()).map(grid).collect()
}

/// A picture in several scans: all coefficients wait for the last one.
struct Waiting {
    model: ColorModel,
    grids: Vec<Grid>,
    /// The quantisation steps as they were before the first scan of each component.
    steps: Vec<Option<Block<u16>>>,
    /// The lowest known bit of each coefficient of each component.
    known: Vec<[u8; 64]>,
}

impl Waiting {
    fn new(frame: &Frame, model: ColorModel) -> Self {
        let count = frame.components.len();
        let grids = empty_grids(frame, frame.units()[1]);
        Self { model, grids, steps: vec![None; count], known: vec![[UNKNOWN; 64]; count] }
    }

    /// Adds what a scan tells.
    fn add(&mut self, frame: &Frame, settings: &Settings, header: &ScanHeader, coded: &[u8]) -> Coded<()> {
        for member in &header.members {
            if self.steps[member.component].is_none() {
                self.steps[member.component] = Some(settings.steps(frame, member.component)?);
            }
            self.check_order(member.component, header.band)?;
        }
        let interval = settings.restart_interval;
        let mut reader = ScanReader::new(frame, header, &settings.tables, interval, coded)?;
        for row in 0..reader.rows() {
            reader.read_row(row, &mut self.grids)?;
        }
        Ok(())
    }

    /// Checks that the scan goes on where the one before it stopped.
    fn check_order(&mut self, component: usize, band: Band) -> Coded<()> {
        let known = &mut self.known[component];
        let before = if band.high == 0 { UNKNOWN } else { band.high };
        if band.start > 0 && known[0] == UNKNOWN {
            return Err("a scan of fine coefficients comes before the brightness");
        }
        for bit in &mut known[band.start..=band.end] {
            if *bit != before {
                return Err("a scan repeats or leaves out bits of coefficients");
            }
            *bit = band.low;
        }
        Ok(())
    }

    fn render(self, frame: &Frame) -> Coded<Vec<u8>> {
        if self.known.iter().flatten().any(|&bit| bit != 0) {
            return Err("its scans leave out bits of coefficients");
        }
        let steps: Vec<Block<u16>> = self.steps.into_iter().flatten().collect();
        let mut renderer = Renderer::new(frame, self.model);
        for row in 0..frame.units()[1] {
            renderer.push(row, &self.grids, &steps);
        }
        Ok(renderer.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::huffman::testing::{byte_codes, packed},
        *,
    };

    /// Baseline and progressive frame headers.
    const BASELINE: u8 = 0xC0;
    const PROGRESSIVE: u8 = 0xC2;
    /// Brightness 10 more than before, and no other coefficient.
    const BRIGHTER: &str = "00000100 1010  00000000";
    /// Brightness as before, and no other coefficient.
    const SAME: &str = "00000000  00000000";

    fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
        [&[0xFF, marker], &(data.len() as u16 + 2).to_be_bytes()[..], data].concat()
    }

    /// A scan of all components, or of one.
    fn scan(components: &[u8], band: [u8; 3], coded: &[u8]) -> Vec<u8> {
        let members: Vec<u8> = components.iter().flat_map(|&id| [id, 0]).collect();
        let header = [&[components.len() as u8][..], &members, &band].concat();
        [segment(0xDA, &header), coded.to_vec()].concat()
    }

    /// A file with steps of 8, so that a coefficient is one level, and the sampling of each component.
    fn file(frame: u8, [width, height]: [u8; 2], sampling: &[u8], scans: &[Vec<u8>]) -> Vec<u8> {
        let (counts, symbols) = byte_codes();
        let components: Vec<u8> = (1..).zip(sampling).flat_map(|(id, &sampling)| [id, sampling, 0]).collect();
        [
            vec![0xFF, 0xD8],
            segment(0xEE, b"Adobe\0\x64\0\0\0\0\0"), // colours are stored as they are
            segment(0xDB, &[&[0][..], &[8; 64]].concat()),
            segment(0xC4, &[&[0x00][..], &counts, &symbols].concat()),
            segment(0xC4, &[&[0x10][..], &counts, &symbols].concat()),
            segment(frame, &[&[8, 0, height, 0, width, sampling.len() as u8][..], &components].concat()),
            scans.concat(),
            vec![0xFF, 0xD9],
        ]
        .concat()
    }

    fn run(file: &[u8]) -> Result<Vec<u8>, Error> {
        decode(file, &PictureLimits::default())
    }

    fn problem(file: &[u8]) -> String {
        match run(file) {
            Err(Error::PictureInvalid { problem, .. }) => problem,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flat_blocks_have_the_brightness_of_their_coefficient() {
        let coded = packed(&[BRIGHTER, BRIGHTER].concat());

        let pixels = run(&file(BASELINE, [9, 1], &[0x11], &[scan(&[1], [0, 63, 0], &coded)])).unwrap();

        assert_eq!(pixels, [&[138; 24][..], &[148; 3]].concat());
    }

    #[test]
    fn rows_of_units_are_mixed_where_they_meet() {
        // Red in units of four blocks; green is a quarter as large and 10 brighter in each of four units.
        let unit = [SAME; 4].concat() + BRIGHTER + SAME;
        let coded = packed(&unit.repeat(4));

        let pixels =
            run(&file(BASELINE, [16, 64], &[0x22, 0x11, 0x11], &[scan(&[1, 2, 3], [0, 63, 0], &coded)]))
                .unwrap();

        let row = |y: usize| pixels[y * 48..(y + 1) * 48].as_chunks::<3>().0;
        for (y, left, right) in [
            (0, 138, 138),
            (14, 138, 138),
            // 3 * 138 + 148 = 562; 4 * 562 + 8 = 2256 = 141 * 16, and 2255 / 16 = 140.
            (15, 141, 140),
            // 3 * 148 + 138 = 582; 4 * 582 + 8 = 2336 = 146 * 16.
            (16, 146, 145),
            (31, 151, 150),
            (32, 156, 155),
            (48, 166, 165),
            (63, 168, 168),
        ] {
            for (x, pixel) in row(y).iter().enumerate() {
                assert_eq!(*pixel, [128, if x % 2 == 0 { left } else { right }, 128], "{x} {y}");
            }
        }
    }

    #[test]
    fn scans_one_by_one_give_the_picture_of_one_scan() {
        // 17x17 pixels: two units each way; alone, the larger component has three blocks each way.
        let unit = [BRIGHTER; 4].concat() + BRIGHTER + SAME;
        let together = packed(&unit.repeat(4));
        let [large, small] = [3 * 3, 2 * 2].map(|blocks| packed(&SAME.repeat(blocks)));
        let alone = |id, coded: &[u8]| scan(&[id], [0, 63, 0], coded);
        let sampling = [0x22, 0x11, 0x11];

        let flat = run(&file(
            BASELINE,
            [17, 17],
            &sampling,
            &[alone(1, &large), alone(2, &small), alone(3, &small)],
        ));
        let one = run(&file(BASELINE, [17, 17], &sampling, &[scan(&[1, 2, 3], [0, 63, 0], &together)]));

        assert_eq!(flat.unwrap(), vec![128; 17 * 17 * 3]);
        let one = one.unwrap();
        // The first block of brightness is 10, the eighth, at the right below, 80; behind it the next unit.
        assert_eq!((one[0], one[(8 * 17 + 8) * 3], one[16 * 3]), (138, 168, 178));
    }

    #[test]
    fn restart_markers_forget_the_brightness_before() {
        let block = packed(BRIGHTER);
        let coded = |marker| [&block[..], &[0xFF, marker], &block].concat();
        let interval = segment(0xDD, &[0, 1]);
        let file = |marker| {
            file(BASELINE, [16, 1], &[0x11], &[interval.clone(), scan(&[1], [0, 63, 0], &coded(marker))])
        };

        assert_eq!(run(&file(0xD0)).unwrap(), [138; 48]);
        assert_eq!(problem(&file(0xD1)), "a restart marker is missing");
    }

    #[test]
    fn progressive_scans_have_to_tell_every_bit() {
        let fine = scan(&[1], [1, 63, 0], &packed("00000000"));
        let rough = scan(&[1], [0, 0, 0x01], &packed("00000011 101"));
        let bit = scan(&[1], [0, 0, 0x10], &packed("0"));
        let file = |scans: &[&Vec<u8>]| {
            file(PROGRESSIVE, [8, 8], &[0x11], &scans.iter().map(|scan| (*scan).clone()).collect::<Vec<_>>())
        };

        // 5 times 2.
        assert_eq!(run(&file(&[&rough, &fine, &bit])).unwrap(), [138; 192]);
        for scans in [&[&rough, &fine][..], &[&rough, &bit]] {
            assert_eq!(problem(&file(scans)), "its scans leave out bits of coefficients");
        }
        for scans in [&[&bit, &rough, &fine][..], &[&rough, &rough, &fine, &bit], &[&rough, &bit, &bit]] {
            assert_eq!(problem(&file(scans)), "a scan repeats or leaves out bits of coefficients");
        }
        assert!(problem(&file(&[&fine, &rough, &bit])).contains("before the brightness"));
    }

    #[test]
    fn a_scan_that_ends_early_gives_no_picture() {
        let file = |coded: &str| file(BASELINE, [16, 8], &[0x11], &[scan(&[1], [0, 63, 0], &packed(coded))]);

        assert!(run(&file(&SAME.repeat(2))).is_ok());
        assert_eq!(problem(&file(SAME)), "the coded data of a scan ends too early");
    }

    #[test]
    fn missing_tables_and_components_are_errors() {
        let whole = file(BASELINE, [8, 8], &[0x11], &[scan(&[1], [0, 63, 0], &packed(SAME))]);
        let without = |marker: u8| {
            let at = whole.windows(2).position(|bytes| bytes == [0xFF, marker]).unwrap();
            let len = usize::from(u16::from_be_bytes([whole[at + 2], whole[at + 3]]));
            [&whole[..at], &whole[at + 2 + len..]].concat()
        };

        assert!(run(&whole).is_ok());
        assert_eq!(problem(&without(0xDB)), "a table of quantisation steps is missing");
        assert_eq!(problem(&without(0xC4)), "a scan needs a Huffman table that is missing");
        assert_eq!(problem(&without(0xC0)), "a scan comes before the frame header");
        assert_eq!(problem(&file(BASELINE, [8, 8], &[0x11], &[])), "it has no scan");
        let unknown = scan(&[9], [0, 63, 0], &packed(SAME));
        assert_eq!(problem(&file(BASELINE, [8, 8], &[0x11], &[unknown])), "a scan has an unknown component");
    }
}
