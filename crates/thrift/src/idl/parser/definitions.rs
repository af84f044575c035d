//! Definitions and what they consist of.

use super::{Broken, Keyword, Name, Parsed, Parser, Span, TokenKind};
use crate::idl::ast::{
    Const, Definition, Enum, EnumValue, Field, Function, Requiredness, Service, Struct, StructKind,
    Typedef, Xsd,
};

const VALUE: &str = "the name of a value or `}`";
const FUNCTION: &str = "a function or `}`";

impl Parser<'_> {
    /// The definition that the keyword begins. `None` if it was skipped.
    pub(super) fn definition(&mut self, keyword: Keyword) -> Parsed<Option<Definition>> {
        let doc = self.take_doc();
        let start = self.bump().span;
        Ok(Some(match keyword {
            Keyword::Typedef => Definition::Typedef(self.typedef(doc, start)?),
            Keyword::Const => Definition::Const(self.constant(doc, start)?),
            Keyword::Enum => Definition::Enum(self.enumeration(doc, start)?),
            Keyword::Struct => {
                Definition::Struct(self.structure(StructKind::Struct, doc, start)?)
            }
            Keyword::Union => Definition::Struct(self.structure(StructKind::Union, doc, start)?),
            Keyword::Exception => {
                Definition::Struct(self.structure(StructKind::Exception, doc, start)?)
            }
            Keyword::Service => Definition::Service(self.service(doc, start)?),
            // `senum`, which was reported.
            _ => {
                self.identifier("the name of the enumeration")?;
                self.skip_group(TokenKind::OpenBrace, TokenKind::CloseBrace);
                self.annotations();
                return Ok(None);
            }
        }))
    }

    fn typedef(&mut self, doc: Option<String>, start: Span) -> Parsed<Typedef> {
        let target = self.type_ref("a type")?;
        let name = self.type_name("the new name of the type")?;
        let annotations = self.annotations();
        let span = self.span_since(start);
        self.separator();
        Ok(Typedef {
            doc,
            name,
            target,
            annotations,
            span,
        })
    }

    fn constant(&mut self, doc: Option<String>, start: Span) -> Parsed<Const> {
        let ty = self.type_ref("the type of the constant")?;
        let name = self.simple_name("the name of the constant")?;
        self.expect(TokenKind::Equal, "`=` and the constant's value")?;
        let value = self.const_value("a value")?;
        let span = self.span_since(start);
        self.separator();
        Ok(Const {
            doc,
            name,
            ty,
            value,
            span,
        })
    }

    fn enumeration(&mut self, doc: Option<String>, start: Span) -> Parsed<Enum> {
        let name = self.type_name("the name of the enumeration")?;
        let open = self.expect(TokenKind::OpenBrace, "`{`")?;
        let values = self.list(open, TokenKind::CloseBrace, VALUE, Self::enum_value);
        let annotations = self.annotations();
        Ok(Enum {
            doc,
            name,
            values,
            annotations,
            span: self.span_since(start),
        })
    }

    fn enum_value(&mut self) -> Parsed<EnumValue> {
        let doc = self.take_doc();
        self.structured_annotations();
        let name = self.identifier(VALUE)?;
        self.check_reserved(&name);
        let number = match self.eat(TokenKind::Equal) {
            Some(_) => {
                // The official compiler forgets this check, so it must not be an error.
                if name.text.contains('.') {
                    self.warning(name.span, format!("the name `{}` has a dot", name.text));
                }
                Some(self.integer("the number of the value")?)
            }
            None => {
                self.check_simple(&name);
                None
            }
        };
        Ok(EnumValue {
            doc,
            name,
            number,
            annotations: self.annotations(),
        })
    }

    fn structure(&mut self, kind: StructKind, doc: Option<String>, start: Span) -> Parsed<Struct> {
        let name = self.type_name(match kind {
            StructKind::Struct => "the name of the struct",
            StructKind::Union => "the name of the union",
            StructKind::Exception => "the name of the exception",
        })?;
        let is_xsd_all = kind != StructKind::Exception && self.eat_keyword(Keyword::XsdAll);
        let open = self.expect(TokenKind::OpenBrace, "`{`")?;
        let fields = self.fields(open, TokenKind::CloseBrace, "a field or `}`");
        let annotations = self.annotations();
        Ok(Struct {
            doc,
            kind,
            name,
            fields,
            is_xsd_all,
            annotations,
            span: self.span_since(start),
        })
    }

    fn fields(&mut self, open: Span, close: TokenKind, what: &str) -> Vec<Field> {
        self.list(open, close, what, |parser| parser.field(what))
    }

    fn field(&mut self, what: &str) -> Parsed<Field> {
        let doc = self.take_doc();
        self.structured_annotations();
        let start = self.peek().span;
        let id = match self.peek().kind {
            TokenKind::Integer => {
                let id = self.integer("a field's id")?;
                self.expect(TokenKind::Colon, "`:` behind the field's id")?;
                Some(id)
            }
            _ => None,
        };
        let requiredness = if self.eat_keyword(Keyword::Required) {
            Requiredness::Required
        } else if self.eat_keyword(Keyword::Optional) {
            Requiredness::Optional
        } else {
            Requiredness::Default
        };
        let is_bare = id.is_none() && requiredness == Requiredness::Default;
        let ty = self.type_ref(if is_bare { what } else { "a type" })?;
        let is_reference = self.eat(TokenKind::Ampersand).is_some();
        let name = self.field_name()?;
        let default = match self.eat(TokenKind::Equal) {
            Some(_) => Some(self.const_value("a value")?),
            None => None,
        };
        let xsd = self.xsd()?;
        let annotations = self.annotations();
        Ok(Field {
            doc,
            id,
            requiredness,
            ty,
            is_reference,
            name,
            default,
            xsd,
            annotations,
            span: self.span_since(start),
        })
    }

    fn xsd(&mut self) -> Parsed<Xsd> {
        let is_optional = self.eat_keyword(Keyword::XsdOptional);
        let is_nillable = self.eat_keyword(Keyword::XsdNillable);
        let attributes = if self.eat_keyword(Keyword::XsdAttrs) {
            let open = self.expect(TokenKind::OpenBrace, "`{`")?;
            let what = "attributes";
            Some(self.nested(what, |parser| {
                Ok(parser.fields(open, TokenKind::CloseBrace, "an attribute or `}`"))
            })?)
        } else {
            None
        };
        Ok(Xsd {
            is_optional,
            is_nillable,
            attributes,
        })
    }

    fn service(&mut self, doc: Option<String>, start: Span) -> Parsed<Service> {
        let name = self.type_name("the name of the service")?;
        let extends = match self.eat_keyword(Keyword::Extends) {
            true => Some(self.identifier("the name of a service")?),
            false => None,
        };
        let open = self.expect(TokenKind::OpenBrace, "`{`")?;
        let functions = self.list(open, TokenKind::CloseBrace, FUNCTION, Self::function);
        let functions = functions.into_iter().flatten().collect();
        let annotations = self.annotations();
        Ok(Service {
            doc,
            name,
            extends,
            functions,
            annotations,
            span: self.span_since(start),
        })
    }

    /// A function. `None` if it was something of another dialect that could be skipped.
    fn function(&mut self) -> Parsed<Option<Function>> {
        let doc = self.take_doc();
        self.structured_annotations();
        if self.other_dialect_function() {
            return Ok(None);
        }
        let start = self.peek().span;
        let is_async = self.is_at(TokenKind::Keyword(Keyword::Async));
        if is_async {
            self.warning(start, "`async` is the old name of `oneway`")
                .help = Some("write `oneway`".into());
        }
        let is_oneway = is_async || self.is_at(TokenKind::Keyword(Keyword::Oneway));
        if is_oneway {
            self.bump();
        }
        let returns = if self.eat_keyword(Keyword::Void) {
            None
        } else {
            let what = if is_oneway {
                "`void` or a type"
            } else {
                FUNCTION
            };
            Some(self.type_ref(what)?)
        };
        self.other_dialect_streams()?;
        let name = self.simple_name("the name of the function")?;
        let open = self.expect(TokenKind::OpenParen, "`(` and the function's arguments")?;
        let arguments = self.fields(open, TokenKind::CloseParen, "an argument or `)`");
        let throws = if self.eat_keyword(Keyword::Throws) {
            let open = self.expect(TokenKind::OpenParen, "`(` and the exceptions")?;
            self.fields(open, TokenKind::CloseParen, "an exception or `)`")
        } else {
            Vec::new()
        };
        let annotations = self.annotations();
        Ok(Some(Function {
            doc,
            name,
            is_oneway,
            returns,
            arguments,
            throws,
            annotations,
            span: self.span_since(start),
        }))
    }
}

/// Names.
impl Parser<'_> {
    /// Fields may be called by any keyword but those that follow a field's name.
    fn field_name(&mut self) -> Parsed<Name> {
        let what = "the name of the field";
        let name = match self.peek().kind {
            TokenKind::Keyword(
                Keyword::CppType
                | Keyword::XsdAll
                | Keyword::XsdOptional
                | Keyword::XsdNillable
                | Keyword::XsdAttrs,
            ) => return self.expected(what),
            TokenKind::Keyword(_) => self.bump_name(),
            _ => self.identifier(what)?,
        };
        self.check_simple(&name);
        self.check_reserved(&name);
        Ok(name)
    }

    fn simple_name(&mut self, what: &str) -> Parsed<Name> {
        let name = self.identifier(what)?;
        self.check_simple(&name);
        self.check_reserved(&name);
        Ok(name)
    }

    /// The name of a definition that could be used as a type.
    fn type_name(&mut self, what: &str) -> Parsed<Name> {
        if self.is_at(TokenKind::Keyword(Keyword::Uuid)) {
            self.unexpected(what).help =
                Some("`uuid` is a type since version 0.18 of Thrift".into());
            return Err(Broken);
        }
        self.simple_name(what)
    }

    fn check_simple(&mut self, name: &Name) {
        if name.text.contains('.') {
            self.error(name.span, format!("the name `{}` has a dot", name.text))
                .help =
                Some("only references to other files and values of enumerations have dots".into());
        }
    }

    fn check_reserved(&mut self, name: &Name) {
        if RESERVED.binary_search(&name.text.as_str()).is_ok() {
            self.warning(
                name.span,
                format!(
                    "the official compiler reserves the word `{}` for some languages",
                    name.text
                ),
            )
            .help = Some("who generates code from this file may need another name".into());
        }
    }
}

/// Words of programming languages that the official compiler does not take for names; sorted.
const RESERVED: &[&str] = &[
    "BEGIN",
    "END",
    "__CLASS__",
    "__DIR__",
    "__FILE__",
    "__FUNCTION__",
    "__LINE__",
    "__METHOD__",
    "__NAMESPACE__",
    "abstract",
    "alias",
    "and",
    "args",
    "as",
    "assert",
    "begin",
    "break",
    "case",
    "catch",
    "class",
    "clone",
    "continue",
    "declare",
    "def",
    "default",
    "del",
    "delete",
    "do",
    "dynamic",
    "elif",
    "else",
    "elseif",
    "elsif",
    "end",
    "enddeclare",
    "endfor",
    "endforeach",
    "endif",
    "endswitch",
    "endwhile",
    "ensure",
    "except",
    "exec",
    "finally",
    "float",
    "for",
    "foreach",
    "from",
    "function",
    "global",
    "goto",
    "if",
    "implements",
    "import",
    "in",
    "inline",
    "instanceof",
    "interface",
    "is",
    "lambda",
    "module",
    "native",
    "new",
    "next",
    "nil",
    "not",
    "or",
    "package",
    "pass",
    "print",
    "private",
    "protected",
    "public",
    "raise",
    "redo",
    "register",
    "rescue",
    "retry",
    "return",
    "self",
    "sizeof",
    "static",
    "super",
    "switch",
    "synchronized",
    "then",
    "this",
    "throw",
    "transient",
    "try",
    "undef",
    "unless",
    "unsigned",
    "until",
    "use",
    "var",
    "virtual",
    "volatile",
    "when",
    "while",
    "with",
    "xor",
    "yield",
];
