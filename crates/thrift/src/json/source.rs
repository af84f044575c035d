//! JSON text, read token by token: strict, as RFC 8259 has it.

use super::{
    error::{JsonErrorKind, Syntax, Violation},
    scan,
};

/// Room for the first string with escapes, so that it need not grow little by little.
const UNESCAPED_SIZE: usize = 128;

/// Reading cannot go on; the violation is in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop;

/// Results of reading: what is wrong is in the list of violations.
pub(super) type Result<T> = std::result::Result<T, Stop>;

/// A string that was read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Text<'a> {
    /// As it is written.
    Plain(&'a str),
    /// It had escapes: the text is in [`Source::unescaped`].
    Unescaped,
}

/// A number as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number<'a> {
    pub(super) text: &'a str,
    /// It has neither a fraction nor an exponent.
    pub(super) is_integer: bool,
}

/// The text, and what was found wrong with it.
#[derive(Debug)]
pub(super) struct Source<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pub(super) at: usize,
    /// The last string that had escapes, without them.
    pub(super) unescaped: String,
    pub(super) violations: Vec<Violation>,
    violations_max: usize,
    depth_left: u32,
    depth_max: u32,
}

impl<'a> Source<'a> {
    pub(super) const fn new(text: &'a str, depth_max: u32, violations_max: usize) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            unescaped: String::new(),
            violations: Vec::new(),
            violations_max,
            depth_left: depth_max,
            depth_max,
        }
    }

    /// The same text again from a place, for another purpose.
    pub(super) const fn again(&self, at: usize) -> Self {
        let mut source = Self::new(self.text, self.depth_max, 1);
        source.at = at;
        source
    }

    /// Something is wrong that the rest can be read in spite of.
    #[cold]
    pub(super) fn violation(&mut self, kind: JsonErrorKind, offset: usize) -> Result<()> {
        self.violations.push(Violation {
            kind,
            offset,
            steps: Vec::new(),
        });
        if self.violations.len() < self.violations_max {
            Ok(())
        } else {
            Err(Stop)
        }
    }

    /// Something is wrong and the rest cannot be read.
    #[cold]
    pub(super) fn fail(&mut self, kind: JsonErrorKind, offset: usize) -> Stop {
        let _ = self.violation(kind, offset);
        Stop
    }

    #[cold]
    pub(super) fn expected(&mut self, expected: &'static str) -> Stop {
        let found = self
            .text
            .get(self.at..)
            .and_then(|rest| rest.chars().next());
        let syntax = Syntax::Expected { expected, found };
        self.fail(JsonErrorKind::Syntax(syntax), self.at)
    }

    /// Says in which part of the value the violations were that are new.
    #[cold]
    pub(super) fn within(&mut self, before: usize, step: &str) {
        for violation in &mut self.violations[before..] {
            violation.steps.push(step.to_owned());
        }
    }

    /// One more struct or container around what follows.
    #[inline]
    pub(super) fn enter(&mut self) -> Result<()> {
        self.depth_left = self.deeper(self.depth_left)?;
        Ok(())
    }

    #[inline]
    fn deeper(&mut self, depth_left: u32) -> Result<u32> {
        match depth_left.checked_sub(1) {
            Some(left) => Ok(left),
            None => Err(self.fail(JsonErrorKind::TooDeep(self.depth_max), self.at)),
        }
    }

    #[inline]
    pub(super) const fn leave(&mut self) {
        self.depth_left += 1;
    }

    /// The byte here; a space at the end of the text, where no token is one.
    #[inline]
    pub(super) fn here(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(b' ')
    }

    /// The text from here on.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The first byte of the next token, which is not taken.
    #[inline]
    pub(super) fn peek(&mut self) -> u8 {
        let byte = self.here();
        if byte > b' ' {
            return byte;
        }
        self.skip_space();
        self.here()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// Takes a token of one byte.
    #[inline]
    pub(super) fn take(&mut self, byte: u8, expected: &'static str) -> Result<()> {
        if self.peek() == byte {
            self.at += 1;
            Ok(())
        } else {
            Err(self.expected(expected))
        }
    }

    /// Takes a token of one byte if it is there.
    #[inline]
    pub(super) fn takes(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == byte;
        if is_there {
            self.at += 1;
        }
        is_there
    }

    /// What is between elements: whether another one follows.
    #[inline]
    pub(super) fn goes_on(&mut self, end: u8, expected: &'static str) -> Result<bool> {
        let byte = self.peek();
        if byte != b',' && byte != end {
            return Err(self.expected(expected));
        }
        self.at += 1;
        Ok(byte == b',')
    }

    /// The end of the text.
    pub(super) fn end(&mut self) -> Result<()> {
        self.skip_space();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.expected("the end of the text"))
        }
    }

    /// Takes `true`, `false` or `null`.
    #[inline]
    pub(super) fn word(&mut self, word: &'static str) -> Result<()> {
        if self.rest().starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.expected(word))
        }
    }

    /// A string, its first quote here.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Text<'a>> {
        debug_assert_eq!(self.here(), b'"');
        let start = self.at + 1;
        let end = scan::plain_end(self.bytes, start);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            // A quote is a character of its own, so both places are between characters.
            return Ok(Text::Plain(self.text.get(start..end).unwrap_or_default()));
        }
        self.unescape(start, end)?;
        Ok(Text::Unescaped)
    }

    /// The characters of a string.
    #[inline]
    pub(super) fn str_of<'s>(&'s self, text: Text<'a>) -> &'s str {
        match text {
            Text::Plain(text) => text,
            Text::Unescaped => &self.unescaped,
        }
    }

    /// A string with an escape at `end`, or one that does not end.
    #[inline(never)]
    fn unescape(&mut self, mut start: usize, mut end: usize) -> Result<()> {
        self.unescaped.clear();
        self.unescaped.reserve(UNESCAPED_SIZE);
        loop {
            self.unescaped
                .push_str(self.text.get(start..end).unwrap_or_default());
            self.at = end;
            match self.bytes.get(end) {
                Some(b'"') => {
                    self.at = end + 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(control) => {
                    let syntax = Syntax::Control(*control);
                    return Err(self.fail(JsonErrorKind::Syntax(syntax), end));
                }
                None => return Err(self.expected("the closing quote of a string")),
            }
            // Escapes come in groups.
            while self.here() == b'\\' {
                self.escape()?;
            }
            start = self.at;
            end = scan::plain_end(self.bytes, start);
        }
    }

    #[inline]
    fn escape(&mut self) -> Result<()> {
        let char = match self.bytes.get(self.at + 1) {
            Some(b'n') => '\n',
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'u') => return self.escape_by_number(),
            _ => {
                self.at = (self.at + 1).min(self.bytes.len());
                return Err(self.expected("one of \"\\/bfnrtu after a backslash"));
            }
        };
        self.unescaped.push(char);
        self.at += 2;
        Ok(())
    }

    /// `\u` and four digits; two of them for characters beyond the first plane.
    fn escape_by_number(&mut self) -> Result<()> {
        let start = self.at;
        let first = self.hex()?;
        let mut code = u32::from(first);
        if (0xd800..0xdc00).contains(&first) && self.rest().starts_with(b"\\u") {
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                code = 0x1_0000 + ((code - 0xd800) << 10) + (u32::from(second) - 0xdc00);
            }
        }
        match char::from_u32(code) {
            Some(char) => {
                self.unescaped.push(char);
                Ok(())
            }
            None => Err(self.fail(JsonErrorKind::Syntax(Syntax::Surrogate(first)), start)),
        }
    }

    /// The number of a `\u`.
    fn hex(&mut self) -> Result<u16> {
        self.at += 2;
        let mut number = 0;
        for _ in 0..4 {
            let Some(digit) = char::from(self.here()).to_digit(16) else {
                return Err(self.expected("four hexadecimal digits after \\u"));
            };
            number = number << 4 | digit as u16;
            self.at += 1;
        }
        Ok(number)
    }

    /// A number, its first character here.
    pub(super) fn number(&mut self) -> Result<Number<'a>> {
        let start = self.at;
        let mut is_integer = true;
        if self.here() == b'-' {
            self.at += 1;
        }
        let first = self.at;
        self.digits()?;
        if self.bytes[first] == b'0' && self.at - first > 1 {
            return Err(self.fail(JsonErrorKind::Syntax(Syntax::Zeros), first));
        }
        if self.here() == b'.' {
            is_integer = false;
            self.at += 1;
            self.digits()?;
        }
        if let b'e' | b'E' = self.here() {
            is_integer = false;
            self.at += 1;
            if let b'+' | b'-' = self.here() {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        Ok(Number { text, is_integer })
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<()> {
        if !self.here().is_ascii_digit() {
            return Err(self.expected("a digit"));
        }
        while self.here().is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }

    /// Jumps over a value of any kind.
    pub(super) fn skip(&mut self) -> Result<()> {
        self.skip_within(self.depth_left)
    }

    /// Jumps over a value of a map that is written as entries, which have a brace more at every level.
    pub(super) fn skip_of_entry(&mut self) -> Result<()> {
        self.skip_within(self.depth_left.saturating_mul(2))
    }

    fn skip_within(&mut self, depth_left: u32) -> Result<()> {
        match self.peek() {
            b'{' => {
                let depth_left = self.deeper(depth_left)?;
                self.at += 1;
                if self.takes(b'}') {
                    return Ok(());
                }
                loop {
                    self.name("a name in quotes")?;
                    self.skip_within(depth_left)?;
                    if !self.goes_on(b'}', "',' or '}'")? {
                        return Ok(());
                    }
                }
            }
            b'[' => {
                let depth_left = self.deeper(depth_left)?;
                self.at += 1;
                if self.takes(b']') {
                    return Ok(());
                }
                loop {
                    self.skip_within(depth_left)?;
                    if !self.goes_on(b']', "',' or ']'")? {
                        return Ok(());
                    }
                }
            }
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => Err(self.expected("a value")),
        }
    }

    /// The name of a member, and the colon behind it.
    #[inline]
    pub(super) fn name(&mut self, expected: &'static str) -> Result<Text<'a>> {
        if self.peek() != b'"' {
            return Err(self.expected(expected));
        }
        let name = self.string()?;
        self.take(b':', "':'")?;
        Ok(name)
    }

    /// What kind of value is here, for messages.
    #[cold]
    pub(super) fn kind(&mut self) -> &'static str {
        match self.peek() {
            b'{' => "an object",
            b'[' => "an array",
            b'"' => "a string",
            b't' | b'f' => "a boolean",
            b'n' => "null",
            _ => {
                let at = self.at;
                let found = self.violations.len();
                let number = self.number();
                self.at = at;
                self.violations.truncate(found);
                match number {
                    Ok(number) if !number.is_integer => "a number with a fraction or an exponent",
                    _ => "a number",
                }
            }
        }
    }

    /// A value of the wrong kind, or no value at all: says so and jumps over it.
    #[cold]
    pub(super) fn wrong_type(&mut self, expected: &str) -> Result<()> {
        let at = self.at;
        let found = self.kind();
        self.skip()?;
        let expected = expected.into();
        self.violation(JsonErrorKind::Type { expected, found }, at)
    }
}
