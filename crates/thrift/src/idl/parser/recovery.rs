//! Lists, and what to skip when an item of one is broken.

use super::{Broken, Label, Parsed, Parser, Span, Token, TokenKind};

impl Parser<'_> {
    /// Items up to `close`, each with an optional separator behind it; `what` names both. `open` is already eaten; a list
    /// that is not closed ends where something begins that cannot be in it.
    pub(super) fn list<T>(
        &mut self,
        open: Span,
        close: TokenKind,
        what: &str,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Vec<T> {
        let mut items = Vec::new();
        let mut is_broken = false;
        loop {
            let token = self.peek();
            if token.kind == close {
                self.bump();
                return items;
            }
            let is_definition = self.is_at_definition();
            if is_definition || matches!(token.kind, TokenKind::End | TokenKind::CloseBrace) {
                if !is_broken {
                    self.unclosed(open, what);
                }
                if is_definition && close == TokenKind::CloseBrace {
                    self.unclosed += 1;
                }
                return items;
            }
            let start = self.at;
            match item(self) {
                Ok(item) => {
                    items.push(item);
                    self.separator();
                }
                Err(Broken) => {
                    // Something in another line that cannot be an item: perhaps the list should have ended before it.
                    let between = open.end as usize..token.span.start as usize;
                    if !is_broken && self.at == start && self.text[between].contains('\n') {
                        let other = self.open_bracket(open);
                        if let Some(diagnostic) = self.findings.last_error() {
                            diagnostic.others.push(other);
                        }
                    }
                    is_broken = true;
                    self.recover_item(start);
                }
            }
        }
    }

    fn unclosed(&mut self, open: Span, what: &str) {
        let other = self.open_bracket(open);
        let is_definition = self.is_at_definition();
        let diagnostic = self.unexpected(what);
        diagnostic.others.push(other);
        if is_definition {
            diagnostic.help = Some("definitions cannot be in one another".into());
        }
    }

    fn open_bracket(&self, open: Span) -> Label {
        self.label(open, format!("this `{}` is not closed", self.text_of(open)))
    }

    /// Whether a definition begins here, and not something with a keyword for a name.
    fn is_at_definition(&self) -> bool {
        starts_definition(self.peek())
            && matches!(
                self.token(1).kind,
                TokenKind::Identifier
                    | TokenKind::Keyword(_)
                    | TokenKind::Literal
                    | TokenKind::Star
            )
    }

    /// Skips the rest of an item that began at token `start`: up to the separator behind it, the next line or what closes
    /// its list. Passes at least one token, unless that closes a list.
    fn recover_item(&mut self, start: usize) {
        let broken_at = self.at;
        self.at = start;
        let mut depth = 0_usize;
        loop {
            let token = self.peek();
            let is_behind = self.at >= broken_at && self.at > start;
            match token.kind {
                TokenKind::End => return,
                _ if is_behind && token.starts_line && (depth == 0 || starts_definition(token)) => {
                    return;
                }
                TokenKind::Comma | TokenKind::Semicolon if depth == 0 && self.at >= broken_at => {
                    self.bump();
                    return;
                }
                TokenKind::OpenBrace | TokenKind::OpenParen | TokenKind::OpenBracket => depth += 1,
                TokenKind::CloseBrace if depth == 0 && self.at >= broken_at => return,
                // A list that this does not close must not see it twice.
                TokenKind::CloseParen | TokenKind::CloseBracket if depth == 0 && is_behind => {
                    return;
                }
                TokenKind::CloseBrace | TokenKind::CloseParen | TokenKind::CloseBracket => {
                    depth = depth.saturating_sub(1);
                }
                _ => {}
            }
            self.bump();
        }
    }

    /// Skips the rest of a definition that began at token `start`: up to the next one. Passes at least one token.
    pub(super) fn recover_definition(&mut self, start: usize) {
        let broken_at = self.at;
        self.at = start;
        let mut depth = 0_usize;
        while !self.is_at(TokenKind::End) {
            let token = self.peek();
            let is_behind = self.at >= broken_at && self.at > start;
            if is_behind && starts_definition(token) && (depth == 0 || token.starts_line) {
                return;
            }
            self.bump();
            match token.kind {
                TokenKind::OpenBrace => depth += 1,
                TokenKind::CloseBrace => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    /// Skips a group in brackets, if one begins here.
    pub(super) fn skip_group(&mut self, open: TokenKind, close: TokenKind) {
        if self.eat(open).is_none() {
            return;
        }
        let mut depth = 1_usize;
        while depth > 0 && !self.is_at(TokenKind::End) {
            let token = self.bump();
            if token.kind == open {
                depth += 1;
            } else if token.kind == close {
                depth -= 1;
            }
        }
    }
}

fn starts_definition(token: Token) -> bool {
    matches!(token.kind, TokenKind::Keyword(keyword) if keyword.starts_definition())
}
