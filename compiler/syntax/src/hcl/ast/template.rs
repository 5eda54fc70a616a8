//! Views of templates, with their text as it will be used: escapes decoded, blanks beside strip markers and the common
//! indentation of `<<-` heredocs removed.

use rowan::NodeOrToken;

use super::expr::for_names;
use super::{Expr, Name, child, node_range, token_range, tokens, view};
use crate::hcl::kind::{SyntaxKind, SyntaxNode, SyntaxToken};

view! {
    /// A quoted template; also the bare one of a text that is a template as a whole.
    Template
}

impl Template {
    /// The parts, as a tree.
    pub fn parts(&self) -> Vec<TemplatePart> {
        let by_line = self
            .0
            .first_token()
            .is_none_or(|token| token.kind() != SyntaxKind::QuoteOpen);
        parts_of(&self.0, by_line, false)
    }

    /// The text, if there is no interpolation and no directive in it.
    pub fn as_literal(&self) -> Option<String> {
        let mut text = String::new();
        for element in self.0.children_with_tokens() {
            match element {
                NodeOrToken::Node(_) => return None,
                NodeOrToken::Token(token) => push_literal(&mut text, &token),
            }
        }
        Some(text)
    }

    /// The expression, if the template is one interpolation and nothing else: its value is then that of the expression,
    /// whatever its type.
    pub fn single_interpolation(&self) -> Option<Expr> {
        match self.parts().as_slice() {
            [TemplatePart::Interpolation(interpolation)] if self.literal_tokens() == 0 => {
                interpolation.expr()
            }
            _ => None,
        }
    }

    fn literal_tokens(&self) -> usize {
        tokens(&self.0)
            .filter(|token| is_literal(token.kind()))
            .count()
    }

    /// Where the text is: without the quotes.
    pub fn content_range(&self) -> (u32, u32) {
        let (mut start, mut end) = node_range(&self.0);
        for token in tokens(&self.0) {
            match token.kind() {
                SyntaxKind::QuoteOpen => start = token_range(&token).1,
                SyntaxKind::QuoteClose => end = token_range(&token).0,
                _ => {}
            }
        }
        (start, end)
    }
}

view! {
    /// A heredoc.
    Heredoc
}

impl Heredoc {
    fn open(&self) -> Option<SyntaxToken> {
        self.0
            .first_token()
            .filter(|token| token.kind() == SyntaxKind::HeredocOpen)
    }

    /// The word that ends it.
    pub fn marker(&self) -> Option<String> {
        let open = self.open()?;
        let word = open
            .text()
            .trim()
            .trim_start_matches(['<', '-', '~', ' ', '\t', '"', '\'']);
        Some(
            word.chars()
                .take_while(|&c| crate::hcl::lexer::is_ident_continue(c))
                .collect(),
        )
    }

    /// Whether it begins with `<<-`, so that the indentation all lines share is removed.
    pub fn is_indented(&self) -> bool {
        self.open()
            .is_some_and(|open| open.text().starts_with("<<-"))
    }

    /// The parts, as a tree, with the common indentation removed where that was asked for.
    pub fn parts(&self) -> Vec<TemplatePart> {
        parts_of(&self.0, true, self.is_indented())
    }

    /// The text, if there is no interpolation and no directive in it.
    pub fn as_literal(&self) -> Option<String> {
        match self.parts().as_slice() {
            [] if self.0.first_child().is_none() => Some(String::new()),
            [TemplatePart::Literal(literal)] if self.0.first_child().is_none() => {
                Some(literal.text.clone())
            }
            _ => None,
        }
    }
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TemplatePart {
    /// Text.
    Literal(TemplateLiteral),
    /// `${ expression }`.
    Interpolation(Interpolation),
    /// `%{ if }` up to its `%{ endif }`.
    If(TemplateIf),
    /// `%{ for }` up to its `%{ endfor }`.
    For(TemplateFor),
}

/// Text of a template as it will be used. Empty only beside a single interpolation, where all of it was stripped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TemplateLiteral {
    /// The characters, decoded and stripped.
    pub text: String,
    /// Where they come from: offsets of the first byte and after the last, what was stripped included.
    pub range: (u32, u32),
}

view! {
    /// `${ expression }`.
    Interpolation
}

impl Interpolation {
    /// What is interpolated.
    pub fn expr(&self) -> Option<Expr> {
        child(&self.0)
    }

    /// Whether `${~` removes the blanks before it.
    pub fn strips_left(&self) -> bool {
        strips(&self.0).0
    }

    /// Whether `~}` removes the blanks after it.
    pub fn strips_right(&self) -> bool {
        strips(&self.0).1
    }
}

/// `%{ if c } … %{ else } … %{ endif }`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TemplateIf {
    node: SyntaxNode,
    /// The parts for a condition that is true.
    pub then_parts: Vec<TemplatePart>,
    /// The parts for one that is false, where there is an `else`.
    pub else_parts: Option<Vec<TemplatePart>>,
}

impl TemplateIf {
    /// What decides.
    pub fn condition(&self) -> Option<Expr> {
        first_directive(&self.node).and_then(|node| child(&node))
    }

    /// Where it is, from its first `%{` to its last `}`.
    pub fn range(&self) -> (u32, u32) {
        node_range(&self.node)
    }

    /// The node itself.
    pub fn syntax(&self) -> &SyntaxNode {
        &self.node
    }
}

/// `%{ for x in xs } … %{ endfor }`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TemplateFor {
    node: SyntaxNode,
    /// The parts for each element.
    pub parts: Vec<TemplatePart>,
}

impl TemplateFor {
    /// The name of the key or index, the first of two.
    pub fn key_var(&self) -> Option<Name> {
        for_names(&first_directive(&self.node)?).0
    }

    /// The name of the element.
    pub fn value_var(&self) -> Option<Name> {
        for_names(&first_directive(&self.node)?).1
    }

    /// What is gone through.
    pub fn collection(&self) -> Option<Expr> {
        first_directive(&self.node).and_then(|node| child(&node))
    }

    /// Where it is, from its first `%{` to its last `}`.
    pub fn range(&self) -> (u32, u32) {
        node_range(&self.node)
    }

    /// The node itself.
    pub fn syntax(&self) -> &SyntaxNode {
        &self.node
    }
}

fn first_directive(node: &SyntaxNode) -> Option<SyntaxNode> {
    node.children()
        .find(|node| node.kind() == SyntaxKind::Directive)
}

fn is_literal(kind: SyntaxKind) -> bool {
    matches!(kind, SyntaxKind::Text | SyntaxKind::Escape)
}

/// Whether a `${ … }` or `%{ … }` removes blanks before and after it.
fn strips(node: &SyntaxNode) -> (bool, bool) {
    let left = node
        .first_token()
        .is_some_and(|token| token.text().len() == 3 && token.text().ends_with('~'));
    let right = node.last_token().is_some_and(|token| {
        token.kind() == SyntaxKind::TemplateClose && token.text().starts_with('~')
    });
    (left, right)
}

/// Adds what a token of literal text stands for.
fn push_literal(text: &mut String, token: &SyntaxToken) {
    match token.kind() {
        SyntaxKind::Text => text.push_str(token.text()),
        SyntaxKind::Escape => push_escape(text, token.text()),
        _ => {}
    }
}

/// Decodes an escape; one that is none stays as it is, its error was told.
fn push_escape(text: &mut String, escape: &str) {
    let code = |digits: &str, len: usize| {
        if digits.len() == len {
            u32::from_str_radix(digits, 16)
                .ok()
                .and_then(char::from_u32)
        } else {
            None
        }
    };
    let decoded = match escape {
        "\\n" => Some('\n'),
        "\\r" => Some('\r'),
        "\\t" => Some('\t'),
        "\\\"" => Some('"'),
        "\\\\" => Some('\\'),
        "$${" | "%%{" => {
            text.push_str(&escape[1..]);
            return;
        }
        _ => match (escape.strip_prefix("\\u"), escape.strip_prefix("\\U")) {
            (Some(digits), _) => code(digits, 4),
            (_, Some(digits)) => code(digits, 8),
            _ => None,
        },
    };
    match decoded {
        Some(c) => text.push(c),
        None => text.push_str(escape),
    }
}

/// A template laid out flat, for stripping: pieces of text and what stands between them.
enum Flat {
    Literal(TemplateLiteral),
    Sequence { left: bool, right: bool },
}

/// The parts of a template node; `by_line` where text is cut at line ends, as heredocs are.
fn parts_of(node: &SyntaxNode, by_line: bool, dedent: bool) -> Vec<TemplatePart> {
    let mut flat = Vec::new();
    flatten(node, by_line, &mut flat);
    strip(&mut flat);
    if dedent {
        remove_indentation(&mut flat);
    }
    let stripped = flat.iter().find_map(|piece| match piece {
        Flat::Literal(literal) => Some(literal.clone()),
        Flat::Sequence { .. } => None,
    });
    let mut parts = build_parts(node, &mut flat.into_iter().peekable());
    // Text that was stripped to nothing still makes a text of what is beside it: `" ${~ 1 ~} "` is no number.
    if let ([TemplatePart::Interpolation(_)], Some(stripped)) = (parts.as_slice(), stripped) {
        parts.push(TemplatePart::Literal(stripped));
    }
    parts
}

/// Lists text and sequences in their order. A piece of text ends at a sequence and, with `by_line`, after a line end;
/// stripping works on pieces, as it does in the Go implementation.
fn flatten(node: &SyntaxNode, by_line: bool, flat: &mut Vec<Flat>) {
    let mut continues = false;
    for element in node.children_with_tokens() {
        match element {
            NodeOrToken::Token(token) if is_literal(token.kind()) => {
                let (start, end) = token_range(&token);
                match flat.last_mut() {
                    Some(Flat::Literal(literal)) if continues => {
                        push_literal(&mut literal.text, &token);
                        literal.range.1 = end;
                    }
                    _ => {
                        let mut text = String::new();
                        push_literal(&mut text, &token);
                        flat.push(Flat::Literal(TemplateLiteral {
                            text,
                            range: (start, end),
                        }));
                    }
                }
                continues = !(by_line && token.text().ends_with('\n'));
            }
            NodeOrToken::Token(_) => {}
            NodeOrToken::Node(child) => {
                continues = false;
                match child.kind() {
                    SyntaxKind::TemplateBody => flatten(&child, by_line, flat),
                    SyntaxKind::TemplateIf | SyntaxKind::TemplateFor => {
                        flatten(&child, by_line, flat)
                    }
                    _ => {
                        let (left, right) = strips(&child);
                        flat.push(Flat::Sequence { left, right });
                    }
                }
            }
        }
    }
}

/// Removes blanks beside strip markers, from the piece of text that is directly beside.
fn strip(flat: &mut [Flat]) {
    for index in 0..flat.len() {
        let Flat::Sequence { left, right } = flat[index] else {
            continue;
        };
        if left
            && let Some(Flat::Literal(literal)) =
                index.checked_sub(1).and_then(|before| flat.get_mut(before))
        {
            literal.text.truncate(literal.text.trim_end().len());
        }
        if right && let Some(Flat::Literal(literal)) = flat.get_mut(index + 1) {
            literal
                .text
                .drain(..literal.text.len() - literal.text.trim_start().len());
        }
    }
}

/// Removes the indentation that all lines have in common; lines of blanks only do not count.
fn remove_indentation(flat: &mut [Flat]) {
    let mut least = usize::MAX;
    let mut indented = Vec::new();
    let mut line_start = true;
    for (index, piece) in flat.iter().enumerate() {
        match piece {
            Flat::Literal(literal) => {
                if line_start {
                    let code = literal.text.trim_start();
                    if !(code.is_empty() && literal.text.ends_with('\n')) {
                        least = least.min(
                            literal.text[..literal.text.len() - code.len()]
                                .chars()
                                .count(),
                        );
                        indented.push(index);
                    }
                }
                line_start = literal.text.ends_with('\n');
            }
            Flat::Sequence { .. } => {
                if line_start {
                    least = 0;
                }
                line_start = false;
            }
        }
    }
    for index in indented {
        if let Flat::Literal(literal) = &mut flat[index] {
            let bytes = literal
                .text
                .char_indices()
                .nth(least)
                .map_or(literal.text.len(), |(at, _)| at);
            literal.text.drain(..bytes);
        }
    }
}

/// What is left of a flat template while its tree is built.
type Pieces = std::iter::Peekable<std::vec::IntoIter<Flat>>;

/// Puts the pieces of text back where they came from; neighbours become one part, empty ones none.
fn build_parts(node: &SyntaxNode, flat: &mut Pieces) -> Vec<TemplatePart> {
    let mut parts = Vec::new();
    take_literals(flat, &mut parts);
    for child in node.children() {
        match child.kind() {
            SyntaxKind::Interpolation => {
                flat.next();
                parts.push(TemplatePart::Interpolation(Interpolation(child)));
            }
            SyntaxKind::TemplateIf => parts.push(TemplatePart::If(build_if(child, flat))),
            SyntaxKind::TemplateFor => parts.push(TemplatePart::For(build_for(child, flat))),
            _ => {
                flat.next();
            }
        }
        take_literals(flat, &mut parts);
    }
    parts
}

/// Takes the pieces of text up to the next sequence.
fn take_literals(flat: &mut Pieces, parts: &mut Vec<TemplatePart>) {
    let mut whole: Option<TemplateLiteral> = None;
    while let Some(Flat::Literal(literal)) = flat.next_if(|piece| matches!(piece, Flat::Literal(_)))
    {
        match &mut whole {
            Some(whole) => {
                whole.text.push_str(&literal.text);
                whole.range.1 = literal.range.1;
            }
            None => whole = Some(literal),
        }
    }
    if let Some(whole) = whole.filter(|whole| !whole.text.is_empty()) {
        parts.push(TemplatePart::Literal(whole));
    }
}

fn build_if(node: SyntaxNode, flat: &mut Pieces) -> TemplateIf {
    let mut bodies = build_bodies(&node, flat).into_iter();
    let then_parts = bodies.next().unwrap_or_default();
    TemplateIf {
        node,
        then_parts,
        else_parts: bodies.next(),
    }
}

fn build_for(node: SyntaxNode, flat: &mut Pieces) -> TemplateFor {
    let parts = build_bodies(&node, flat)
        .into_iter()
        .next()
        .unwrap_or_default();
    TemplateFor { node, parts }
}

fn build_bodies(node: &SyntaxNode, flat: &mut Pieces) -> Vec<Vec<TemplatePart>> {
    let mut bodies = Vec::new();
    for child in node.children() {
        if child.kind() == SyntaxKind::TemplateBody {
            bodies.push(build_parts(&child, flat));
        } else {
            flat.next();
        }
    }
    bodies
}
