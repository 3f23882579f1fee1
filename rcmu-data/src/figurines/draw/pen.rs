use tiny_skia::{
    Color, FillRule, GradientStop, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Point,
    RadialGradient, Rect, Shader, SpreadMode, Stroke, Transform,
};

use super::coat::{Coat, Rgb};

/// Width of outlines in units.
pub(super) const OUTLINE: f32 = 1.9;

/// Draws in units of its own, which it places on the canvas; x runs right, y down.
pub(super) struct Pen<'a> {
    canvas: &'a mut Pixmap,
    /// From units to pixels.
    map: Transform,
}

impl<'a> Pen<'a> {
    /// A pen whose units `[x1, y1, x2, y2]` fill the pixels `[x1, y1, x2, y2]`.
    pub(super) fn new(canvas: &'a mut Pixmap, units: [f32; 4], pixels: [f32; 4]) -> Self {
        let sx = (pixels[2] - pixels[0]) / (units[2] - units[0]);
        let sy = (pixels[3] - pixels[1]) / (units[3] - units[1]);
        let (tx, ty) = (pixels[0] - units[0] * sx, pixels[1] - units[1] * sy);
        Self { canvas, map: Transform::from_row(sx, 0.0, 0.0, sy, tx, ty) }
    }

    /// A pen with its origin at `(x, y)`, `scale` times as large, whose x axis points along `(cos, sin)`.
    pub(super) fn at(&mut self, (x, y): (f32, f32), scale: f32, (cos, sin): (f32, f32)) -> Pen<'_> {
        let turn = Transform::from_row(scale * cos, scale * sin, -scale * sin, scale * cos, x, y);
        Pen { map: self.map.pre_concat(turn), canvas: self.canvas }
    }

    /// Fills a path with light that falls from the upper left, and outlines it.
    pub(super) fn body(&mut self, path: Option<Path>, coat: Coat) {
        self.shaded(path.clone(), coat);
        self.outline(path, coat);
    }

    /// Fills a path with light that falls from the upper left.
    pub(super) fn shaded(&mut self, path: Option<Path>, coat: Coat) {
        let Some(path) = path else { return };
        let bounds = path.bounds();
        let reach = bounds.width().max(bounds.height());
        let middle =
            Point::from_xy(bounds.left() + 0.3 * bounds.width(), bounds.top() + 0.22 * bounds.height());
        let stops = [(0.0, coat.light), (0.42, coat.base), (1.0, coat.dark)];
        let stops = stops.map(|(at, rgb)| GradientStop::new(at, colour(rgb, 1.0))).to_vec();
        let shader =
            RadialGradient::new(middle, middle, 0.95 * reach, stops, SpreadMode::Pad, Transform::identity());
        self.fill(&path, shader.unwrap_or(Shader::SolidColor(colour(coat.base, 1.0))));
    }

    /// Draws the rim of a path.
    pub(super) fn outline(&mut self, path: Option<Path>, coat: Coat) {
        self.line(path, OUTLINE, coat.line, 1.0);
    }

    /// Fills a path with one colour.
    pub(super) fn flat(&mut self, path: Option<Path>, rgb: Rgb, alpha: f32) {
        let Some(path) = path else { return };
        self.fill(&path, Shader::SolidColor(colour(rgb, alpha)));
    }

    /// Fills an ellipse that fades towards its rim.
    pub(super) fn glow(&mut self, [x, y, rx, ry]: [f32; 4], rgb: Rgb, alpha: f32) {
        let stops = [(0.0, alpha), (0.5, alpha * 0.6), (1.0, 0.0)];
        let stops = stops.map(|(at, alpha)| GradientStop::new(at, colour(rgb, alpha))).to_vec();
        let middle = Point::from_xy(0.0, 0.0);
        let shape = Transform::from_row(rx, 0.0, 0.0, ry, x, y);
        let shader = RadialGradient::new(middle, middle, 1.0, stops, SpreadMode::Pad, shape);
        if let (Some(shader), Some(path)) = (shader, oval(x, y, rx, ry)) {
            self.fill(&path, shader);
        }
    }

    /// Draws along a path.
    pub(super) fn line(&mut self, path: Option<Path>, width: f32, rgb: Rgb, alpha: f32) {
        let Some(path) = path else { return };
        let stroke =
            Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
        let paint = paint(Shader::SolidColor(colour(rgb, alpha)));
        self.canvas.stroke_path(&path, &paint, &stroke, self.map, None);
    }

    fn fill(&mut self, path: &Path, shader: Shader<'_>) {
        self.canvas.fill_path(path, &paint(shader), FillRule::Winding, self.map, None);
    }
}

fn paint(shader: Shader<'_>) -> Paint<'_> {
    Paint { shader, anti_alias: true, ..Paint::default() }
}

fn colour([r, g, b]: Rgb, alpha: f32) -> Color {
    let mut colour = Color::from_rgba8(r, g, b, 255);
    colour.set_alpha(alpha);
    colour
}

/// An ellipse by its middle and half its sides.
pub(super) fn oval(x: f32, y: f32, rx: f32, ry: f32) -> Option<Path> {
    PathBuilder::from_oval(Rect::from_ltrb(x - rx, y - ry, x + rx, y + ry)?)
}

/// An ellipse whose first half side points along `(cos, sin)`.
pub(super) fn tilted(x: f32, y: f32, rx: f32, ry: f32, (cos, sin): (f32, f32)) -> Option<Path> {
    oval(0.0, 0.0, rx, ry)?.transform(Transform::from_row(cos, sin, -sin, cos, x, y))
}

/// A rectangle with round corners.
pub(super) fn block([l, t, r, b]: [f32; 4], round: f32) -> Option<Path> {
    let q = round.min((r - l) / 2.0).min((b - t) / 2.0);
    let mut builder = PathBuilder::new();
    builder.move_to(l + q, t);
    builder.line_to(r - q, t);
    builder.quad_to(r, t, r, t + q);
    builder.line_to(r, b - q);
    builder.quad_to(r, b, r - q, b);
    builder.line_to(l + q, b);
    builder.quad_to(l, b, l, b - q);
    builder.line_to(l, t + q);
    builder.quad_to(l, t, l + q, t);
    builder.close();
    builder.finish()
}

/// A smooth closed curve through points.
///
/// # Source
///
/// Catmull and Rom, 1974: the tangent at a point is half the way between its neighbours.
pub(super) fn blob(points: &[(f32, f32)]) -> Option<Path> {
    let count = points.len();
    let mut builder = PathBuilder::new();
    builder.move_to(points[0].0, points[0].1);
    for at in 0..count {
        let [before, from, to, after] = [count - 1, 0, 1, 2].map(|step| points[(at + step) % count]);
        builder.cubic_to(
            from.0 + (to.0 - before.0) / 6.0,
            from.1 + (to.1 - before.1) / 6.0,
            to.0 - (after.0 - from.0) / 6.0,
            to.1 - (after.1 - from.1) / 6.0,
            to.0,
            to.1,
        );
    }
    builder.close();
    builder.finish()
}

/// A polygon whose corners are cut by curves that begin this far from them.
pub(super) fn corners(points: &[(f32, f32)], round: f32) -> Option<Path> {
    let count = points.len();
    let mut builder = PathBuilder::new();
    for at in 0..count {
        let [before, here, after] = [count - 1, 0, 1].map(|step| points[(at + step) % count]);
        let (x, y) = towards(here, before, round);
        if at == 0 {
            builder.move_to(x, y);
        } else {
            builder.line_to(x, y);
        }
        let (x, y) = towards(here, after, round);
        builder.quad_to(here.0, here.1, x, y);
    }
    builder.close();
    builder.finish()
}

/// An open curve: a start, a control point and an end, then further pairs of them.
pub(super) fn arc(points: &[(f32, f32)]) -> Option<Path> {
    let mut builder = PathBuilder::new();
    builder.move_to(points[0].0, points[0].1);
    for pair in points[1..].chunks_exact(2) {
        builder.quad_to(pair[0].0, pair[0].1, pair[1].0, pair[1].1);
    }
    builder.finish()
}

/// The point so far from the first towards the second, at most half the way.
fn towards(from: (f32, f32), to: (f32, f32), length: f32) -> (f32, f32) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let share = (length / (dx * dx + dy * dy).sqrt().max(f32::MIN_POSITIVE)).min(0.5);
    (from.0 + dx * share, from.1 + dy * share)
}
