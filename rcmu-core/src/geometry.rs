use serde::{Deserialize, Serialize};

use crate::{BBox, Error, ImageSize, PixelBox};

/// The EXIF orientation of an image file: how its pixels are turned before a person sees them.
///
/// Every orientation is a transposition or none, then a mirroring in x, y, both or none. The file's pixels and
/// the upright pixels are in exact one-to-one correspondence.
///
/// # Source
///
/// EXIF 2.3 (CIPA DC-008), tag 274 `Orientation`: which side of the seen image the stored first row and first
/// column are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Orientation {
    /// 1: stored as seen.
    #[default]
    Upright,
    /// 2: seen after mirroring left and right.
    MirrorX,
    /// 3: seen after half a turn.
    HalfTurn,
    /// 4: seen after mirroring top and bottom.
    MirrorY,
    /// 5: seen after swapping rows and columns.
    Transpose,
    /// 6: seen after a quarter turn clockwise.
    QuarterTurn,
    /// 7: seen after swapping rows and columns across the other diagonal.
    Transverse,
    /// 8: seen after a quarter turn counter-clockwise.
    QuarterTurnBack,
}

impl Orientation {
    /// All orientations, in the order of their EXIF values 1 to 8.
    pub const ALL: [Self; 8] = [
        Self::Upright,
        Self::MirrorX,
        Self::HalfTurn,
        Self::MirrorY,
        Self::Transpose,
        Self::QuarterTurn,
        Self::Transverse,
        Self::QuarterTurnBack,
    ];

    /// The orientation with this EXIF value; `None` outside 1 to 8.
    pub fn from_exif(value: u8) -> Option<Self> {
        Self::ALL.get(usize::from(value).checked_sub(1)?).copied()
    }

    /// The EXIF value, 1 to 8.
    pub const fn to_exif(self) -> u8 {
        self as u8 + 1
    }

    /// Whether rows of the file are columns of the upright image.
    pub const fn swaps_sides(self) -> bool {
        self.to_exif() >= 5
    }

    /// Turns a size: from the file's to the upright one, or back; both are the same swap.
    pub const fn turn_size(self, size: ImageSize) -> ImageSize {
        if self.swaps_sides() { size.transposed() } else { size }
    }

    /// Turns a box in file pixels into upright pixels, exactly.
    ///
    /// # Errors
    ///
    /// [`Error::BoxOutsideImage`] when the box reaches over the file's edge.
    pub fn to_upright(self, file_box: PixelBox, file_size: ImageSize) -> Result<PixelBox, Error> {
        file_box.check_inside(file_size)?;
        let turned = if self.swaps_sides() { transpose(file_box) } else { file_box };
        Ok(self.mirror(turned, self.turn_size(file_size)))
    }

    /// Turns a box in upright pixels into file pixels, exactly.
    ///
    /// # Errors
    ///
    /// [`Error::BoxOutsideImage`] when the box reaches over the upright image's edge.
    pub fn to_file(self, upright_box: PixelBox, file_size: ImageSize) -> Result<PixelBox, Error> {
        let upright_size = self.turn_size(file_size);
        upright_box.check_inside(upright_size)?;
        let mirrored = self.mirror(upright_box, upright_size);
        Ok(if self.swaps_sides() { transpose(mirrored) } else { mirrored })
    }

    /// Mirrors a box that lies inside an upright image.
    fn mirror(self, inside: PixelBox, upright: ImageSize) -> PixelBox {
        let [mut x1, mut y1, mut x2, mut y2] = inside.xyxy();
        if matches!(self, Self::MirrorX | Self::HalfTurn | Self::QuarterTurn | Self::Transverse) {
            (x1, x2) = (upright.width() - x2, upright.width() - x1);
        }
        if matches!(self, Self::MirrorY | Self::HalfTurn | Self::Transverse | Self::QuarterTurnBack) {
            (y1, y2) = (upright.height() - y2, upright.height() - y1);
        }
        PixelBox::from_ordered([x1, y1, x2, y2])
    }
}

impl TryFrom<u8> for Orientation {
    type Error = String;

    fn try_from(value: u8) -> Result<Self, String> {
        Self::from_exif(value).ok_or_else(|| format!("EXIF orientation {value} is outside 1..=8"))
    }
}

impl From<Orientation> for u8 {
    fn from(orientation: Orientation) -> Self {
        orientation.to_exif()
    }
}

fn transpose(pixel_box: PixelBox) -> PixelBox {
    let [x1, y1, x2, y2] = pixel_box.xyxy();
    PixelBox::from_ordered([y1, x1, y2, x2])
}

/// How the pixels of a file became the pixels of the model.
///
/// ```text
/// file ── orientation ──► upright ── resize ──► model
///                            └── thousandths ──► grid
/// ```
///
/// All public boxes are in upright pixels, as a person sees the image, or on the grid, which belongs to the same
/// frame. Boxes are half-open in every frame. Between file and upright nothing is rounded. Between the others
/// each edge goes to the nearest edge, ties up, and a side that would vanish keeps one pixel, as in
/// [`BBox::to_pixels`]. A box inside its image stays inside.
///
/// A single pixel `(x, y)` is the box `[x, y, x + 1, y + 1]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Geometry {
    file_size: ImageSize,
    orientation: Orientation,
    model_size: ImageSize,
}

impl Geometry {
    /// Records a file's size before it is turned, its orientation, and the size after resizing.
    pub const fn new(file_size: ImageSize, orientation: Orientation, model_size: ImageSize) -> Self {
        Self { file_size, orientation, model_size }
    }

    /// Size of the image as stored in the file.
    pub const fn file_size(&self) -> ImageSize {
        self.file_size
    }

    /// How the file's pixels are turned before a person sees them.
    pub const fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// Size of the image as a person sees it.
    pub const fn upright_size(&self) -> ImageSize {
        self.orientation.turn_size(self.file_size)
    }

    /// Size of the image after resizing for the model.
    pub const fn model_size(&self) -> ImageSize {
        self.model_size
    }

    /// Turns file pixels into upright pixels, exactly.
    ///
    /// # Errors
    ///
    /// [`Error::BoxOutsideImage`] when the box reaches over the file's edge.
    pub fn file_to_upright(&self, file_box: PixelBox) -> Result<PixelBox, Error> {
        self.orientation.to_upright(file_box, self.file_size)
    }

    /// Turns upright pixels into file pixels, exactly.
    ///
    /// # Errors
    ///
    /// [`Error::BoxOutsideImage`] when the box reaches over the upright image's edge.
    pub fn upright_to_file(&self, upright_box: PixelBox) -> Result<PixelBox, Error> {
        self.orientation.to_file(upright_box, self.file_size)
    }

    /// Scales upright pixels to the model's pixels.
    ///
    /// # Errors
    ///
    /// [`Error::BoxOutsideImage`] when the box reaches over the upright image's edge.
    pub fn upright_to_model(&self, upright_box: PixelBox) -> Result<PixelBox, Error> {
        resize(upright_box, self.upright_size(), self.model_size)
    }

    /// Scales the model's pixels to upright pixels.
    ///
    /// # Errors
    ///
    /// [`Error::BoxOutsideImage`] when the box reaches over the model image's edge.
    pub fn model_to_upright(&self, model_box: PixelBox) -> Result<PixelBox, Error> {
        resize(model_box, self.model_size, self.upright_size())
    }

    /// Places upright pixels on the grid.
    ///
    /// # Errors
    ///
    /// [`Error::BoxOutsideImage`] when the box reaches over the upright image's edge.
    pub fn upright_to_grid(&self, upright_box: PixelBox) -> Result<BBox, Error> {
        BBox::from_pixels(upright_box, self.upright_size())
    }

    /// The upright pixels that a grid box covers.
    ///
    /// A box with area comes back from [`Geometry::upright_to_grid`] unchanged when both sides of the upright
    /// image have at least 1000 pixels.
    pub fn grid_to_upright(&self, bbox: BBox) -> PixelBox {
        bbox.to_pixels(self.upright_size())
    }

    /// Places the model's pixels on the grid.
    ///
    /// # Errors
    ///
    /// [`Error::BoxOutsideImage`] when the box reaches over the model image's edge.
    pub fn model_to_grid(&self, model_box: PixelBox) -> Result<BBox, Error> {
        BBox::from_pixels(model_box, self.model_size)
    }

    /// The model's pixels that a grid box covers, rounded once.
    pub fn grid_to_model(&self, bbox: BBox) -> PixelBox {
        bbox.to_pixels(self.model_size)
    }

    /// Places file pixels on the grid, rounded once.
    ///
    /// # Errors
    ///
    /// [`Error::BoxOutsideImage`] when the box reaches over the file's edge.
    pub fn file_to_grid(&self, file_box: PixelBox) -> Result<BBox, Error> {
        self.upright_to_grid(self.file_to_upright(file_box)?)
    }

    /// The file pixels that a grid box covers, rounded once.
    pub fn grid_to_file(&self, bbox: BBox) -> PixelBox {
        let upright = self.upright_size();
        let mirrored = self.orientation.mirror(bbox.to_pixels(upright), upright);
        if self.orientation.swaps_sides() { transpose(mirrored) } else { mirrored }
    }
}

/// Scales a box from an image of one size to the same image in another size.
fn resize(pixel_box: PixelBox, from: ImageSize, to: ImageSize) -> Result<PixelBox, Error> {
    pixel_box.check_inside(from)?;
    let [x1, y1, x2, y2] = pixel_box.xyxy();
    let (left, right) = resize_span(x1, x2, from.width(), to.width());
    let (top, bottom) = resize_span(y1, y2, from.height(), to.height());
    Ok(PixelBox::from_ordered([left, top, right, bottom]))
}

/// Scales the edges `lo < hi <= from` of a side; the result is ordered and at most `to`.
fn resize_span(lo: u32, hi: u32, from: u32, to: u32) -> (u32, u32) {
    let edge = |v: u32| {
        let (v, from, to) = (u128::from(v), u128::from(from), u128::from(to));
        // `v <= from`, hence at most `to`.
        ((2 * v * to + from) / (2 * from)) as u32
    };
    match (edge(lo), edge(hi)) {
        (lo, hi) if lo < hi => (lo, hi),
        (lo, _) if lo < to => (lo, lo + 1),
        _ => (to - 1, to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The upright image of each orientation for the 2 wide, 3 high file
    ///
    /// ```text
    /// a b
    /// c d
    /// e f
    /// ```
    ///
    /// written from the definition of tag 274: the side of the seen image where the stored first row lies, then
    /// the side where the stored first column lies.
    const SEEN: [(u8, &[&str]); 8] = [
        (1, &["ab", "cd", "ef"]), // row 0 top, column 0 left
        (2, &["ba", "dc", "fe"]), // row 0 top, column 0 right
        (3, &["fe", "dc", "ba"]), // row 0 bottom, column 0 right
        (4, &["ef", "cd", "ab"]), // row 0 bottom, column 0 left
        (5, &["ace", "bdf"]),     // row 0 left, column 0 top
        (6, &["eca", "fdb"]),     // row 0 right, column 0 top
        (7, &["fdb", "eca"]),     // row 0 right, column 0 bottom
        (8, &["bdf", "ace"]),     // row 0 left, column 0 bottom
    ];

    fn pixel(x: usize, y: usize) -> Result<PixelBox, Error> {
        PixelBox::new(x as u32, y as u32, x as u32 + 1, y as u32 + 1)
    }

    #[test]
    fn every_pixel_of_every_orientation_goes_where_exif_says() -> Result<(), Error> {
        let file_size = ImageSize::new(2, 3)?;
        for (exif, seen) in SEEN {
            let orientation = Orientation::from_exif(exif).expect("1 to 8");
            let upright = ImageSize::new(seen[0].len() as u32, seen.len() as u32)?;
            assert_eq!(orientation.turn_size(file_size), upright, "orientation {exif}");
            for (row, letters) in ["ab", "cd", "ef"].iter().enumerate() {
                for (column, letter) in letters.chars().enumerate() {
                    let (y, x) = seen
                        .iter()
                        .enumerate()
                        .find_map(|(y, line)| line.find(letter).map(|x| (y, x)))
                        .expect("every letter is seen");

                    let turned = orientation.to_upright(pixel(column, row)?, file_size)?;

                    assert_eq!(turned, pixel(x, y)?, "{letter} with orientation {exif}");
                    assert_eq!(orientation.to_file(turned, file_size)?, pixel(column, row)?);
                }
            }
        }
        Ok(())
    }

    #[test]
    fn a_box_of_a_photo_taken_upright_is_turned_with_the_photo() -> Result<(), Error> {
        // A 4000x3000 file with orientation 6 is seen as 3000x4000. The file's x runs down the seen image, its y
        // runs from right to left: [100, 200, 400, 800] has x from 3000 - 800 to 3000 - 200, y from 100 to 400.
        let photo =
            Geometry::new(ImageSize::new(4000, 3000)?, Orientation::QuarterTurn, ImageSize::new(1008, 1344)?);

        let upright = photo.file_to_upright(PixelBox::new(100, 200, 400, 800)?)?;

        assert_eq!(photo.upright_size(), ImageSize::new(3000, 4000)?);
        assert_eq!(upright, PixelBox::new(2200, 100, 2800, 400)?);
        // 2200 * 1008 / 3000 = 739.2, 2800 * 0.336 = 940.8, 100 * 1344 / 4000 = 33.6, 400 * 0.336 = 134.4.
        assert_eq!(photo.upright_to_model(upright)?, PixelBox::new(739, 34, 941, 134)?);
        // 2200 / 3 = 733.3, 2800 / 3 = 933.3, 100 / 4, 400 / 4.
        assert_eq!(photo.upright_to_grid(upright)?, BBox::new(733, 25, 933, 100)?);
        assert_eq!(photo.file_to_grid(PixelBox::new(100, 200, 400, 800)?)?, BBox::new(733, 25, 933, 100)?);
        Ok(())
    }

    #[test]
    fn edges_go_to_the_nearest_edge_and_ties_go_up() {
        // 1 * 3 / 2 = 1.5 -> 2; 1 * 2 / 3 = 0.67 -> 1; 2 * 2 / 3 = 1.33 -> 1, which keeps one pixel.
        assert_eq!(resize_span(0, 1, 2, 3), (0, 2));
        assert_eq!(resize_span(1, 2, 3, 2), (1, 2));
        assert_eq!(resize_span(9, 10, 10, 1), (0, 1));
        assert_eq!(resize_span(0, u32::MAX, u32::MAX, u32::MAX), (0, u32::MAX));
    }

    #[test]
    fn boxes_outside_their_frame_are_refused() -> Result<(), Error> {
        let photo = Geometry::new(ImageSize::new(20, 30)?, Orientation::Transpose, ImageSize::new(56, 28)?);
        let tall = PixelBox::new(0, 0, 5, 25)?;

        assert!(photo.file_to_upright(tall).is_ok());
        assert!(matches!(photo.upright_to_file(tall), Err(Error::BoxOutsideImage { .. })));
        assert!(matches!(photo.upright_to_model(tall), Err(Error::BoxOutsideImage { .. })));
        assert!(photo.model_to_upright(PixelBox::new(0, 0, 57, 5)?).is_err());
        Ok(())
    }

    #[test]
    fn values_outside_1_to_8_are_no_orientation() {
        assert_eq!(Orientation::from_exif(0), None);
        assert_eq!(Orientation::from_exif(9), None);
        assert_eq!(Orientation::ALL.map(Orientation::to_exif), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(serde_json::from_str::<Orientation>("9").is_err());
    }
}
