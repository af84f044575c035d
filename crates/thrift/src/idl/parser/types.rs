//! Types and written values.

use super::{Keyword, Parsed, Parser, TokenKind, lexer};
use crate::idl::ast::{BaseType, ConstKind, ConstValue, Literal, TypeKind, TypeRef};

const VALUE: &str = "a value or `]`";
const KEY: &str = "a key or `}`";

impl Parser<'_> {
    pub(super) fn type_ref(&mut self, what: &str) -> Parsed<TypeRef> {
        let start = self.peek().span;
        let mut cpp_type = None;
        let kind = match self.peek().kind {
            TokenKind::Identifier | TokenKind::OldNamespace => self.named_type()?,
            TokenKind::Keyword(keyword) => match base_type(keyword) {
                Some(base) => {
                    self.bump();
                    TypeKind::Base(base)
                }
                None => self.nested("types", |parser| {
                    parser.container(keyword, what, &mut cpp_type)
                })?,
            },
            _ => return self.expected(what),
        };
        let mut span = self.span_since(start);
        let mut annotations = Vec::new();
        if !matches!(kind, TypeKind::Named(_)) {
            annotations = self.annotations();
        } else if self.is_at(TokenKind::OpenParen) && self.token(1).kind == TokenKind::Identifier {
            let open = self.peek().span;
            annotations = self.annotations();
            let message = "only base types and containers have annotations, named types do not";
            self.error(self.span_since(open), message).help =
                Some("annotate what is declared here, or the definition of the type".into());
        }
        if !annotations.is_empty() {
            span = self.span_since(start);
        }
        Ok(TypeRef {
            kind,
            annotations,
            cpp_type,
            span,
        })
    }

    fn named_type(&mut self) -> Parsed<TypeKind> {
        if let Some(instead) = self.other_dialect_type()? {
            return Ok(instead);
        }
        Ok(TypeKind::Named(self.bump_name().text))
    }

    fn container(
        &mut self,
        keyword: Keyword,
        what: &str,
        cpp_type: &mut Option<Literal>,
    ) -> Parsed<TypeKind> {
        if !matches!(keyword, Keyword::Map | Keyword::Set | Keyword::List) {
            return self.expected(what);
        }
        self.bump();
        *cpp_type = self.cpp_type()?;
        self.expect(TokenKind::Less, "`<`")?;
        let element = |parser: &mut Self| parser.type_ref("a type").map(Box::new);
        match keyword {
            Keyword::Map => {
                let key = element(self)?;
                self.expect(TokenKind::Comma, "`,` and the type of the values")?;
                let value = element(self)?;
                self.expect(TokenKind::Greater, "`>`")?;
                Ok(TypeKind::Map(key, value))
            }
            Keyword::Set => {
                let element = element(self)?;
                self.expect(TokenKind::Greater, "`>`")?;
                Ok(TypeKind::Set(element))
            }
            _ => {
                let element = element(self)?;
                self.expect(TokenKind::Greater, "`>`")?;
                // The old place of it, for lists alone; it is the one that counts.
                if let Some(name) = self.cpp_type()? {
                    *cpp_type = Some(name);
                }
                Ok(TypeKind::List(element))
            }
        }
    }

    fn cpp_type(&mut self) -> Parsed<Option<Literal>> {
        if self.eat_keyword(Keyword::CppType) {
            return self.literal("a C++ type in quotes").map(Some);
        }
        Ok(None)
    }

    pub(super) fn const_value(&mut self, what: &str) -> Parsed<ConstValue> {
        let token = self.peek();
        let kind = match token.kind {
            TokenKind::Integer => ConstKind::Integer(self.integer("an integer")?.value),
            TokenKind::Double => {
                self.bump();
                ConstKind::Double(lexer::double(self.text_of(token.span)))
            }
            TokenKind::Literal => ConstKind::String(self.literal("a string")?.text),
            TokenKind::Identifier | TokenKind::OldNamespace | TokenKind::Keyword(Keyword::Uuid) => {
                ConstKind::Name(self.bump_name().text)
            }
            TokenKind::OpenBracket => self.nested("values", |parser| {
                let open = parser.bump().span;
                Ok(ConstKind::List(parser.list(
                    open,
                    TokenKind::CloseBracket,
                    VALUE,
                    |parser| parser.const_value(VALUE),
                )))
            })?,
            TokenKind::OpenBrace => self.nested("values", |parser| {
                let open = parser.bump().span;
                Ok(ConstKind::Map(parser.list(
                    open,
                    TokenKind::CloseBrace,
                    KEY,
                    |parser| {
                        let key = parser.const_value(KEY)?;
                        parser.expect(TokenKind::Colon, "`:` and the value of the key")?;
                        Ok((key, parser.const_value("a value")?))
                    },
                )))
            })?,
            _ => return self.expected(what),
        };
        Ok(ConstValue {
            kind,
            span: self.span_since(token.span),
        })
    }
}

const fn base_type(keyword: Keyword) -> Option<BaseType> {
    Some(match keyword {
        Keyword::Bool => BaseType::Bool,
        Keyword::Byte | Keyword::I8 => BaseType::I8,
        Keyword::I16 => BaseType::I16,
        Keyword::I32 => BaseType::I32,
        Keyword::I64 => BaseType::I64,
        Keyword::Double => BaseType::Double,
        // `slist` was reported, and means this.
        Keyword::String | Keyword::Slist => BaseType::String,
        Keyword::Binary => BaseType::Binary,
        Keyword::Uuid => BaseType::Uuid,
        _ => return None,
    })
}
