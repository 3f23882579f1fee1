use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use crate::{Error, device::QUEUE};

/// A panic of what a caller has given, which is not the backend's.
struct CallersPanic(Box<dyn Any + Send>);

/// Runs what a caller has given within [`contained`] work, from which its panic goes on to the caller.
pub(crate) fn callers_own<T>(work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| resume_unwind(Box::new(CallersPanic(panic))))
}

/// Turns a panic of the backend into an error, and queues what any thread asks of a device where loading has queued it.
///
/// A second line of defence: what can be checked has been checked before the first kernel. GPU runtimes panic when
/// memory runs out or the device is lost.
pub(crate) fn contained<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let work = || QUEUE.executes(work);
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let panic = match panic.downcast::<CallersPanic>() {
            Ok(callers) => resume_unwind(callers.0),
            Err(panic) => panic,
        };
        let message = panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "the backend panicked".to_owned());
        Err(Error::Backend { message })
    })
}
