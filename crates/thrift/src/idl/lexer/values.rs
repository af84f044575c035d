//! What the text of a token stands for.

/// The value of an integer token; `None` if it does not fit.
pub(in crate::idl) fn integer(text: &str) -> Option<i64> {
    match text {
        "true" => return Some(1),
        "false" => return Some(0),
        _ => {}
    }
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    match digits.strip_prefix("0x") {
        // The sign is applied afterwards: the least integer cannot be written in hexadecimal.
        Some(digits) => i64::from_str_radix(digits, 16)
            .ok()
            .map(|value| sign * value),
        None => text.parse().ok(),
    }
}

/// The value of a double token. What has no digits is 0.
pub(in crate::idl) fn double(text: &str) -> f64 {
    text.parse().unwrap_or(0.0)
}

/// The meaning of a literal token: without quotes, escapes replaced.
pub(in crate::idl) fn literal(text: &str) -> String {
    let mut characters = text.chars();
    let quote = characters.next();
    if !text.contains('\\') {
        let inner = characters.as_str();
        // Without escapes a quote can only be at the end; one that is missing was reported.
        return quote
            .and_then(|quote| inner.strip_suffix(quote))
            .unwrap_or(inner)
            .to_owned();
    }
    let mut value = String::with_capacity(text.len());
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('r') => value.push('\r'),
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some(other) => value.push(other),
                None => {}
            },
            _ if Some(character) == quote => break,
            _ => value.push(character),
        }
    }
    value
}
