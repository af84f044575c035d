//! Text to tokens, each with its column.

use std::fmt;

use crate::ParseError;

/// One token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Token<'a> {
    Number(f64),
    Name(&'a str),
    /// One of `+-*/^(),`.
    Sign(char),
    End,
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => write!(f, "{value:?}"),
            Self::Name(name) => write!(f, "\"{name}\""),
            Self::Sign(sign) => write!(f, "'{sign}'"),
            Self::End => f.write_str("the end"),
        }
    }
}

/// Walks over a text, one token ahead.
#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    rest: &'a str,
    /// Column of `rest`, in characters from 1.
    next_column: usize,
    /// The token ahead.
    pub(crate) token: Token<'a>,
    /// Its column.
    pub(crate) column: usize,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a str) -> Result<Self, ParseError> {
        let mut tokens = Self {
            rest: text,
            next_column: 1,
            token: Token::End,
            column: 1,
        };
        tokens.advance()?;
        Ok(tokens)
    }

    /// Moves on to the next token.
    pub(crate) fn advance(&mut self) -> Result<(), ParseError> {
        let blank = self.rest.len() - self.rest.trim_start().len();
        self.take(blank);
        self.column = self.next_column;
        self.token = match self.rest.chars().next() {
            None => Token::End,
            Some('0'..='9' | '.') => self.number()?,
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let end = self.rest.find(|c| !name(c)).unwrap_or(self.rest.len());
                Token::Name(self.take(end))
            }
            Some(c @ ('+' | '-' | '*' | '/' | '^' | '(' | ')' | ',')) => {
                self.take(1);
                Token::Sign(c)
            }
            Some(c) => return Err(self.error(format!("{c:?} means nothing here"))),
        };
        Ok(())
    }

    /// An error at the token ahead.
    pub(crate) fn error(&self, what: impl Into<String>) -> ParseError {
        ParseError {
            column: self.column,
            what: what.into(),
        }
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        self.next_column += taken.chars().count();
        taken
    }

    fn number(&mut self) -> Result<Token<'a>, ParseError> {
        let bytes = self.rest.as_bytes();
        let digits = |from: usize| {
            let run = bytes[from..].iter().take_while(|b| b.is_ascii_digit());
            from + run.count()
        };
        let mut end = digits(0);
        if bytes.get(end) == Some(&b'.') {
            end = digits(end + 1);
        }
        // In `2e` the letter is a name; only digits make it an exponent.
        if let Some(b'e' | b'E') = bytes.get(end) {
            let signed = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            if bytes.get(signed).is_some_and(u8::is_ascii_digit) {
                end = digits(signed);
            }
        }
        let text = self.take(end);
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Token::Number(value)),
            Ok(_) => Err(self.error(format!("{text} is too large"))),
            Err(_) => Err(self.error(format!("{text} is no number"))),
        }
    }
}
