//! Passes through the model on the threads of rayon's pool.
//!
//! One token is some 140 short pieces of work for all threads, one after another. A thread that falls asleep between two of
//! them takes as long to wake up as a small layer takes to be multiplied, and so does one outside the pool that waits for
//! it. So the pass itself runs on a thread of the pool, and until it ends the others look for work without falling asleep, if
//! they find some now and then.
//!
//! What they find may be anybody's: a thread that waits for work of its own within the pool may look for more until the pass
//! is over, and the thread of the pass may take up other work while it waits. Programs with long tasks in the same pool call
//! from within another one (`rayon::ThreadPool::install`), which the pass then has for itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use burn::tensor::Device;

use crate::device::is_flex;

/// Runs a pass, on the CPU on a thread of the pool whose other threads stay awake, as long as they find work now and then.
pub(crate) fn awake<R: Send>(device: &Device, pass: impl FnOnce() -> R + Send) -> R {
    /// Those of all sessions.
    static PASSES: Passes = Passes(AtomicUsize::new(0));
    if is_flex(device) { PASSES.run(pass) } else { pass() }
}

/// How long a thread looks for work without finding any: longer than the pass takes from one piece to the next.
const PATIENCE: Duration = Duration::from_millis(1);

/// How many passes run now.
struct Passes(AtomicUsize);

impl Passes {
    /// Runs a pass. Only one that is alone has the pool: of several, each thread that waits would take up another as a
    /// whole. When another begins, the threads may fall asleep again.
    fn run<R: Send>(&'static self, pass: impl FnOnce() -> R + Send) -> R {
        let _running = Running::new(self);
        if !self.is_alone() {
            return pass();
        }
        rayon::scope(|_| {
            let end = Over(Arc::new(AtomicBool::new(false)));
            let (over, own) = (end.0.clone(), rayon::current_thread_index());
            // Once on each thread, which no other can take from it; not in the scope, which would wait for whatever such a
            // thread has found to do.
            rayon::spawn_broadcast(move |_| self.look_for_work(own, &over));
            pass()
        })
    }

    /// Keeps a thread of the pool awake until the pass on thread `own` is over, is no longer alone, or has nothing to do for
    /// it.
    ///
    /// A thread that waits within a piece of the pass may take this up, too. The pass then waits for the piece, and the piece
    /// for this: there is no work any more, and it must end.
    fn look_for_work(&self, own: Option<usize>, over: &AtomicBool) {
        // The pass would wait for its own end.
        if rayon::current_thread_index() == own {
            return;
        }
        let mut worked = Instant::now();
        while self.is_alone() && !over.load(Ordering::Relaxed) && worked.elapsed() < PATIENCE {
            if rayon::yield_now() == Some(rayon::Yield::Executed) {
                worked = Instant::now();
            } else {
                // What else the machine has to do comes first.
                std::thread::yield_now();
            }
        }
    }

    fn is_alone(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 1
    }
}

/// Counts a pass until it is dropped.
struct Running(&'static Passes);

impl Running {
    fn new(passes: &'static Passes) -> Self {
        passes.0.fetch_add(1, Ordering::Relaxed);
        Self(passes)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Says, when it is dropped, that a pass is over, also where it has panicked.
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{panic::catch_unwind, sync::mpsc, thread};

    use rayon::prelude::*;

    use super::*;

    /// Some work for all threads.
    fn sum() -> u64 {
        (0..1000_u64).into_par_iter().map(|at| (0..100).fold(at, |sum, step| sum + step)).sum()
    }

    const SUM: u64 = 499_500 + 1000 * 4950;

    #[test]
    fn a_pass_that_is_alone_runs_on_a_thread_of_the_pool() {
        static PASSES: Passes = Passes(AtomicUsize::new(0));

        for _ in 0..20 {
            assert_eq!(PASSES.run(|| (rayon::current_thread_index().is_some(), sum())), (true, SUM));
        }

        assert_eq!(PASSES.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_pass_beside_another_runs_where_it_is_called() {
        static PASSES: Passes = Passes(AtomicUsize::new(0));
        let (begun, first_began) = mpsc::channel();
        let (end, may_end) = mpsc::channel();

        thread::scope(|scope| {
            scope.spawn(|| {
                PASSES.run(move || {
                    begun.send(()).expect("the test waits");
                    may_end.recv().expect("the test is there");
                });
            });
            first_began.recv().expect("the first pass begins");
            let caller = thread::current().id();
            let same = PASSES.run(|| thread::current().id() == caller);
            end.send(()).expect("the first pass waits");
            assert!(same);
        });

        assert_eq!(PASSES.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_piece_of_a_pass_that_looks_for_work_ends() {
        static PASSES: Passes = Passes(AtomicUsize::new(0));
        let (ended, end) = mpsc::channel();

        // As a thread does that takes the task up while it waits within the piece.
        let piece = || PASSES.look_for_work(None, &AtomicBool::new(false));
        thread::spawn(move || {
            let found = PASSES.run(|| (0..8).into_par_iter().map(|_| piece()).count());
            ended.send(found).expect("the test waits");
        });

        // Without an end it would not come at all.
        assert_eq!(end.recv_timeout(Duration::from_mins(2)), Ok(8));
    }

    #[test]
    fn a_pass_that_panics_leaves_the_pool_as_it_was() {
        static PASSES: Passes = Passes(AtomicUsize::new(0));

        for _ in 0..20 {
            let panic = catch_unwind(|| PASSES.run(|| assert_ne!(sum(), SUM, "as it should be")));
            assert!(panic.is_err());
        }

        assert_eq!(PASSES.0.load(Ordering::Relaxed), 0);
        assert_eq!(PASSES.run(sum), SUM);
    }

    #[test]
    fn passes_from_within_a_pool_of_one_thread_or_more_end() {
        static PASSES: Passes = Passes(AtomicUsize::new(0));

        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            // Each within a task of the pool, and one within another.
            let sums: Vec<u64> = pool.install(|| {
                (0..10).into_par_iter().map(|_| PASSES.run(|| sum() + PASSES.run(sum))).collect()
            });
            assert_eq!(sums, [2 * SUM; 10], "{threads}");
        }
    }
}
