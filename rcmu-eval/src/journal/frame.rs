use std::io::{self, Read};

/// The form of the file that this program reads and writes.
pub(super) const VERSION: u32 = 1;
/// Bytes before the first frame.
pub(super) const HEAD: usize = 12;
/// Bytes of a frame before its payload.
pub(super) const FRAME_HEAD: usize = 12;
/// Longest payload in bytes.
pub(super) const MAX_PAYLOAD: usize = 64 << 20;

/// The bytes that a journal of the kind with this magic begins with.
pub(super) fn head(magic: [u8; 8]) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&magic);
    head[8..].copy_from_slice(&VERSION.to_le_bytes());
    head
}

/// A payload with its length and checksums; `None` when it is too long.
pub(super) fn encode(payload: &[u8]) -> Option<Vec<u8>> {
    if payload.len() > MAX_PAYLOAD {
        return None;
    }
    let length = (payload.len() as u32).to_le_bytes();
    let mut frame = Vec::with_capacity(FRAME_HEAD + payload.len());
    frame.extend(length);
    frame.extend(crc32fast::hash(&length).to_le_bytes());
    frame.extend(crc32fast::hash(payload).to_le_bytes());
    frame.extend(payload);
    Some(frame)
}

/// The length and the payload's checksum that a frame begins with, if its own checksum is right.
pub(super) fn decode_head(head: &[u8; FRAME_HEAD]) -> Option<(usize, u32)> {
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let length = word(0) as usize;
    let good = is_whole(head) && length <= MAX_PAYLOAD;
    good.then(|| (length, word(8)))
}

/// Whether the length is what was written.
fn is_whole(head: &[u8; FRAME_HEAD]) -> bool {
    crc32fast::hash(&head[..4]).to_le_bytes() == head[4..8]
}

/// What stands at a place of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A good frame, and where it begins.
    Payload {
        /// In bytes of the file.
        offset: u64,
        /// What it holds.
        payload: Vec<u8>,
    },
    /// The end of the file, after a good frame.
    End,
    /// The beginning of a frame that was never finished.
    Torn {
        /// Where it begins.
        offset: u64,
    },
    /// Something that no interrupted write leaves behind.
    Damaged {
        /// Where it begins.
        offset: u64,
        /// What is wrong with it.
        message: &'static str,
    },
}

/// Reads frames one after another, from a file of known length.
#[derive(Debug)]
pub(super) struct Frames<R> {
    input: R,
    offset: u64,
    len: u64,
}

impl<R: Read> Frames<R> {
    /// Reads on from byte `offset` of a file of `len` bytes; `input` stands at that byte.
    pub(super) const fn new(input: R, offset: u64, len: u64) -> Self {
        Self { input, offset, len }
    }

    /// The next frame. After anything but a payload nothing more can be read.
    pub(super) fn next(&mut self) -> io::Result<Found> {
        let offset = self.offset;
        let left = self.len.saturating_sub(offset);
        if left == 0 {
            return Ok(Found::End);
        }
        let mut head = [0; FRAME_HEAD];
        let known = left.min(FRAME_HEAD as u64) as usize;
        self.input.read_exact(&mut head[..known])?;
        self.offset += known as u64;
        if known < FRAME_HEAD {
            return Ok(Found::Torn { offset });
        }
        let Some((length, checksum)) = decode_head(&head) else {
            // JSON has no zero bytes: what ends in zeros was cut by a power failure before its payload came. A length
            // that is whole and too large is none of that.
            if head[8..] == [0; 4] && !is_whole(&head) && self.rest_is_zero()? {
                return Ok(Found::Torn { offset });
            }
            return Ok(Found::Damaged { offset, message: "the length of a record is not what was written" });
        };
        if left < (FRAME_HEAD + length) as u64 {
            return Ok(Found::Torn { offset });
        }
        let mut payload = vec![0; length];
        self.input.read_exact(&mut payload)?;
        self.offset += length as u64;
        if crc32fast::hash(&payload) == checksum {
            return Ok(Found::Payload { offset, payload });
        }
        if payload.last() == Some(&0) && self.rest_is_zero()? {
            return Ok(Found::Torn { offset });
        }
        Ok(Found::Damaged { offset, message: "a record is not what was written" })
    }

    /// Whether nothing but zeros follows up to the end of the file.
    fn rest_is_zero(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        // All of it has to be seen: what a read leaves out may be good records.
        while self.offset < self.len {
            let next = (self.len - self.offset).min(buffer.len() as u64) as usize;
            self.input.read_exact(&mut buffer[..next])?;
            self.offset += next as u64;
            if buffer[..next].iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(bytes: &[u8]) -> Found {
        Frames::new(bytes, 0, bytes.len() as u64).next().expect("memory can be read")
    }

    #[test]
    fn a_frame_is_laid_out_as_the_module_says() {
        // CRC-32 (IEEE) of "123456789" is 0xCBF43926, the check value of its definition.
        let frame = encode(b"123456789").expect("nine bytes are not too long");

        assert_eq!(frame[..4], [9, 0, 0, 0]);
        assert_eq!(frame[4..8], crc32fast::hash(&[9, 0, 0, 0]).to_le_bytes());
        assert_eq!(frame[8..12], 0xCBF4_3926_u32.to_le_bytes());
        assert_eq!(&frame[12..], b"123456789");
        assert_eq!(first(&frame), Found::Payload { offset: 0, payload: b"123456789".to_vec() });
    }

    #[test]
    fn every_shorter_frame_is_torn() {
        let frame = encode(b"{\"a\":1}").expect("seven bytes are not too long");

        for len in 1..frame.len() {
            assert_eq!(first(&frame[..len]), Found::Torn { offset: 0 }, "{len} bytes");
        }
        assert_eq!(first(&[]), Found::End);
    }

    #[test]
    fn a_length_that_is_not_what_was_written_is_no_torn_tail() {
        let mut frame = encode(b"{\"a\":1}").expect("seven bytes are not too long");
        frame[2] = 1;

        assert!(matches!(first(&frame), Found::Damaged { offset: 0, .. }));
    }

    #[test]
    fn zeros_up_to_the_end_are_torn_and_zeros_before_more_are_damage() {
        let frame = encode(b"{\"a\":1}").expect("seven bytes are not too long");
        for kept in 0..frame.len() {
            let mut cut = frame.clone();
            cut[kept..].fill(0);
            assert_eq!(first(&cut), Found::Torn { offset: 0 }, "{kept}");
        }
        let mut followed = frame.clone();
        followed[12..].fill(0);
        followed.extend(frame);
        assert!(matches!(first(&followed), Found::Damaged { .. }));
    }

    #[test]
    fn a_length_over_the_limit_allocates_nothing() {
        let length = u32::MAX.to_le_bytes();
        let mut frame = length.to_vec();
        frame.extend(crc32fast::hash(&length).to_le_bytes());
        frame.extend([0; 9]);

        assert!(matches!(first(&frame), Found::Damaged { .. }));
    }
}
