use std::{fmt, time::Duration};

/// Columns of the bar.
const WIDTH: usize = 20;

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Answers that are in the journal.
    pub done: u64,
    /// Answers that there will be.
    pub total: u64,
    /// Those among the done that an earlier run left.
    pub resumed: u64,
    /// Those made by this run that have no text.
    pub failed: u64,
    /// How long this run has been going.
    pub elapsed: Duration,
}

impl Progress {
    /// Answers that this run made per second; `None` before the first.
    pub fn rate(&self) -> Option<f64> {
        let made = self.done.saturating_sub(self.resumed);
        let seconds = self.elapsed.as_secs_f64();
        (made > 0 && seconds > 0.0).then(|| made as f64 / seconds)
    }

    /// How long the rest will take at this rate; `None` before the first answer.
    pub fn remaining(&self) -> Option<Duration> {
        let left = self.total.saturating_sub(self.done) as f64;
        self.rate().and_then(|rate| Duration::try_from_secs_f64(left / rate).ok())
    }
}

impl fmt::Display for Progress {
    /// A bar of one line: `[##########----------] 100/200, 2.5/s, 0:40 left, 1 failed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = if self.total == 0 { 1.0 } else { self.done as f64 / self.total as f64 };
        let full = ((share * WIDTH as f64) as usize).min(WIDTH);
        write!(f, "[{}{}] {}/{}", "#".repeat(full), "-".repeat(WIDTH - full), self.done, self.total)?;
        if let Some(rate) = self.rate() {
            write!(f, ", {rate:.1}/s")?;
        }
        if let Some(remaining) = self.remaining().filter(|_| self.done < self.total) {
            let seconds = remaining.as_secs_f64().round() as u64;
            let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            if hours > 0 {
                write!(f, ", {hours}:{minutes:02}:{seconds:02} left")?;
            } else {
                write!(f, ", {minutes}:{seconds:02} left")?;
            }
        }
        if self.failed > 0 {
            write!(f, ", {} failed", self.failed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_counts_what_this_run_made() {
        // 100 - 50 = 50 answers in 20 s are 2.5/s; 100 are left, 40 s.
        let progress =
            Progress { done: 100, total: 200, resumed: 50, failed: 1, elapsed: Duration::from_secs(20) };

        assert_eq!(progress.to_string(), "[##########----------] 100/200, 2.5/s, 0:40 left, 1 failed");
    }

    #[test]
    fn nothing_is_guessed_before_the_first_answer() {
        let progress = Progress { done: 3, total: 9, resumed: 3, failed: 0, elapsed: Duration::from_secs(5) };

        assert_eq!((progress.rate(), progress.remaining()), (None, None));
        assert_eq!(progress.to_string(), "[######--------------] 3/9");
        assert_eq!(Progress::default().to_string(), "[####################] 0/0");
    }
}
