//! Colours by meaning.
//!
//! In HCL every token that the tree knows more about than a grammar of regular expressions would; in the other languages
//! what keys and strings mean: blocks, components, names, functions and what is deprecated. Strings, numbers and other keys
//! are coloured by their own grammars.

mod keyed;

use std::collections::BTreeSet;
use std::path::Path;

use imgc_compiler::hir::Body;
use imgc_syntax::hcl::{SyntaxKind, SyntaxNode, SyntaxToken};
use rowan::NodeOrToken;

use crate::analysis::{Analysis, Cancellable};
use crate::index::{Entity, Occurrence, Role};
use crate::language::{self, Language};
use crate::template::Template;
use crate::text::TextRange;

/// A word and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SemanticToken {
    /// Where; on one line.
    pub range: TextRange,
    /// What it is.
    pub kind: TokenKind,
    /// More about it.
    pub modifiers: TokenModifiers,
}

/// What a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenKind {
    /// The first word of a block.
    Block,
    /// The type of a component.
    Component,
    /// An option.
    Option,
    /// A word of the language.
    Keyword,
    /// A type of variables.
    Type,
    /// The name of a variable, local, source, data source, build or module.
    Variable,
    /// A name bound by `for`, or `each` and `count`.
    Parameter,
    /// A member of a value.
    Property,
    /// A function.
    Function,
    /// A string.
    String,
    /// A number.
    Number,
    /// `{{ … }}` in a string.
    Macro,
    /// A comment.
    Comment,
    /// An operator.
    Operator,
}

impl TokenKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::Block,
        Self::Component,
        Self::Option,
        Self::Keyword,
        Self::Type,
        Self::Variable,
        Self::Parameter,
        Self::Property,
        Self::Function,
        Self::String,
        Self::Number,
        Self::Macro,
        Self::Comment,
        Self::Operator,
    ];
}

/// More about a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenModifiers {
    /// It is declared here.
    pub declaration: bool,
    /// Its value does not change: locals.
    pub readonly: bool,
    /// Better not used any more.
    pub deprecated: bool,
    /// It belongs to the language or to imgc, not to the template.
    pub default_library: bool,
}

/// The names an expression can begin with.
const ROOTS: &[&str] = &[
    "var", "local", "data", "path", "packer", "source", "build", "module",
];

pub(crate) fn of(
    analysis: &Analysis,
    path: &Path,
    range: Option<TextRange>,
) -> Cancellable<Vec<SemanticToken>> {
    let Some(text) = analysis.text(path) else {
        return Ok(Vec::new());
    };
    let Some((_, language)) = language::role(path, &text) else {
        return Ok(Vec::new());
    };
    let range = range.unwrap_or(TextRange::new(0, text.len() as u32));
    let found = analysis.template_at(path)?;
    let names = match &found {
        Some((template, file)) => template.index().in_file(*file),
        None => &[],
    };
    let mut walk = Walk {
        text: &text,
        range,
        names,
        deprecated: found
            .as_ref()
            .map(|(template, _)| deprecated(template))
            .unwrap_or_default(),
        gives_values: found
            .as_ref()
            .is_some_and(|(template, file)| template.file(*file).gives_values),
        out: Vec::new(),
    };
    match language {
        Language::Hcl => {
            let root = analysis.tree(path, &text).syntax();
            walk.tree(&root, analysis)?;
        }
        _ => walk.names(
            found
                .as_ref()
                .and_then(|(template, file)| template.body(*file)),
        ),
    }
    Ok(walk.out)
}

/// The places of options that are better not used any more.
fn deprecated(template: &Template) -> BTreeSet<TextRange> {
    let problems = template.problems().iter();
    problems
        .filter(|problem| problem.id == "check/deprecated-option")
        .map(|problem| problem.span.into())
        .collect()
}

struct Walk<'a> {
    text: &'a str,
    range: TextRange,
    names: &'a [Occurrence],
    deprecated: BTreeSet<TextRange>,
    gives_values: bool,
    out: Vec<SemanticToken>,
}

impl Walk<'_> {
    fn tree(&mut self, root: &SyntaxNode, analysis: &Analysis) -> Cancellable<()> {
        let mut walk = root.preorder_with_tokens();
        while let Some(event) = walk.next() {
            let rowan::WalkEvent::Enter(element) = event else {
                continue;
            };
            let range = element.text_range();
            let range = TextRange::new(range.start().into(), range.end().into());
            if !range.meets(self.range) {
                walk.skip_subtree();
                continue;
            }
            match element {
                NodeOrToken::Node(node) => {
                    if node.kind() == SyntaxKind::Block {
                        analysis.check()?;
                    }
                }
                NodeOrToken::Token(token) => self.token(&token, range),
            }
        }
        Ok(())
    }

    fn add(&mut self, range: TextRange, kind: TokenKind, modifiers: TokenModifiers) {
        // A name with escapes consists of several tokens, of which the first stands for all.
        let last = self.out.last().map_or(0, |last| last.range.end);
        let range = TextRange::new(range.start.max(last), range.end);
        // A token stands on one line; what is longer is cut.
        let mut start = range.start;
        for line in range.of(self.text).split_inclusive('\n') {
            let end = start + line.trim_end_matches(['\r', '\n']).len() as u32;
            if end > start {
                self.out.push(SemanticToken {
                    range: TextRange::new(start, end),
                    kind,
                    modifiers,
                });
            }
            start += line.len() as u32;
        }
    }

    fn token(&mut self, token: &SyntaxToken, range: TextRange) {
        let plain = TokenModifiers::default();
        let kind = match token.kind() {
            SyntaxKind::LineComment | SyntaxKind::BlockComment => TokenKind::Comment,
            SyntaxKind::Number => TokenKind::Number,
            SyntaxKind::Ident => return self.ident(token, range),
            SyntaxKind::QuoteOpen
            | SyntaxKind::QuoteClose
            | SyntaxKind::HeredocOpen
            | SyntaxKind::HeredocEnd => match is_label(token) {
                true => return,
                false => TokenKind::String,
            },
            SyntaxKind::Escape => TokenKind::String,
            SyntaxKind::Text => return self.string(token, range),
            kind if is_operator(kind) => TokenKind::Operator,
            _ => return,
        };
        self.add(range, kind, plain);
    }

    fn name_at(&self, range: TextRange) -> Option<&Occurrence> {
        let at = self
            .names
            .partition_point(|found| found.span.start < range.start);
        let found = self.names.get(at)?;
        (found.span.start < range.end).then_some(found)
    }

    fn ident(&mut self, token: &SyntaxToken, range: TextRange) {
        if let Some(found) = self
            .name_at(range)
            .filter(|found| range.covers(found.span.into()))
        {
            let (kind, modifiers) = of_occurrence(found);
            return self.add(range, kind, modifiers);
        }
        let library = TokenModifiers {
            default_library: true,
            ..TokenModifiers::default()
        };
        let Some(parent) = token.parent() else {
            return;
        };
        let plain = TokenModifiers::default();
        let word = token.text();
        let (kind, modifiers) = match parent.kind() {
            SyntaxKind::Block => (TokenKind::Block, library),
            SyntaxKind::Label => (TokenKind::Component, plain),
            SyntaxKind::Attribute if self.gives_values => (TokenKind::Variable, plain),
            SyntaxKind::Attribute => {
                let deprecated = self.deprecated.contains(&range);
                let modifiers = TokenModifiers {
                    deprecated,
                    ..plain
                };
                (TokenKind::Option, modifiers)
            }
            SyntaxKind::FunctionName if is_in_type(&parent) => (TokenKind::Type, library),
            SyntaxKind::FunctionName => (TokenKind::Function, library),
            SyntaxKind::Literal => (TokenKind::Keyword, library),
            SyntaxKind::ForIntro | SyntaxKind::ForCond | SyntaxKind::Directive => match word {
                "for" | "in" | "if" | "else" | "endif" | "endfor" => (TokenKind::Keyword, library),
                _ => (TokenKind::Parameter, plain),
            },
            SyntaxKind::Variable if is_in_type(&parent) => (TokenKind::Type, library),
            SyntaxKind::Variable if is_key(&parent) => (TokenKind::Property, plain),
            SyntaxKind::Variable if ROOTS.contains(&word) => (TokenKind::Keyword, library),
            SyntaxKind::Variable => (TokenKind::Parameter, plain),
            SyntaxKind::GetAttr | SyntaxKind::ObjectItem => (TokenKind::Property, plain),
            _ => return,
        };
        self.add(range, kind, modifiers);
    }

    /// Characters of a string: names in them, and `{{ … }}`.
    fn string(&mut self, token: &SyntaxToken, range: TextRange) {
        if is_label(token) {
            return self.label(token, range);
        }
        let mut parts: Vec<(TextRange, TokenKind, TokenModifiers)> = Vec::new();
        let first = self
            .names
            .partition_point(|found| found.span.start < range.start);
        for found in &self.names[first..] {
            if found.span.start >= range.end {
                break;
            }
            if range.covers(found.span.into()) {
                let (kind, modifiers) = of_occurrence(found);
                parts.push((found.span.into(), kind, modifiers));
            }
        }
        let text = token.text();
        let mut at = 0;
        while let Some(open) = text[at..].find("{{") {
            let start = at + open;
            let Some(len) = text[start..].find("}}") else {
                break;
            };
            let end = start + len + 2;
            let place = TextRange::new(range.start + start as u32, range.start + end as u32);
            parts.push((place, TokenKind::Macro, TokenModifiers::default()));
            at = end;
        }
        parts.sort_by_key(|(range, ..)| *range);
        let mut start = range.start;
        for (part, kind, modifiers) in parts {
            if part.start < start {
                continue;
            }
            self.add(
                TextRange::new(start, part.start),
                TokenKind::String,
                TokenModifiers::default(),
            );
            self.add(part, kind, modifiers);
            start = part.end;
        }
        self.add(
            TextRange::new(start, range.end),
            TokenKind::String,
            TokenModifiers::default(),
        );
    }

    fn label(&mut self, token: &SyntaxToken, range: TextRange) {
        let found = self.name_at(range);
        let (range, kind, modifiers) = match found {
            Some(found) => {
                let (kind, modifiers) = of_occurrence(found);
                let span = TextRange::from(found.span);
                // `source.TYPE.NAME`: what stands before the name is its type.
                if span.start > range.start {
                    let before = TextRange::new(range.start, span.start);
                    self.add(before, TokenKind::Component, TokenModifiers::default());
                }
                (span, kind, modifiers)
            }
            None => {
                let is_component = token
                    .parent_ancestors()
                    .find(|node| node.kind() == SyntaxKind::Label)
                    .is_some_and(|label| label.prev_sibling().is_none());
                let kind = match is_component {
                    true => TokenKind::Component,
                    false => TokenKind::Variable,
                };
                (range, kind, TokenModifiers::default())
            }
        };
        self.add(range, kind, modifiers);
    }

    /// In JSON and TOML: what the tokens of the language do not say, being keys and strings.
    fn names(&mut self, body: Option<&Body>) {
        let mut found: Vec<(TextRange, TokenKind, TokenModifiers)> = Vec::new();
        for name in self.names {
            let (kind, modifiers) = of_occurrence(name);
            let range = TextRange::from(name.span);
            // What is only meant has the span of something larger.
            if range.of(self.text) == name.key.entity.name().as_str() {
                found.push((range, kind, modifiers));
            }
        }
        if let Some(body) = body {
            keyed::body(body, self.text, &mut found);
        }
        for place in &self.deprecated {
            let modifiers = TokenModifiers {
                deprecated: true,
                ..TokenModifiers::default()
            };
            found.push((*place, TokenKind::Option, modifiers));
        }
        found.retain(|(range, ..)| range.meets(self.range));
        // Of those that lie in each other, the names come first.
        found.sort_by_key(|(range, ..)| range.start);
        for (range, kind, modifiers) in found {
            let last = self.out.last().map_or(0, |last| last.range.end);
            if last <= range.start {
                self.add(range, kind, modifiers);
            }
        }
    }
}

fn of_occurrence(found: &Occurrence) -> (TokenKind, TokenModifiers) {
    let modifiers = TokenModifiers {
        declaration: found.role == Role::Declaration,
        readonly: matches!(found.key.entity, Entity::Local(_)),
        ..TokenModifiers::default()
    };
    (TokenKind::Variable, modifiers)
}

fn is_label(token: &SyntaxToken) -> bool {
    let around = token.parent_ancestors().take(2);
    around
        .into_iter()
        .any(|node| node.kind() == SyntaxKind::Label)
}

/// Whether a node is a part of a variable's `type`.
fn is_in_type(node: &SyntaxNode) -> bool {
    let attribute = node
        .ancestors()
        .find(|node| node.kind() == SyntaxKind::Attribute);
    let Some(attribute) = attribute else {
        return false;
    };
    let is_type = attribute
        .first_token()
        .is_some_and(|token| token.text() == "type");
    let block = attribute.parent().and_then(|body| body.parent());
    is_type
        && block
            .and_then(|block| block.first_token())
            .is_some_and(|token| token.text() == "variable")
}

/// Whether a name is the key of an entry.
fn is_key(node: &SyntaxNode) -> bool {
    node.parent().is_some_and(|item| {
        item.kind() == SyntaxKind::ObjectItem && item.first_child().as_ref() == Some(node)
    })
}

fn is_operator(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        SyntaxKind::EqEq
            | SyntaxKind::NotEq
            | SyntaxKind::Lt
            | SyntaxKind::LtEq
            | SyntaxKind::Gt
            | SyntaxKind::GtEq
            | SyntaxKind::Plus
            | SyntaxKind::Minus
            | SyntaxKind::Star
            | SyntaxKind::Slash
            | SyntaxKind::Percent
            | SyntaxKind::AndAnd
            | SyntaxKind::OrOr
            | SyntaxKind::Bang
            | SyntaxKind::Question
            | SyntaxKind::Colon
            | SyntaxKind::Ellipsis
            | SyntaxKind::FatArrow
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::fixture::{Seen, fixture};

    #[test]
    fn words_have_meanings() {
        let mut seen = Seen::default();
        let cases = [
            "# c\nvariable \"x\" {\n  type    = list(string)\n  default = [\"a\"]\n}\nlocals {\n  y = [for e in var.x : upper(e) if e != null]\n}\n",
            "source \"null\" \"s\" {\n  ssh_host = \"a-${local.y}\"\n}\nbuild {\n  sources = [\"source.null.s\"]\n  provisioner \"shell\" {\n    execute_command = \"{{ .Vars }} sh {{ .Path }}\"\n    inline = [<<EOT\na\nb\nEOT\n    ]\n  }\n}\n",
            "//- a.imgc.toml\n[variable.x]\ntype = \"string\"\n[locals]\ny = \"a-${upper(var.x)}\"\n[source.null.s]\nssh_host = \"${local.y}\"\n[[build]]\nsources = [\"source.null.s\"]\n[[build.provisioner]]\ntype = \"shell\"\nonly = [\"null.s\"]\n",
            "//- a.pkr.json\n{\"variable\": {\"x\": {\"type\": \"string\"}}, \"source\": {\"null\": {\"s\": {\"ssh_host\": \"${upper(var.x)}\"}}}, \"build\": {\"sources\": [\"null.s\"], \"provisioner\": {\"shell\": {\"inline\": [\"x\"]}}}}",
            "//- a.json\n{\"variables\": {\"v\": \"1\"}, \"builders\": [{\"type\": \"null\", \"ssh_host\": \"{{user `v`}}\"}]}",
        ];
        for case in cases {
            let f = fixture(case);
            let text = f.analysis.text(&f.path).unwrap();
            let tokens = f.analysis.semantic_tokens(&f.path, None).unwrap();
            let mut last = 0;
            let shown = tokens.iter().map(|token| {
                assert!(token.range.start >= last, "tokens overlap at {last}");
                last = token.range.end;
                assert!(!token.range.of(&text).contains('\n'));
                let more = if token.modifiers.declaration { "!" } else { "" };
                format!("{}:{:?}{more}", token.range.of(&text), token.kind)
            });
            seen.add(case, &shown.collect::<Vec<_>>().join(" "));
        }
        seen.check("words_have_meanings");
    }
}
