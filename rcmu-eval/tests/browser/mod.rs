//! A browser without a window that shows one page.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use image::RgbImage;

/// What the browser is called, the first that is on the path.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// The variable that makes a missing browser a failure.
const NEEDED: &str = "RCMU_NEEDS_BROWSER";
/// How long a page may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// A browser on the path, and a folder for its pages.
pub(crate) struct Browser {
    program: PathBuf,
    folder: PathBuf,
}

impl Browser {
    /// Finds the browser; where there is none, a line says that the test is skipped.
    ///
    /// # Panics
    ///
    /// When there is none and `RCMU_NEEDS_BROWSER` is 1, as in the gate.
    pub(crate) fn find() -> Option<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let path = env::var_os("PATH").unwrap_or_default();
        let on_path =
            |name: &str| env::split_paths(&path).map(|folder| folder.join(name)).find(|at| at.is_file());
        let Some(program) = NAMES.into_iter().find_map(on_path) else {
            let none = format!("no browser is on the path ({})", NAMES.join(", "));
            assert!(env::var_os(NEEDED).is_none_or(|value| value != "1"), "{none}, and {NEEDED} is 1");
            println!("skipped: {none}");
            return None;
        };
        let place = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("rcmu-eval-page-{}-{place}", std::process::id()));
        fs::create_dir_all(&folder).expect("the system has a folder for scratch files");
        Some(Self { program, folder })
    }

    /// A picture of a page in a window of this size.
    pub(crate) fn picture(&self, page: &str, [width, height]: [u32; 2]) -> RgbImage {
        let file = self.folder.join("page.png");
        self.open(
            page,
            &[&format!("--window-size={width},{height}"), &format!("--screenshot={}", file.display())],
        );
        image::open(&file).expect("the browser has taken a picture").to_rgb8()
    }

    /// A page as the browser has read it, after its scripts, written out again.
    pub(crate) fn document(&self, page: &str) -> String {
        let file = self.open(page, &["--dump-dom"]);
        let text = fs::read_to_string(file).expect("the browser writes UTF-8");
        assert!(text.contains("</html>"), "the browser has written the page: {text:.200}");
        text
    }

    /// Opens a page with these switches; gives the file of what the browser writes to its standard output.
    fn open(&self, page: &str, switches: &[&str]) -> PathBuf {
        let [file, output, profile] = ["page.html", "page.txt", "profile"].map(|name| self.folder.join(name));
        fs::write(&file, page).expect("the folder takes files");
        let mut browser = Command::new(&self.program)
            // Tests may run as root, for whom there is no sandbox. The rest keeps the browser off the network.
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .args(switches)
            .arg(format!("file://{}", file.display()))
            .stdout(File::create(&output).expect("the folder takes files"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.program.display()));
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = browser.try_wait().expect("the browser is ours") {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                let _ = browser.kill();
                let _ = browser.wait();
                panic!("the browser did not end");
            }
            thread::sleep(Duration::from_millis(50));
        };
        assert!(status.success(), "the browser failed: {status}");
        output
    }
}

/// Removes the pages, unless `RCMU_KEEP_PAGES` is set.
impl Drop for Browser {
    fn drop(&mut self) {
        if env::var_os("RCMU_KEEP_PAGES").is_none() {
            let _ = fs::remove_dir_all(&self.folder);
        } else {
            println!("kept in {}", Path::display(&self.folder));
        }
    }
}
