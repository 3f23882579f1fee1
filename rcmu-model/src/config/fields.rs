use serde_json::Value;

/// Reads the fields of a JSON object and collects everything that is wrong with them.
pub(super) struct Fields<'a> {
    /// Where the object stands, such as `vision_config`; empty for the file itself.
    place: &'a str,
    /// Objects to look into, the first that has a field wins.
    objects: Vec<&'a Value>,
}

/// What is wrong with a file, one entry per field.
pub(super) type Problems = Vec<String>;

impl<'a> Fields<'a> {
    /// Looks into several objects in turn: the nested one of newer files first, then the file itself.
    pub(super) fn new(place: &'a str, objects: impl IntoIterator<Item = Option<&'a Value>>) -> Self {
        let objects = objects.into_iter().flatten().filter(|value| value.is_object()).collect();
        Self { place, objects }
    }

    /// The field, unless it is missing or null.
    pub(super) fn value(&self, name: &str) -> Option<&'a Value> {
        self.objects.iter().find_map(|object| object.get(name).filter(|value| !value.is_null()))
    }

    /// A whole number within `range`; `default` when it is missing and there is one.
    pub(super) fn count(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
        default: Option<u64>,
        problems: &mut Problems,
    ) -> usize {
        let expected = || format!("a whole number in {}..={}", range.start(), range.end());
        let Some(value) = self.value(name) else {
            return default.unwrap_or_else(|| {
                problems.push(format!("{} is missing, expected {}", self.path(name), expected()));
                *range.start()
            }) as usize;
        };
        // 4.0 counts as 4: some writers give `mlp_ratio` so.
        let number = value.as_u64().or_else(|| {
            value.as_f64().filter(|v| v.fract() == 0.0 && *v >= 0.0 && *v < 9e15).map(|v| v as u64)
        });
        number.filter(|number| range.contains(number)).unwrap_or_else(|| {
            problems.push(format!("{} is {}, expected {}", self.path(name), shown(value), expected()));
            *range.start()
        }) as usize
    }

    /// A number within `range`, which tells a model's values from those that end in infinities.
    pub(super) fn number(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<f64>,
        problems: &mut Problems,
    ) -> f64 {
        let expected = || format!("a number in {:e}..={:e}", range.start(), range.end());
        let Some(value) = self.value(name) else {
            problems.push(format!("{} is missing, expected {}", self.path(name), expected()));
            return *range.start();
        };
        value.as_f64().filter(|number| range.contains(number)).unwrap_or_else(|| {
            problems.push(format!("{} is {}, expected {}", self.path(name), shown(value), expected()));
            *range.start()
        })
    }

    /// A token of a vocabulary or a list of them; none when it is missing.
    pub(super) fn tokens(&self, name: &str, vocab: usize, problems: &mut Problems) -> Option<Vec<u32>> {
        let value = self.value(name)?;
        let id = |value: &Value| value.as_u64().filter(|&id| id < vocab as u64).map(|id| id as u32);
        let ids = match value {
            Value::Array(list) if !list.is_empty() && list.len() <= 64 => list.iter().map(id).collect(),
            single => id(single).map(|id| vec![id]),
        };
        if ids.is_none() {
            let expected = "ids of the vocabulary";
            problems.push(format!("{} is {}, expected {expected}", self.path(name), shown(value)));
        }
        ids
    }

    /// A truth value; `default` when it is missing.
    pub(super) fn flag(&self, name: &str, default: bool, problems: &mut Problems) -> bool {
        let Some(value) = self.value(name) else { return default };
        value.as_bool().unwrap_or_else(|| {
            problems.push(format!("{} is {}, expected true or false", self.path(name), shown(value)));
            default
        })
    }

    /// Refuses a text other than those expected; a missing one passes.
    pub(super) fn one_of(&self, name: &str, expected: &[&str], problems: &mut Problems) {
        let Some(value) = self.value(name) else { return };
        if !value.as_str().is_some_and(|text| expected.contains(&text)) {
            let expected = expected.join(" or ");
            problems.push(format!("{} is {}, expected {expected}", self.path(name), shown(value)));
        }
    }

    /// The field's name with its place before it.
    pub(super) fn path(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }
}

/// A value in a few characters, for messages.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    let short: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().count() > 60 { format!("{short}…") } else { short }
}
