//! Filter expressions as trees, and as text: the subset of AIP-160 that asks for fields.

use std::fmt;

/// Where in the text something stands: the column, from 1. All are alike when trees are compared.
#[derive(Debug, Clone, Copy, Default)]
pub struct At(pub usize);

impl PartialEq for At {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for At {}

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// All of them, two at least.
    All(Vec<Self>),
    /// One of them, two at least.
    Any(Vec<Self>, At),
    /// Not this.
    Not(Box<Self>),
    /// A field held against a value.
    Restriction(Restriction),
}

/// A field held against a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restriction {
    /// The field's name, as written.
    pub field: String,
    /// Where it stands.
    pub field_at: At,
    /// How.
    pub comparator: Comparator,
    /// Where it stands.
    pub comparator_at: At,
    /// The value, as written.
    pub value: Literal,
    /// Where it stands.
    pub value_at: At,
}

/// A value as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// Without quotes.
    Bare(String),
    /// Between quotes.
    Quoted(String),
}

impl Literal {
    /// Its text.
    pub fn text(&self) -> &str {
        match self {
            Self::Bare(text) | Self::Quoted(text) => text,
        }
    }
}

/// How a field is held against a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparator {
    /// `=`
    Equals,
    /// `!=`
    Differs,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `:`
    Has,
}

impl Comparator {
    /// As it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Equals => "=",
            Self::Differs => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Has => ":",
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(parts) => list(f, parts, " AND ", |part| matches!(part, Self::All(_))),
            // OR binds more tightly than AND.
            Self::Any(parts, _) => list(f, parts, " OR ", |part| matches!(part, Self::All(_) | Self::Any(..))),
            Self::Not(part) => {
                f.write_str("NOT ")?;
                wrapped(f, part, !matches!(**part, Self::Restriction(_)))
            }
            Self::Restriction(one) => {
                write!(f, "{} {} ", one.field, one.comparator.sign())?;
                match &one.value {
                    Literal::Bare(text) => f.write_str(text),
                    Literal::Quoted(text) => {
                        let inside = text.replace('\\', "\\\\").replace('"', "\\\"");
                        write!(f, "\"{inside}\"")
                    }
                }
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, parts: &[Expression], between: &str, wrap: fn(&Expression) -> bool) -> fmt::Result {
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            f.write_str(between)?;
        }
        wrapped(f, part, wrap(part))?;
    }
    Ok(())
}

fn wrapped(f: &mut fmt::Formatter<'_>, part: &Expression, wrap: bool) -> fmt::Result {
    if wrap { write!(f, "({part})") } else { write!(f, "{part}") }
}
