//! Views of expressions.

use rowan::NodeOrToken;

use super::{
    AstNode, Heredoc, Name, Template, child, node_range, second_expr, token, token_range, tokens,
    view,
};
use crate::hcl::kind::{SyntaxKind, SyntaxNode, SyntaxToken};

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expr {
    /// A number, `true`, `false` or `null`.
    Literal(Literal),
    /// A name that stands for a value; the root of a traversal.
    Variable(Variable),
    /// A quoted template: a string, in most cases.
    Template(Template),
    /// A heredoc.
    Heredoc(Heredoc),
    /// `-x` or `!x`.
    Unary(Unary),
    /// `left operator right`.
    Binary(Binary),
    /// `condition ? value : other`.
    Conditional(Conditional),
    /// `[for …]` or `{for …}`.
    For(ForExpr),
    /// A value and the steps into it.
    Traversal(Traversal),
    /// `name(arguments)`.
    Call(Call),
    /// `[a, b]`.
    Tuple(Tuple),
    /// `{ a = b }`.
    Object(Object),
    /// `(expression)`.
    Paren(Paren),
}

impl AstNode for Expr {
    fn cast(node: SyntaxNode) -> Option<Self> {
        Some(match node.kind() {
            SyntaxKind::Literal => Self::Literal(Literal(node)),
            SyntaxKind::Variable => Self::Variable(Variable(node)),
            SyntaxKind::Template => Self::Template(Template::cast(node)?),
            SyntaxKind::Heredoc => Self::Heredoc(Heredoc::cast(node)?),
            SyntaxKind::Unary => Self::Unary(Unary(node)),
            SyntaxKind::Binary => Self::Binary(Binary(node)),
            SyntaxKind::Conditional => Self::Conditional(Conditional(node)),
            SyntaxKind::ForTuple | SyntaxKind::ForObject => Self::For(ForExpr(node)),
            SyntaxKind::Traversal => Self::Traversal(Traversal(node)),
            SyntaxKind::Call => Self::Call(Call(node)),
            SyntaxKind::Tuple => Self::Tuple(Tuple(node)),
            SyntaxKind::Object => Self::Object(Object(node)),
            SyntaxKind::Paren => Self::Paren(Paren(node)),
            _ => return None,
        })
    }

    fn syntax(&self) -> &SyntaxNode {
        match self {
            Self::Literal(view) => view.syntax(),
            Self::Variable(view) => view.syntax(),
            Self::Template(view) => view.syntax(),
            Self::Heredoc(view) => view.syntax(),
            Self::Unary(view) => view.syntax(),
            Self::Binary(view) => view.syntax(),
            Self::Conditional(view) => view.syntax(),
            Self::For(view) => view.syntax(),
            Self::Traversal(view) => view.syntax(),
            Self::Call(view) => view.syntax(),
            Self::Tuple(view) => view.syntax(),
            Self::Object(view) => view.syntax(),
            Self::Paren(view) => view.syntax(),
        }
    }
}

view! {
    /// A number, `true`, `false` or `null`.
    Literal
}

/// What a literal is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LiteralKind {
    /// A number as written: `1e10`, `0.50`.
    Number(String),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
}

impl Literal {
    /// What it is; absent for a number that is malformed only in that its error was told.
    pub fn kind(&self) -> Option<LiteralKind> {
        let token = self.0.first_token()?;
        Some(match token.text() {
            "true" => LiteralKind::Bool(true),
            "false" => LiteralKind::Bool(false),
            "null" => LiteralKind::Null,
            number => LiteralKind::Number(number.to_owned()),
        })
    }
}

view! {
    /// A name that stands for a value.
    Variable
}

impl Variable {
    /// The name.
    pub fn name(&self) -> Option<Name> {
        Name::first(&self.0)
    }
}

view! {
    /// `-x` or `!x`.
    Unary
}

/// An operator before its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `-`
    Neg,
    /// `!`
    Not,
}

impl Unary {
    /// The operator; absent where it is one of another language.
    pub fn op(&self) -> Option<UnaryOp> {
        tokens(&self.0).find_map(|token| match token.kind() {
            SyntaxKind::Minus => Some(UnaryOp::Neg),
            SyntaxKind::Bang => Some(UnaryOp::Not),
            _ => None,
        })
    }

    /// What it is applied to.
    pub fn operand(&self) -> Option<Expr> {
        child(&self.0)
    }
}

view! {
    /// `left operator right`.
    Binary
}

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `||`
    Or,
    /// `&&`
    And,
    /// `==`
    Eq,
    /// `!=`
    NotEq,
    /// `<`
    Lt,
    /// `<=`
    LtEq,
    /// `>`
    Gt,
    /// `>=`
    GtEq,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
}

impl BinaryOp {
    fn of(kind: SyntaxKind) -> Option<Self> {
        Some(match kind {
            SyntaxKind::OrOr => Self::Or,
            SyntaxKind::AndAnd => Self::And,
            SyntaxKind::EqEq => Self::Eq,
            SyntaxKind::NotEq => Self::NotEq,
            SyntaxKind::Lt => Self::Lt,
            SyntaxKind::LtEq => Self::LtEq,
            SyntaxKind::Gt => Self::Gt,
            SyntaxKind::GtEq => Self::GtEq,
            SyntaxKind::Plus => Self::Add,
            SyntaxKind::Minus => Self::Sub,
            SyntaxKind::Star => Self::Mul,
            SyntaxKind::Slash => Self::Div,
            SyntaxKind::Percent => Self::Mod,
            _ => return None,
        })
    }

    /// The operator as written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Eq => "==",
            Self::NotEq => "!=",
            Self::Lt => "<",
            Self::LtEq => "<=",
            Self::Gt => ">",
            Self::GtEq => ">=",
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
        }
    }
}

impl Binary {
    /// The operator; absent where it is one of another language.
    pub fn op(&self) -> Option<BinaryOp> {
        tokens(&self.0).find_map(|token| BinaryOp::of(token.kind()))
    }

    /// Where the operator is.
    pub fn op_range(&self) -> Option<(u32, u32)> {
        tokens(&self.0)
            .find(|token| BinaryOp::of(token.kind()).is_some())
            .map(|token| token_range(&token))
    }

    /// The left operand.
    pub fn left(&self) -> Option<Expr> {
        self.0.first_child().and_then(Expr::cast)
    }

    /// The right operand.
    pub fn right(&self) -> Option<Expr> {
        second_expr(&self.0)
    }
}

view! {
    /// `condition ? value : other`.
    Conditional
}

impl Conditional {
    /// What decides.
    pub fn condition(&self) -> Option<Expr> {
        self.0.first_child().and_then(Expr::cast)
    }

    /// The value if the condition is true.
    pub fn if_true(&self) -> Option<Expr> {
        expr_after(&self.0, SyntaxKind::Question)
    }

    /// The value if the condition is false.
    pub fn if_false(&self) -> Option<Expr> {
        expr_after(&self.0, SyntaxKind::Colon)
    }
}

/// The expression that directly follows the first token of `kind`.
fn expr_after(node: &SyntaxNode, kind: SyntaxKind) -> Option<Expr> {
    let mut next = token(node, kind)?.next_sibling_or_token();
    while let Some(element) = next {
        match element {
            NodeOrToken::Node(node) => return Expr::cast(node),
            NodeOrToken::Token(token)
                if token.kind().is_trivia() || token.kind() == SyntaxKind::Newline =>
            {
                next = token.next_sibling_or_token();
            }
            NodeOrToken::Token(_) => return None,
        }
    }
    None
}

/// `[for x in xs : value if condition]` or `{for k, v in xs : key => value... if condition}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ForExpr(SyntaxNode);

impl AstNode for ForExpr {
    fn cast(node: SyntaxNode) -> Option<Self> {
        matches!(node.kind(), SyntaxKind::ForTuple | SyntaxKind::ForObject).then_some(Self(node))
    }

    fn syntax(&self) -> &SyntaxNode {
        &self.0
    }
}

impl ForExpr {
    /// Whether it stands in braces and makes an object.
    pub fn is_object(&self) -> bool {
        self.0.kind() == SyntaxKind::ForObject
    }

    fn intro(&self) -> Option<SyntaxNode> {
        self.0
            .children()
            .find(|node| node.kind() == SyntaxKind::ForIntro)
    }

    /// The name of the key or index, the first of two.
    pub fn key_var(&self) -> Option<Name> {
        for_names(&self.intro()?).0
    }

    /// The name of the element.
    pub fn value_var(&self) -> Option<Name> {
        for_names(&self.intro()?).1
    }

    /// What is gone through.
    pub fn collection(&self) -> Option<Expr> {
        child(&self.intro()?)
    }

    /// The key of each item of an object.
    pub fn key(&self) -> Option<Expr> {
        if self.is_object() {
            self.0.children().find_map(Expr::cast)
        } else {
            None
        }
    }

    /// The value of each element.
    pub fn value(&self) -> Option<Expr> {
        if self.is_object() {
            expr_after(&self.0, SyntaxKind::FatArrow)
        } else {
            child(&self.0)
        }
    }

    /// Whether `...` groups the values of equal keys.
    pub fn is_grouped(&self) -> bool {
        token(&self.0, SyntaxKind::Ellipsis).is_some()
    }

    /// The condition after `if`.
    pub fn condition(&self) -> Option<Expr> {
        self.0
            .children()
            .find(|node| node.kind() == SyntaxKind::ForCond)
            .and_then(|node| child(&node))
    }
}

/// The one or two names of a `for`, as key and value.
pub(super) fn for_names(node: &SyntaxNode) -> (Option<Name>, Option<Name>) {
    let mut names = tokens(node)
        .filter(|token| token.kind() == SyntaxKind::Ident)
        .skip_while(|token| token.text() != "for")
        .skip(1)
        .take_while(|token| token.text() != "in")
        .map(Name);
    match (names.next(), names.next()) {
        (first, None) => (None, first),
        both => both,
    }
}

view! {
    /// A value and the steps into it: `a.b[0].*.c`.
    Traversal
}

impl Traversal {
    /// Where the steps begin.
    pub fn base(&self) -> Option<Expr> {
        self.0.first_child().and_then(Expr::cast)
    }

    /// The steps in their order. Those that a splat applies to each element are inside of it: after `.*` the names and
    /// numbers that follow, after `[*]` all that follows.
    pub fn steps(&self) -> Vec<Step> {
        Step::fold(
            &mut self
                .0
                .children()
                .filter(|node| Step::is(node.kind()))
                .peekable(),
            false,
        )
    }
}

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// `.name`.
    GetAttr(GetAttr),
    /// `.0`.
    LegacyIndex(LegacyIndex),
    /// `[expression]`.
    Index(Index),
    /// `.*` with the names and numbers after it.
    AttrSplat(Splat),
    /// `[*]` with all that comes after it.
    FullSplat(Splat),
}

impl Step {
    fn is(kind: SyntaxKind) -> bool {
        matches!(
            kind,
            SyntaxKind::GetAttr
                | SyntaxKind::LegacyIndex
                | SyntaxKind::Index
                | SyntaxKind::AttrSplat
                | SyntaxKind::FullSplat
        )
    }

    fn fold(
        nodes: &mut std::iter::Peekable<impl Iterator<Item = SyntaxNode>>,
        in_attr_splat: bool,
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        while let Some(kind) = nodes.peek().map(SyntaxNode::kind) {
            if in_attr_splat && !matches!(kind, SyntaxKind::GetAttr | SyntaxKind::LegacyIndex) {
                break;
            }
            let Some(node) = nodes.next() else { break };
            steps.push(match kind {
                SyntaxKind::GetAttr => Self::GetAttr(GetAttr(node)),
                SyntaxKind::LegacyIndex => Self::LegacyIndex(LegacyIndex(node)),
                SyntaxKind::Index => Self::Index(Index(node)),
                SyntaxKind::AttrSplat => Self::AttrSplat(Splat {
                    node,
                    each: Self::fold_each(nodes, true),
                }),
                _ => Self::FullSplat(Splat {
                    node,
                    each: Self::fold_each(nodes, false),
                }),
            });
        }
        steps
    }

    /// [`Step::fold`] for the inside of a splat, behind a reference so that the types stay finite.
    fn fold_each(
        nodes: &mut std::iter::Peekable<impl Iterator<Item = SyntaxNode>>,
        in_attr_splat: bool,
    ) -> Vec<Step> {
        Self::fold(nodes, in_attr_splat)
    }

    /// Where the step itself is, without what a splat applies to its elements.
    pub fn range(&self) -> (u32, u32) {
        node_range(match self {
            Self::GetAttr(step) => step.syntax(),
            Self::LegacyIndex(step) => step.syntax(),
            Self::Index(step) => step.syntax(),
            Self::AttrSplat(step) | Self::FullSplat(step) => &step.node,
        })
    }
}

view! {
    /// `.name`.
    GetAttr
}

impl GetAttr {
    /// The name after the dot.
    pub fn name(&self) -> Option<Name> {
        Name::first(&self.0)
    }
}

view! {
    /// `.0`, an index as old templates write it.
    LegacyIndex
}

impl LegacyIndex {
    /// The digits after the dot.
    pub fn number(&self) -> Option<SyntaxToken> {
        token(&self.0, SyntaxKind::Number)
    }
}

view! {
    /// `[expression]`.
    Index
}

impl Index {
    /// What stands between the brackets.
    pub fn key(&self) -> Option<Expr> {
        child(&self.0)
    }
}

/// A splat and the steps it takes into each element.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Splat {
    node: SyntaxNode,
    each: Vec<Step>,
}

impl Splat {
    /// The steps into each element.
    pub fn each(&self) -> &[Step] {
        &self.each
    }

    /// Where its `.*` or `[*]` is.
    pub fn range(&self) -> (u32, u32) {
        node_range(&self.node)
    }
}

view! {
    /// `name(arguments)`.
    Call
}

impl Call {
    fn name_node(&self) -> Option<SyntaxNode> {
        self.0
            .children()
            .find(|node| node.kind() == SyntaxKind::FunctionName)
    }

    /// The name with its namespaces, `space::name`, without blanks.
    pub fn name(&self) -> Option<String> {
        let node = self.name_node()?;
        Some(
            tokens(&node)
                .filter(|token| !token.kind().is_trivia() && token.kind() != SyntaxKind::Newline)
                .map(|token| token.text().to_owned())
                .collect(),
        )
    }

    /// Where the name is.
    pub fn name_range(&self) -> Option<(u32, u32)> {
        self.name_node().map(|node| node_range(&node))
    }

    fn arguments(&self) -> Option<SyntaxNode> {
        self.0
            .children()
            .find(|node| node.kind() == SyntaxKind::ArgList)
    }

    /// The arguments.
    pub fn args(&self) -> impl Iterator<Item = Expr> + use<> {
        self.arguments()
            .into_iter()
            .flat_map(|node| node.children().filter_map(Expr::cast))
    }

    /// Where the arguments are, parentheses included.
    pub fn args_range(&self) -> Option<(u32, u32)> {
        self.arguments().map(|node| node_range(&node))
    }

    /// Whether `...` spreads the last argument.
    pub fn is_expanded(&self) -> bool {
        self.arguments()
            .is_some_and(|node| token(&node, SyntaxKind::Ellipsis).is_some())
    }
}

view! {
    /// `[a, b]`.
    Tuple
}

impl Tuple {
    /// The elements.
    pub fn elements(&self) -> impl Iterator<Item = Expr> + use<> {
        self.0.children().filter_map(Expr::cast)
    }
}

view! {
    /// `{ a = b }`.
    Object
}

impl Object {
    /// The items.
    pub fn items(&self) -> impl Iterator<Item = ObjectItem> + use<> {
        self.0.children().filter_map(ObjectItem::cast)
    }
}

view! {
    /// `key = value` of an object.
    ObjectItem
}

/// The key of an item of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKey {
    /// A bare name, which stands for itself and not for a variable.
    Name(Name),
    /// Anything else, `(name)` included.
    Expr(Expr),
}

impl ObjectItem {
    /// The key.
    pub fn key(&self) -> Option<ObjectKey> {
        let expr = self.0.first_child().and_then(Expr::cast)?;
        match &expr {
            Expr::Variable(variable) => variable.name().map(ObjectKey::Name),
            // Keywords are ordinary names where a key stands.
            Expr::Literal(literal) => match Name::first(literal.syntax()) {
                Some(name) => Some(ObjectKey::Name(name)),
                None => Some(ObjectKey::Expr(expr)),
            },
            _ => Some(ObjectKey::Expr(expr)),
        }
    }

    /// The value.
    pub fn value(&self) -> Option<Expr> {
        second_expr(&self.0)
    }
}

view! {
    /// `(expression)`.
    Paren
}

impl Paren {
    /// What stands between the parentheses.
    pub fn expr(&self) -> Option<Expr> {
        child(&self.0)
    }
}
