use std::collections::HashMap;

/// Keys of pictures by number, from 0.
///
/// A key of 32 hexadecimal digits, as scores of items have, is kept as its 16 bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Clusters {
    digits: HashMap<[u8; 16], u32>,
    texts: HashMap<String, u32>,
}

impl Clusters {
    /// The number of a key, a new one for a new key.
    pub(super) fn place(&mut self, key: &str) -> u32 {
        let next = (self.digits.len() + self.texts.len()) as u32;
        match bytes(key) {
            Some(bytes) => *self.digits.entry(bytes).or_insert(next),
            None => match self.texts.get(key) {
                Some(&place) => place,
                None => *self.texts.entry(key.to_owned()).or_insert(next),
            },
        }
    }

    /// The numbers in the order of the keys.
    pub(super) fn in_order(&self) -> Vec<u32> {
        if self.texts.is_empty() {
            // Bytes stand in the order of their digits.
            let mut keys: Vec<_> = self.digits.iter().map(|(bytes, place)| (*bytes, *place)).collect();
            keys.sort_unstable();
            return keys.into_iter().map(|(_, place)| place).collect();
        }
        let digits = self.digits.iter().map(|(bytes, place)| (crate::hex::hex(bytes), *place));
        let mut keys: Vec<_> =
            digits.chain(self.texts.iter().map(|(key, place)| (key.clone(), *place))).collect();
        keys.sort_unstable();
        keys.into_iter().map(|(_, place)| place).collect()
    }
}

/// The bytes of 32 hexadecimal digits in lower case; none for any other text.
fn bytes(key: &str) -> Option<[u8; 16]> {
    let digits: &[u8; 32] = key.as_bytes().try_into().ok()?;
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys in the order of their numbers' places.
    fn sorted(keys: &[&str]) -> Vec<String> {
        let mut clusters = Clusters::default();
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(clusters.place(key), at as u32, "{key} is new");
            assert_eq!(clusters.place(key), at as u32, "{key} is known");
        }
        clusters.in_order().into_iter().map(|place| keys[place as usize].to_owned()).collect()
    }

    #[test]
    fn keys_stand_in_the_order_of_their_texts_whatever_they_are() {
        let digits = ["ff", "0a", "a0", "99", "00"].map(|end| format!("{}{end}", "3".repeat(30)));
        let mut keys: Vec<_> = digits.iter().map(String::as_str).collect();
        let ordered = |keys: &[&str]| {
            let mut keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
            keys.sort();
            keys
        };

        assert_eq!(sorted(&keys), ordered(&keys));
        let upper = digits[0].to_uppercase();
        keys.extend(["z", "", "3", &upper, "4.png"]);
        assert_eq!(sorted(&keys), ordered(&keys));
    }
}
