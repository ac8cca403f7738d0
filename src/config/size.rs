//! Sizes: bytes as people write them (`"256 MiB"`), read and shown.

const UNITS: [(&str, u64); 8] = [
    ("B", 1),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Bytes from text: a whole number, then, if any, a unit (`B`, `KB`, `MB`, `GB` are powers of 1000; `KiB`, `MiB`,
/// `GiB`, `TiB` of 1024), in either case, with or without a space. `None` when it is not that or does not fit.
pub(super) fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let factor = match unit {
        "" => 1,
        named => {
            UNITS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(named))?
                .1
        }
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// The size in the largest unit of 1024 that leaves a whole number.
pub(super) fn display(bytes: u64) -> String {
    UNITS
        .iter()
        .rev()
        .filter(|(name, _)| *name == "B" || name.contains('i'))
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor))
        .map_or_else(
            || format!("{bytes} B"),
            |(name, factor)| format!("{} {name}", bytes / factor),
        )
}
