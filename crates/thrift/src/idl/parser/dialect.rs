//! Forms of fbthrift, the other large dialect. They are refused by name, once each: who reads "expected a definition" would
//! look for a typing error.

use super::{Diagnostic, Keyword, Parsed, Parser, Span, TokenKind};
use crate::idl::ast::{BaseType, TypeKind, TypeRef};

impl Parser<'_> {
    /// Reports a form of fbthrift unless the same form was reported before.
    fn refuse(&mut self, span: Span, form: &'static str) -> Option<&mut Diagnostic> {
        if self.reported.contains(&form) {
            return None;
        }
        self.reported.push(form);
        let diagnostic = self.error(
            span,
            format!("{form} to fbthrift, another dialect of Thrift"),
        );
        diagnostic.primary.text = "not part of Apache Thrift".into();
        Some(diagnostic)
    }

    /// Refuses and skips `@scope.Name{ … }`.
    pub(super) fn structured_annotations(&mut self) {
        while let Some(at) = self.eat(TokenKind::At) {
            if self.is_at(TokenKind::Identifier) {
                self.bump();
            }
            self.refuse(self.span_since(at), "structured annotations belong");
            self.skip_group(TokenKind::OpenBrace, TokenKind::CloseBrace);
        }
    }

    /// Refuses and skips `package "…"` and `interaction Name { … }`.
    pub(super) fn other_dialect_definition(&mut self) -> bool {
        let token = self.peek();
        let (form, next) = match (self.text_of(token.span), self.token(1).kind) {
            ("package", next @ (TokenKind::Literal | TokenKind::Identifier)) => {
                ("packages belong", next)
            }
            ("interaction", next @ TokenKind::Identifier) => ("interactions belong", next),
            _ => return false,
        };
        self.refuse(token.span, form);
        self.bump();
        self.eat(next);
        self.skip_group(TokenKind::OpenBrace, TokenKind::CloseBrace);
        self.separator();
        true
    }

    /// Refuses `performs Name;`, which it skips, and `readonly` and `idempotent`. Returns whether nothing is left.
    pub(super) fn other_dialect_function(&mut self) -> bool {
        let token = self.peek();
        // In Apache Thrift all three may be the type that a function returns.
        if token.kind != TokenKind::Identifier || self.token(2).kind == TokenKind::OpenParen {
            return false;
        }
        match (self.text_of(token.span), self.token(1).kind) {
            ("performs", TokenKind::Identifier) => {
                self.refuse(token.span, "interactions belong");
                self.bump();
                self.bump();
                true
            }
            ("readonly" | "idempotent", TokenKind::Identifier | TokenKind::Keyword(_)) => {
                self.refuse(token.span, "qualifiers of functions belong");
                self.bump();
                false
            }
            _ => false,
        }
    }

    /// Refuses `i32, stream<i64> name(…)` behind the first of the types.
    pub(super) fn other_dialect_streams(&mut self) -> Parsed<()> {
        if self.is_at(TokenKind::Comma) && self.is_stream(1) {
            self.bump();
            self.type_ref("a type")?;
        }
        Ok(())
    }

    fn is_stream(&self, ahead: usize) -> bool {
        let token = self.token(ahead);
        token.kind == TokenKind::Identifier
            && matches!(self.text_of(token.span), "stream" | "sink")
            && self.token(ahead + 1).kind == TokenKind::Less
    }

    /// Refuses `stream<…>`, `sink<…>` and `float`, and says what to take instead. `None` if the name is none of these.
    pub(super) fn other_dialect_type(&mut self) -> Parsed<Option<TypeKind>> {
        let span = self.peek().span;
        if self.is_stream(0) {
            self.refuse(span, "streams belong");
            self.bump();
            return self.nested("types", |parser| {
                parser.expect(TokenKind::Less, "`<`")?;
                let element = parser.stream_element()?;
                while parser.eat(TokenKind::Comma).is_some() {
                    parser.stream_element()?;
                }
                parser.expect(TokenKind::Greater, "`>`")?;
                Ok(Some(TypeKind::List(Box::new(element))))
            });
        }
        if self.text_of(span) == "float" && !self.defines_float() {
            self.bump();
            if let Some(diagnostic) = self.refuse(span, "`float` belongs") {
                diagnostic.help = Some("Apache Thrift has `double`".into());
            }
            return Ok(Some(TypeKind::Base(BaseType::Double)));
        }
        Ok(None)
    }

    fn stream_element(&mut self) -> Parsed<TypeRef> {
        let element = self.type_ref("a type")?;
        if self.eat_keyword(Keyword::Throws) {
            self.skip_group(TokenKind::OpenParen, TokenKind::CloseParen);
        }
        Ok(element)
    }

    /// Whether the file defines a type `float`, which it may.
    fn defines_float(&mut self) -> bool {
        if let Some(is_defined) = self.defines_float {
            return is_defined;
        }
        let mut in_typedef = false;
        let is_defined = self.tokens.windows(2).any(|pair| {
            if let TokenKind::Keyword(keyword) = pair[0].kind
                && keyword.starts_definition()
            {
                in_typedef = keyword == Keyword::Typedef;
            }
            let is_named = match pair[0].kind {
                TokenKind::Keyword(
                    Keyword::Struct | Keyword::Union | Keyword::Exception | Keyword::Enum,
                ) => true,
                // The last name of a typedef, and not `typedef float` or `map<float, float`.
                TokenKind::Keyword(Keyword::Typedef) | TokenKind::Less | TokenKind::Comma => false,
                _ => in_typedef,
            };
            is_named
                && pair[1].kind == TokenKind::Identifier
                && self.text_of(pair[1].span) == "float"
        });
        self.defines_float = Some(is_defined);
        is_defined
    }
}
