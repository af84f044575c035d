//! Tokens to syntax tree: recursive descent, with recovery so that one run finds several errors.
//!
//! A rule that fails has reported why and returns [`Broken`]; the list that it belongs to skips to its next item. What was
//! understood stays in the tree, so that whoever checks its meaning does not complain about what is merely misspelt.

mod definitions;
mod dialect;
mod recovery;
mod types;

use super::{
    ast::{Annotation, Document, Header, Integer, Literal, Name},
    diagnostic::{Diagnostic, Label},
    doc,
    findings::Findings,
    lexer::{self, Comment, Keyword, Token, TokenKind},
    source::{SourceId, Sources, Span},
};

/// How deep types, constants and `xsd_attrs` may be nested: as deep as values on the wire, so that nothing that is left out
/// could be sent.
const DEPTH_MAX: u32 = 64;

/// Beyond this a file is not looked at. Its tokens may take twelve times its bytes; the largest contracts known have a few
/// megabytes.
const FILE_SIZE_MAX: usize = 16 << 20;

const ANNOTATION: &str = "an annotation or `)`";

/// A rule failed and has reported why.
#[derive(Debug)]
struct Broken;

type Parsed<T> = Result<T, Broken>;

/// Reads a file. What is wrong with it is added to `diagnostics`, in order of places; what is right is in the tree. Without
/// an error among the diagnostics, the tree is all that the file says.
///
/// Takes time in proportion to the length of the file, whatever it says.
///
/// # Panics
///
/// If `file` is of another `Sources`.
#[must_use]
pub fn parse(sources: &Sources, file: SourceId, diagnostics: &mut Vec<Diagnostic>) -> Document {
    let text: &str = &sources.file(file).text;
    if text.len() > FILE_SIZE_MAX {
        diagnostics.push(Diagnostic::error(
            file,
            Span::default(),
            format!(
                "the file has {} bytes; at most {FILE_SIZE_MAX} are read",
                text.len()
            ),
        ));
        return Document::default();
    }
    let tokens = lexer::lex(text, file);
    let mut parser = Parser {
        text,
        source: file,
        tokens: &tokens.tokens,
        at: 0,
        comments: &tokens.comments,
        pending: None,
        depth: 0,
        unclosed: 0,
        reported: Vec::new(),
        defines_float: None,
        findings: Findings::default(),
    };
    let document = parser.document();
    diagnostics.append(&mut tokens.findings.merge(parser.findings));
    document
}

struct Parser<'a> {
    text: &'a str,
    source: SourceId,
    /// The last one is `End`, which is never passed.
    tokens: &'a [Token],
    /// The index of the next token.
    at: usize,
    /// The documentation that was not reached yet.
    comments: &'a [Comment],
    /// The last documentation that was reached and belongs to nothing yet.
    pending: Option<Comment>,
    depth: u32,
    /// How many braces are open although what they enclose has ended.
    unclosed: u32,
    /// What of another dialect was reported.
    reported: Vec<&'static str>,
    /// Whether the file defines a type `float`, once it was looked up.
    defines_float: Option<bool>,
    findings: Findings,
}

/// The cursor.
impl<'a> Parser<'a> {
    fn token(&self, ahead: usize) -> Token {
        let last = self.tokens.len() - 1;
        self.tokens[(self.at + ahead).min(last)]
    }

    fn peek(&self) -> Token {
        self.token(0)
    }

    fn bump(&mut self) -> Token {
        let token = self.peek();
        if token.kind != TokenKind::End {
            self.at += 1;
        }
        token
    }

    fn is_at(&self, kind: TokenKind) -> bool {
        self.peek().kind == kind
    }

    fn eat(&mut self, kind: TokenKind) -> Option<Span> {
        self.is_at(kind).then(|| self.bump().span)
    }

    fn eat_keyword(&mut self, keyword: Keyword) -> bool {
        self.eat(TokenKind::Keyword(keyword)).is_some()
    }

    fn expect(&mut self, kind: TokenKind, what: &str) -> Parsed<Span> {
        self.eat(kind).ok_or(()).or_else(|()| self.expected(what))
    }

    fn text_of(&self, span: Span) -> &'a str {
        &self.text[span.range()]
    }

    /// From a place to the end of the last token.
    fn span_since(&self, start: Span) -> Span {
        let last = self.tokens[..self.at]
            .last()
            .map_or(start, |token| token.span);
        start.to(last)
    }

    /// The documentation of what begins here: the last comment before it that belongs to nothing else, wherever it is. So
    /// does the official compiler; a comment before a `}` goes to what follows.
    fn take_doc(&mut self) -> Option<String> {
        while let Some((comment, rest)) = self.comments.split_first()
            && comment.before <= self.at
        {
            self.pending = Some(*comment);
            self.comments = rest;
        }
        let comment = self.pending.take()?;
        doc::clean(self.text_of(comment.text))
    }

    fn nested<T>(&mut self, what: &str, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == DEPTH_MAX {
            let message = format!("{what} are nested deeper than {DEPTH_MAX}");
            return self.fail(self.peek().span, message);
        }
        self.depth += 1;
        let result = rule(self);
        self.depth -= 1;
        result
    }
}

/// Reports.
impl Parser<'_> {
    fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.report(Diagnostic::error(self.source, span, message))
    }

    fn warning(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.report(Diagnostic::warning(self.source, span, message))
    }

    fn report(&mut self, diagnostic: Diagnostic) -> &mut Diagnostic {
        if self.findings.is_full() {
            self.at = self.tokens.len() - 1;
        }
        self.findings.add(diagnostic)
    }

    fn fail<T>(&mut self, span: Span, message: impl Into<String>) -> Parsed<T> {
        self.error(span, message);
        Err(Broken)
    }

    fn expected<T>(&mut self, what: &str) -> Parsed<T> {
        self.unexpected(what);
        Err(Broken)
    }

    /// Reports that something else should be here.
    fn unexpected(&mut self, what: &str) -> &mut Diagnostic {
        let token = self.peek();
        let message = format!("expected {what}, found {}", self.describe(token));
        let diagnostic = self.error(token.span, message);
        diagnostic.primary.text = format!("expected {what}");
        diagnostic
    }

    fn label(&self, span: Span, text: impl Into<String>) -> Label {
        Label {
            source: self.source,
            span,
            text: text.into(),
        }
    }

    fn describe(&self, token: Token) -> String {
        match token.kind {
            TokenKind::End => "the end of the file".into(),
            TokenKind::Literal => "a string".into(),
            TokenKind::Keyword(_) => format!("the keyword `{}`", self.text_of(token.span)),
            _ => format!("`{}`", self.text_of(token.span)),
        }
    }
}

/// Small rules.
impl Parser<'_> {
    fn separator(&mut self) {
        if matches!(self.peek().kind, TokenKind::Comma | TokenKind::Semicolon) {
            self.bump();
        }
    }

    /// An identifier, perhaps with dots.
    fn identifier(&mut self, what: &str) -> Parsed<Name> {
        match self.peek().kind {
            // `uuid` became a keyword with 0.18, and is a name in older files.
            TokenKind::Identifier | TokenKind::OldNamespace | TokenKind::Keyword(Keyword::Uuid) => {
                Ok(self.bump_name())
            }
            TokenKind::Keyword(_) => {
                self.unexpected(what).help =
                    Some("only fields and arguments may have keywords for names".into());
                Err(Broken)
            }
            _ => self.expected(what),
        }
    }

    fn bump_name(&mut self) -> Name {
        let span = self.bump().span;
        Name {
            text: self.text_of(span).to_owned(),
            span,
        }
    }

    fn literal(&mut self, what: &str) -> Parsed<Literal> {
        let span = self.expect(TokenKind::Literal, what)?;
        Ok(Literal {
            text: lexer::literal(self.text_of(span)),
            span,
        })
    }

    fn integer(&mut self, what: &str) -> Parsed<Integer> {
        let span = self.expect(TokenKind::Integer, what)?;
        Ok(Integer {
            // One that is too large was reported.
            value: lexer::integer(self.text_of(span)).unwrap_or_default(),
            span,
        })
    }

    /// `(key = "value", bare)`, which may be missing.
    fn annotations(&mut self) -> Vec<Annotation> {
        let Some(open) = self.eat(TokenKind::OpenParen) else {
            return Vec::new();
        };
        self.list(open, TokenKind::CloseParen, ANNOTATION, |parser| {
            let key = parser.identifier(ANNOTATION)?;
            let value = match parser.eat(TokenKind::Equal) {
                Some(_) => Some(parser.literal("the annotation's value, a string")?),
                None => None,
            };
            Ok(Annotation { key, value })
        })
    }
}

/// The file.
impl Parser<'_> {
    fn document(&mut self) -> Document {
        let mut document = Document {
            doc: self.doc_of_file(),
            ..Document::default()
        };
        let mut is_late = false;
        while !self.is_at(TokenKind::End) {
            let start = self.at;
            if let Err(Broken) = self.top_level(&mut document, &mut is_late) {
                self.recover_definition(start);
            }
        }
        document
    }

    /// A comment before the first header speaks of the file; before the first definition, of that.
    fn doc_of_file(&self) -> Option<String> {
        let is_header = match self.peek().kind {
            TokenKind::Keyword(keyword) => {
                matches!(
                    keyword,
                    Keyword::Namespace | Keyword::Include | Keyword::CppInclude
                )
            }
            _ => false,
        };
        let comment = self
            .comments
            .first()
            .filter(|comment| is_header && comment.before == 0)?;
        doc::clean(self.text_of(comment.text))
    }

    fn top_level(&mut self, document: &mut Document, is_late: &mut bool) -> Parsed<()> {
        self.structured_annotations();
        let token = self.peek();
        match token.kind {
            TokenKind::Keyword(
                keyword @ (Keyword::Include | Keyword::CppInclude | Keyword::Namespace),
            ) => {
                if let Some(first) = document.definitions.first().filter(|_| !*is_late) {
                    let first = first.name().span;
                    *is_late = true;
                    let message = format!(
                        "`{}` must come before all definitions",
                        self.text_of(token.span)
                    );
                    let other = self.label(first, "the first definition is here");
                    self.error(token.span, message).others.push(other);
                }
                self.take_doc();
                document.headers.push(self.header(keyword)?);
                Ok(())
            }
            TokenKind::OldNamespace => {
                self.bump();
                // What followed it once: a name or a string.
                if matches!(
                    self.peek().kind,
                    TokenKind::Identifier | TokenKind::Literal | TokenKind::Star
                ) {
                    self.bump();
                }
                Ok(())
            }
            TokenKind::Keyword(keyword) if keyword.starts_definition() => {
                if let Some(definition) = self.definition(keyword)? {
                    document.definitions.push(definition);
                }
                Ok(())
            }
            TokenKind::CloseBrace if self.unclosed > 0 => {
                self.unclosed -= 1;
                self.bump();
                Ok(())
            }
            TokenKind::Semicolon | TokenKind::Comma => {
                self.unexpected("a definition").help =
                    Some("remove it: only typedefs and constants end with a separator".into());
                self.bump();
                Ok(())
            }
            TokenKind::Identifier if self.other_dialect_definition() => Ok(()),
            _ => self.expected("a definition"),
        }
    }

    fn header(&mut self, keyword: Keyword) -> Parsed<Header> {
        self.bump();
        match keyword {
            Keyword::Include => Ok(Header::Include(self.literal("a file's name in quotes")?)),
            Keyword::CppInclude => Ok(Header::CppInclude(self.literal("a file's name in quotes")?)),
            _ => {
                if self.is_at(TokenKind::Star) {
                    let scope = self.bump_name();
                    let name = self.namespace_name()?;
                    return Ok(Header::Namespace {
                        scope,
                        name,
                        annotations: Vec::new(),
                    });
                }
                Ok(Header::Namespace {
                    scope: self.identifier("a language or `*`")?,
                    name: self.namespace_name()?,
                    annotations: self.annotations(),
                })
            }
        }
    }

    fn namespace_name(&mut self) -> Parsed<Name> {
        let what = "the name of the namespace";
        if self.is_at(TokenKind::Literal) {
            self.unexpected(what).help = Some("write it without quotes".into());
            return Err(Broken);
        }
        self.identifier(what)
    }
}
