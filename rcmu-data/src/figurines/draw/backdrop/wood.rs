use tiny_skia::Pixmap;

use super::Luck;

/// Boards that run from left to right, from `top` to the bottom in percent, broader towards the viewer.
pub(super) struct Boards {
    pub(super) top: f32,
    pub(super) count: usize,
    /// How much grain and boards differ in brightness.
    pub(super) contrast: f32,
}

/// Random values that are read in between too.
struct Noise([f32; 64]);

impl Noise {
    fn new(luck: &mut Luck) -> Self {
        Self(std::array::from_fn(|_| luck.between(-1.0, 1.0)))
    }

    /// The value at a place that is not negative; the same again after 64.
    fn at(&self, place: f32) -> f32 {
        let whole = place as usize;
        let [from, to] = [whole, whole + 1].map(|at| self.0[at % 64]);
        from + (to - from) * (place - whole as f32)
    }
}

/// Gives the canvas the grain of wood.
pub(super) fn wood(canvas: &mut Pixmap, boards: &Boards, luck: &mut Luck) {
    let (width, height) = (canvas.width() as usize, canvas.height() as usize);
    let (grain, waves) = (Noise::new(luck), Noise::new(luck));
    let edges: Vec<f32> = (0..=boards.count).map(|at| edge(boards, at)).collect();
    for (at, pair) in edges.windows(2).enumerate() {
        let tone = 1.0 + boards.contrast * luck.between(-0.8, 0.8);
        let (start, drift) = (luck.between(0.0, 60.0), luck.between(0.0, 60.0));
        let bends: Vec<f32> = (0..width)
            .map(|x| {
                let x = x as f32 / width as f32;
                start + 2.2 * waves.at(drift + x * 3.0) + 0.6 * waves.at(drift + x * 11.0) + 4.0
            })
            .collect();
        let rows = [pair[0], pair[1]].map(|edge| (edge * height as f32 / 100.0) as usize);
        for y in rows[0]..rows[1].min(height) {
            let inside = ((y as f32 + 0.5) * 100.0 / height as f32 - pair[0]) / (pair[1] - pair[0]);
            // Boards are separated by a dark gap below and a light edge above.
            let rim = if inside > 0.94 {
                -3.4
            } else if inside < 0.06 && at > 0 {
                0.9
            } else {
                0.0
            };
            let tone = tone + boards.contrast * rim;
            let row = &mut canvas.data_mut()[y * width * 4..(y + 1) * width * 4];
            for (pixel, bend) in row.chunks_exact_mut(4).zip(&bends) {
                let share = tone + boards.contrast * grain.at(bend + inside * 9.0);
                let share = (share * 256.0) as i32;
                for value in &mut pixel[..3] {
                    *value = ((i32::from(*value) * share) >> 8).clamp(0, 255) as u8;
                }
            }
        }
    }
}

/// Where board `at` begins, in percent.
fn edge(boards: &Boards, at: usize) -> f32 {
    let (at, count) = (at as f32, boards.count as f32);
    boards.top + (100.0 - boards.top) * at * (at + 5.0) / (count * (count + 5.0))
}
