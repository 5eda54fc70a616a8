//! HCL, the native syntax: lexer, parser, typed views.
//!
//! In: text, whatever it is. Out: a tree that gives back every byte of it and the problems found, with their places.
//! Follows the HCL native syntax specification (hashicorp/hcl, `hclsyntax/spec.md`); where that is silent, what the Go
//! implementation does. Parsing never fails, never panics, takes linear time and bounded stack.
//!
//! ```
//! let parse = imgc_syntax::hcl::parse("source \"null\" \"a\" {\n  port = 20 + 2\n}\n");
//! assert!(parse.errors().is_empty());
//! let file = parse.file();
//! let block = file.body().and_then(|body| body.blocks().next()).expect("there is one block");
//! let labels: Vec<_> = block.labels().filter_map(|label| label.text()).collect();
//! assert_eq!(labels, ["null", "a"]);
//! ```

mod again;
pub mod ast;
mod dump;
mod error;
mod format;
pub mod kind;
mod lexer;
mod parser;

pub use again::{Reparse, reparse};
pub use dump::tree_dump;
pub use error::{ERROR_IDS, SyntaxError};
pub use format::format;
pub use kind::{Lang, SyntaxElement, SyntaxKind, SyntaxNode, SyntaxToken};
pub use parser::{MAX_DEPTH, MAX_ERRORS};

use ast::AstNode;
use parser::Root;

/// The tree of a text and the problems in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parse {
    /// The tree, shareable between threads; [`Parse::syntax`] gives a cursor into it.
    pub green: rowan::GreenNode,
    /// The problems, by their place.
    pub errors: Vec<SyntaxError>,
    /// From the first to the last place that any reading of the text took for a mistake; `None` where one reading was
    /// enough. Outside of it all readings agree.
    noise: Option<(u32, u32)>,
}

impl Parse {
    /// The root of the tree.
    pub fn syntax(&self) -> SyntaxNode {
        SyntaxNode::new_root(self.green.clone())
    }

    /// The root as a file; without items if the text was parsed as something else.
    pub fn file(&self) -> ast::File {
        ast::File::of_root(self.syntax())
    }

    /// The expression of [`parse_expression`].
    pub fn expression(&self) -> Option<ast::Expr> {
        self.syntax().children().find_map(ast::Expr::cast)
    }

    /// The template of [`parse_template`].
    pub fn template(&self) -> Option<ast::Template> {
        self.syntax().children().find_map(ast::Template::cast)
    }

    /// The problems, by their place.
    pub fn errors(&self) -> &[SyntaxError] {
        &self.errors
    }
}

/// Parses a file.
pub fn parse(text: &str) -> Parse {
    parse_root(text, Root::File)
}

/// Parses a text that is one expression, such as a value given on a command line.
pub fn parse_expression(text: &str) -> Parse {
    parse_root(text, Root::Expression)
}

/// Parses the inside of a template, such as the value of a string in TOML or JSON: interpolations, directives, `$${` and
/// `%%{`, but no escapes with a backslash, for those were the other language's.
pub fn parse_template(text: &str) -> Parse {
    parse_root(text, Root::Template)
}

/// The tokens of a file alone, each with the offset after its last byte: enough to colour a text, at a multiple of the speed.
pub fn tokens(text: &str) -> impl Iterator<Item = (SyntaxKind, u32)> + use<> {
    let text = if text.len() > parser::MAX_LEN {
        ""
    } else {
        text
    };
    let lexed = lexer::lex(text, lexer::Start::Normal, false);
    lexed
        .tokens
        .into_iter()
        .map(|token| (token.kind, token.end))
}

fn parse_root(text: &str, root: Root) -> Parse {
    let (green, errors, noise) = parser::parse(text, root, parser::MAX_LEN);
    Parse {
        green,
        errors,
        noise,
    }
}
