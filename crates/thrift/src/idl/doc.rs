//! Documentation comments: what is left of the text between `/**` and `*/`.

/// The text without the stars and the indentation of its lines, each line ended by a line feed; `None` if there is no text.
///
/// This is what the official compiler does, line by line, so that documentation looks the same whichever reads it.
pub(super) fn clean(comment: &str) -> Option<String> {
    // It takes a blank for the star of `*/`, which shows where a last line is otherwise empty.
    let comment = comment.replace('\r', "") + " ";
    let mut lines: Vec<&str> = comment.split('\n').collect();
    // The end of a comment usually has a line of its own.
    if lines.last().is_some_and(|line| is_blank(line)) {
        lines.pop();
    }
    let (first, rest) = lines.split_first_mut()?;
    *first = first.trim_start_matches(BLANK);

    remove_stars(rest);
    // Blank lines say nothing about the indentation unless they are longer than it.
    let indentation = rest
        .iter()
        .filter(|line| !is_blank(line))
        .map(|line| indentation_of(line))
        .min();
    if let Some(indentation) = indentation {
        for line in rest {
            *line = line.get(indentation..).unwrap_or("");
        }
    }

    let mut text = String::with_capacity(comment.len());
    for (at, line) in lines.iter().enumerate() {
        // Lines of nothing but blanks stay as they are.
        let line = if is_blank(line) {
            line
        } else {
            line.trim_end_matches(BLANK)
        };
        if at > 0 || !line.is_empty() {
            text.push_str(line);
            text.push('\n');
        }
    }
    (!text.is_empty()).then_some(text)
}

const BLANK: [char; 2] = [' ', '\t'];

fn is_blank(line: &str) -> bool {
    indentation_of(line) == line.len()
}

fn indentation_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(BLANK).len()
}

/// If all lines that are not blank begin with a star in the same column, removes it and what is before it.
fn remove_stars(lines: &mut [&str]) {
    let mut column = None;
    for line in lines.iter_mut() {
        if is_blank(line) {
            *line = "";
            continue;
        }
        let indentation = indentation_of(line);
        if !line[indentation..].starts_with('*')
            || *column.get_or_insert(indentation) != indentation
        {
            return;
        }
    }
    if let Some(column) = column {
        for line in lines {
            *line = line.get(column + 1..).unwrap_or("");
        }
    }
}
