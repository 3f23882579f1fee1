//! Passes through the model on the threads of rayon's pool.
//!
//! One token is some 140 short pieces of work for all threads, one after another. A thread that falls asleep between two of
//! them takes as long to wake up as a small layer takes to be multiplied, and so does one outside the pool that waits for
//! it. So the pass itself runs on a thread of the pool, and until it ends the others look for work without falling asleep.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use burn::tensor::Device;

use crate::device::is_flex;

/// Passes that run now, in all sessions.
static PASSES: AtomicUsize = AtomicUsize::new(0);

/// Runs a pass, on the CPU on a thread of the pool whose other threads stay awake.
///
/// Only for a pass that is alone: of several, each thread that waits would take up the others' as a whole. What is alone when
/// it begins, lets the threads fall asleep again as soon as it no longer is.
pub(crate) fn awake<R: Send>(device: &Device, pass: impl FnOnce() -> R + Send) -> R {
    let _running = Running::new();
    if !is_flex(device) || !alone() {
        return pass();
    }
    rayon::scope(|_| {
        let over = Over(Arc::new(AtomicBool::new(false)));
        for _ in 1..rayon::current_num_threads() {
            let over = over.0.clone();
            // Not of the scope, which would wait for what such a thread has found to do.
            rayon::spawn(move || {
                while alone() && !over.load(Ordering::Relaxed) {
                    if rayon::yield_now() != Some(rayon::Yield::Executed) {
                        std::thread::yield_now();
                    }
                }
            });
        }
        pass()
    })
}

fn alone() -> bool {
    PASSES.load(Ordering::Relaxed) == 1
}

/// A pass that runs, until it is dropped.
struct Running;

impl Running {
    fn new() -> Self {
        PASSES.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        PASSES.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Says, when it is dropped, that the pass is over, also where it has panicked.
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
