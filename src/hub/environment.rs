use std::path::PathBuf;

/// What the hub's other clients read from the environment: variables, the first that is set counts, and `~` in paths.
///
/// A variable that holds nothing but blanks is not set.
///
/// # Source
///
/// `constants.py` of the hub's Python client; variables inside of paths are not replaced here.
pub(super) struct Environment<F> {
    /// The value of a variable.
    pub(super) var: F,
    /// The folder that `~` is.
    pub(super) home: PathBuf,
}

impl<F: Fn(&str) -> Option<String>> Environment<F> {
    pub(super) fn endpoint(&self) -> Option<String> {
        self.first(&["HF_ENDPOINT"])
    }

    pub(super) fn cache_dir(&self) -> PathBuf {
        let set = self.first(&["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"]);
        set.map_or_else(|| self.hub_home().join("hub"), |folder| self.path(&folder))
    }

    /// Whether tokens stay here unless a program asks for one to be sent.
    pub(super) fn keeps_token(&self) -> bool {
        self.is_yes(&["HF_HUB_DISABLE_IMPLICIT_TOKEN"])
    }

    pub(super) fn token(&self) -> Option<String> {
        self.first(&["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"])
    }

    /// Where a login leaves its token.
    pub(super) fn token_file(&self) -> PathBuf {
        let set = self.first(&["HF_TOKEN_PATH"]);
        set.map_or_else(|| self.hub_home().join("token"), |file| self.path(&file))
    }

    pub(super) fn is_offline(&self) -> bool {
        self.is_yes(&["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
    }

    fn hub_home(&self) -> PathBuf {
        let cache = || self.first(&["XDG_CACHE_HOME"]).unwrap_or_else(|| "~/.cache".to_owned());
        let set = self.first(&["HF_HOME"]).map(|folder| self.path(&folder));
        set.unwrap_or_else(|| self.path(&cache()).join("huggingface"))
    }

    fn is_yes(&self, names: &[&str]) -> bool {
        let yes = |value: String| matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on");
        self.first(names).is_some_and(yes)
    }

    fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().filter_map(|name| (self.var)(name)).find(|value| !value.trim().is_empty())
    }

    fn path(&self, text: &str) -> PathBuf {
        match text.strip_prefix('~') {
            Some("") => self.home.clone(),
            Some(rest) if rest.starts_with(['/', std::path::MAIN_SEPARATOR]) => self.home.join(&rest[1..]),
            _ => text.into(),
        }
    }
}

/// An environment of these variables and no others.
#[cfg(test)]
pub(super) fn of_variables(
    variables: &[(&str, &str)],
    home: PathBuf,
) -> Environment<impl Fn(&str) -> Option<String>> {
    let find =
        |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
    Environment { var: find, home }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment<impl Fn(&str) -> Option<String>> {
        of_variables(variables, "/home/lily".into())
    }

    #[test]
    fn the_cache_is_where_the_other_clients_have_it() {
        let all = [
            ("HF_HUB_CACHE", "/a"),
            ("HUGGINGFACE_HUB_CACHE", "/b"),
            ("HF_HOME", "/c"),
            ("XDG_CACHE_HOME", "/d"),
        ];
        let expected = ["/a", "/b", "/c/hub", "/d/huggingface/hub", "/home/lily/.cache/huggingface/hub"];

        // Without the first of them, without the first two, and so on.
        for (unset, expected) in expected.into_iter().enumerate() {
            assert_eq!(environment(&all[unset..]).cache_dir(), Path::new(expected));
        }
    }

    #[test]
    fn a_tilde_is_the_home_folder_and_blanks_are_nothing() {
        for (variable, value, expected) in [
            ("HF_HUB_CACHE", "~/cache", "/home/lily/cache"),
            ("HUGGINGFACE_HUB_CACHE", "~", "/home/lily"),
            ("HF_HOME", "~/hf", "/home/lily/hf/hub"),
            ("XDG_CACHE_HOME", "~/xdg", "/home/lily/xdg/huggingface/hub"),
            ("HF_HUB_CACHE", "~sam/cache", "~sam/cache"),
            ("HF_HUB_CACHE", "cache/~", "cache/~"),
            ("HF_HUB_CACHE", " ", "/home/lily/.cache/huggingface/hub"),
        ] {
            assert_eq!(
                environment(&[(variable, value)]).cache_dir(),
                Path::new(expected),
                "{variable}={value}"
            );
        }
    }

    #[test]
    fn the_token_is_that_of_the_other_clients() {
        let both = [("HF_TOKEN", "hf_new"), ("HUGGING_FACE_HUB_TOKEN", "hf_old")];
        assert_eq!(environment(&both).token().as_deref(), Some("hf_new"));
        assert_eq!(environment(&both[1..]).token().as_deref(), Some("hf_old"));
        assert_eq!(environment(&[]).token(), None);

        let paths = [("HF_TOKEN_PATH", "~/token"), ("HF_HOME", "/hf"), ("XDG_CACHE_HOME", "/xdg")];
        let files = [
            "/home/lily/token",
            "/hf/token",
            "/xdg/huggingface/token",
            "/home/lily/.cache/huggingface/token",
        ];
        for (unset, expected) in files.into_iter().enumerate() {
            assert_eq!(environment(&paths[unset..]).token_file(), Path::new(expected));
        }
    }

    #[test]
    fn the_first_word_about_the_network_counts() {
        for (variables, expected) in [
            (&[][..], false),
            (&[("HF_HUB_OFFLINE", "1")], true),
            (&[("TRANSFORMERS_OFFLINE", "True")], true),
            (&[("HF_HUB_OFFLINE", "0"), ("TRANSFORMERS_OFFLINE", "1")], false),
            (&[("HF_HUB_OFFLINE", ""), ("TRANSFORMERS_OFFLINE", "on")], true),
        ] {
            assert_eq!(environment(variables).is_offline(), expected, "{variables:?}");
        }
    }
}
