//! What the files say, whatever language they are written in.
//!
//! In: syntax trees. Out: bodies of attributes and blocks with owned expressions; every node knows its span.
//! HCL today, TOML and JSON later, all lower to this; from here on nobody asks which language it was.

use imgc_syntax::Span;
use smol_str::SmolStr;

use crate::value::Value;

/// A word with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The word, decoded (quotes of labels removed).
    pub text: SmolStr,
    /// Where it stands.
    pub span: Span,
}

/// A file or the inside of a block.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// In the order of the text. Repeated names are all here; the checker complains.
    pub attributes: Vec<Attribute>,
    /// In the order of the text.
    pub blocks: Vec<Block>,
    /// From the first byte to the last; `None` only for a body made by the compiler.
    pub span: Option<Span>,
    /// From legacy JSON: options convert by Packer's weak rules (a text for a list, `"true"` for a bool).
    pub weak: bool,
}

/// `name = expression`.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// The name.
    pub name: Name,
    /// The value.
    pub value: Expr,
    /// Name to end of value.
    pub span: Span,
}

/// `kind "label" … { … }`.
#[derive(Clone, Debug)]
pub struct Block {
    /// The first word.
    pub kind: Name,
    /// The labels, decoded.
    pub labels: Vec<Name>,
    /// What is inside.
    pub body: Body,
    /// Kind and labels: where problems with the block as a whole are shown.
    pub header: Span,
    /// The whole block.
    pub span: Span,
}

/// An expression with its place.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands, without surrounding blanks.
    pub span: Span,
}

/// The forms of expressions of the HCL native syntax.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// Text that did not parse: already complained about, evaluates to [`Value::error`].
    Error,
    /// Number, bool, null, or a string without interpolation.
    Literal(Value),
    /// A bare name: the root of a traversal, or a `for` variable.
    Variable(SmolStr),
    /// Quoted or heredoc template with at least one interpolation or directive.
    Template(Vec<Part>),
    /// `operator operand`.
    Unary(UnaryOp, Box<Expr>),
    /// `left operator right`.
    Binary(Box<Expr>, BinaryOp, Box<Expr>),
    /// `condition ? yes : no`.
    Conditional(Box<[Expr; 3]>),
    /// `[for …]` or `{for …}`.
    For(Box<For>),
    /// `operand.*` or `operand[*]`, with what is applied to each element (root [`ExprKind::SplatItem`]).
    Splat {
        /// What is splatted.
        operand: Box<Expr>,
        /// Applied to each element.
        each: Box<Expr>,
    },
    /// The element at hand inside [`ExprKind::Splat`]'s `each`.
    SplatItem,
    /// `operand[key]`, and the legacy `operand.0`.
    Index(Box<Expr>, Box<Expr>),
    /// `operand.name`.
    Attribute(Box<Expr>, Name),
    /// `name(arguments…)`.
    Call(Box<Call>),
    /// `[a, b]`.
    Tuple(Vec<Expr>),
    /// `{ key = value }`; a bare word as key is a literal string.
    Object(Vec<(Expr, Expr)>),
    /// `(inner)`: kept, since `{ (x) = 1 }` and formatting need it.
    Paren(Box<Expr>),
}

/// A piece of a template.
#[derive(Clone, Debug)]
pub enum Part {
    /// Text, decoded, with strip markers and heredoc indentation applied.
    Literal(SmolStr),
    /// `${ … }`.
    Interpolation(Expr),
    /// `%{ if … } … %{ else } … %{ endif }`.
    If {
        /// The condition.
        condition: Expr,
        /// When true.
        then: Vec<Part>,
        /// When false.
        otherwise: Vec<Part>,
        /// The directives' own place.
        span: Span,
    },
    /// `%{ for k, v in … } … %{ endfor }`.
    For {
        /// Name of the key, if asked for.
        key: Option<Name>,
        /// Name of the value.
        value: Name,
        /// What is walked.
        collection: Expr,
        /// For each element.
        body: Vec<Part>,
        /// The directives' own place.
        span: Span,
    },
}

/// A `for` expression.
#[derive(Clone, Debug)]
pub struct For {
    /// Name of the key or index, if asked for.
    pub key: Option<Name>,
    /// Name of the element.
    pub value: Name,
    /// What is walked.
    pub collection: Expr,
    /// For an object: the key of each element.
    pub result_key: Option<Expr>,
    /// The value of each element.
    pub result: Expr,
    /// `…`: collect the values of equal keys.
    pub group: bool,
    /// `if`: which elements count.
    pub condition: Option<Expr>,
}

/// A function call.
#[derive(Clone, Debug)]
pub struct Call {
    /// The function.
    pub name: Name,
    /// The arguments.
    pub arguments: Vec<Expr>,
    /// `…` after the last argument: its elements are the last arguments.
    pub expand_last: bool,
}

/// Operators before an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `-`
    Negate,
    /// `!`
    Not,
}

/// Operators between operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its own explanation")]
pub enum BinaryOp {
    Or,
    And,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Name {
    /// Stands where a word is missing, which has been complained about; `place` is where it would stand.
    pub fn missing(place: Span) -> Self {
        Self {
            text: SmolStr::default(),
            span: Span {
                end: place.start,
                ..place
            },
        }
    }

    /// Whether it is [`Name::missing`]; an empty word that is written has a place of its own.
    pub fn is_missing(&self) -> bool {
        self.text.is_empty() && self.span.is_empty()
    }
}

impl Body {
    /// The first attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name.text == name)
    }

    /// The blocks of that kind, in order.
    pub fn blocks_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Block> {
        self.blocks
            .iter()
            .filter(move |block| block.kind.text == kind)
    }
}
