use rcmu_core::{BBox, Prompt, SpecialToken};

/// Writes `<|box_start|>(x1,y1),(x2,y2)<|box_end|>` with real box tokens.
///
/// # Source
///
/// Qwen2-VL (arXiv 2409.12191), section 2.
pub fn push_bbox(prompt: &mut Prompt, bbox: BBox) {
    prompt.push_special(SpecialToken::BoxStart);
    prompt.push_template(&bbox.to_string());
    prompt.push_special(SpecialToken::BoxEnd);
}

#[cfg(test)]
mod tests {
    use rcmu_core::{Piece, Trust};

    use super::*;

    #[test]
    fn the_box_tokens_are_real() {
        let mut prompt = Prompt::new();

        push_bbox(&mut prompt, BBox::new(755, 417, 991, 885).expect("the corners are in order"));

        assert_eq!(
            prompt.pieces(),
            [
                Piece::Special(SpecialToken::BoxStart),
                Piece::Text("(755,417),(991,885)".into(), Trust::Template),
                Piece::Special(SpecialToken::BoxEnd),
            ]
        );
    }
}
