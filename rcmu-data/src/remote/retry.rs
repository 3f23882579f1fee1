use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use ureq::http::HeaderMap;

/// Longest wait between two attempts unless the endpoint asks for more.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The wait after this many failed attempts, from 1: doubled each time, the second half of it by chance, so that many
/// clients do not come back together.
pub(super) fn wait_after(attempts: u32, backoff: Duration) -> Duration {
    let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
    let longest = backoff.saturating_mul(doubled).min(MAX_WAIT);
    // A fresh hasher is keyed by chance.
    let chance = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
    longest.div_f64(2.0) + longest.mul_f64(chance / 2.0)
}

/// How long the endpoint asks to wait; a date is not read, as clocks differ.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_their_bounds() {
        let unit = Duration::from_secs(4);
        for (attempts, seconds) in [(1, 4), (2, 8), (3, 16), (4, 30), (u32::MAX, 30)] {
            for _ in 0..50 {
                let wait = wait_after(attempts, unit);
                let longest = Duration::from_secs(seconds);
                assert!(wait >= longest / 2 && wait <= longest, "{attempts}: {wait:?}");
            }
        }
        let waits: Vec<_> = (0..20).map(|_| wait_after(1, unit)).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]), "they differ by chance");
    }

    #[test]
    fn only_seconds_are_read() {
        let read = |value: &str| {
            retry_after(&HeaderMap::from_iter([(ureq::http::header::RETRY_AFTER, value.parse().unwrap())]))
        };

        assert_eq!(read("3"), Some(Duration::from_secs(3)));
        assert_eq!(read(" 0.5"), Some(Duration::from_millis(500)));
        for value in ["-1", "NaN", "inf", "1e300", "Fri, 31 Dec 1999 23:59:59 GMT", ""] {
            assert_eq!(read(value), None, "{value}");
        }
    }
}
