use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

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

fn load(progress: &mut dyn FnMut(LoadProgress)) -> Result<Model, Error> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/golden/tiny");
    Model::load(Path::new(dir), &Device::flex(), &LoadOptions::default(), progress)
}

#[test]
fn a_panic_of_who_watches_loading_is_theirs() {
    let watched = catch_unwind(AssertUnwindSafe(|| load(&mut |_| panic!("the bar is broken"))));

    let panic = watched.expect_err("no error of the device");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the bar is broken"));
}

#[test]
fn a_broken_backend_breaks_the_model_and_its_clones() -> Result<(), Error> {
    let model = load(&mut |_| ())?;
    let other = model.clone();
    assert!(matches!(model.guarded(|| Ok(1)), Ok(1)));

    let broken = model.guarded(|| -> Result<(), Error> { panic!("out of memory") });

    let says = |broken: Result<(), GenerateError>| match broken {
        Err(GenerateError::BackendFailed { message }) => message,
        other => panic!("{other:?}"),
    };
    assert_eq!(says(broken), "out of memory");
    assert!(says(other.guarded(|| Ok(()))).contains("load the model anew"));
    assert!(load(&mut |_| ())?.guarded(|| Ok(())).is_ok(), "a new one works");
    Ok(())
}
