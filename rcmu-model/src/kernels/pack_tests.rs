use proptest::prelude::*;

use super::{
    activations::Activations,
    tests::{FORMATS, all, numbers, on_all_units},
    *,
};

#[test]
fn packing_by_hand() {
    on_all_units(|| {
        // The largest magnitude is 127 * 0.5, so the scale is 0.5: 3.2 / 0.5 = 6.4 rounds to 6 and comes back as 3.
        let mut values = [0.0; GROUP];
        (values[0], values[1], values[2]) = (-63.5, 3.2, 0.2);

        let q8 = all(&Packed::new(WeightFormat::Q8, [1, GROUP], &values));
        assert_eq!(q8[..4], [-63.5, 3.0, 0.0, 0.0]);

        // The scale is -63.5 / -8 = 7.9375: 3.2 / 7.9375 = 0.40 rounds to 0, 5 / 7.9375 = 0.63 to 1.
        values[2] = 5.0;
        let q4 = all(&Packed::new(WeightFormat::Q4, [1, GROUP], &values));
        assert_eq!(q4[..4], [-63.5, 0.0, 7.9375, 0.0]);
    });
}

#[test]
fn rows_are_blocks_of_eight_groups() {
    // Ten groups: all weights of group `g` are `g + 1`, but for the first one, which is the largest.
    let values: Vec<f32> = (0..10 * GROUP)
        .map(|at| (1 + at / GROUP) as f32 * if at % GROUP == 0 { -8.0 } else { 1.0 })
        .collect();

    for (format, numbers, first, second) in
        [(WeightFormat::Q8, GROUP, -127, 16), (WeightFormat::Q4, GROUP / 2, -112, 9)]
    {
        let bytes = Packed::new(format, [1, values.len()], &values).to_bytes();

        let (block, rest) = bytes.split_at(8 * (numbers + 2));
        assert_eq!(rest.len(), 2 * (numbers + 2));
        for (block, start, groups) in [(block, 0, 8), (rest, 8, 2)] {
            let scales = &block[groups * numbers..];
            for group in 0..groups {
                let largest = 8.0 * (1 + start + group) as f32;
                let scale = f16::from_le_bytes([scales[2 * group], scales[2 * group + 1]]).to_f32();
                let steps = if format == WeightFormat::Q8 { 127.0 } else { 8.0 };
                assert!((scale * steps / largest - 1.0).abs() < 1e-3, "{format:?} {group} {scale}");
                let quants = &block[group * numbers..][..numbers];
                assert_eq!(quants[0].cast_signed(), first, "{format:?} {group}");
                let lower = if format == WeightFormat::Q8 { quants[1] } else { quants[1] & 15 };
                assert_eq!(lower, second, "{format:?} {group}");
            }
        }
        let packed = Packed::from_bytes(format, [1, values.len()], &bytes).expect("a row");
        assert_eq!(packed.to_bytes(), bytes, "{format:?}");
    }
}

#[test]
fn a_broken_scale_is_found_in_every_block() {
    let inputs = 19 * GROUP;
    for (format, group_bytes) in [(WeightFormat::Q8, GROUP), (WeightFormat::Q4, GROUP / 2)] {
        let whole = Packed::new(format, [3, inputs], &numbers(3 * inputs, 4));
        assert_eq!(whole.first_broken(), None);

        // Of the second row: first and last of its whole blocks, and those of the three groups that are left.
        for (block, groups, group) in [(0, 8, 0), (0, 8, 7), (1, 8, 0), (1, 8, 7), (2, 3, 0), (2, 3, 2)] {
            let mut bytes = whole.to_bytes();
            let start = (19 + 8 * block) * (group_bytes + 2) + groups * group_bytes + 2 * group;
            bytes[start..start + 2].copy_from_slice(&f16::INFINITY.to_le_bytes());
            let broken = Packed::from_bytes(format, [3, inputs], &bytes).expect("whole rows");
            assert_eq!(broken.first_broken(), Some(inputs + (8 * block + group) * GROUP), "{format:?}");
        }
    }
}

#[test]
fn many_weights_have_pages_of_their_own() {
    let values = numbers(1100 * 1024, 5);
    let own = Packed::new(WeightFormat::Bf16, [1100, 1024], &values);
    assert!(matches!(&own.values, Values::Bf16(Numbers::Pages(_))));
    let expected: Vec<f32> = values.iter().map(|&value| bf16::from_f32(value).to_f32()).collect();
    assert_eq!(all(&own), expected);

    // Packed part by part, and read from the bytes of a file: the same again, with one row more the last one, too.
    let values = numbers(2049 * 1024, 6);
    let packed = Packed::new(WeightFormat::Q8, [2049, 1024], &values);
    assert!(matches!(&packed.values, Values::Q8(Numbers::Pages(_))));
    let read = Packed::from_bytes(WeightFormat::Q8, [2049, 1024], &packed.to_bytes()).expect("whole rows");
    assert!(matches!(&read.values, Values::Q8(Numbers::Pages(_))));
    for row in [0, 1, 1023, 2048] {
        let alone = Packed::new(WeightFormat::Q8, [1, 1024], &values[row * 1024..][..1024]);
        assert_eq!(packed.rows(&[row as u32]), all(&alone), "{row}");
        assert_eq!(read.rows(&[row as u32]), all(&alone), "{row}");
    }
}

#[test]
fn formats_cost_what_they_say() {
    for format in FORMATS {
        let packed = Packed::new(format, [4, 64], &numbers(256, 5));

        assert_eq!(packed.bytes(), format.bytes(256), "{format:?}");
        assert_eq!(packed.dims(), [4, 64]);
    }
}

#[test]
fn rows_packed_part_by_part_are_rows_packed_at_once() {
    on_all_units(|| {
        for (format, inputs) in FORMATS.into_iter().flat_map(|format| [(format, 64), (format, 33)]) {
            let values = numbers(70 * inputs, 8);
            let mut packing = Packing::new(format, [70, inputs]).expect("room");
            for part in values.chunks(9 * inputs) {
                packing.push(part);
            }

            let (parts, whole) = (packing.finish(), Packed::new(format, [70, inputs], &values));

            assert_eq!(parts.bytes(), whole.bytes(), "{format:?} {inputs}");
            assert_eq!(all(&parts), all(&whole), "{format:?} {inputs}");
        }
    });
}

#[test]
fn odd_widths_are_kept_as_bf16() {
    let packed = Packed::new(WeightFormat::Q4, [2, 33], &numbers(66, 6));

    assert_eq!(packed.bytes(), 2 * 66);
    assert_eq!(packed.rows(&[1, 0])[..33], all(&packed)[33..]);
}

#[test]
fn every_finite_half_number_is_read_as_it_is() {
    on_all_units(|| {
        for bits in (0..=u16::MAX).filter(|&bits| f16::from_bits(bits).is_finite()) {
            assert_eq!(f16_scale(bits).to_bits(), f16::from_bits(bits).to_f32().to_bits(), "{bits:#06x}");
        }
    });
}

#[test]
fn every_half_number_is_read_as_it_is() {
    on_all_units(|| {
        let all: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
        let packed = Packed::of([1, all.len()], Values::F16(Numbers::Own(all.clone())));

        for (found, half) in self::all(&packed).iter().zip(&all) {
            let expected = half.to_f32();
            assert!(
                found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(),
                "{half:?}: {found}"
            );
        }
    });
}

proptest! {
    #[test]
    fn packing_moves_a_weight_by_half_a_step_at_most(
        values in proptest::collection::vec(-1000.0_f32..1000.0, GROUP),
    ) {
        let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        // A step is largest / 127, largest / 8; f16 moves it by 2^-11, and so its 127th or 8th multiple;
        // in 4 bits the largest of the other sign may lie a whole step outside.
        for (format, steps, reach) in [(WeightFormat::Q8, 127.0, 0.5), (WeightFormat::Q4, 8.0, 1.0)] {
            let bound = largest / steps * reach + largest / 2048.0 + 1e-6;
            let back = all(&Packed::new(format, [1, GROUP], &values));
            for (value, back) in values.iter().zip(back) {
                prop_assert!((value - back).abs() <= bound, "{:?}: {} and {}", format, value, back);
            }
        }
    }

    #[test]
    fn activations_move_by_half_a_step_at_most(x in proptest::collection::vec(-1000.0_f32..1000.0, 2 * GROUP)) {
        let both = [
            (Activations::<i16>::new(&x).values(), 32_767.0),
            (Activations::<i8>::new(&x).values(), 127.0),
        ];
        for (values, steps) in both {
            for (x, values) in x.chunks(GROUP).zip(values.chunks(GROUP)) {
                let largest = x.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
                for (x, value) in x.iter().zip(values) {
                    // Half a step, and what f32 rounds in scale, inverse and product.
                    let bound = f64::from(largest) / steps / 2.0 + 4.0 * f64::from(f32::EPSILON * x.abs());
                    prop_assert!((f64::from(*x) - value).abs() <= bound, "{} and {}", x, value);
                }
            }
        }
    }

    #[test]
    fn packing_twice_changes_nothing(values in proptest::collection::vec(-4.0_f32..4.0, GROUP)) {
        for format in [WeightFormat::F32, WeightFormat::Bf16, WeightFormat::F16] {
            let once = all(&Packed::new(format, [1, GROUP], &values));
            let twice = all(&Packed::new(format, [1, GROUP], &once));
            prop_assert_eq!(once, twice);
        }
    }
}
