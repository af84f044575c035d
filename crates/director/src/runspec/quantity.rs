//! Durations and sizes as people write them.

use std::time::Duration;

/// Longest duration: longer ones are mistakes, and sums with the clock must not overflow.
const DURATION_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);
/// Largest size: what a signed 64-bit column holds.
const SIZE_MAX: u64 = i64::MAX as u64;

/// Reads `1h 30m`, `50s`, `1.5s` or `250ms`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    let mut last_unit_ms = f64::INFINITY;
    if rest.is_empty() {
        return Err("is empty".to_owned());
    }
    while !rest.is_empty() {
        let (number, unit, after) = split_quantity(rest);
        let number: f64 = number
            .parse()
            .map_err(|_| format!("`{text}` is not a duration"))?;
        let unit_ms = match unit {
            "ms" => 1.0,
            "s" => 1e3,
            "m" | "min" => 60e3,
            "h" => 3600e3,
            "d" => 86_400e3,
            "" => return Err(format!("`{text}` has no unit")),
            _ => return Err(format!("`{unit}` is not a unit of time")),
        };
        if unit_ms >= last_unit_ms {
            return Err(format!("the units of `{text}` are not in falling order"));
        }
        last_unit_ms = unit_ms;
        let part =
            Duration::try_from_secs_f64(number * unit_ms / 1e3).map_err(|_| too_long(text))?;
        total = total.checked_add(part).ok_or_else(|| too_long(text))?;
        rest = after.trim_start();
    }
    if total > DURATION_MAX {
        return Err(too_long(text));
    }
    Ok(total)
}

fn too_long(text: &str) -> String {
    format!("`{text}` is longer than ten years")
}

/// Reads `512MiB`, `10 GB` or `1.5GiB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let (number, unit, after) = split_quantity(text.trim());
    if !after.is_empty() {
        return Err(format!("`{text}` is not a size"));
    }
    let factor: u64 = match unit {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(format!("`{unit}` is not a unit of size")),
    };
    let too_large = || format!("`{text}` is too large");
    let bytes = if let Ok(whole) = number.parse::<u64>() {
        whole.checked_mul(factor).ok_or_else(too_large)?
    } else {
        let number: f64 = number
            .parse()
            .map_err(|_| format!("`{text}` is not a size"))?;
        let bytes = number * factor as f64;
        if bytes >= SIZE_MAX as f64 {
            return Err(too_large());
        }
        bytes.round() as u64
    };
    if bytes > SIZE_MAX {
        Err(too_large())
    } else {
        Ok(bytes)
    }
}

/// Number, unit, rest: `("1", "h", " 30m")` of `1h 30m`. Signs are no part of a number here.
fn split_quantity(text: &str) -> (&str, &str, &str) {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, after) = text.split_at(end);
    let after = after.trim_start();
    let end = after
        .find(|c: char| !c.is_alphabetic())
        .unwrap_or(after.len());
    let (unit, rest) = after.split_at(end);
    (number, unit, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let ms = |text| duration(text).map(|d| d.as_millis());
        for (text, expected) in [
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            ("50s", 50_000),
            ("250ms", 250),
            ("1.5s", 1500),
            ("0s", 0),
            (" 2 min ", 120_000),
            ("1d 1h 1m 1s 1ms", 90_061_001),
        ] {
            assert_eq!(ms(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            " ",
            "5",
            "s",
            "-5s",
            "1m 1h",
            "1s 1s",
            "5 parsecs",
            "1e9s",
            "9999999d",
            "1..5s",
            "5s!",
            "١s",
        ] {
            assert!(ms(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("512MiB", 512 << 20),
            ("10GB", 10_000_000_000),
            ("10 GiB", 10 << 30),
            ("1.5GiB", 3 << 29),
            ("7", 7),
            ("0B", 0),
            ("9223372036854775807", i64::MAX as u64),
        ] {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "MiB",
            "-1MB",
            "1 mib",
            "1MB 2MB",
            "9223372036854775808",
            "99999999TiB",
            "1e3",
            "18446744073709551616",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
