//! What the loops share that kill a working process again and again.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use crate::runs::{Logged, Scratch, is_kill, times_asked};

/// The folder in which a child process has to work.
const FOLDER: &str = "RCMU_TEST_KILL_FOLDER";
/// How many threads the child has.
const PARALLEL: &str = "RCMU_TEST_KILL_PARALLEL";
/// How often a working process is killed, unless the environment says otherwise by this name.
const KILLS: (&str, u64) = ("RCMU_KILLS", 200);
/// A child is killed after it has asked so much at most, and some milliseconds.
const MOST: u64 = 24;

/// How often a working process is to be killed.
pub(crate) fn kills() -> u64 {
    std::env::var(KILLS.0).map_or(KILLS.1, |kills| kills.parse().unwrap())
}

/// The folder and the number of threads of a child process; none in the process of the test itself.
pub(crate) fn child_of_kills() -> Option<(PathBuf, usize)> {
    let folder = std::env::var_os(FOLDER).map(PathBuf::from)?;
    Some((folder, std::env::var(PARALLEL).unwrap().parse().unwrap()))
}

/// Work that asks and records until it is killed or done. Before it asks, it names to the file `asked` what it asks.
///
/// The children do it in the test `child` of the same file.
pub(crate) trait Work {
    /// How much is asked.
    fn total(&self) -> u64;

    /// The names of what is recorded in this folder, and whether the record ends in a torn tail.
    fn recorded(&self, folder: &Path) -> (Vec<String>, bool);

    /// Finishes in this folder what the children have begun.
    fn finish(&self, folder: &Path);

    /// Checks what is in this folder when all is done by so many threads.
    fn check_done(&self, folder: &Path, parallel: u64, place: &str);
}

/// What was seen of kills that hit working processes: there was a journal, and they had asked and recorded since they began.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    /// In each tenth of the work.
    tenths: [u64; 10],
    /// Those that left a torn tail.
    torn: u64,
    /// What was asked and not recorded, so that it was asked again.
    pub(crate) asked_again: u64,
    /// Children that were done, or that died before they had begun to work.
    pub(crate) misses: u64,
}

impl Hits {
    pub(crate) fn count(&self) -> u64 {
        self.tenths.iter().sum()
    }

    /// Whether there are this many, and some in each tenth of the work.
    fn are_enough(&self, wanted: u64) -> bool {
        self.count() >= wanted && self.tenths.iter().all(|&kills| kills >= wanted / 40)
    }
}

/// Work in a folder of its own that is killed at random moments.
struct Victim<'a> {
    work: &'a dyn Work,
    scratch: &'a Scratch,
    parallel: u64,
    rng: ChaCha8Rng,
}

impl Victim<'_> {
    fn spawn(&self) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["child", "--exact", "--test-threads=1"]);
        command.env(FOLDER, self.scratch.path("")).env(PARALLEL, self.parallel.to_string());
        command.stdout(Stdio::null()).spawn().unwrap()
    }

    /// How much the children have asked so far.
    fn begun(&self) -> u64 {
        fs::metadata(self.scratch.path("asked")).map_or(0, |log| log.len() / Logged::LINE)
    }

    /// Kills children until one is done or there are enough hits; tells whether one is done.
    fn kill(&mut self, hits: &mut Hits, wanted: u64) -> bool {
        let (mut begun, mut recorded) = (0, BTreeSet::new());
        while !hits.are_enough(wanted) {
            let all = hits.count() + hits.misses;
            assert!(all < 100 + 10 * wanted, "hardly any kill hits a working process: {hits:?}");
            let mut child = self.spawn();
            // Once a thread asks for the second time, its first answer is recorded; from there on, any moment is as good.
            let until = begun + self.parallel + 1 + u64::from(self.rng.next_u32()) % MOST;
            let done = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    assert!(status.success(), "the work itself never fails");
                    break true;
                }
                if self.begun() >= until {
                    break false;
                }
                thread::sleep(Duration::from_micros(100));
            };
            if !done {
                thread::sleep(Duration::from_micros(u64::from(self.rng.next_u32()) % 5000));
                child.kill().unwrap();
            }
            let status = child.wait().unwrap();
            self.check_asked(begun, &recorded);
            if status.success() {
                hits.misses += 1;
                return true;
            }
            assert!(is_kill(status), "the work itself never fails: {status}");
            // What it left can always be read, and all of it was asked.
            let (names, is_torn) = self.work.recorded(&self.scratch.path(""));
            let found: BTreeSet<_> = names.iter().cloned().collect();
            assert_eq!(found.len(), names.len(), "something is recorded twice");
            assert!(
                found.len() > recorded.len() && found.is_superset(&recorded),
                "a child that works records"
            );
            let (asked, new) = (self.begun() - begun, (found.len() - recorded.len()) as u64);
            let again = asked - new;
            assert!(again <= self.parallel, "{again} answers of one child are lost");
            let (count, total) = (found.len() as u64, self.work.total());
            if count < total {
                hits.tenths[(count * 10 / total) as usize] += 1;
                hits.torn += u64::from(is_torn);
            } else {
                hits.misses += 1;
            }
            hits.asked_again += again;
            (begun, recorded) = (begun + asked, found);
        }
        false
    }

    /// Checks that nothing was asked, after so much that had been, that was recorded then.
    fn check_asked(&self, begun: u64, recorded: &BTreeSet<String>) {
        let log = fs::read_to_string(self.scratch.path("asked")).unwrap();
        for name in log.lines().skip(begun as usize).map(str::trim_end) {
            assert!(!recorded.contains(name), "{name} is recorded and asked again");
        }
    }
}

/// Kills children until this many kills have hit one that worked, and checks what becomes of their work.
pub(crate) fn kill_at_random(work: &dyn Work, name: &str, parallel: u64, wanted: u64) -> Hits {
    let mut hits = Hits::default();
    let mut runs = 0;
    while !hits.are_enough(wanted) {
        let scratch = Scratch::new(name);
        let rng = ChaCha8Rng::seed_from_u64(runs);
        let mut victim = Victim { work, scratch: &scratch, parallel, rng };
        let (before, again) = (hits.count() + hits.misses, hits.asked_again);
        if !victim.kill(&mut hits, wanted) {
            let (begun, (recorded, _)) = (victim.begun(), work.recorded(&scratch.path("")));
            work.finish(&scratch.path(""));
            victim.check_asked(begun, &recorded.into_iter().collect());
        }
        let place = format!("run {runs}");
        work.check_done(&scratch.path(""), parallel, &place);
        // All was asked, and no more often than its answers were lost.
        let times = times_asked(&scratch.path("asked"));
        assert_eq!(times.len() as u64, work.total(), "{place}");
        let again = hits.asked_again - again;
        assert_eq!(times.values().sum::<u64>(), work.total() + again, "{place}");
        assert!(again <= parallel * (hits.count() + hits.misses - before), "{place}");
        runs += 1;
    }
    println!("{} kills, {runs} runs, {parallel} threads: 0 lost, 0 double, {hits:?}", hits.count());
    hits
}
