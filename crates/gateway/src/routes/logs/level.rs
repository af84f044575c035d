//! How serious a line of a log is, by its first word.

/// A guess: programs say it in many ways, and most lines do not say it at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

/// Words in capitals count before anything that is not part of a word, others only before a colon or a closing bracket:
/// "Error: no mesh" is one, "Error handling is on" is not.
const WORDS: [(&str, Level); 11] = [
    ("ERROR", Level::Error),
    ("ERR", Level::Error),
    ("CRITICAL", Level::Error),
    ("FATAL", Level::Error),
    ("WARNING", Level::Warning),
    ("WARN", Level::Warning),
    ("INFO", Level::Info),
    ("NOTICE", Level::Info),
    ("DEBUG", Level::Debug),
    ("TRACE", Level::Debug),
    ("VERBOSE", Level::Debug),
];

impl Level {
    /// The level of a line; [`Level::Info`] if it does not say.
    pub(crate) fn of(line: &[u8]) -> Self {
        let start = line
            .iter()
            .take_while(|byte| b" \t[(<*".contains(byte))
            .count();
        let line = &line[start..];
        let word = line
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
            .count();
        let (word, rest) = line.split_at(word);
        let is_marked = rest.first().is_some_and(|byte| b":])>".contains(byte));
        WORDS
            .iter()
            .find(|(known, _)| {
                word == known.as_bytes() || is_marked && word.eq_ignore_ascii_case(known.as_bytes())
            })
            .map_or(Self::Info, |(_, level)| *level)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn the_first_word_says_it() {
        for (line, level) in [
            ("ERROR no mesh", Level::Error),
            ("ERROR", Level::Error),
            ("Error: no mesh", Level::Error),
            ("[error] no mesh", Level::Error),
            ("  [WARN ] slow", Level::Warning),
            ("WARNING: slow", Level::Warning),
            ("DEBUG:solver:step", Level::Debug),
            ("INFO - ready", Level::Info),
            ("CRITICAL: x", Level::Error),
            ("Error handling is on", Level::Info),
            ("ERRORS: 0", Level::Info),
            ("ERROR_RATE 0.1", Level::Info),
            ("no ERROR here", Level::Info),
            ("", Level::Info),
            ("   ", Level::Info),
        ] {
            assert_eq!(Level::of(line.as_bytes()), level, "{line:?}");
        }
        assert_eq!(Level::of(b"\xff\xfe"), Level::Info);
    }
}
