//! Expressions in one variable, `x`.
//!
//! ```text
//! sum     = product { ("+" | "-") product }
//! product = signed { ("*" | "/") signed }
//! signed  = ("-" | "+") signed | power
//! power   = atom [ "^" signed ]              so -2^2 is -4, 2^-1 is 0.5, 2^3^2 is 512
//! atom    = number | "x" | "pi" | "e" | function "(" sum { "," sum } ")" | "(" sum ")"
//! ```
//!
//! Parsing gives a program for a stack machine, so evaluating needs no recursion.

use thiserror::Error;

use crate::token::{Token, Tokens};

/// Longest text; a longer one is no formula that somebody wrote.
const LENGTH_MAX: usize = 10_000;
/// Deepest nesting: the parser recurses once for each level, and the stack must hold them.
const DEPTH_MAX: usize = 200;

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("column {column}: {what}")]
pub struct ParseError {
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong there.
    pub what: String,
}

/// A function of one argument.
type Unary = fn(f64) -> f64;
/// A function of two arguments.
type Binary = fn(f64, f64) -> f64;

const UNARY: [(&str, Unary); 20] = [
    ("sin", f64::sin),
    ("cos", f64::cos),
    ("tan", f64::tan),
    ("asin", f64::asin),
    ("acos", f64::acos),
    ("atan", f64::atan),
    ("sinh", f64::sinh),
    ("cosh", f64::cosh),
    ("tanh", f64::tanh),
    ("exp", f64::exp),
    ("log", f64::ln),
    ("ln", f64::ln),
    ("log10", f64::log10),
    ("log2", f64::log2),
    ("sqrt", f64::sqrt),
    ("cbrt", f64::cbrt),
    ("abs", f64::abs),
    ("floor", f64::floor),
    ("ceil", f64::ceil),
    ("round", f64::round),
];

const BINARY: [(&str, Binary); 4] = [
    ("min", f64::min),
    ("max", f64::max),
    ("atan2", f64::atan2),
    ("hypot", f64::hypot),
];

/// One instruction of the stack machine.
#[derive(Debug, Clone, Copy)]
enum Step {
    Push(f64),
    PushX,
    Apply(Unary),
    Combine(Binary),
}

/// A parsed expression.
#[derive(Debug, Clone)]
pub struct Expression(Vec<Step>);

impl Expression {
    /// Parses `text`.
    ///
    /// # Errors
    ///
    /// [`ParseError`] with the column of the first thing that does not fit.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() > LENGTH_MAX {
            return Err(ParseError {
                column: 1,
                what: format!(
                    "{} bytes are more than the {LENGTH_MAX} allowed",
                    text.len()
                ),
            });
        }
        let mut parser = Parser {
            tokens: Tokens::new(text)?,
            steps: Vec::new(),
            depth: 0,
        };
        parser.sum()?;
        match parser.tokens.token {
            Token::End => Ok(Self(parser.steps)),
            token => Err(parser
                .tokens
                .error(format!("expected an operator, got {token}"))),
        }
    }

    /// The value at `x`; not finite where the function is not defined.
    #[must_use]
    pub fn at(&self, x: f64) -> f64 {
        let mut stack = Vec::with_capacity(16);
        for step in &self.0 {
            match *step {
                Step::Push(value) => stack.push(value),
                Step::PushX => stack.push(x),
                Step::Apply(function) => {
                    let a = pop(&mut stack);
                    stack.push(function(a));
                }
                Step::Combine(function) => {
                    let b = pop(&mut stack);
                    let a = pop(&mut stack);
                    stack.push(function(a, b));
                }
            }
        }
        pop(&mut stack)
    }
}

fn pop(stack: &mut Vec<f64>) -> f64 {
    stack
        .pop()
        .expect("the parser emits operands before their operator")
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    steps: Vec<Step>,
    depth: usize,
}

impl Parser<'_> {
    /// Consumes `sign` if it is ahead.
    fn accept(&mut self, sign: char) -> Result<bool, ParseError> {
        let found = self.tokens.token == Token::Sign(sign);
        if found {
            self.tokens.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, sign: char) -> Result<(), ParseError> {
        if self.accept(sign)? {
            return Ok(());
        }
        let got = self.tokens.token;
        Err(self.tokens.error(format!("expected '{sign}', got {got}")))
    }

    fn sum(&mut self) -> Result<(), ParseError> {
        self.product()?;
        loop {
            let operation: Binary = if self.accept('+')? {
                |a, b| a + b
            } else if self.accept('-')? {
                |a, b| a - b
            } else {
                return Ok(());
            };
            self.product()?;
            self.steps.push(Step::Combine(operation));
        }
    }

    fn product(&mut self) -> Result<(), ParseError> {
        self.signed()?;
        loop {
            let operation: Binary = if self.accept('*')? {
                |a, b| a * b
            } else if self.accept('/')? {
                |a, b| a / b
            } else {
                return Ok(());
            };
            self.signed()?;
            self.steps.push(Step::Combine(operation));
        }
    }

    /// Every recursion of the grammar comes through here, so the depth is counted here.
    fn signed(&mut self) -> Result<(), ParseError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.tokens.error(format!("nested deeper than {DEPTH_MAX}")));
        }
        if self.accept('-')? {
            self.signed()?;
            self.steps.push(Step::Apply(|a| -a));
        } else if self.accept('+')? {
            self.signed()?;
        } else {
            self.power()?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn power(&mut self) -> Result<(), ParseError> {
        self.atom()?;
        if self.accept('^')? {
            self.signed()?;
            self.steps.push(Step::Combine(f64::powf));
        }
        Ok(())
    }

    fn atom(&mut self) -> Result<(), ParseError> {
        match self.tokens.token {
            Token::Number(value) => {
                self.tokens.advance()?;
                self.steps.push(Step::Push(value));
                Ok(())
            }
            Token::Name(name) => self.name(name),
            Token::Sign('(') => {
                self.tokens.advance()?;
                self.sum()?;
                self.expect(')')
            }
            got @ (Token::Sign(_) | Token::End) => {
                let what = format!("expected a number, a name or '(', got {got}");
                Err(self.tokens.error(what))
            }
        }
    }

    fn name(&mut self, name: &str) -> Result<(), ParseError> {
        let unary = UNARY.iter().find(|(known, _)| *known == name);
        let binary = BINARY.iter().find(|(known, _)| *known == name);
        let constant = match name {
            "x" => Some(Step::PushX),
            "pi" => Some(Step::Push(std::f64::consts::PI)),
            "e" => Some(Step::Push(std::f64::consts::E)),
            _ => None,
        };
        let step = match (constant, unary, binary) {
            (Some(step), _, _) => {
                self.tokens.advance()?;
                step
            }
            (None, Some((_, function)), _) => {
                self.tokens.advance()?;
                self.expect('(')?;
                self.sum()?;
                self.expect(')')?;
                Step::Apply(*function)
            }
            (None, None, Some((_, function))) => {
                self.tokens.advance()?;
                self.expect('(')?;
                self.sum()?;
                self.expect(',')?;
                self.sum()?;
                self.expect(')')?;
                Step::Combine(*function)
            }
            (None, None, None) => {
                return Err(self.tokens.error(format!("\"{name}\" is not known")));
            }
        };
        self.steps.push(step);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
