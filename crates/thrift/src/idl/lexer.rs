//! Text to tokens. All tokens are made at once: the parser looks ahead and back as it likes.

mod values;

use std::collections::HashSet;

pub(super) use values::{double, integer, literal};

use super::{
    diagnostic::Diagnostic,
    findings::Findings,
    source::{SourceId, Span},
};

/// A token: what it is and where; its text is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// Nothing but blanks and comments is before it in its line.
    pub(super) starts_line: bool,
    pub(super) span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    Identifier,
    Keyword(Keyword),
    /// `php_namespace` and the like, which are errors wherever they are; already reported.
    OldNamespace,
    Integer,
    Double,
    /// A string with its quotes.
    Literal,
    Colon,
    Semicolon,
    Comma,
    Equal,
    Star,
    Ampersand,
    /// Only other dialects have it.
    At,
    OpenBrace,
    CloseBrace,
    OpenParen,
    CloseParen,
    OpenBracket,
    CloseBracket,
    Less,
    Greater,
    End,
}

/// Declares the keywords, each beside its text.
macro_rules! keywords {
    ($($name:ident $text:literal)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Keyword {
            $($name,)*
        }

        impl Keyword {
            fn from_text(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

keywords! {
    Namespace "namespace"
    Include "include"
    CppInclude "cpp_include"
    CppType "cpp_type"
    XsdAll "xsd_all"
    XsdOptional "xsd_optional"
    XsdNillable "xsd_nillable"
    XsdAttrs "xsd_attrs"
    Void "void"
    Bool "bool"
    Byte "byte"
    I8 "i8"
    I16 "i16"
    I32 "i32"
    I64 "i64"
    Double "double"
    String "string"
    Binary "binary"
    Uuid "uuid"
    Slist "slist"
    Senum "senum"
    Map "map"
    List "list"
    Set "set"
    Oneway "oneway"
    Async "async"
    Typedef "typedef"
    Struct "struct"
    Union "union"
    Exception "exception"
    Extends "extends"
    Throws "throws"
    Service "service"
    Enum "enum"
    Const "const"
    Required "required"
    Optional "optional"
}

impl Keyword {
    /// Whether a header or a definition begins with it.
    pub(super) const fn starts_definition(self) -> bool {
        matches!(
            self,
            Self::Namespace
                | Self::Include
                | Self::CppInclude
                | Self::Typedef
                | Self::Struct
                | Self::Union
                | Self::Exception
                | Self::Service
                | Self::Enum
                | Self::Senum
                | Self::Const
        )
    }
}

/// A documentation comment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comment {
    /// The text between `/**` and `*/`.
    pub(super) text: Span,
    /// The index of the token that follows it.
    pub(super) before: usize,
}

/// What a text consists of.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// The last one is `End`.
    pub(super) tokens: Vec<Token>,
    pub(super) comments: Vec<Comment>,
    /// What is wrong with the tokens themselves.
    pub(super) findings: Findings,
}

/// Makes tokens of a text that is shorter than 4 GiB.
pub(super) fn lex(text: &str, source: SourceId) -> Tokens {
    // Counted on the interface files of Apache Thrift: six bytes a token and more.
    let expected = text.len() / 6;
    let mut lexer = Lexer {
        text,
        bytes: text.as_bytes(),
        source,
        at: 0,
        starts_line: true,
        unexpected: HashSet::new(),
        output: Tokens {
            tokens: Vec::with_capacity(expected),
            ..Tokens::default()
        },
    };
    while lexer.at < lexer.bytes.len() {
        lexer.step();
    }
    lexer.push(TokenKind::End, lexer.at);
    lexer.output
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    source: SourceId,
    at: usize,
    starts_line: bool,
    /// Characters that were already reported: a file of another kind has the same one everywhere.
    unexpected: HashSet<char>,
    output: Tokens,
}

impl Lexer<'_> {
    /// Consumes at least one byte.
    fn step(&mut self) {
        let start = self.at;
        match self.bytes[start] {
            b'\n' => {
                self.starts_line = true;
                self.at += 1;
            }
            b' ' | b'\t' | b'\r' => self.at += 1,
            b'#' => self.line_comment(),
            b'/' if self.bytes.get(start + 1) == Some(&b'/') => self.line_comment(),
            b'/' if self.bytes.get(start + 1) == Some(&b'*') => self.block_comment(),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(),
            b'0'..=b'9' | b'+' | b'-' => self.number(),
            b'.' if self.digits_at(start + 1) => self.number(),
            quote @ (b'"' | b'\'') => self.literal(quote),
            byte => match punctuation(byte) {
                Some(kind) => {
                    self.at += 1;
                    self.push(kind, start);
                }
                None => self.unexpected(),
            },
        }
    }

    fn push(&mut self, kind: TokenKind, start: usize) {
        self.output.tokens.push(Token {
            kind,
            starts_line: self.starts_line,
            span: span(start, self.at),
        });
        self.starts_line = false;
    }

    fn error(&mut self, start: usize, end: usize, message: impl Into<String>) -> &mut Diagnostic {
        let error = Diagnostic::error(self.source, span(start, end), message);
        self.output.findings.add(error)
    }

    fn line_comment(&mut self) {
        let rest = &self.bytes[self.at..];
        self.at += rest
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(rest.len());
    }

    fn block_comment(&mut self) {
        let start = self.at;
        // `/**/`, `/***/` and so on are no documentation: the compiler's scanner knows them as silly comments.
        let stars = self.bytes[start + 1..]
            .iter()
            .take_while(|byte| **byte == b'*')
            .count();
        if stars >= 2 && self.bytes.get(start + 1 + stars) == Some(&b'/') {
            self.at = start + stars + 2;
            return;
        }
        let is_doc = stars >= 2;
        let inner = start + if is_doc { 3 } else { 2 };
        let Some(length) = self.text[inner..].find("*/") else {
            self.at = self.bytes.len();
            self.error(start, inner, "this comment never ends")
                .primary
                .text = "expected `*/`".into();
            return;
        };
        self.at = inner + length + 2;
        if self.bytes[start..self.at].contains(&b'\n') {
            self.starts_line = true;
        }
        if is_doc {
            self.output.comments.push(Comment {
                text: span(inner, inner + length),
                before: self.output.tokens.len(),
            });
        }
    }

    fn word(&mut self) {
        let start = self.at;
        while let Some(byte) = self.bytes.get(self.at) {
            // A dot belongs to the name only if something follows it.
            let is_dot = *byte == b'.' && self.bytes.get(self.at + 1).copied().is_some_and(is_word);
            if !is_word(*byte) && !is_dot {
                break;
            }
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        let kind = match Keyword::from_text(text) {
            Some(keyword) => {
                if matches!(keyword, Keyword::Slist | Keyword::Senum) {
                    self.error(
                        start,
                        self.at,
                        format!("`{text}` is not supported any more"),
                    )
                    .help = Some("use `string`".into());
                }
                TokenKind::Keyword(keyword)
            }
            None if matches!(text, "true" | "false") => TokenKind::Integer,
            None => match old_namespace(text) {
                Some(scope) => {
                    self.error(
                        start,
                        self.at,
                        format!("`{text}` is not supported any more"),
                    )
                    .help = Some(format!("use `namespace {scope}`"));
                    TokenKind::OldNamespace
                }
                None => TokenKind::Identifier,
            },
        };
        self.push(kind, start);
    }

    fn digits_at(&self, at: usize) -> bool {
        self.bytes.get(at).is_some_and(u8::is_ascii_digit)
    }

    fn skip_digits(&mut self) {
        while self.digits_at(self.at) {
            self.at += 1;
        }
    }

    fn number(&mut self) {
        let start = self.at;
        if matches!(self.bytes[self.at], b'+' | b'-') {
            self.at += 1;
        }
        let digits = self.at;
        let is_hexadecimal = self.text[digits..].starts_with("0x")
            && self
                .bytes
                .get(digits + 2)
                .is_some_and(u8::is_ascii_hexdigit);
        let mut kind = TokenKind::Integer;
        if is_hexadecimal {
            self.at += 2;
            while self.bytes.get(self.at).is_some_and(u8::is_ascii_hexdigit) {
                self.at += 1;
            }
        } else {
            self.skip_digits();
            if self.bytes.get(self.at) == Some(&b'.') && self.digits_at(self.at + 1) {
                kind = TokenKind::Double;
                self.at += 1;
                self.skip_digits();
            }
            if let Some(b'e' | b'E') = self.bytes.get(self.at) {
                let is_signed = matches!(self.bytes.get(self.at + 1), Some(b'+' | b'-'));
                let exponent = self.at + 1 + usize::from(is_signed);
                if self.digits_at(exponent) {
                    kind = TokenKind::Double;
                    self.at = exponent;
                    self.skip_digits();
                }
            }
        }
        let text = &self.text[start..self.at];
        if self.at == digits || matches!(self.bytes[digits], b'e' | b'E') {
            // `+`, `-` and `-e5` are numbers for the official compiler, which reads them as 0.
            kind = TokenKind::Double;
            let message = format!("`{text}` has no digits before its exponent and means 0");
            let warning = Diagnostic::warning(self.source, span(start, self.at), message);
            self.output.findings.add(warning);
        } else if kind == TokenKind::Integer && integer(text).is_none() {
            self.error(start, self.at, format!("the integer `{text}` is too large"))
                .help = Some("integers have 64 bits".into());
        }
        self.push(kind, start);
    }

    fn literal(&mut self, quote: u8) {
        let start = self.at;
        self.at += 1;
        loop {
            match self.bytes.get(self.at) {
                None | Some(b'\n') => {
                    self.error(start, self.at, "this string does not end in its line")
                        .primary
                        .text = format!("expected `{}`", char::from(quote));
                    break;
                }
                Some(b'\\') => {
                    let escaped = self.text[self.at + 1..].chars().next();
                    let length = escaped.map_or(0, char::len_utf8);
                    match escaped {
                        Some('r' | 'n' | 't' | '"' | '\'' | '\\') => self.at += 2,
                        // The string ends without its quote, which the next round finds.
                        None | Some('\n') => self.at += 1,
                        Some(escaped) => {
                            let message =
                                format!("a string has no escape `\\{}`", escaped.escape_default());
                            self.error(self.at, self.at + 1 + length, message).help =
                                Some(r#"the escapes are \r, \n, \t, \", \' and \\"#.into());
                            self.at += 1 + length;
                        }
                    }
                }
                Some(byte) => {
                    self.at += 1;
                    if *byte == quote {
                        break;
                    }
                }
            }
        }
        self.push(TokenKind::Literal, start);
    }

    /// A character that nothing begins with. It is left out, so that only itself is an error.
    fn unexpected(&mut self) {
        let start = self.at;
        let Some(character) = self.text[start..].chars().next() else {
            return;
        };
        self.at += character.len_utf8();
        if self.unexpected.insert(character) {
            let shown = if character == '\u{feff}' || character.is_control() {
                character.escape_unicode().to_string()
            } else {
                character.to_string()
            };
            self.error(start, self.at, format!("unexpected character `{shown}`"));
        }
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Spans have 32 bits, which the caller of `lex` has seen to.
const fn span(start: usize, end: usize) -> Span {
    Span {
        start: start as u32,
        end: end as u32,
    }
}

const fn punctuation(byte: u8) -> Option<TokenKind> {
    Some(match byte {
        b':' => TokenKind::Colon,
        b';' => TokenKind::Semicolon,
        b',' => TokenKind::Comma,
        b'=' => TokenKind::Equal,
        b'*' => TokenKind::Star,
        b'&' => TokenKind::Ampersand,
        b'@' => TokenKind::At,
        b'{' => TokenKind::OpenBrace,
        b'}' => TokenKind::CloseBrace,
        b'(' => TokenKind::OpenParen,
        b')' => TokenKind::CloseParen,
        b'[' => TokenKind::OpenBracket,
        b']' => TokenKind::CloseBracket,
        b'<' => TokenKind::Less,
        b'>' => TokenKind::Greater,
        _ => return None,
    })
}

/// The scope that took the place of an old declaration.
fn old_namespace(text: &str) -> Option<&'static str> {
    Some(match text {
        "cpp_namespace" => "cpp",
        "java_package" => "java",
        "csharp_namespace" => "csharp",
        "delphi_namespace" => "delphi",
        "php_namespace" => "php",
        "py_module" => "py",
        "perl_package" => "perl",
        "ruby_namespace" => "rb",
        "smalltalk_category" | "smalltalk_prefix" => "st",
        "xsd_namespace" => "xsd",
        _ => return None,
    })
}
