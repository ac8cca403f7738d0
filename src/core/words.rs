//! Numbers in sentences for people.

use std::fmt::Display;

/// The number with its noun: `1 task`, `2 tasks`.
pub fn several<N: Display + PartialEq + From<u8>>(count: N, one: &str, more: &str) -> String {
    let noun = if count == N::from(1) { one } else { more };
    format!("{count} {noun}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_one_and_none_are_several() {
        let told = [0, 1, 2].map(|count: u32| several(count, "box", "boxes"));
        assert_eq!(told, ["0 boxes", "1 box", "2 boxes"]);
    }
}
