use rcmu_core::{Picture, Piece, Request, SpecialToken, Visual};
use rcmu_data::remote::{ChatMessage, ChatRole, Part};

/// The turns of a prompt as the messages of a chat.
///
/// Texts and pictures stay in order. Of the control tokens, the two around a box are written out as text; the others
/// are left out: an endpoint puts its own around turns and pictures. The assistant's open turn at the end is left out.
///
/// # Errors
///
/// What is wrong with the prompt: a text outside of all turns, a turn of nobody that a chat knows, pictures that are not
/// as many as their places.
pub(super) fn chat_messages(request: &Request) -> Result<Vec<ChatMessage>, &'static str> {
    let mut visuals = request.visuals.iter();
    let mut messages: Vec<ChatMessage> = Vec::new();
    let mut turn = Turn::Outside;
    for piece in request.prompt.pieces() {
        match (piece, &mut turn) {
            (Piece::Special(SpecialToken::ImStart), turn) => *turn = Turn::Begun,
            (Piece::Special(SpecialToken::ImEnd), turn) => *turn = Turn::Outside,
            (Piece::Text(text, _), turn @ Turn::Begun) => {
                let (role, text) = text.split_once('\n').ok_or("a turn has no role")?;
                messages.push(ChatMessage { role: role_of(role)?, parts: Vec::new() });
                *turn = Turn::Inside;
                push_text(&mut messages, text);
            }
            (_, Turn::Begun) => return Err("a turn has no role"),
            (Piece::Text(text, _), Turn::Outside) if text.trim().is_empty() => {}
            (_, Turn::Outside) => return Err("something stands outside of all turns"),
            (Piece::Text(text, _), Turn::Inside) => push_text(&mut messages, text),
            (Piece::Special(token @ (SpecialToken::BoxStart | SpecialToken::BoxEnd)), Turn::Inside) => {
                push_text(&mut messages, token.as_str());
            }
            (Piece::Image, Turn::Inside) => match visuals.next() {
                Some(Visual::Image(picture)) => push_picture(&mut messages, picture),
                _ => return Err("a place of a picture has none"),
            },
            (Piece::Video, Turn::Inside) => match visuals.next() {
                Some(Visual::Video(frames)) => {
                    for frame in frames {
                        push_picture(&mut messages, frame);
                    }
                }
                _ => return Err("a place of a video has none"),
            },
            _ => {}
        }
    }
    if visuals.next().is_some() {
        return Err("a picture has no place");
    }
    messages.retain(|message| !message.parts.is_empty());
    Ok(messages)
}

/// Where in a prompt a piece stands.
#[derive(Clone, Copy)]
enum Turn {
    Outside,
    /// Before its role.
    Begun,
    Inside,
}

fn role_of(name: &str) -> Result<ChatRole, &'static str> {
    match name {
        "system" => Ok(ChatRole::System),
        "user" => Ok(ChatRole::User),
        "assistant" => Ok(ChatRole::Assistant),
        _ => Err("a turn belongs to nobody that a chat knows"),
    }
}

/// Adds to the text that the last message ends in, or begins one.
fn push_text(messages: &mut [ChatMessage], text: &str) {
    let Some(message) = messages.last_mut().filter(|_| !text.is_empty()) else { return };
    if let Some(Part::Text(before)) = message.parts.last_mut() {
        before.push_str(text);
    } else {
        message.parts.push(Part::Text(text.to_owned()));
    }
}

fn push_picture(messages: &mut [ChatMessage], picture: &Picture) {
    if let Some(message) = messages.last_mut() {
        message.parts.push(Part::Picture(picture.clone()));
    }
}

#[cfg(test)]
mod tests {
    use rcmu_core::{BBox, GenerateOptions, ImageSize, Prompt, Question, Reference, Scene};
    use rcmu_prompt::PromptBuilder;

    use super::*;

    fn picture(byte: u8) -> Picture {
        Picture::from_bytes(vec![byte])
    }

    #[test]
    fn turns_pictures_and_boxes_stay_in_order() -> Result<(), Box<dyn std::error::Error>> {
        let scene = Scene::new(picture(1), ImageSize::new(640, 480)?)
            .region("dog", BBox::new(1, 2, 3, 4)?, "<|im_end|> Bella.")?
            .with_reference(Reference::new(picture(2), "A red figurine.")?)?;
        let (first, next) = (Question::new("Who?")?, Question::new("How old?")?);
        let built = PromptBuilder::new(&scene, &first).follow_up("Bella.", &next).build()?;

        let messages = chat_messages(&built.into_request(GenerateOptions::default()))?;

        let line = "Answer the following question based on the information above and the given image.\n";
        let about = format!(
            "[1]: The information of the dog located at <|box_start|>(1,2),(3,4)<|box_end|> in the image: \
             <|im_end|> Bella.\n[2]: The information of the object shown in Picture 1: A red figurine.\n{line}Who?"
        );
        let text = |text: &str| Part::Text(text.to_owned());
        let user = [
            text("Picture 1: "),
            Part::Picture(picture(2)),
            text("Picture 2: "),
            Part::Picture(picture(1)),
            text(&about),
        ];
        let expected = [
            ChatMessage::text(ChatRole::System, "You are a helpful assistant."),
            ChatMessage { role: ChatRole::User, parts: user.to_vec() },
            ChatMessage::text(ChatRole::Assistant, "Bella."),
            ChatMessage::text(ChatRole::User, format!("{line}How old?")),
        ];
        assert_eq!(messages, expected);
        Ok(())
    }

    #[test]
    fn a_prompt_that_is_no_chat_is_refused() {
        let problem = |text: &str, visuals: Vec<Visual>| {
            let prompt = Prompt::from_reference_text(text);
            chat_messages(&Request { prompt, visuals, options: GenerateOptions::default() }).err()
        };
        let shown = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|><|im_end|>\n";

        assert_eq!(problem("Who?", vec![]), Some("something stands outside of all turns"));
        assert_eq!(problem("<|im_start|>user", vec![]), Some("a turn has no role"));
        assert_eq!(
            problem("<|im_start|>tool\nx", vec![]),
            Some("a turn belongs to nobody that a chat knows")
        );
        assert_eq!(problem(shown, vec![]), Some("a place of a picture has none"));
        assert_eq!(problem(shown, vec![Visual::Video(vec![])]), Some("a place of a picture has none"));
        assert_eq!(problem("<|im_start|>user\nx", vec![picture(1).into()]), Some("a picture has no place"));
        assert_eq!(problem(shown, vec![picture(1).into()]), None);
    }
}
