use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

/// Everything in the directory by name, and whether a check has used it.
///
/// Names are `file`, `file: tensor` or `file: path.of[3].leaf`.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    open: RefCell<BTreeSet<String>>,
}

impl Ledger {
    /// Enters a name that is to be checked.
    pub(super) fn add(&self, name: String) {
        self.open.borrow_mut().insert(name);
    }

    /// Strikes out a name and all that lies below it.
    pub(super) fn strike(&self, name: &str) {
        let mut open = self.open.borrow_mut();
        open.remove(name);
        let below: Vec<String> = open
            .range(name.to_owned()..)
            .take_while(|other| other.starts_with(name))
            .filter(|other| other[name.len()..].starts_with(['.', '[', ':', '/']))
            .cloned()
            .collect();
        for name in below {
            open.remove(&name);
        }
    }

    /// What is left, numbers of list entries replaced by `*`, with how many there are.
    pub(super) fn rest(&self) -> Vec<(String, usize)> {
        let mut counts = BTreeMap::new();
        for name in self.open.borrow().iter() {
            *counts.entry(without_indices(name)).or_insert(0) += 1;
        }
        counts.into_iter().collect()
    }
}

/// `a[12].b[3]` becomes `a[*].b[*]`.
fn without_indices(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('[') {
        let (before, after) = rest.split_at(at + 1);
        out.push_str(before);
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let is_index = digits > 0 && after[digits..].starts_with(']');
        out.push_str(if is_index { "*" } else { &after[..digits] });
        rest = &after[digits..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn striking_out_takes_what_lies_below_and_no_neighbour() {
        let ledger = Ledger::default();
        for name in ["a: x", "a: x.y", "a: x[0]", "a: xy", "b"] {
            ledger.add(name.to_owned());
        }

        ledger.strike("a: x");

        assert_eq!(ledger.rest(), [("a: xy".to_owned(), 1), ("b".to_owned(), 1)]);
    }

    #[test]
    fn entries_of_lists_are_told_together() {
        let ledger = Ledger::default();
        for index in 0..12 {
            ledger.add(format!("a: rows[{index}].note"));
        }

        assert_eq!(ledger.rest(), [("a: rows[*].note".to_owned(), 12)]);
    }
}
