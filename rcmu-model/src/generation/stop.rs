/// Finds the stop string that ends first in a growing text, of several the one that begins first, and holds back what might
/// become one.
#[derive(Clone, Debug, Default)]
pub(crate) struct StopMatcher {
    stops: Vec<String>,
    held: String,
}

/// What may be shown after more text came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StopStep {
    /// Text that cannot belong to a stop string any more.
    pub(crate) text: String,
    /// A stop string was found; its text and all after it are gone.
    pub(crate) stopped: bool,
}

impl StopMatcher {
    /// Looks for the first of these; none of them is empty.
    pub(crate) fn new(stops: &[String]) -> Self {
        Self { stops: stops.to_vec(), held: String::new() }
    }

    /// Takes more text.
    pub(crate) fn push(&mut self, text: &str) -> StopStep {
        self.held.push_str(text);
        // The end decides, so that it does not matter in which pieces the text comes.
        let end_and_begin = |stop: &String| self.held.find(stop.as_str()).map(|at| (at + stop.len(), at));
        if let Some((_, at)) = self.stops.iter().filter_map(end_and_begin).min() {
            self.held.truncate(at);
            return StopStep { text: std::mem::take(&mut self.held), stopped: true };
        }
        let keep = self.stops.iter().map(|stop| open_suffix(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        StopStep { text: std::mem::replace(&mut self.held, rest), stopped: false }
    }

    /// What is left when no more text comes.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// Bytes at the end of `text` that are the beginning of `stop`.
fn open_suffix(text: &str, stop: &str) -> usize {
    let longest = text.len().min(stop.len() - 1);
    (1..=longest)
        .rev()
        .find(|&len| text.as_bytes()[text.len() - len..] == stop.as_bytes()[..len])
        .filter(|&len| text.is_char_boundary(text.len() - len))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(stops: &[&str], parts: &[&str]) -> (String, bool) {
        let stops: Vec<String> = stops.iter().map(ToString::to_string).collect();
        let mut matcher = StopMatcher::new(&stops);
        let mut shown = String::new();
        for part in parts {
            let step = matcher.push(part);
            shown.push_str(&step.text);
            if step.stopped {
                return (shown, true);
            }
        }
        shown.push_str(&matcher.finish());
        (shown, false)
    }

    #[test]
    fn a_stop_string_is_found_across_pieces() {
        assert_eq!(feed(&["END"], &["one E", "N", "D two"]), ("one ".into(), true));
        assert_eq!(feed(&["END"], &["one E", "N", "O two"]), ("one ENO two".into(), false));
        assert_eq!(feed(&["b", "ab"], &["xa", "b"]), ("x".into(), true));
        assert_eq!(feed(&[], &["one", " two"]), ("one two".into(), false));
    }

    #[test]
    fn any_cut_gives_the_same_text() {
        let text = "ein Ende, aaab — aab!";
        for at in (0..=text.len()).filter(|&at| text.is_char_boundary(at)) {
            assert_eq!(feed(&["aab"], &[&text[..at], &text[at..]]), ("ein Ende, a".into(), true));
        }
        let text = "xabcy";
        for at in 0..=text.len() {
            assert_eq!(feed(&["abc", "b"], &[&text[..at], &text[at..]]), ("xa".into(), true), "{at}");
            assert_eq!(feed(&["bc", "abc"], &[&text[..at], &text[at..]]), ("x".into(), true), "{at}");
        }
    }
}
