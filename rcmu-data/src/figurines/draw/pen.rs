use tiny_skia::{
    Color, FillRule, GradientStop, LineJoin, LinearGradient, Paint, Path, PathBuilder, Pixmap, Point,
    SpreadMode, Stroke, Transform,
};

/// An opaque colour of 8 bits per channel.
pub(super) type Rgb = [u8; 3];

/// Draws in the unit square of a box: `(0, 0)` is its top left, `(1, 1)` its bottom right.
pub(super) struct Pen<'a> {
    canvas: &'a mut Pixmap,
    /// Left, top, width and height of the box in pixels.
    room: [f32; 4],
    /// Width of outlines in pixels.
    outline: f32,
}

impl<'a> Pen<'a> {
    pub(super) fn new(canvas: &'a mut Pixmap, room: [f32; 4]) -> Self {
        let outline = room[3] * 0.018;
        Self { canvas, room, outline }
    }

    /// A pen for the whole canvas, without room for outlines at its edges.
    pub(super) fn whole(canvas: &'a mut Pixmap) -> Self {
        let room = [0.0, 0.0, canvas.width() as f32, canvas.height() as f32];
        Self { canvas, room, outline: 0.0 }
    }

    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        let [left, top, width, height] = self.room;
        // Outlines stay inside the box.
        let inset = self.outline / 2.0;
        (left + inset + x * (width - 2.0 * inset), top + inset + y * (height - 2.0 * inset))
    }

    /// Fills a path with light that falls from the upper left, and outlines it.
    pub(super) fn body(&mut self, path: Option<Path>, colour: Rgb) {
        let Some(path) = path else { return };
        let bounds = path.bounds();
        let stops = vec![
            GradientStop::new(0.0, opaque(mix(colour, [255; 3], 0.28))),
            GradientStop::new(0.45, opaque(colour)),
            GradientStop::new(1.0, opaque(mix(colour, [0; 3], 0.22))),
        ];
        let start = Point::from_xy(bounds.left(), bounds.top());
        let end = Point::from_xy(bounds.right(), bounds.bottom());
        let mut paint = Paint { anti_alias: true, ..Paint::default() };
        match LinearGradient::new(start, end, stops, SpreadMode::Pad, Transform::identity()) {
            Some(shader) => paint.shader = shader,
            None => paint.set_color(opaque(colour)),
        }
        self.canvas.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
        let mut line = Paint { anti_alias: true, ..Paint::default() };
        let dark = u32::from(colour[0]) + u32::from(colour[1]) + u32::from(colour[2]) < 180;
        line.set_color(opaque(if dark { [150, 150, 155] } else { mix(colour, [20, 10, 30], 0.72) }));
        // Pointed corners would stick out of the box.
        let stroke = Stroke { width: self.outline, line_join: LineJoin::Round, ..Stroke::default() };
        self.canvas.stroke_path(&path, &line, &stroke, Transform::identity(), None);
    }

    /// Fills a path with one colour.
    pub(super) fn flat(&mut self, path: Option<Path>, colour: Rgb, alpha: f32) {
        let Some(path) = path else { return };
        let mut paint = Paint { anti_alias: true, ..Paint::default() };
        let mut colour = opaque(colour);
        colour.set_alpha(alpha);
        paint.set_color(colour);
        self.canvas.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
    }

    /// An ellipse by its middle and half its sides.
    pub(super) fn oval(&self, x: f32, y: f32, rx: f32, ry: f32) -> Option<Path> {
        let (left, top) = self.place(x - rx, y - ry);
        let (right, bottom) = self.place(x + rx, y + ry);
        PathBuilder::from_oval(tiny_skia::Rect::from_ltrb(left, top, right, bottom)?)
    }

    /// A circle in pixels by its middle, as a share of the box's height.
    pub(super) fn dot(&self, x: f32, y: f32, radius: f32) -> Option<Path> {
        let (x, y) = self.place(x, y);
        PathBuilder::from_circle(x, y, radius * self.room[3])
    }

    /// A polygon.
    pub(super) fn polygon(&self, points: &[(f32, f32)]) -> Option<Path> {
        let mut builder = PathBuilder::new();
        for (at, &(x, y)) in points.iter().enumerate() {
            let (x, y) = self.place(x, y);
            if at == 0 { builder.move_to(x, y) } else { builder.line_to(x, y) }
        }
        builder.close();
        builder.finish()
    }

    /// A rectangle with round corners.
    pub(super) fn block(&self, [x1, y1, x2, y2]: [f32; 4], round: f32) -> Option<Path> {
        let (l, t) = self.place(x1, y1);
        let (r, b) = self.place(x2, y2);
        let q = (round * self.room[3]).min((r - l) / 2.0).min((b - t) / 2.0);
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

    /// A closed curve through quadratic pieces: a start, then pairs of control point and end.
    pub(super) fn curve(&self, start: (f32, f32), pieces: &[[f32; 4]]) -> Option<Path> {
        let mut builder = PathBuilder::new();
        let (x, y) = self.place(start.0, start.1);
        builder.move_to(x, y);
        for &[cx, cy, x, y] in pieces {
            let (cx, cy) = self.place(cx, cy);
            let (x, y) = self.place(x, y);
            builder.quad_to(cx, cy, x, y);
        }
        builder.close();
        builder.finish()
    }

    /// An eye: white, pupil, glint.
    pub(super) fn eye(&mut self, x: f32, y: f32, radius: f32) {
        let (white, pupil) = (self.dot(x, y, radius), self.dot(x, y, radius * 0.62));
        let glint = self.dot(x - radius * 0.25, y - radius * 0.3, radius * 0.22);
        self.flat(white, [250, 250, 250], 1.0);
        self.flat(pupil, [25, 20, 30], 1.0);
        self.flat(glint, [255; 3], 1.0);
    }
}

pub(super) fn opaque([r, g, b]: Rgb) -> Color {
    Color::from_rgba8(r, g, b, 255)
}

/// A colour between two others.
pub(super) fn mix(a: Rgb, b: Rgb, share: f32) -> Rgb {
    std::array::from_fn(|at| (f32::from(a[at]) * (1.0 - share) + f32::from(b[at]) * share + 0.5) as u8)
}
