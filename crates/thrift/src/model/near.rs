//! Names that were probably meant.

/// The candidate that is nearest to `name`, if it is near enough to be a slip; of several the first in order.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = (name.len() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= limit)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Letters to be added, removed, replaced, or swapped with the next one; case does not count.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<u8> = left.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
    let right: Vec<u8> = right
        .bytes()
        .map(|byte| byte.to_ascii_lowercase())
        .collect();
    let width = right.len() + 1;
    let mut before = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (row, letter) in left.iter().enumerate() {
        let mut this = vec![row + 1; width];
        for (column, other) in right.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != other);
            this[column + 1] = replaced.min(last[column + 1] + 1).min(this[column] + 1);
            if row > 0 && column > 0 && *letter == right[column - 1] && left[row - 1] == *other {
                this[column + 1] = this[column + 1].min(before[column - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, this);
    }
    last[right.len()]
}

/// The base type that has another name in other languages.
pub(super) fn base_type(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "int" | "integer" | "int32" | "u32" | "uint" | "uint32" => "i32",
        "int8" | "u8" | "char" | "uint8" => "i8",
        "short" | "int16" | "u16" | "uint16" => "i16",
        "long" | "int64" | "u64" | "uint64" => "i64",
        "float" | "f32" | "f64" | "number" => "double",
        "str" | "text" => "string",
        "bytes" | "blob" | "buffer" => "binary",
        "boolean" => "bool",
        "guid" => "uuid",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found() {
        let names = ["Point", "Color", "PointList", "Request"];
        assert_eq!(nearest("Piont", names), Some("Point"));
        assert_eq!(nearest("Reqest", names), Some("Request"));
        assert_eq!(nearest("COLOUR", names), Some("Color"));
        assert_eq!(nearest("Matrix", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
