use crate::{Error, ImageSize, Picture, Region, RegionBox, RegionId, RegionSet};

/// A picture of one object, with what is known about that object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    picture: Picture,
    info: String,
}

impl Reference {
    /// Makes a reference from a picture that shows the object and a text about it.
    ///
    /// # Errors
    ///
    /// [`Error::TextTooLong`] when the text is over [`Region::MAX_INFO`] bytes.
    pub fn new(picture: Picture, info: impl Into<String>) -> Result<Self, Error> {
        let info = info.into();
        if info.len() > Region::MAX_INFO {
            return Err(Error::TextTooLong { field: "info", len: info.len(), max: Region::MAX_INFO });
        }
        Ok(Self { picture, info })
    }

    /// The picture of the object.
    pub const fn picture(&self) -> &Picture {
        &self.picture
    }

    /// What is known about the object.
    pub fn info(&self) -> &str {
        &self.info
    }
}

/// A picture, its regions, and pictures of objects that may be seen in it.
///
/// `size` is the size of the picture as a person sees it, after its EXIF orientation. Boxes in pixels are placed
/// on the model's grid with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scene {
    picture: Picture,
    size: ImageSize,
    regions: RegionSet,
    references: Vec<Reference>,
}

impl Scene {
    /// The most reference pictures a scene may have.
    pub const MAX_REFERENCES: usize = 64;

    /// Makes a scene without regions from a picture and its upright size.
    pub const fn new(picture: Picture, size: ImageSize) -> Self {
        Self { picture, size, regions: RegionSet::new(), references: Vec::new() }
    }

    /// Adds an object with its box (on the grid or in pixels) and what is known about it.
    ///
    /// # Errors
    ///
    /// [`Error::Region`] with the region's number when the label, the text or the box is not valid.
    pub fn region(
        mut self,
        label: impl Into<String>,
        at: impl Into<RegionBox>,
        info: impl Into<String>,
    ) -> Result<Self, Error> {
        let at = at.into().to_bbox(self.size);
        let region = at.and_then(|bbox| Region::new(label, Some(bbox), info));
        self.push(region)?;
        Ok(self)
    }

    /// Adds an object whose place in the picture is not known.
    ///
    /// # Errors
    ///
    /// [`Error::Region`] with the region's number when the label or the text is not valid.
    pub fn unplaced(mut self, label: impl Into<String>, info: impl Into<String>) -> Result<Self, Error> {
        self.push(Region::new(label, None, info))?;
        Ok(self)
    }

    /// Adds all regions of a list, after those already there.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyRegions`] when the scene would have more than [`RegionSet::MAX`].
    pub fn with_regions(mut self, regions: RegionSet) -> Result<Self, Error> {
        for region in Vec::from(regions) {
            self.regions.push(region)?;
        }
        Ok(self)
    }

    /// Adds a picture of one object with what is known about that object.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyRegions`] over [`Scene::MAX_REFERENCES`].
    pub fn with_reference(mut self, reference: Reference) -> Result<Self, Error> {
        if self.references.len() >= Self::MAX_REFERENCES {
            let count = self.references.len() + 1;
            return Err(Error::TooManyRegions { count, max: Self::MAX_REFERENCES });
        }
        self.references.push(reference);
        Ok(self)
    }

    fn push(&mut self, region: Result<Region, Error>) -> Result<RegionId, Error> {
        let number = RegionId::from_index(self.regions.len());
        region
            .and_then(|region| self.regions.push(region))
            .map_err(|source| Error::Region { region: number, source: Box::new(source) })
    }

    /// The picture.
    pub const fn picture(&self) -> &Picture {
        &self.picture
    }

    /// Size of the picture as a person sees it, after its EXIF orientation.
    pub const fn size(&self) -> ImageSize {
        self.size
    }

    /// The regions, numbered from 1.
    pub const fn regions(&self) -> &RegionSet {
        &self.regions
    }

    /// The reference pictures, in order.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BBox, PixelBox};

    fn scene() -> Result<Scene, Error> {
        Ok(Scene::new(Picture::from_bytes(vec![]), ImageSize::new(200, 100)?))
    }

    #[test]
    fn pixel_and_grid_boxes_meet_on_the_grid() -> Result<(), Error> {
        let scene = scene()?.region("man", PixelBox::new(20, 10, 100, 100)?, "Lily.")?.region(
            "dog",
            BBox::new(100, 100, 500, 1000)?,
            "Bella.",
        )?;

        let boxes: Vec<_> = scene.regions().iter().map(|(_, region)| region.bbox()).collect();
        assert_eq!(boxes, [Some(BBox::new(100, 100, 500, 1000)?); 2]);
        Ok(())
    }

    #[test]
    fn an_error_names_the_region() -> Result<(), Error> {
        let error = scene()?
            .unplaced("man", "Lily.")?
            .region("dog", PixelBox::new(0, 0, 201, 5)?, "")
            .expect_err("the box is wider than the image");

        assert!(matches!(error, Error::Region { region, .. } if region.number() == 2), "{error}");
        Ok(())
    }
}
