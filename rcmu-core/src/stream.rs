use std::{
    sync::{Arc, mpsc},
    thread,
};

use crate::{CancelToken, Control, Event, GenerateError, Generator, Request};

/// The events of a generation that runs on its own thread.
///
/// Dropping the stream cancels the generation and does not wait for it.
#[derive(Debug)]
pub struct EventStream {
    events: mpsc::Receiver<Result<Event, GenerateError>>,
    cancel: CancelToken,
}

impl EventStream {
    /// A token that stops the generation; the stream still yields the text made before.
    pub fn cancel_token(&self) -> CancelToken {
        self.cancel.clone()
    }
}

impl Iterator for EventStream {
    type Item = Result<Event, GenerateError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.events.recv().ok()
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// Runs a generation on a thread of its own and yields its events.
///
/// The stream ends after [`Event::Finished`] or the first error; a panic of the generator becomes
/// [`GenerateError::BackendFailed`].
pub fn stream(generator: Arc<dyn Generator>, request: Request, control: Control) -> EventStream {
    let (sender, events) = mpsc::channel();
    let cancel = control.cancel.clone();
    thread::spawn(move || {
        let guard = PanicReport(sender.clone());
        let result = generator.generate(&request, &control, &mut |event| {
            if sender.send(Ok(event)).is_err() {
                control.cancel.cancel();
            }
        });
        if let Err(error) = result {
            // A receiver that is gone wants no error either.
            let _ = sender.send(Err(error));
        }
        drop(guard);
    });
    EventStream { events, cancel }
}

/// Reports a panic that unwinds through it.
struct PanicReport(mpsc::Sender<Result<Event, GenerateError>>);

impl Drop for PanicReport {
    fn drop(&mut self) {
        if thread::panicking() {
            let message = "the generator panicked".to_owned();
            let _ = self.0.send(Err(GenerateError::BackendFailed { message }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FinishReason, Generation, ScriptedGenerator};

    #[test]
    fn a_stream_yields_the_text_and_the_end() {
        let generator = Arc::new(ScriptedGenerator::new(["Lily [1]."]));

        let events: Vec<_> = stream(generator, Request::default(), Control::default())
            .collect::<Result<_, _>>()
            .expect("the script has an answer");

        let text: String = events
            .iter()
            .filter_map(|event| if let Event::Text(text) = event { Some(text.as_str()) } else { None })
            .collect();
        assert_eq!(text, "Lily [1].");
        assert!(matches!(events.last(), Some(Event::Finished { reason: FinishReason::EndOfText, .. })));
    }

    #[test]
    fn dropping_the_stream_cancels() {
        let generator = Arc::new(ScriptedGenerator::new(["Lily."]));
        let control = Control::default();

        drop(stream(generator, Request::default(), control.clone()));

        assert_eq!(control.stop_reason(), Some(FinishReason::Cancelled));
    }

    #[test]
    fn a_panic_becomes_an_error() {
        struct Panics;
        impl Generator for Panics {
            fn identity(&self) -> String {
                "panics".into()
            }
            fn generate(
                &self,
                _: &Request,
                _: &Control,
                _: &mut dyn FnMut(Event),
            ) -> Result<Generation, GenerateError> {
                panic!("as a broken driver would")
            }
        }

        let events: Vec<_> = stream(Arc::new(Panics), Request::default(), Control::default()).collect();

        assert!(matches!(events[..], [Err(GenerateError::BackendFailed { .. })]));
    }
}
