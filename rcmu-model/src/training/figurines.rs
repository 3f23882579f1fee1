use std::error::Error as StdError;

use rcmu_core::{ImageSize, Scene};
use rcmu_data::figurines::{Curriculum, picture};

use super::{Conversation, Sight, Sights, TrainingData};

/// The word for a place without a figurine.
const NOTHING: &str = "nothing";

/// Conversations about scenes of the figurine world, drawn as they are needed.
impl TrainingData for Curriculum {
    fn len(&self) -> Option<u64> {
        None
    }

    fn fingerprint(&self) -> String {
        format!("figurines {}", Curriculum::fingerprint(self))
    }

    fn conversation(&self, index: u64) -> Result<Conversation, Box<dyn StdError + Send + Sync>> {
        let (spec, samples) = Curriculum::conversation(self, index)?;
        let size = ImageSize::new(spec.side, spec.side)?;
        let picture = picture(&spec)?;
        let scene = match samples.first() {
            Some(first) => first.to_scene(picture, size, Vec::new())?,
            None => Scene::new(picture, size),
        };
        let things = spec.figurines.iter().map(|figurine| Sight {
            bbox: figurine.bbox,
            words: vec![figurine.colour.word().into(), figurine.shape.word().into()],
        });
        let sights = Sights { things: things.collect(), nothing: NOTHING.into() };
        // An empty picture carries a lesson of reading and has nothing to tell.
        let sights = (samples.is_empty() || !sights.things.is_empty()).then_some(sights);
        Ok(Conversation { sights, ..Conversation::new(scene, &samples)? })
    }
}
