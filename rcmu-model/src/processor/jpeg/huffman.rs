use super::Coded;

/// Codes up to this length are found in one step.
const FAST_BITS: u32 = 9;

/// The codes of one table, by their lengths.
///
/// # Source
///
/// ITU-T T.81, annexes C and F.2.2.3.
pub(super) struct HuffmanTable {
    symbols: Vec<u8>,
    /// For the next bits: length of the code in the high byte, its symbol in the low one; 0 for a longer code.
    fast: Box<[u16; 1 << FAST_BITS]>,
    /// For each length, the first number of 16 bits that starts with no code of this length or a shorter one.
    ends: [u32; 17],
    /// For each length, what to add to a code to get the index of its symbol.
    offsets: [i32; 17],
}

impl HuffmanTable {
    /// Takes the numbers of codes of 1 to 16 bits, and the symbols in the order of their codes.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Coded<Self> {
        let mut table = Self {
            symbols: symbols.to_vec(),
            fast: Box::new([0; 1 << FAST_BITS]),
            ends: [0; 17],
            offsets: [0; 17],
        };
        let (mut code, mut index) = (0_u32, 0_usize);
        for (length, &count) in (1_u32..).zip(counts) {
            table.offsets[length as usize] = index as i32 - code as i32;
            for _ in 0..count {
                let symbol = *symbols.get(index).ok_or("a Huffman table has too few symbols")?;
                if code >> length != 0 {
                    return Err("a Huffman table has too many codes");
                }
                if length <= FAST_BITS {
                    let spare = FAST_BITS - length;
                    let first = (code << spare) as usize;
                    table.fast[first..first + (1 << spare)].fill((length as u16) << 8 | u16::from(symbol));
                }
                code += 1;
                index += 1;
            }
            table.ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok(table)
    }
}

/// Reads bits from the coded data of a scan, up to the next marker.
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    at: usize,
    /// The lowest `count` bits are still to be read.
    bits: u64,
    count: u32,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, bits: 0, count: 0 }
    }

    /// Takes in whole bytes; none after a marker.
    fn refill(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.data.get(self.at) else { return };
            if byte == 0xFF {
                // A zero makes it a byte of data; more of 0xFF before that are filling.
                let after = self.data[self.at..].iter().position(|&byte| byte != 0xFF);
                match after.map(|after| self.at + after) {
                    Some(zero) if self.data[zero] == 0 => self.at = zero,
                    _ => return,
                }
            }
            self.at += 1;
            self.bits = self.bits << 8 | u64::from(byte);
            self.count += 8;
        }
    }

    /// The next `count` bits, with zeros behind the end.
    fn peek(&self, count: u32) -> u32 {
        let bits = if self.count >= count {
            self.bits >> (self.count - count)
        } else {
            self.bits << (count - self.count)
        };
        bits as u32 & ((1 << count) - 1)
    }

    fn skip(&mut self, count: u32) -> Coded<()> {
        self.count = self.count.checked_sub(count).ok_or("the coded data of a scan ends too early")?;
        Ok(())
    }

    /// Reads up to 16 bits as a number.
    pub(super) fn read(&mut self, count: u32) -> Coded<u32> {
        if self.count < count {
            self.refill();
        }
        let bits = self.peek(count);
        self.skip(count)?;
        Ok(bits)
    }

    /// Reads a number of this many bits whose upper half stands for the positive numbers.
    pub(super) fn read_signed(&mut self, count: u32) -> Coded<i32> {
        let number = self.read(count)? as i32;
        Ok(if count == 0 || number >> (count - 1) == 1 { number } else { number - (1 << count) + 1 })
    }

    /// Reads one symbol.
    pub(super) fn read_symbol(&mut self, table: &HuffmanTable) -> Coded<u8> {
        if self.count < 16 {
            self.refill();
        }
        let fast = table.fast[self.peek(FAST_BITS) as usize];
        if fast != 0 {
            self.skip(u32::from(fast >> 8))?;
            return Ok(fast as u8);
        }
        let next = self.peek(16);
        let length =
            (1..=16).find(|&length| next < table.ends[length]).ok_or("the coded data has an unknown code")?;
        self.skip(length as u32)?;
        let code = (next >> (16 - length)) as i32;
        Ok(table.symbols[(code + table.offsets[length]) as usize])
    }

    /// Goes behind the next marker, which has to be restart marker `number`.
    pub(super) fn restart(&mut self, number: u8) -> Coded<()> {
        (self.bits, self.count) = (0, 0);
        let mut rest = &self.data[self.at..];
        let marker = super::next_marker(&mut rest);
        self.at = self.data.len() - rest.len();
        if marker == Some(0xD0 + number) { Ok(()) } else { Err("a restart marker is missing") }
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::HuffmanTable;

    /// The counts and symbols of a table in which each symbol but the last is its own code of eight bits.
    pub(in super::super) fn byte_codes() -> ([u8; 16], Vec<u8>) {
        let mut counts = [0; 16];
        counts[7] = 255;
        (counts, (0..255).collect())
    }

    pub(in super::super) fn byte_table() -> HuffmanTable {
        let (counts, symbols) = byte_codes();
        HuffmanTable::new(&counts, &symbols).unwrap()
    }

    /// Packs digits of 0 and 1 as coded data, with ones at the end; other characters are for the eye.
    pub(in super::super) fn packed(digits: &str) -> Vec<u8> {
        let bits: Vec<u8> = digits.bytes().filter(|b| matches!(b, b'0' | b'1')).map(|b| b - b'0').collect();
        let byte = |bits: &[u8]| (0..8).fold(0, |byte, i| byte << 1 | bits.get(i).copied().unwrap_or(1));
        bits.chunks(8)
            .map(byte)
            .flat_map(|byte| if byte == 0xFF { vec![byte, 0] } else { vec![byte] })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The codes of two to four bits `00 01 100 1010 1011` for the symbols 5 to 9.
    fn table() -> HuffmanTable {
        let mut counts = [0; 16];
        counts[1..4].copy_from_slice(&[2, 1, 2]);
        HuffmanTable::new(&counts, &[5, 6, 7, 8, 9]).unwrap()
    }

    #[test]
    fn codes_are_given_in_the_order_of_their_lengths() {
        let (table, data) = (table(), [0b0001_1001, 0b0101_0110]);
        let mut bits = BitReader::new(&data);

        let symbols: Vec<u8> = (0..5).map(|_| bits.read_symbol(&table).unwrap()).collect();

        assert_eq!(symbols, [5, 6, 7, 8, 9]);
        assert_eq!(bits.read(1), Ok(0));
        assert!(bits.read(1).is_err());
    }

    #[test]
    fn codes_longer_than_a_step_are_found() {
        // One code of each length 1 to 16: ones, and a zero at the end.
        let table = HuffmanTable::new(&[1; 16], &(0..16).collect::<Vec<u8>>()).unwrap();
        for length in 1..=16_u32 {
            let code = ((1_u32 << length) - 2) << (24 - length);
            let bytes: Vec<u8> = code.to_be_bytes()[1..]
                .iter()
                .flat_map(|&byte| if byte == 0xFF { vec![byte, 0] } else { vec![byte] })
                .collect();

            assert_eq!(u32::from(BitReader::new(&bytes).read_symbol(&table).unwrap()), length - 1);
        }
        assert!(BitReader::new(&[0xFF, 0, 0xFF, 0]).read_symbol(&table).is_err());
    }

    #[test]
    fn tables_that_are_no_prefix_code_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(HuffmanTable::new(&counts, &[1, 2, 3]).is_err());
        counts[0] = 2;
        assert!(HuffmanTable::new(&counts, &[1]).is_err());
        assert!(HuffmanTable::new(&counts, &[1, 2]).is_ok());
    }

    #[test]
    fn signed_numbers_are_those_of_the_standard() {
        // Table F.1: two bits are -3, -2, 2, 3.
        let mut bits = BitReader::new(&[0b0001_1011]);
        let found: Vec<i32> = (0..4).map(|_| bits.read_signed(2).unwrap()).collect();

        assert_eq!(found, [-3, -2, 2, 3]);
        assert_eq!(BitReader::new(&[]).read_signed(0), Ok(0));
    }

    #[test]
    fn a_marker_ends_the_data_until_it_is_passed() {
        let mut bits = BitReader::new(&[0xFF, 0, 0xFF, 0xFF, 0, 0xFF, 0xD3, 0x80]);

        assert_eq!(bits.read(16), Ok(0xFFFF));
        assert!(bits.read(1).is_err());
        assert_eq!(bits.restart(3), Ok(()));
        assert_eq!(bits.read(8), Ok(0x80));
        assert!(bits.restart(4).is_err());
    }
}
