//! The coefficients of one block in one scan.

use super::{
    Coded,
    frame::Frame,
    huffman::{BitReader, HuffmanTable},
    idct::Block,
};

/// The place of each coefficient in its block: along the diagonals, up and down in turn.
const ZIGZAG: [u8; 64] = zigzag();

const OVERFLOW: &str = "a coefficient is out of range";
const BEHIND: &str = "a coefficient lies behind its block";

/// The row-by-row index of the `k`-th coefficient as stored.
pub(super) fn place(k: usize) -> usize {
    ZIGZAG[k].into()
}

const fn zigzag() -> [u8; 64] {
    let (mut order, mut x, mut y, mut k) = ([0; 64], 0_u8, 0_u8, 0);
    while k < 64 {
        order[k] = y * 8 + x;
        k += 1;
        if (x + y) % 2 == 0 {
            // Up to the right.
            if x == 7 {
                y += 1;
            } else {
                x += 1;
                y = y.saturating_sub(1);
            }
        } else if y == 7 {
            x += 1;
        } else {
            y += 1;
            x = x.saturating_sub(1);
        }
    }
    order
}

/// Which coefficients a scan gives, and which bits of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Band {
    pub(super) start: usize,
    /// The last one.
    pub(super) end: usize,
    /// The lowest bit known before; 0 when the scan is the first.
    pub(super) high: u8,
    /// The lowest bit known afterwards.
    pub(super) low: u8,
    progressive: bool,
}

impl Band {
    pub(super) fn new(frame: &Frame, [start, end, bits]: [u8; 3]) -> Coded<Self> {
        if !frame.progressive {
            // The header of a sequential scan says nothing more, and some writers leave it empty.
            return Ok(Self { start: 0, end: 63, high: 0, low: 0, progressive: false });
        }
        let (high, low) = (bits >> 4, bits & 15);
        let has_band = if start == 0 { end == 0 } else { (start..64).contains(&end) };
        if !has_band || low > 13 || (high != 0 && high != low + 1) {
            return Err("a progressive scan has a wrong header");
        }
        Ok(Self { start: start.into(), end: end.into(), high, low, progressive: true })
    }

    /// Whether the scan gives the brightness of blocks.
    pub(super) fn has_dc(self) -> bool {
        self.start == 0
    }
}

/// What a scan keeps for one component from block to block.
pub(super) struct Pass<'a> {
    band: Band,
    dc: Option<&'a HuffmanTable>,
    ac: Option<&'a HuffmanTable>,
    last_dc: i32,
    /// Blocks whose band has no more new coefficients.
    ended_blocks: u32,
}

impl<'a> Pass<'a> {
    /// Checks that the tables it needs are there.
    pub(super) fn new(band: Band, dc: Option<&'a HuffmanTable>, ac: Option<&'a HuffmanTable>) -> Coded<Self> {
        let needs_dc = band.has_dc() && band.high == 0;
        if needs_dc && dc.is_none() || band.end > 0 && ac.is_none() {
            return Err("a scan needs a Huffman table that is missing");
        }
        Ok(Self { band, dc, ac, last_dc: 0, ended_blocks: 0 })
    }

    /// Forgets what was before a restart marker.
    pub(super) fn restart(&mut self) {
        (self.last_dc, self.ended_blocks) = (0, 0);
    }

    /// Reads what the scan has of the next block.
    ///
    /// # Source
    ///
    /// ITU-T T.81, F.2.2 for sequential and G.1.2 for progressive scans.
    pub(super) fn read(&mut self, bits: &mut BitReader, block: &mut Block<i16>) -> Coded<()> {
        match (self.band.progressive, self.band.has_dc(), self.band.high) {
            (false, ..) => {
                self.first_dc(bits, block)?;
                self.sequential_ac(bits, block)
            }
            (true, true, 0) => self.first_dc(bits, block),
            (true, true, _) => {
                block[0] |= (bits.read(1)? as i16) << self.band.low;
                Ok(())
            }
            (true, false, 0) => self.first_ac(bits, block),
            (true, false, _) => self.more_ac(bits, block),
        }
    }

    fn first_dc(&mut self, bits: &mut BitReader, block: &mut Block<i16>) -> Coded<()> {
        let table = self.dc.expect("checked by `new`");
        let size = bits.read_symbol(table)?;
        if size > 15 {
            return Err(OVERFLOW);
        }
        self.last_dc += bits.read_signed(size.into())?;
        block[0] = i16::try_from(self.last_dc << self.band.low).map_err(|_| OVERFLOW)?;
        Ok(())
    }

    fn ac_table(&self) -> &'a HuffmanTable {
        self.ac.expect("checked by `new`")
    }

    fn sequential_ac(&mut self, bits: &mut BitReader, block: &mut Block<i16>) -> Coded<()> {
        let table = self.ac_table();
        let mut k = 1;
        while k < 64 {
            let symbol = bits.read_symbol(table)?;
            let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 && zeros < 15 {
                break;
            }
            k += zeros;
            if size > 0 {
                let place = ZIGZAG.get(k).ok_or(BEHIND)?;
                block[usize::from(*place)] = bits.read_signed(size)? as i16;
            }
            k += 1;
        }
        Ok(())
    }

    fn first_ac(&mut self, bits: &mut BitReader, block: &mut Block<i16>) -> Coded<()> {
        if self.ended_blocks > 0 {
            self.ended_blocks -= 1;
            return Ok(());
        }
        let (table, mut k) = (self.ac_table(), self.band.start);
        while k <= self.band.end {
            let symbol = bits.read_symbol(table)?;
            let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 && zeros < 15 {
                self.ended_blocks = (1 << zeros) + bits.read(zeros as u32)? - 1;
                break;
            }
            k += zeros;
            if size > 0 {
                if k > self.band.end {
                    return Err(BEHIND);
                }
                let number = bits.read_signed(size)? << self.band.low;
                block[place(k)] = i16::try_from(number).map_err(|_| OVERFLOW)?;
            }
            k += 1;
        }
        Ok(())
    }

    fn more_ac(&mut self, bits: &mut BitReader, block: &mut Block<i16>) -> Coded<()> {
        let (table, mut k, bit) = (self.ac_table(), self.band.start, 1_i16 << self.band.low);
        while self.ended_blocks == 0 && k <= self.band.end {
            let symbol = bits.read_symbol(table)?;
            let mut zeros = symbol >> 4;
            let new = match symbol & 15 {
                0 if zeros < 15 => {
                    self.ended_blocks = (1 << zeros) + bits.read(zeros.into())?;
                    break;
                }
                0 => 0,
                1 if bits.read(1)? == 1 => bit,
                1 => -bit,
                _ => return Err(OVERFLOW),
            };
            // Behind the zeros to skip lies the new coefficient; known ones on the way get their next bit.
            while k <= self.band.end {
                let known = &mut block[place(k)];
                if *known != 0 {
                    add_bit(known, bit, bits)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                k += 1;
            }
            if new != 0 {
                if k > self.band.end {
                    return Err(BEHIND);
                }
                block[place(k)] = new;
            }
            k += 1;
        }
        if self.ended_blocks > 0 {
            for k in k..=self.band.end {
                let known = &mut block[place(k)];
                if *known != 0 {
                    add_bit(known, bit, bits)?;
                }
            }
            self.ended_blocks -= 1;
        }
        Ok(())
    }
}

/// Reads the next lower bit of a coefficient that is not zero.
fn add_bit(known: &mut i16, bit: i16, bits: &mut BitReader) -> Coded<()> {
    if bits.read(1)? == 1 && *known & bit == 0 {
        *known = known.saturating_add(bit * known.signum());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::huffman::testing::{byte_table, packed},
        *,
    };

    const SEQUENTIAL: Band = Band { start: 0, end: 63, high: 0, low: 0, progressive: false };

    fn band(start: usize, end: usize, high: u8, low: u8) -> Band {
        Band { start, end, high, low, progressive: true }
    }

    /// Reads one pass over a few blocks; all data has to be used.
    fn read(band: Band, digits: &str, blocks: &mut [Block<i16>]) -> Coded<()> {
        let (table, data) = (byte_table(), packed(digits));
        let mut bits = BitReader::new(&data);
        let mut pass = Pass::new(band, Some(&table), Some(&table))?;
        blocks.iter_mut().try_for_each(|block| pass.read(&mut bits, block))?;
        assert!(bits.read(8).is_err(), "data is left");
        Ok(())
    }

    /// A block with these coefficients, by their order as stored.
    fn block(coefficients: &[(usize, i16)]) -> Block<i16> {
        let mut block = [0; 64];
        for &(k, number) in coefficients {
            block[place(k)] = number;
        }
        block
    }

    #[test]
    fn the_order_is_that_of_the_standard() {
        // Figure A.6: the beginning, both corners, the end.
        assert_eq!(ZIGZAG[..11], [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32]);
        assert_eq!(ZIGZAG[26..30], [13, 6, 7, 14]);
        assert_eq!(ZIGZAG[34..38], [49, 56, 57, 50]);
        assert_eq!(ZIGZAG[58..], [61, 54, 47, 55, 62, 63]);
    }

    #[test]
    fn a_sequential_block_is_brightness_and_runs() {
        // Three bits `101`; one zero and -2; 16 zeros; 1; the end. Then brightness -1 on top, and the end.
        let digits = "00000011 101  00010010 01  11110000  00000001 1  00000000  00000001 0  00000000";
        let mut blocks = [[0; 64]; 2];

        read(SEQUENTIAL, digits, &mut blocks).unwrap();

        assert_eq!(blocks, [block(&[(0, 5), (2, -2), (19, 1)]), block(&[(0, 4)])]);
    }

    #[test]
    fn progressive_scans_add_bit_after_bit() {
        let mut blocks = [[0; 64]];

        read(band(0, 0, 0, 1), "00000010 10", &mut blocks).unwrap();
        assert_eq!(blocks[0], block(&[(0, 4)]));
        read(band(0, 0, 1, 0), "1", &mut blocks).unwrap();
        assert_eq!(blocks[0], block(&[(0, 5)]));
        // 1, one zero, -1, the end.
        read(band(1, 63, 0, 1), "00000001 1  00010001 0  00000000", &mut blocks).unwrap();
        assert_eq!(blocks[0], block(&[(0, 5), (1, 2), (3, -2)]));
        // One zero and then -1; on the way a bit for 2 and none for -2; the end.
        read(band(1, 63, 1, 0), "00010001 0 1 0  00000000", &mut blocks).unwrap();
        assert_eq!(blocks[0], block(&[(0, 5), (1, 3), (3, -2), (4, -1)]));
    }

    #[test]
    fn one_code_ends_the_band_of_several_blocks() {
        let mut blocks = [[0; 64]; 4];

        // 2 + 1 blocks have ended, the fourth has a coefficient.
        read(band(1, 5, 0, 0), "00010000 1  00000001 1  00000000", &mut blocks).unwrap();
        assert_eq!(blocks[3], block(&[(1, 1)]));
        // All four have ended; the known coefficient still gets its bit.
        blocks[3] = block(&[(1, 2)]);
        read(band(1, 5, 1, 0), "00100000 00 1", &mut blocks).unwrap();
        assert_eq!(blocks, [[0; 64], [0; 64], [0; 64], block(&[(1, 3)])]);
    }

    #[test]
    fn coefficients_behind_the_band_and_out_of_range_are_refused() {
        let refused = |band, digits: &str| read(band, digits, &mut [[0; 64]]).unwrap_err();

        // Four times 16 zeros, then 1.
        assert_eq!(refused(SEQUENTIAL, "00000000  11110000 11110000 11110000 11110001 1"), BEHIND);
        assert_eq!(refused(band(1, 5, 0, 0), "01010001 1"), BEHIND);
        assert_eq!(refused(band(1, 5, 1, 0), "01010001 1"), BEHIND);
        assert_eq!(refused(band(1, 5, 1, 0), "00000010"), OVERFLOW);
        assert_eq!(refused(SEQUENTIAL, "00010000"), OVERFLOW);
        // 16384 times 2^1 and times 2^13.
        assert_eq!(refused(band(0, 0, 0, 1), "00001111 100000000000000"), OVERFLOW);
        assert_eq!(refused(band(1, 5, 0, 13), "00001111 100000000000000"), OVERFLOW);
    }

    #[test]
    fn a_known_coefficient_never_leaves_its_range() {
        let mut blocks = [block(&[(1, i16::MIN)])];

        read(band(1, 1, 1, 0), "00000000 1", &mut blocks).unwrap();

        assert_eq!(blocks[0], block(&[(1, i16::MIN)]));
    }

    #[test]
    fn a_missing_table_is_an_error() {
        assert!(Pass::new(SEQUENTIAL, None, Some(&byte_table())).is_err());
        assert!(Pass::new(SEQUENTIAL, Some(&byte_table()), None).is_err());
        assert!(Pass::new(band(0, 0, 1, 0), None, None).is_ok());
    }
}
