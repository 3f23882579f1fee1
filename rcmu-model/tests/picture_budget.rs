//! Hostile pictures cost an error, not memory or time.
//!
//! All bombs are made here. Memory is the peak of the process as Linux counts it, set back before each case, so the
//! measuring test is alone in this file.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a broken bomb should stop the test")]

use std::{
    fs,
    time::{Duration, Instant},
};

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use rcmu_model::{
    Error,
    processor::{Dialect, PictureLimits, decode},
};

const MIB: u64 = 1 << 20;
/// What a refused picture may cost besides the file itself.
const REFUSAL: u64 = 8 * MIB;
/// Far more than any case takes in a debug build, and far less than an unlimited bomb.
const PATIENCE: Duration = Duration::from_secs(20);

/// A number of kibibytes in the process's own status, as bytes.
fn status(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Decodes, and checks that the process grew by no more than `budget`.
fn measured<T>(name: &str, budget: u64, run: impl FnOnce() -> T) -> T {
    // 5 sets the peak back to what is in use.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS");
    let start = Instant::now();
    let result = run();
    let (took, peak) = (start.elapsed(), status("VmHWM").saturating_sub(before));
    println!("{name}: {} MiB, {took:?}", peak / MIB);
    assert!(peak <= budget, "{name} took {} MiB", peak / MIB);
    assert!(took <= PATIENCE, "{name} took {took:?}");
    result
}

fn chunk(name: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = u32::MAX;
    for &byte in name.iter().chain(data) {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    [&(data.len() as u32).to_be_bytes()[..], &name, data, &(!crc).to_be_bytes()].concat()
}

/// A PNG of one grey shade; its pixels pack to about a thousandth.
fn flat_png(width: u32, height: u32, color: ExtendedColorType, pixel_bytes: usize) -> Vec<u8> {
    let pixels = vec![0; width as usize * height as usize * pixel_bytes];
    let mut file = Vec::new();
    PngEncoder::new(&mut file).write_image(&pixels, width, height, color).unwrap();
    file
}

/// A PNG header of this size with data that could hold its pixels, but does not.
fn claimed_png(width: u32, height: u32, depth: u8, color: u8) -> Vec<u8> {
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let header = chunk(*b"IHDR", &[&size[..], &[depth, color, 0, 0, 0]].concat());
    [&b"\x89PNG\r\n\x1a\n"[..], &header, &chunk(*b"IDAT", &vec![0; 400_000]), &chunk(*b"IEND", &[])].concat()
}

/// The packed pixels of a PNG that unpacks to `len` zeros: a zlib bomb.
fn packed_zeros(len: u32) -> Vec<u8> {
    let file = flat_png(len, 1, ExtendedColorType::L8, 1);
    let at = file.windows(4).position(|name| name == b"IDAT").unwrap();
    let length = u32::from_be_bytes(file[at - 4..at].try_into().unwrap()) as usize;
    file[at + 4..at + 4 + length].to_vec()
}

/// An 8x8 PNG with more chunks before its pixels.
fn small_png_with(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut file = flat_png(8, 8, ExtendedColorType::L8, 1);
    let after_header = 8 + 25;
    file.splice(after_header..after_header, chunks.concat());
    file
}

/// A grey JPEG, `blocks` blocks high, whose every block adds 2047 to the brightness before it.
fn overflowing_jpeg(blocks: u16) -> Vec<u8> {
    let segment = |marker: u8, data: &[u8]| {
        [&[0xFF, marker], &(data.len() as u16 + 2).to_be_bytes()[..], data].concat()
    };
    // 16-bit steps of 65535; one code `0` for 11 bits of difference, one code `0` for the end of the block.
    let steps = [&[0x10][..], &[0xFF; 128]].concat();
    let one_code = |class: u8, symbol: u8| [&[class, 1][..], &[0; 15], &[symbol]].concat();
    let [h1, h0] = (blocks * 8).to_be_bytes();
    // Each block is 0, eleven ones, 0.
    let bits: Vec<u8> = (0..blocks).flat_map(|_| [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]).collect();
    let coded = bits.chunks(8).flat_map(|bits| {
        let byte = (0..8).fold(0, |byte, i| byte << 1 | bits.get(i).copied().unwrap_or(1));
        if byte == 0xFF { vec![0xFF, 0] } else { vec![byte] }
    });
    [
        vec![0xFF, 0xD8],
        segment(0xDB, &steps),
        segment(0xC1, &[8, h1, h0, 0, 8, 1, 1, 0x11, 0]),
        segment(0xC4, &one_code(0x00, 11)),
        segment(0xC4, &one_code(0x10, 0)),
        segment(0xDA, &[1, 1, 0, 0, 63, 0]),
        coded.collect(),
        vec![0xFF, 0xD9],
    ]
    .concat()
}

/// A progressive JPEG of this size with as many empty scans.
fn scan_bomb(side: u16, scans: usize) -> Vec<u8> {
    let segment = |marker: u8, data: &[u8]| {
        [&[0xFF, marker], &(data.len() as u16 + 2).to_be_bytes()[..], data].concat()
    };
    let [s1, s0] = side.to_be_bytes();
    let scan = segment(0xDA, &[1, 1, 0, 0, 0, 0]);
    [
        vec![0xFF, 0xD8],
        segment(0xDB, &[&[0][..], &[1; 64]].concat()),
        segment(0xC2, &[8, s1, s0, s1, s0, 1, 1, 0x11, 0]),
        segment(0xC4, &[&[0, 1][..], &[0; 15], &[0]].concat()),
        scan.repeat(scans),
        vec![0xFF, 0xD9],
    ]
    .concat()
}

fn run(file: &[u8]) -> Result<u64, Error> {
    decode(file, Dialect::Visible, &PictureLimits::default()).map(|picture| picture.pixels.size().pixels())
}

#[test]
fn hostile_pictures_stay_within_their_budget() {
    let profile = [&b"p\0\0"[..], &packed_zeros(300_000_000)].concat();
    let bombs = small_png_with(&[
        chunk(*b"iCCP", &profile),
        chunk(*b"zTXt", &profile),
        chunk(*b"iTXt", &[&b"p\0\x01\0\0\0"[..], &profile[3..]].concat()),
    ]);
    let pixels = measured("profile and text bombs", REFUSAL, || run(&bombs)).unwrap();
    assert_eq!(pixels, 64);

    let wide = claimed_png(16_385, 1, 8, 0);
    let refused = measured("too wide", REFUSAL, || run(&wide));
    assert!(matches!(refused, Err(Error::PictureLimit { found: 16_385, .. })), "{refused:?}");

    let many = claimed_png(8_001, 8_000, 8, 0);
    let refused = measured("too many pixels", REFUSAL, || run(&many));
    assert!(matches!(refused, Err(Error::PictureLimit { found: 64_008_000, .. })), "{refused:?}");

    let deep = claimed_png(6_000, 6_000, 16, 6);
    let refused = measured("too deep", REFUSAL, || run(&deep));
    assert!(matches!(refused, Err(Error::PictureLimit { found: 288_000_000, .. })), "{refused:?}");

    // Exactly as large as allowed: the decoder's bytes and the RGB pixels, and the file without its extras.
    let largest = flat_png(4_000, 4_000, ExtendedColorType::L8, 1);
    let limits = PictureLimits::default().with_max_decode_bytes(64_000_000);
    let budget = limits.max_decode_bytes + largest.len() as u64 + REFUSAL;
    let picture = measured("largest grey", budget, || decode(&largest, Dialect::Visible, &limits)).unwrap();
    assert_eq!(picture.pixels.size().pixels(), 16_000_000);
    let limits = limits.with_max_decode_bytes(63_999_999);
    let refused = measured("one byte over", REFUSAL, || decode(&largest, Dialect::Visible, &limits));
    assert!(matches!(refused, Err(Error::PictureLimit { found: 64_000_000, .. })), "{refused:?}");

    let lying = [
        &b"\x89PNG\r\n\x1a\n"[..],
        &chunk(*b"IHDR", &[0, 0, 0x1F, 0x40, 0, 0, 0x1F, 0x40, 8, 2, 0, 0, 0]),
        &chunk(*b"IDAT", &[0; 1000]),
        &chunk(*b"IEND", &[]),
    ]
    .concat();
    let refused = measured("lying header", REFUSAL, || run(&lying));
    assert!(matches!(refused, Err(Error::PictureTruncated { .. })), "{refused:?}");

    let scans = scan_bomb(8_000, 100_000);
    let refused = measured("scan bomb", REFUSAL, || run(&scans));
    assert!(matches!(refused, Err(Error::PictureLimit { found: 65, max: 64, .. })), "{refused:?}");

    let progressive = scan_bomb(8_000, 64);
    let budget = PictureLimits::default().max_decode_bytes;
    let refused = measured("large progressive", budget, || run(&progressive));
    assert!(matches!(refused, Err(Error::PictureLimit { .. })), "{refused:?}");

    let long = vec![0; 33 << 20];
    let refused = measured("too long", REFUSAL, || run(&long));
    assert!(matches!(refused, Err(Error::PictureLimit { .. })), "{refused:?}");

    // Adds up beyond what a coefficient can be.
    let overflowing = overflowing_jpeg(64);
    let refused = measured("overflow", REFUSAL, || run(&overflowing));
    assert!(matches!(refused, Err(Error::PictureInvalid { .. })), "{refused:?}");
}
