use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// A sum whose parts are added in their order, whoever has finished first.
///
/// A part that comes early waits to be added, and its worker waits too when it is too far ahead: of all parts only a few are
/// in memory.
pub(super) struct OrderedSum<T> {
    state: Mutex<State<T>>,
    moved: Condvar,
    /// How many places at most a part may be ahead of the next one.
    ahead: usize,
    add: fn(&mut T, T),
}

struct State<T> {
    sum: Option<T>,
    /// The place of the part that is added next.
    next: usize,
    early: BTreeMap<usize, T>,
    /// Whether a worker has ended before its time, so that its part never comes.
    broken: bool,
}

impl<T> OrderedSum<T> {
    /// The sum of no parts, for so many workers.
    pub(super) fn new(workers: usize, add: fn(&mut T, T)) -> Self {
        let state = State { sum: None, next: 0, early: BTreeMap::new(), broken: false };
        Self { state: Mutex::new(state), moved: Condvar::new(), ahead: workers, add }
    }

    /// Adds the part of a place, now or when its turn comes; breaks off when it never does.
    pub(super) fn add(&self, place: usize, part: T) -> ControlFlow<()> {
        let too_early = |state: &mut State<T>| !state.broken && place >= state.next + self.ahead;
        let state = self.moved.wait_while(self.lock(), too_early);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.broken {
            return ControlFlow::Break(());
        }
        state.early.insert(place, part);
        let state = &mut *state;
        while let Some(part) = state.early.remove(&state.next) {
            match &mut state.sum {
                Some(sum) => (self.add)(sum, part),
                None => state.sum = Some(part),
            }
            state.next += 1;
        }
        self.moved.notify_all();
        ControlFlow::Continue(())
    }

    /// The sum, once all parts are there.
    pub(super) fn into_sum(self) -> Option<T> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).sum
    }

    /// What a worker holds while it works: when it panics, nobody waits for it.
    pub(super) fn watch(&self) -> Watch<'_, T> {
        Watch(self)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Watch<'a, T>(&'a OrderedSum<T>);

impl<T> Drop for Watch<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().broken = true;
            self.0.moved.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
        time::Duration,
    };

    use super::*;

    static ALIVE: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);

    /// The places that were added, and a count of all parts that are in memory.
    struct Part(Vec<usize>);

    impl Part {
        fn new(place: usize) -> Self {
            MOST.fetch_max(ALIVE.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            Self(vec![place])
        }
    }

    impl Drop for Part {
        fn drop(&mut self) {
            ALIVE.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn parts_are_added_in_order_and_few_are_in_memory() {
        const PARTS: usize = 60;
        for workers in [1, 3] {
            MOST.store(0, Ordering::SeqCst);
            let sum = OrderedSum::new(workers, |sum: &mut Part, part| sum.0.extend(&part.0));
            let next = AtomicUsize::new(0);
            let work = || {
                let _watch = sum.watch();
                loop {
                    let place = next.fetch_add(1, Ordering::SeqCst);
                    if place >= PARTS {
                        break;
                    }
                    // The first of each stretch is the slowest by far.
                    thread::sleep(Duration::from_millis(if place.is_multiple_of(10) { 20 } else { 0 }));
                    assert!(sum.add(place, Part::new(place)).is_continue());
                }
            };
            thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));

            let sum = sum.into_sum().expect("there are parts");
            assert_eq!(sum.0, (0..PARTS).collect::<Vec<_>>());
            // The sum, those that wait, and one in the hands of each worker.
            let most = MOST.load(Ordering::SeqCst);
            assert!(most <= 2 * workers, "{most} with {workers} workers");
        }
    }

    #[test]
    fn nobody_waits_for_a_worker_that_panicked() {
        let sum = OrderedSum::new(1, |sum: &mut u32, part| *sum += part);

        let ended = thread::scope(|scope| {
            let early = scope.spawn(|| sum.add(1, 1));
            let broken = scope.spawn(|| {
                let _watch = sum.watch();
                panic!("no first part");
            });
            assert!(broken.join().is_err());
            early.join()
        });

        assert!(ended.is_ok_and(|flow| flow.is_break()));
    }
}
