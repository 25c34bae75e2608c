//! Reads filter expressions: `age >= 30 AND (status = patient OR status = prospective) AND NOT zip = "973*"`.
//!
//! ```text
//! expression = factor, { "AND", factor } ;
//! factor = term, { "OR", term } ;
//! term = [ "NOT" | "-" ], simple ;
//! simple = "(", expression, ")" | field, comparator, value ;
//! comparator = "=" | "!=" | "<" | "<=" | ">" | ">=" | ":" ;
//! value = word | "quoted" | 'quoted' ;
//! ```

use super::expression::{At, Comparator, Expression, Literal, Restriction};

/// The longest expression, in bytes.
pub const BYTES_MAX: usize = 10_000;
/// The most restrictions of an expression.
pub const RESTRICTIONS_MAX: usize = 100;
/// How deep parentheses and negations may stand in one another.
const DEPTH_MAX: usize = 32;

/// Where an expression is wrong, and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The column, from 1.
    pub column: usize,
    /// What was expected.
    pub expected: String,
}

impl Fault {
    /// A fault at a place.
    pub fn new(at: At, expected: impl Into<String>) -> Self {
        Self { column: at.0, expected: expected.into() }
    }
}

/// Reads an expression. An empty one is none.
///
/// # Errors
/// Where it is wrong.
pub fn parse(text: &str) -> Result<Option<Expression>, Fault> {
    if text.len() > BYTES_MAX {
        return Err(Fault::new(At(1), format!("expected an expression of at most {BYTES_MAX} bytes")));
    }
    let mut reader = Reader { tokens: tokens(text)?, next: 0, depth: 0, restrictions: 0 };
    if matches!(reader.peek(), Token::End) {
        return Ok(None);
    }
    let expression = reader.expression()?;
    match reader.peek() {
        Token::End => Ok(Some(expression)),
        _ => Err(reader.fault("expected AND, OR or the end")),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Sign(Comparator),
    Open,
    Close,
    End,
}

/// What ends a word.
fn ends_word(c: char) -> bool {
    c.is_whitespace() || "()\"'=!<>:,".contains(c)
}

fn tokens(text: &str) -> Result<Vec<(Token, At)>, Fault> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().enumerate().map(|(place, c)| (At(place + 1), c)).peekable();
    while let Some((at, c)) = rest.next() {
        let equals_follows = rest.peek().is_some_and(|(_, c)| *c == '=');
        let token = match c {
            c if c.is_whitespace() => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            ':' => Token::Sign(Comparator::Has),
            '=' => Token::Sign(Comparator::Equals),
            '<' | '>' | '!' if equals_follows => {
                rest.next();
                Token::Sign(match c {
                    '<' => Comparator::AtMost,
                    '>' => Comparator::AtLeast,
                    _ => Comparator::Differs,
                })
            }
            '<' => Token::Sign(Comparator::Less),
            '>' => Token::Sign(Comparator::Greater),
            '!' => return Err(Fault::new(at, "expected != or NOT")),
            ',' => return Err(Fault::new(at, "expected no comma; several values are joined by OR")),
            '"' | '\'' => {
                let mut quoted = String::new();
                loop {
                    match rest.next() {
                        Some((_, end)) if end == c => break,
                        Some((_, '\\')) => match rest.next() {
                            Some((_, escaped)) if escaped == '\\' || escaped == '"' || escaped == '\'' => {
                                quoted.push(escaped);
                            }
                            Some((at, _)) => return Err(Fault::new(at, "expected \\ or a quote after \\")),
                            None => return Err(Fault::new(at, "expected the quote to be closed")),
                        },
                        Some((_, inside)) => quoted.push(inside),
                        None => return Err(Fault::new(at, "expected the quote to be closed")),
                    }
                }
                Token::Quoted(quoted)
            }
            first => {
                let mut word = String::from(first);
                while let Some((_, c)) = rest.next_if(|(_, c)| !ends_word(*c)) {
                    word.push(c);
                }
                Token::Word(word)
            }
        };
        tokens.push((token, at));
    }
    tokens.push((Token::End, At(text.chars().count() + 1)));
    Ok(tokens)
}

struct Reader {
    /// The last one is the end.
    tokens: Vec<(Token, At)>,
    next: usize,
    depth: usize,
    restrictions: usize,
}

impl Reader {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(token, _)| token)
    }

    fn at(&self) -> At {
        self.tokens.get(self.next).map_or(At(1), |(_, at)| *at)
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next = (self.next + 1).min(self.tokens.len());
        token
    }

    fn fault(&self, expected: &str) -> Fault {
        Fault::new(self.at(), expected)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if found == word)
    }

    fn expression(&mut self) -> Result<Expression, Fault> {
        let mut parts = vec![self.factor()?];
        while self.is_word("AND") {
            self.take();
            parts.push(self.factor()?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Expression::All(parts) })
    }

    fn factor(&mut self) -> Result<Expression, Fault> {
        let mut parts = vec![self.term()?];
        let at = self.at();
        while self.is_word("OR") {
            self.take();
            parts.push(self.term()?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Expression::Any(parts, at) })
    }

    fn term(&mut self) -> Result<Expression, Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.fault("expected parentheses and negations no deeper than 32"));
        }
        let negated = if self.is_word("NOT") || self.is_word("-") {
            self.take();
            true
        } else {
            self.minus()
        };
        let simple = if negated { Expression::Not(Box::new(self.simple()?)) } else { self.simple()? };
        self.depth -= 1;
        Ok(simple)
    }

    /// Takes a minus off the front of a field's name.
    fn minus(&mut self) -> bool {
        let Some((Token::Word(word), at)) = self.tokens.get_mut(self.next) else { return false };
        let Some(rest) = word.strip_prefix('-') else { return false };
        (*word, *at) = (rest.to_owned(), At(at.0 + 1));
        true
    }

    fn simple(&mut self) -> Result<Expression, Fault> {
        if matches!(self.peek(), Token::Open) {
            self.take();
            let inside = self.expression()?;
            return match self.peek() {
                Token::Close => {
                    self.take();
                    Ok(inside)
                }
                _ => Err(self.fault("expected AND, OR or )")),
            };
        }
        self.restrictions += 1;
        if self.restrictions > RESTRICTIONS_MAX {
            return Err(self.fault("expected at most 100 comparisons"));
        }
        let field_at = self.at();
        let field = match self.peek() {
            Token::Word(word) if !["AND", "OR", "NOT"].contains(&word.as_str()) => word.clone(),
            _ => return Err(self.fault("expected a field's name or (")),
        };
        self.take();
        let comparator_at = self.at();
        let Token::Sign(comparator) = *self.peek() else {
            return Err(self.fault("expected =, !=, <, <=, >, >= or :"));
        };
        self.take();
        let value_at = self.at();
        let value = match self.peek() {
            Token::Word(word) if !["AND", "OR", "NOT"].contains(&word.as_str()) => Literal::Bare(word.clone()),
            Token::Quoted(text) => Literal::Quoted(text.clone()),
            _ => return Err(self.fault("expected a value; one that is not a plain word stands in quotes")),
        };
        self.take();
        Ok(Expression::Restriction(Restriction { field, field_at, comparator, comparator_at, value, value_at }))
    }
}
