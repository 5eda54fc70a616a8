//! Typed views of the tree.
//!
//! A view is a node that is known to be of some kind; making one costs nothing. Half-written text is normal, so every
//! accessor gives an `Option` or an iterator. Ranges are byte offsets without the blanks and comments around.

mod expr;
mod template;

pub use expr::{
    Binary, BinaryOp, Call, Conditional, Expr, ForExpr, GetAttr, Index, LegacyIndex, Literal,
    LiteralKind, Object, ObjectItem, ObjectKey, Paren, Splat, Step, Traversal, Tuple, Unary,
    UnaryOp, Variable,
};
pub use template::{
    Heredoc, Interpolation, Template, TemplateFor, TemplateIf, TemplateLiteral, TemplatePart,
};

use super::kind::{SyntaxKind, SyntaxNode, SyntaxToken};

/// A node seen as what it is.
pub trait AstNode: Sized {
    /// The view of `node`, if it is of the right kind.
    fn cast(node: SyntaxNode) -> Option<Self>;

    /// The node itself.
    fn syntax(&self) -> &SyntaxNode;

    /// Where it is: offsets of its first byte and after its last.
    fn range(&self) -> (u32, u32) {
        node_range(self.syntax())
    }

    /// Its text as written.
    fn source(&self) -> String {
        self.syntax().text().to_string()
    }
}

/// Declares the view of one kind.
macro_rules! view {
    ($(#[doc = $doc:literal])+ $name:ident) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(crate::hcl::kind::SyntaxNode);

        impl crate::hcl::ast::AstNode for $name {
            fn cast(node: crate::hcl::kind::SyntaxNode) -> Option<Self> {
                (node.kind() == crate::hcl::kind::SyntaxKind::$name).then_some(Self(node))
            }

            fn syntax(&self) -> &crate::hcl::kind::SyntaxNode {
                &self.0
            }
        }
    };
}
use view;

fn node_range(node: &SyntaxNode) -> (u32, u32) {
    let range = node.text_range();
    (range.start().into(), range.end().into())
}

fn token_range(token: &SyntaxToken) -> (u32, u32) {
    let range = token.text_range();
    (range.start().into(), range.end().into())
}

/// The tokens directly in `node`.
fn tokens(node: &SyntaxNode) -> impl Iterator<Item = SyntaxToken> + use<> {
    node.children_with_tokens()
        .filter_map(rowan::NodeOrToken::into_token)
}

fn token(node: &SyntaxNode, kind: SyntaxKind) -> Option<SyntaxToken> {
    tokens(node).find(|token| token.kind() == kind)
}

fn child<N: AstNode>(node: &SyntaxNode) -> Option<N> {
    node.children().find_map(N::cast)
}

/// The expression that is the last node in `node` and not its first: the right side of something that has a left one.
fn second_expr(node: &SyntaxNode) -> Option<Expr> {
    let last = node.last_child()?;
    if node.first_child().as_ref() == Some(&last) {
        None
    } else {
        Expr::cast(last)
    }
}

/// A name as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(SyntaxToken);

impl Name {
    /// The characters of the name.
    pub fn text(&self) -> &str {
        self.0.text()
    }

    /// Where it is.
    pub fn range(&self) -> (u32, u32) {
        token_range(&self.0)
    }

    /// The token itself.
    pub fn token(&self) -> &SyntaxToken {
        &self.0
    }

    fn first(node: &SyntaxNode) -> Option<Name> {
        token(node, SyntaxKind::Ident).map(Name)
    }
}

/// A whole file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct File(SyntaxNode);

impl AstNode for File {
    fn cast(node: SyntaxNode) -> Option<Self> {
        (node.kind() == SyntaxKind::File).then_some(Self(node))
    }

    fn syntax(&self) -> &SyntaxNode {
        &self.0
    }
}

impl File {
    pub(super) fn of_root(node: SyntaxNode) -> Self {
        Self(node)
    }

    /// The items of the file.
    pub fn body(&self) -> Option<Body> {
        child(&self.0)
    }
}

view! {
    /// The items of a file or of a block.
    Body
}

impl Body {
    /// Attributes and blocks in the order of the text.
    pub fn items(&self) -> impl Iterator<Item = Item> + use<> {
        self.0.children().filter_map(Item::cast)
    }

    /// The attributes alone.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute> + use<> {
        self.0.children().filter_map(Attribute::cast)
    }

    /// The blocks alone.
    pub fn blocks(&self) -> impl Iterator<Item = Block> + use<> {
        self.0.children().filter_map(Block::cast)
    }
}

/// What a body is made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// `name = value`.
    Attribute(Attribute),
    /// `type "label" { … }`.
    Block(Block),
}

impl AstNode for Item {
    fn cast(node: SyntaxNode) -> Option<Self> {
        match node.kind() {
            SyntaxKind::Attribute => Some(Self::Attribute(Attribute(node))),
            SyntaxKind::Block => Some(Self::Block(Block(node))),
            _ => None,
        }
    }

    fn syntax(&self) -> &SyntaxNode {
        match self {
            Self::Attribute(attribute) => &attribute.0,
            Self::Block(block) => &block.0,
        }
    }
}

view! {
    /// `name = value`.
    Attribute
}

impl Attribute {
    /// What is set.
    pub fn name(&self) -> Option<Name> {
        Name::first(&self.0)
    }

    /// The value; absent where it is missing or could not be understood.
    pub fn expr(&self) -> Option<Expr> {
        child(&self.0)
    }
}

view! {
    /// `type "label" { … }`.
    Block
}

impl Block {
    /// The type: the first word.
    pub fn block_type(&self) -> Option<Name> {
        Name::first(&self.0)
    }

    /// The labels between the type and the `{`.
    pub fn labels(&self) -> impl Iterator<Item = Label> + use<> {
        self.0.children().filter_map(Label::cast)
    }

    /// The items; absent where there is no `{`.
    pub fn body(&self) -> Option<Body> {
        child(&self.0)
    }

    /// Whether the block begins and ends on one line.
    pub fn is_one_line(&self) -> bool {
        self.0.children_with_tokens().all(|element| match element {
            rowan::NodeOrToken::Token(token) => token.kind() != SyntaxKind::Newline,
            rowan::NodeOrToken::Node(node) => {
                node.kind() != SyntaxKind::Body
                    || tokens(&node).all(|token| token.kind() != SyntaxKind::Newline)
            }
        })
    }

    /// From the type to the last label.
    pub fn header_range(&self) -> Option<(u32, u32)> {
        let (start, end) = self.block_type()?.range();
        Some((
            start,
            self.labels().last().map_or(end, |label| label.range().1),
        ))
    }
}

view! {
    /// A label of a block.
    Label
}

impl Label {
    /// The text without quotes and with its escapes decoded; absent where it has an interpolation.
    pub fn text(&self) -> Option<String> {
        match self.template() {
            Some(template) => template.as_literal(),
            None => Name::first(&self.0).map(|name| name.text().to_owned()),
        }
    }

    /// Whether it stands in quotes.
    pub fn is_quoted(&self) -> bool {
        self.template().is_some()
    }

    /// The quoted string, if it is one.
    pub fn template(&self) -> Option<Template> {
        child(&self.0)
    }

    /// Where its text is: without the quotes.
    pub fn text_range(&self) -> (u32, u32) {
        self.template()
            .map_or_else(|| self.range(), |template| template.content_range())
    }
}
