//! The kinds of tokens and nodes an HCL tree is made of.
//!
//! Tokens come first, nodes after them; together the tokens of a tree are the text, byte for byte.

/// Declares the enum and the table that turns a raw number back into a kind without `unsafe`.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// What a token or a node of the tree is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum SyntaxKind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl SyntaxKind {
            /// Every kind, in the order of its number.
            pub const ALL: &'static [SyntaxKind] = &[$(SyntaxKind::$name,)+];
        }
    };
}

kinds! {
    /// Spaces and tabs, or a byte order mark at the start of the file.
    Whitespace,
    /// One line end, `\n` or `\r\n`.
    Newline,
    /// `# …` or `// …`, without the line end.
    LineComment,
    /// `/* … */`.
    BlockComment,
    /// A name; keywords such as `for` and `true` are names too.
    Ident,
    /// A number as written.
    Number,
    /// The `"` that begins a quoted template.
    QuoteOpen,
    /// The `"` that ends a quoted template.
    QuoteClose,
    /// Literal characters of a template; in a heredoc at most one line.
    Text,
    /// One escape of a template: `\n`, `\u00e9`, `$${`, `%%{`.
    Escape,
    /// `${` or `${~`.
    InterpOpen,
    /// `%{` or `%{~`.
    DirectiveOpen,
    /// The `}` or `~}` that ends an interpolation or a directive.
    TemplateClose,
    /// `<<MARKER` or `<<-MARKER` with its line end.
    HeredocOpen,
    /// The marker that ends a heredoc, without the space around it.
    HeredocEnd,
    /// `{`
    LBrace,
    /// `}`
    RBrace,
    /// `(`
    LParen,
    /// `)`
    RParen,
    /// `[`
    LBracket,
    /// `]`
    RBracket,
    /// `=`
    Eq,
    /// `==`
    EqEq,
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
    Plus,
    /// `-`
    Minus,
    /// `*`
    Star,
    /// `/`
    Slash,
    /// `%`
    Percent,
    /// `&&`
    AndAnd,
    /// `||`
    OrOr,
    /// `!`
    Bang,
    /// `?`
    Question,
    /// `:`
    Colon,
    /// `::`
    ColonColon,
    /// `,`
    Comma,
    /// `.`
    Dot,
    /// `...`
    Ellipsis,
    /// `=>`
    FatArrow,
    /// An operator of another language: `&`, `|`, `===`, `??`, `**`.
    BadOperator,
    /// `'…'` or `“…”`, which HCL does not have.
    WrongQuoted,
    /// Characters that begin nothing.
    Invalid,
    /// The end of the text; never in a tree.
    Eof,

    /// A whole file.
    File,
    /// The root of a text that is one expression.
    ExpressionRoot,
    /// The root of a text that is one template.
    TemplateRoot,
    /// The items of a file or a block.
    Body,
    /// `name = expression`.
    Attribute,
    /// `type "label" { … }`.
    Block,
    /// A label of a block, a name or a quoted string.
    Label,
    /// A number, `true`, `false` or `null`.
    Literal,
    /// A name that stands for a value.
    Variable,
    /// A quoted template, or the bare template of a [`SyntaxKind::TemplateRoot`].
    Template,
    /// A heredoc.
    Heredoc,
    /// `${ expression }`.
    Interpolation,
    /// `%{ if }` up to its `%{ endif }`.
    TemplateIf,
    /// `%{ for }` up to its `%{ endfor }`.
    TemplateFor,
    /// One `%{ … }`.
    Directive,
    /// The parts between two directives.
    TemplateBody,
    /// `-x` or `!x`.
    Unary,
    /// `left operator right`.
    Binary,
    /// `condition ? value : value`.
    Conditional,
    /// `[for x in xs : x]`.
    ForTuple,
    /// `{for k, v in xs : k => v}`.
    ForObject,
    /// The names, collection and colon of a `for`.
    ForIntro,
    /// `if condition` at the end of a `for`.
    ForCond,
    /// A value and the steps that go into it: `a.b[0].*.c`.
    Traversal,
    /// `.name`.
    GetAttr,
    /// `.0`.
    LegacyIndex,
    /// `[expression]`.
    Index,
    /// `.*`.
    AttrSplat,
    /// `[*]`.
    FullSplat,
    /// `name(arguments)`.
    Call,
    /// The name of a function, with its namespaces.
    FunctionName,
    /// `(arguments)`.
    ArgList,
    /// `[a, b]`.
    Tuple,
    /// `{ a = b }`.
    Object,
    /// `key = value` of an object.
    ObjectItem,
    /// `(expression)`.
    Paren,
    /// Tokens that could not be understood.
    Error,
}

impl SyntaxKind {
    /// Whether the token is blank or a comment; line ends are not, for they can end an item.
    pub fn is_trivia(self) -> bool {
        matches!(
            self,
            Self::Whitespace | Self::LineComment | Self::BlockComment
        )
    }
}

/// The language tag of the trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lang {}

impl rowan::Language for Lang {
    type Kind = SyntaxKind;

    fn kind_from_raw(raw: rowan::SyntaxKind) -> SyntaxKind {
        SyntaxKind::ALL[usize::from(raw.0)]
    }

    fn kind_to_raw(kind: SyntaxKind) -> rowan::SyntaxKind {
        rowan::SyntaxKind(kind as u16)
    }
}

/// A node of an HCL tree.
pub type SyntaxNode = rowan::SyntaxNode<Lang>;
/// A token of an HCL tree.
pub type SyntaxToken = rowan::SyntaxToken<Lang>;
/// A node or a token of an HCL tree.
pub type SyntaxElement = rowan::SyntaxElement<Lang>;
