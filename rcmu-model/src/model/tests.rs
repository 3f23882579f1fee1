use std::{panic::catch_unwind, thread};

use burn::tensor::StreamId;

use super::*;

#[test]
fn all_threads_have_one_queue() {
    let here = StreamId::current();
    let queue = || contained(|| Ok(StreamId::current())).expect("nothing panics");
    let [first, second] = thread::scope(|threads| {
        [threads.spawn(queue), threads.spawn(queue)].map(|it| it.join().expect("ends"))
    });

    assert_eq!([first, second], [queue(); 2]);
    // What the thread does otherwise stays where it was, after a panic, too.
    assert!(contained(|| -> Result<(), Error> { panic!("as a broken driver would") }).is_err());
    assert!(catch_unwind(|| contained(|| Ok(callers_own(|| panic!("the caller's"))))).is_err());
    assert_eq!(StreamId::current(), here);
}
