//! Reading one column of numbers out of a text file.

use std::io::BufRead;

use folder_contract::{Cancel, Stop};

/// Longest signal: 15 hours at 360 Hz, 160 MB in memory.
const SAMPLES_MAX: usize = 20_000_000;

/// How often the reader looks at the cancel flag.
const LINES_PER_LOOK: usize = 4096;

/// Reads the 1-based `column` of lines whose cells are parted by comma, semicolon or tab.
///
/// Empty lines and lines that begin with `#` are skipped; the first other line may be a header.
///
/// # Errors
///
/// [`Stop::Input`] with the line number for a cell that is no finite number, and for a signal
/// that is empty or too long; [`Stop::Cancelled`].
pub(crate) fn read(text: impl BufRead, column: usize, cancel: &Cancel) -> Result<Vec<f64>, Stop> {
    let bad = |line: usize, what: String| Stop::input("signal", format!("line {line}: {what}"));
    let mut samples = Vec::new();
    let mut header_allowed = true;
    for (number, line) in (1..).zip(text.lines()) {
        if number % LINES_PER_LOOK == 0 {
            cancel.check()?;
        }
        let line = line.map_err(|error| bad(number, error.to_string()))?;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some(cell) = line.split([',', ';', '\t']).nth(column - 1) else {
            return Err(bad(number, format!("there is no column {column}")));
        };
        let cell = cell.trim();
        match cell.parse::<f64>() {
            Ok(value) if value.is_finite() => samples.push(value),
            Err(_) if header_allowed => {}
            Ok(_) | Err(_) => {
                let shown: String = cell.chars().take(40).collect();
                return Err(bad(number, format!("{shown:?} is not a finite number")));
            }
        }
        header_allowed = false;
        if samples.len() > SAMPLES_MAX {
            return Err(bad(number, format!("more than {SAMPLES_MAX} samples")));
        }
    }
    if samples.is_empty() {
        return Err(Stop::input("signal", "there is no sample in the file"));
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, column: usize, expected: Result<&[f64], &str>) {
        let found = read(text.as_bytes(), column, &Cancel::default());
        let found = found.map_err(|stop| stop.to_string());
        let expected = expected
            .map(<[f64]>::to_vec)
            .map_err(|reason| format!("input signal: {reason}"));
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn columns_headers_and_comments() {
        check("1\n2.5\r\n-3e2\n", 1, Ok(&[1.0, 2.5, -300.0]));
        check("# a recording\n\ntime,mV\n0,1\n1, 2\n", 2, Ok(&[1.0, 2.0]));
        check("0\t5\n1\t6", 2, Ok(&[5.0, 6.0]));
        check("0;5", 1, Ok(&[0.0]));
    }

    #[test]
    fn bad_cells_are_named_by_line() {
        check("1\nx\n", 1, Err("line 2: \"x\" is not a finite number"));
        check("mV\nmV\n", 1, Err("line 2: \"mV\" is not a finite number"));
        check("1\nNaN\n", 1, Err("line 2: \"NaN\" is not a finite number"));
        check("inf\n", 1, Err("line 1: \"inf\" is not a finite number"));
        check("1,2\n3\n", 2, Err("line 2: there is no column 2"));
        check("# nothing\n", 1, Err("there is no sample in the file"));
        check("mV\n", 1, Err("there is no sample in the file"));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let found = read(&b"1\n\xff\xfe\n"[..], 1, &Cancel::default()).unwrap_err();
        assert!(
            found.to_string().starts_with("input signal: line 2: "),
            "{found}"
        );
    }
}
