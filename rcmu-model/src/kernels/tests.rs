use super::{activations::Activations, *};

pub(super) const FORMATS: [WeightFormat; 5] =
    [WeightFormat::F32, WeightFormat::Bf16, WeightFormat::F16, WeightFormat::Q8, WeightFormat::Q4];

/// All units that there may be: plain loops, AVX2, AVX-512 without and with instructions for bf16.
const UNITS: [u8; 4] = [0, 1, 2, 3];

/// Numbers in -1..1 from a linear congruential generator (Knuth's MMIX constants).
pub(super) fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Weights of all formats, those of 8 bits beside activations of 16 and of 8.
fn of_all_formats(dims: [usize; 2], values: &[f32]) -> Vec<Packed> {
    let mut all = Vec::from(FORMATS.map(|format| Packed::new(format, dims, values)));
    all.push(Packed::new(WeightFormat::Q8, dims, values).beside(ActivationBits::Eight));
    all
}

/// What a message calls weights.
fn named(packed: &Packed) -> String {
    let format = match packed.values {
        Values::F32(_) => "f32",
        Values::Bf16(_) => "bf16",
        Values::F16(_) => "f16",
        Values::Q8(_) => "8 bits",
        Values::Q4(_) => "4 bits",
    };
    format!("{format} beside {:?}, {:?}", packed.activations, packed.dims())
}

/// All weights as f32 numbers.
pub(super) fn all(packed: &Packed) -> Vec<f32> {
    packed.rows(&(0..packed.dims()[0] as u32).collect::<Vec<_>>())
}

/// `x Wᵀ` in f64, of activations as the layer's format takes them.
fn by_hand(packed: &Packed, x: &[f32]) -> Vec<f64> {
    let (weights, inputs) = (all(packed), packed.inputs);
    let taken = |x: &[f32]| match &packed.values {
        Values::Q8(_) if packed.wants_bytes() => Activations::<i8>::new(x).values(),
        Values::Q8(_) => Activations::<i16>::new(x).values(),
        Values::Q4(_) => Activations::<i8>::new(x).values(),
        Values::Bf16(_) if packed.halves => x.iter().map(|&x| bf16::from_f32(x).to_f64()).collect(),
        Values::F32(_) | Values::Bf16(_) | Values::F16(_) => x.iter().map(|&x| f64::from(x)).collect(),
    };
    let product = |x: &[f64], w: &[f32]| x.iter().zip(w).map(|(x, w)| x * f64::from(*w)).sum();
    let row = |x: &[f32]| {
        let x = taken(x);
        weights.chunks(inputs).map(|w| product(&x, w)).collect::<Vec<f64>>()
    };
    x.chunks(inputs).flat_map(row).collect()
}

/// Compares with the formula in f64.
fn assert_products(what: &str, found: &[f32], expected: &[f64]) {
    // Sums of up to 288 products of numbers below 1 in f32.
    assert_near(what, found, expected, 2e-5);
}

fn assert_near(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let error = (f64::from(*found) - expected).abs();
        assert!(error < tolerance, "{what}: {found} and {expected}");
    }
}

fn linear(packed: &Packed, x: &[f32]) -> Vec<f32> {
    let [y] = Packed::linear([(packed, None)], x);
    y
}

fn product(packed: &Packed, x: &[f32]) -> Vec<f32> {
    let [y] = Packed::products([(packed, None)], x);
    y
}

#[test]
fn layers_equal_the_formula_on_their_own_weights() {
    on_all_units(|| {
        for (rows, [outputs, inputs]) in [1, 2, 7, 16].into_iter().flat_map(|rows| {
            [[1, 32], [5, 288], [700, 160], [33, 50], [37, 4128], [3, 4128]].map(|dims| (rows, dims))
        }) {
            for packed in of_all_formats([outputs, inputs], &numbers(outputs * inputs, 1)) {
                let x = numbers(rows * inputs, 2);

                let (expected, what) = (by_hand(&packed, &x), format!("{rows} rows, {}", named(&packed)));
                // Of 4,128 products the sums, and what is rounded of them, are some four times as large.
                let tolerance = if inputs > 288 { 8e-5 } else { 2e-5 };
                assert_near(&what, &linear(&packed, &x), &expected, tolerance);
            }
        }
    });
}

#[test]
fn layers_together_are_the_layers_one_by_one() {
    on_all_units(|| {
        for rows in [1, 3, 20] {
            let x = numbers(96 * rows, 7);
            let [sixteen, eight] = [ActivationBits::Sixteen, ActivationBits::Eight];
            let layers = [
                (WeightFormat::Q4, 700, sixteen),
                (WeightFormat::Bf16, 5, sixteen),
                (WeightFormat::Q8, 40, sixteen),
                (WeightFormat::Q8, 41, eight),
            ]
            .map(|(format, outputs, bits)| {
                Packed::new(format, [outputs, 96], &numbers(outputs * 96, outputs as u64)).beside(bits)
            });

            let together = Packed::linear(layers.each_ref().map(|layer| (layer, None)), &x);

            assert_eq!(together, layers.each_ref().map(|layer| linear(layer, &x)));
            let together = Packed::products(layers.each_ref().map(|layer| (layer, None)), &x);
            assert_eq!(together, layers.each_ref().map(|layer| product(layer, &x)));
        }
    });
}

#[test]
fn products_of_many_rows_equal_the_formula() {
    on_all_units(|| {
        for (rows, [outputs, inputs]) in [1, 17, 70]
            .into_iter()
            .flat_map(|rows| [[1, 32], [100, 288], [205, 256], [33, 50]].map(|dims| (rows, dims)))
        {
            for packed in of_all_formats([outputs, inputs], &numbers(outputs * inputs, 7)) {
                let x = numbers(rows * inputs, 8);

                let expected = by_hand(&packed, &x);
                assert_products(
                    &format!("{rows} rows, {}", named(&packed)),
                    &product(&packed, &x),
                    &expected,
                );
            }
        }
    });
}

#[test]
fn activations_beside_bf16_are_rounded_where_it_is_allowed() {
    for (rows, [outputs, inputs]) in
        [1, 17, 70].into_iter().flat_map(|rows| [[1, 32], [100, 288], [205, 256]].map(|dims| (rows, dims)))
    {
        let plain = Packed::new(WeightFormat::Bf16, [outputs, inputs], &numbers(outputs * inputs, 7));
        let exact = product(&plain, &numbers(rows * inputs, 8));
        let (packed, x) = (plain.with_halves(true), numbers(rows * inputs, 8));

        let expected = by_hand(&packed, &x);
        for best in UNITS {
            let what = format!("{rows} rows, {}, {best}", named(&packed));
            let found = with_best(best, || product::rounded(&packed, &x));
            assert_products(&what, &found, &expected);
            // Where the machine has no instructions for it, nothing is rounded.
            let (chosen, has) = with_best(best, || (product(&packed, &x), units::have_halves()));
            if has {
                assert_eq!(chosen, found, "{what}");
            } else {
                let exact: Vec<f64> = exact.iter().map(|&y| f64::from(y)).collect();
                assert_products(&what, &chosen, &exact);
            }
        }
    }
    // Rows that are no whole groups, and weights that are not bf16, are multiplied as ever.
    for (format, inputs) in [(WeightFormat::Bf16, 50), (WeightFormat::F32, 96), (WeightFormat::Q8, 96)] {
        let (values, x) = (numbers(10 * inputs, 7), numbers(20 * inputs, 8));
        let packed = Packed::new(format, [10, inputs], &values);
        let exact = product(&packed, &x);
        assert_eq!(product(&packed.with_halves(true), &x), exact, "{format:?}");
    }
}

#[test]
fn rows_do_not_depend_on_how_many_there_are() {
    on_all_units(|| {
        // More than are held at once, the last ones fewer than go together.
        let rows = 3077;
        let x = numbers(rows * 96, 8);
        for packed in of_all_formats([100, 96], &numbers(100 * 96, 7)) {
            let together = product(&packed, &x);

            // Six shares of 516 rows.
            for row in [0, 11, 12, 515, 516, 1031, 1032, 2579, 2580, 3071, rows - 1] {
                let alone = product(&packed, &x[row * 96..(row + 1) * 96]);
                assert_eq!(together[row * 100..(row + 1) * 100], alone, "{}, row {row}", named(&packed));
            }
        }
    });
}

#[test]
fn a_bias_is_added_to_every_row() {
    on_all_units(|| {
        let (x, bias) = (numbers(30 * 64, 8), numbers(100, 9));
        let added = |mut y: Vec<f32>| {
            y.chunks_mut(100).flat_map(|y| y.iter_mut().zip(&bias)).for_each(|(y, bias)| *y += bias);
            y
        };
        for packed in of_all_formats([100, 64], &numbers(100 * 64, 7)) {
            let [few] = Packed::linear([(&packed, Some(&bias))], &x);
            let [many] = Packed::products([(&packed, Some(&bias))], &x);

            assert_eq!(few, added(linear(&packed, &x)), "{}", named(&packed));
            assert_eq!(many, added(product(&packed, &x)), "{}", named(&packed));
        }
    });
}

/// Runs something, and all that it shares out, on threads with no better units than these.
fn with_best<T: Send>(best: u8, run: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).start_handler(move |_| units::BEST.set(best));
    pool.build().expect("two threads").install(run)
}

/// Runs something with each of [`UNITS`].
pub(crate) fn on_all_units(run: impl Fn() + Sync) {
    for best in UNITS {
        // Shown where it fails.
        println!("with units up to {best}");
        with_best(best, &run);
    }
}

#[test]
fn all_units_give_the_same_bits() {
    let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
    let mut all = of_all_formats([103, 320], &numbers(103 * 320, 3));
    all.retain(|packed| matches!(packed.values, Values::Q8(_) | Values::Q4(_)));
    for packed in all {
        let (packed, x) = (&packed, numbers(21 * 320, 4));
        let found = || [bits(&linear(packed, &x[..3 * 320])), bits(&product(packed, &x))];
        let with = |best| with_best(best, found);

        let plain = with(0);

        assert_eq!(plain, with(1), "{} with AVX2, where there is any", named(packed));
        assert_eq!(plain, with(2), "{} with AVX-512, where there is any", named(packed));
        assert_eq!(plain, with(3), "{} with all that there is", named(packed));
    }
}

#[test]
fn vector_units_read_every_scale_as_it_is() {
    struct Scales;
    impl units::UnitWork for Scales {
        fn run(self, units: impl units::Units) {
            let finite: Vec<u16> = (0..=u16::MAX).filter(|&bits| f16::from_bits(bits).is_finite()).collect();
            for bits in finite.as_chunks::<LANES>().0 {
                let found = units.scales(bits, &[1.0; LANES]).map(f32::to_bits);
                assert_eq!(found, bits.map(|bits| f16::from_bits(bits).to_f32().to_bits()), "{bits:#06x?}");
            }
        }
    }
    for best in UNITS {
        with_best(best, || units::with_units(Scales));
    }
}

/// `Σ w x` over a row of floats, in the order that all units keep.
fn plain_dot(w: &[f32], x: &[f32]) -> f32 {
    let mut sums = [0.0_f32; dot::STRIDE];
    let ((w, w_rest), (x, x_rest)) = (w.as_chunks::<{ dot::STRIDE }>(), x.as_chunks::<{ dot::STRIDE }>());
    for (w, x) in w.iter().zip(x) {
        for at in 0..dot::STRIDE {
            sums[at] += w[at] * x[at];
        }
    }
    dot::total_of_streams(&sums) + w_rest.iter().zip(x_rest).map(|(w, x)| w * x).sum::<f32>()
}

#[test]
fn vector_units_do_not_change_a_bit_of_floats() {
    for format in [WeightFormat::F32, WeightFormat::Bf16, WeightFormat::F16] {
        for [outputs, inputs] in [[40, 330], [37, 4130]] {
            let packed = Packed::new(format, [outputs, inputs], &numbers(outputs * inputs, 3));
            let weights = all(&packed);
            // Alone, two, four and one more, four twice, two and one more.
            for rows in [1, 2, 5, 11] {
                let x = numbers(rows * inputs, 4);
                let row = |x| weights.chunks(inputs).map(move |w| plain_dot(w, x).to_bits());
                let plain: Vec<u32> = x.chunks(inputs).flat_map(row).collect();

                for best in UNITS {
                    let found = with_best(best, || linear(&packed, &x));
                    let found: Vec<u32> = found.iter().map(|y| y.to_bits()).collect();
                    assert_eq!(plain, found, "{format:?} {inputs} {rows} {best}");
                }
            }
        }
    }
}

#[test]
fn vector_units_read_every_half_weight_as_it_is() {
    struct Halves;
    impl units::UnitWork for Halves {
        fn run(self, units: impl units::Units) {
            let all: Vec<u16> = (0..=u16::MAX).collect();
            for bits in all.as_chunks::<{ units::COLUMNS }>().0 {
                let found = units.float_sums(units.of_f16(&bits.map(f16::from_bits)));
                let found_bf16 = units.float_sums(units.of_bf16(&bits.map(bf16::from_bits)));
                for at in 0..units::COLUMNS {
                    let expected = [f16::from_bits(bits[at]).to_f32(), bf16::from_bits(bits[at]).to_f32()];
                    for (found, expected) in [found[at], found_bf16[at]].into_iter().zip(expected) {
                        let same = found.to_bits() == expected.to_bits();
                        assert!(same || found.is_nan() && expected.is_nan(), "{:#06x}: {found}", bits[at]);
                    }
                }
            }
        }
    }
    for best in UNITS {
        with_best(best, || units::with_units(Halves));
    }
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    // Scales of f16 are powers of two here, so that every product is exact: 32 of the largest weight times the largest step.
    for (format, weight, x, expected) in [
        (WeightFormat::Q8, 127.0, 32_767.0, 32.0 * 127.0 * 32_767.0),
        (WeightFormat::Q8, -127.0, 32_767.0, 32.0 * -127.0 * 32_767.0),
        (WeightFormat::Q4, -8.0, 127.0, 32.0 * -8.0 * 127.0),
        (WeightFormat::Q4, -8.0, -127.0, 32.0 * 8.0 * 127.0),
    ] {
        let packed = Packed::new(format, [2, GROUP], &vec![weight; 2 * GROUP]);
        for rows in [1, 20] {
            let x = vec![x; rows * GROUP];
            for found in [linear(&packed, &x), product(&packed, &x)] {
                assert_eq!(found, vec![expected; 2 * rows], "{format:?} {rows} {weight} {expected}");
            }
        }
    }
    // Files can have -128, which packing does not write.
    let mut bytes = vec![0x80_u8; GROUP];
    bytes.extend(f16::ONE.to_le_bytes());
    for (bits, x) in [(ActivationBits::Eight, 127.0_f32), (ActivationBits::Sixteen, 32_767.0)] {
        let packed = Packed::from_bytes(WeightFormat::Q8, [1, GROUP], &bytes).expect("a row").beside(bits);
        for (rows, x) in [1, 20].into_iter().flat_map(|rows| [x, -x].map(|x| (rows, x))) {
            for best in UNITS {
                let inputs = vec![x; rows * GROUP];
                let found = with_best(best, || [linear(&packed, &inputs), product(&packed, &inputs)]);
                let expected = vec![32.0 * -128.0 * x; rows];
                assert_eq!(found, [expected.clone(), expected], "{bits:?} {rows} {x} {best}");
            }
        }
    }
    // The largest stored number of 4 bits beside one that sets the scale: 31 times 7 and once -8, times 127 and -127.
    for x in [127.0_f32, -127.0] {
        let mut weights = vec![7.0; GROUP];
        weights[5] = -8.0;
        let packed = Packed::new(WeightFormat::Q4, [1, GROUP], &weights);
        let x = vec![x; GROUP];
        let expected = vec![(31.0 * 7.0 - 8.0) * x[0]];
        assert_eq!([linear(&packed, &x), product(&packed, &x)], [expected.clone(), expected]);
    }
}

#[test]
fn numbers_that_are_not_finite_do_not_get_lost() {
    for packed in of_all_formats([9, 96], &numbers(9 * 96, 9)) {
        for (broken, rows) in
            [f32::NAN, f32::INFINITY].into_iter().flat_map(|x| [1, 3, 20].map(|rows| (x, rows)))
        {
            let mut x = numbers(rows * 96, 10);
            x[40] = broken;

            for found in [linear(&packed, &x), product(&packed, &x)] {
                let what = format!("{}, {rows} {broken}: {found:?}", named(&packed));
                assert!(found[..9].iter().all(|y| !y.is_finite()), "{what}");
                assert!(found[9..].iter().all(|y| y.is_finite()), "{what}");
            }
        }
    }
}
