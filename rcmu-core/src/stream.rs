use std::{
    sync::{Arc, mpsc},
    thread,
};

use crate::{CancelToken, Control, Event, GenerateError, Generator, Request};

/// The events of a generation that runs on its own thread.
///
/// Dropping the stream before its end cancels the generation and does not wait for it. A stream whose
/// [`Event::Finished`] or error has been taken leaves the token alone, so that its [`Control`] serves the next one.
#[derive(Debug)]
pub struct EventStream {
    events: mpsc::Receiver<Result<Event, GenerateError>>,
    cancel: CancelToken,
    ended: bool,
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
        let next = self.events.recv().ok();
        self.ended |= !matches!(next, Some(Ok(Event::Started { .. } | Event::Text(_))));
        next
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        if !self.ended {
            self.cancel.cancel();
        }
    }
}

/// Runs a generation on a thread of its own and yields its events.
///
/// The stream ends after [`Event::Finished`] or the first error; a panic of the generator becomes
/// [`GenerateError::BackendFailed`], and a system that has no thread left [`GenerateError::Engine`].
pub fn stream(generator: Arc<dyn Generator>, request: Request, control: Control) -> EventStream {
    stream_on(thread::Builder::new(), generator, request, control)
}

fn stream_on(
    thread: thread::Builder,
    generator: Arc<dyn Generator>,
    request: Request,
    control: Control,
) -> EventStream {
    let (sender, events) = mpsc::channel();
    let not_started = sender.clone();
    let cancel = control.cancel.clone();
    let started = thread.spawn(move || {
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
    if let Err(error) = started {
        not_started.send(Err(GenerateError::Engine(Box::new(error)))).expect("the receiver is still here");
    }
    EventStream { events, cancel, ended: false }
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
    fn a_stream_that_has_ended_cancels_nothing() {
        let generator = Arc::new(ScriptedGenerator::new(["Lily.", "Bella."]));
        let control = Control::default();

        // The third question has no answer: an error is an end, too.
        for taken in ["Lily.", "Bella.", ""] {
            let mut text = String::new();
            let mut events = stream(generator.clone(), Request::default(), control.clone());
            for event in events.by_ref() {
                match event {
                    Ok(Event::Text(more)) => text.push_str(&more),
                    Ok(Event::Started { .. }) => {}
                    Ok(Event::Finished { .. }) | Err(_) => break,
                }
            }
            drop(events);

            assert_eq!((text.as_str(), control.stop_reason()), (taken, None));
        }
    }

    #[test]
    fn a_system_without_a_thread_left_is_an_error() {
        // No address space has room for such a stack.
        let thread = thread::Builder::new().stack_size(usize::MAX / 4);
        let generator = Arc::new(ScriptedGenerator::new(["Lily."]));

        let events: Vec<_> = stream_on(thread, generator, Request::default(), Control::default()).collect();

        assert!(matches!(events[..], [Err(GenerateError::Engine(_))]), "{events:?}");
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
