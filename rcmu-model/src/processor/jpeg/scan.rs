//! One scan: a pass over the picture that gives some coefficients of some components.

use super::{
    Coded,
    blocks::{Band, Pass},
    frame::Frame,
    huffman::{BitReader, HuffmanTable},
    idct::Block,
};

/// The coefficients of a component, blocks row by row.
pub(super) struct Grid {
    /// Blocks in a row.
    pub(super) across: usize,
    pub(super) blocks: Vec<Block<i16>>,
}

/// The Huffman tables that are known so far: brightness of a block, and the other coefficients.
#[derive(Default)]
pub(super) struct HuffmanTables {
    pub(super) dc: [Option<HuffmanTable>; 4],
    pub(super) ac: [Option<HuffmanTable>; 4],
}

/// One component in the header of a scan.
pub(super) struct Member {
    pub(super) component: usize,
    dc_table: usize,
    ac_table: usize,
}

/// The header of a scan.
pub(super) struct ScanHeader {
    pub(super) members: Vec<Member>,
    pub(super) band: Band,
}

impl ScanHeader {
    /// Reads the segment of a scan header.
    pub(super) fn read(segment: &[u8], frame: &Frame) -> Coded<Self> {
        let (&count, rest) = segment.split_first().ok_or("a scan header is empty")?;
        let (members, last) =
            rest.split_at_checked(usize::from(count) * 2).ok_or("a scan header is too short")?;
        let &[start, end, bits] = last else { return Err("a scan header has a wrong length") };
        let mut header = Self { members: Vec::new(), band: Band::new(frame, [start, end, bits])? };
        for &[id, tables] in members.as_chunks::<2>().0 {
            let component = frame.component(id).ok_or("a scan has an unknown component")?;
            if header.members.iter().any(|member| member.component == component) {
                return Err("a scan has a component twice");
            }
            let [dc_table, ac_table] = [tables >> 4, tables & 15].map(usize::from);
            header.members.push(Member { component, dc_table, ac_table });
        }
        match header.members.len() {
            0 => Err("a scan has no component"),
            2.. if !header.band.has_dc() => Err("a scan of fine coefficients has more than one component"),
            _ => Ok(header),
        }
    }
}

/// Reads the coded data of a scan, one row of units after another.
pub(super) struct ScanReader<'a> {
    frame: &'a Frame,
    bits: BitReader<'a>,
    passes: Vec<(usize, Pass<'a>)>,
    /// Units between restart markers; 0 for none.
    interval: usize,
    units_until_restart: usize,
    restarts: u8,
}

impl<'a> ScanReader<'a> {
    pub(super) fn new(
        frame: &'a Frame,
        header: &ScanHeader,
        tables: &'a HuffmanTables,
        interval: usize,
        data: &'a [u8],
    ) -> Coded<Self> {
        let table = |tables: &'a [Option<HuffmanTable>], index: usize| tables.get(index)?.as_ref();
        let passes = header.members.iter().map(|member| {
            let (dc, ac) = (table(&tables.dc, member.dc_table), table(&tables.ac, member.ac_table));
            Ok((member.component, Pass::new(header.band, dc, ac)?))
        });
        Ok(Self {
            frame,
            bits: BitReader::new(data),
            passes: passes.collect::<Coded<_>>()?,
            interval,
            units_until_restart: interval,
            restarts: 0,
        })
    }

    /// Rows of units: a component alone goes block by block, without those that only fill the last unit.
    pub(super) fn rows(&self) -> usize {
        match self.passes[..] {
            [(component, _)] => self.frame.samples(component)[1].div_ceil(8),
            _ => self.frame.units()[1],
        }
    }

    /// Reads the next row of units; it is row `row` of the grids.
    pub(super) fn read_row(&mut self, row: usize, grids: &mut [Grid]) -> Coded<()> {
        if let [(component, _)] = self.passes[..] {
            let first = row * grids[component].across;
            for at in first..first + self.frame.samples(component)[0].div_ceil(8) {
                self.restart_if_due()?;
                self.passes[0].1.read(&mut self.bits, &mut grids[component].blocks[at])?;
            }
            return Ok(());
        }
        for unit in 0..self.frame.units()[0] {
            self.restart_if_due()?;
            for (component, pass) in &mut self.passes {
                let [across, down] = self.frame.components[*component].sampling;
                let grid = &mut grids[*component];
                for y in row * down..(row + 1) * down {
                    let first = y * grid.across + unit * across;
                    for block in &mut grid.blocks[first..first + across] {
                        pass.read(&mut self.bits, block)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn restart_if_due(&mut self) -> Coded<()> {
        if self.interval == 0 {
            return Ok(());
        }
        if self.units_until_restart == 0 {
            self.bits.restart(self.restarts)?;
            self.restarts = (self.restarts + 1) % 8;
            self.units_until_restart = self.interval;
            for (_, pass) in &mut self.passes {
                pass.restart();
            }
        }
        self.units_until_restart -= 1;
        Ok(())
    }
}
